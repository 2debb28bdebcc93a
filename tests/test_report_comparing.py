"""Comparisons of methods, what they can show, and costs of models: closed forms and invariants."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from gcaf_lib.evaluation import comparing, significance


def method(right, seeds=(0,), n=40, classes=4, flip=0):
    """A method with `right` images right of n, the same on every seed but for `flip` more right per seed."""
    labels = np.arange(n) % classes
    out = {}
    for k, seed in enumerate(seeds):
        answer = labels.copy()
        answer[right + k * flip :] = (answer[right + k * flip :] + 1) % classes
        probs = np.full((n, classes), 0.1 / (classes - 1))
        probs[np.arange(n), answer] = 0.9
        out[seed] = comparing.Run(np.arange(n) + 5, labels, probs)
    return out


def test_one_run_each_gives_image_tests_and_no_t():
    found = comparing.compare(method(36), method(30), n=199)
    assert found["seeds"] == 1 and found["images"] == 40 and found["seed"] == 0
    assert (found["only_first"], found["only_second"]) == (6, 0)
    assert found["difference"] == pytest.approx(6 / 40)
    assert found["mcnemar_p"] == pytest.approx(2 * 0.5**6 - 0.5**6)
    assert found["permutation_p"] == pytest.approx(2 * 0.5**6)  # six swaps, enumerated
    assert np.isnan(found["t_p"]) and np.isnan(found["corrected_p"]) and np.isnan(found["sd"])


def test_no_common_seed_is_an_empty_row():
    found = comparing.compare(method(36, (0,)), method(30, (1,)))
    assert found["seeds"] == 0 and np.isnan(found["difference"]) and np.isnan(found["mcnemar_p"])
    assert comparing.compare({}, {}).keys() == comparing.compare(method(9), method(8), n=9).keys()


def test_t_over_seeds_is_scipys_and_the_correction_widens_it():
    first, second = method(33, (0, 1, 2), flip=1), method(29, (0, 1, 2), flip=2)
    found = comparing.compare(first, second, test_to_train=0.125, n=99)
    a, b = ([m[s].right.mean() for s in range(3)] for m in (first, second))
    plain = stats.ttest_rel(a, b)
    assert found["t_p"] == pytest.approx(plain.pvalue)
    assert found["t_low"] == pytest.approx(plain.confidence_interval().low)
    assert found["corrected_p"] > found["t_p"] and found["corrected_low"] < found["t_low"]
    assert found["sd"] == pytest.approx(np.std(np.subtract(a, b), ddof=1))


def test_sides_swap_the_sign_and_keep_every_p():
    first, second = method(35, (0, 1), flip=1), method(31, (0, 1))
    one, two = comparing.compare(first, second, n=99), comparing.compare(second, first, n=99)
    assert one["difference"] == -two["difference"] and one["only_first"] == two["only_second"]
    for test in comparing.TESTS:
        assert one[f"{test}_p"] == pytest.approx(two[f"{test}_p"])


def test_groups_are_swapped_whole():
    # the six images that differ belong to two patients: two swaps are all there is
    groups = np.repeat(np.arange(100), 3)
    alone = comparing.compare(method(36), method(30), n=999)["permutation_p"]
    together = comparing.compare(method(36), method(30), groups=groups, n=999)["permutation_p"]
    rows = np.arange(40)[30:36] + 5
    assert len(set(groups[rows])) == 3 and together == pytest.approx(2 * 0.5**3) and alone < together


def test_other_test_images_are_refused():
    other = {0: method(30)[0]._replace(rows=np.arange(40))}
    with pytest.raises(ValueError, match="different test images"):
        comparing.compare(method(36), other)


def test_a_table_is_adjusted_over_its_known_rows():
    rivals = {"a": method(30), "b": method(33), "c": {}}
    frame = comparing.table(method(36), rivals, n=99)
    assert list(frame["row"]) == ["a", "b", "c"]
    adjusted = significance.holm(frame["mcnemar_p"][:2])
    assert frame["mcnemar_holm"].to_numpy()[:2] == pytest.approx(adjusted)
    assert (frame["difference"][:2] < 0).all()  # row minus the reference
    assert np.isnan(frame["mcnemar_holm"][2]) and frame["t_holm"].isna().all()


def test_equal_methods_never_differ():
    same = method(36, (0, 1))
    found = comparing.compare(same, same, n=9)
    assert found["difference"] == 0 and found["mcnemar_p"] == found["permutation_p"] == found["t_p"] == 1
    assert (comparing.aucs(same[0], same[0])["p"] == 1).all()


def test_delong_of_each_class():
    first, second = method(36)[0], method(24)[0]
    found = comparing.aucs(first, second)
    assert (found["first"] >= found["second"]).all() and len(found) == 4
    direct = significance.delong(first.labels == 2, first.probs[:, 2], second.probs[:, 2])
    assert found["p"][2] == pytest.approx(direct.p)


def test_pooled_sd_and_its_interval():
    assert comparing.pooled_sd([3.0, 4.0, np.nan], [3, 3, 1]) == (pytest.approx(np.sqrt(12.5)), 4)
    assert comparing.pooled_sd([np.nan], [1])[1] == 0
    low, high = comparing.sd_interval(1.0, 2)
    # n = 3: the factors of every table of statistics, 0.521 and 6.285
    assert low == pytest.approx(0.5207, abs=1e-4) and high == pytest.approx(6.2847, abs=1e-4)


@pytest.mark.parametrize("runs", [2, 3, 5, 10])
def test_largest_sd_is_where_the_t_test_turns(runs):
    sd = comparing.largest_sd(0.01, runs)
    d = np.linspace(-1, 1, runs)
    d = 0.01 + (d - d.mean()) / d.std(ddof=1) * sd
    assert significance.paired_t(d, np.zeros(runs)).p == pytest.approx(0.05)
    assert comparing.runs_needed(0.01, sd * 0.999) == runs
    assert comparing.runs_needed(0.01, sd * 1.001) > runs


def test_no_number_of_runs_beats_one_small_test_set():
    limit = 1.96 * np.sqrt(0.125)
    assert comparing.runs_needed(1.0, 0.9 / limit, 0.125) is not None
    assert comparing.runs_needed(1.0, 1.1 / limit, 0.125) is None
    with pytest.raises(ValueError, match="two pairs"):
        comparing.largest_sd(0.1, 1)


def test_power_is_a_number_that_rises_even_far_out():
    for runs in (2, 3, 5, 10):
        found = significance.power(np.linspace(0, 50, 400), 1.0, runs)
        assert found[0] == pytest.approx(0.05) and (np.diff(found) >= -1e-9).all() and found[-1] > 0.99


def test_mid_p_from_counts():
    assert comparing.mid_p(5, 0) == pytest.approx(2 * 0.5**5 - 0.5**5)
    assert comparing.mid_p(0, 0) == 1 and comparing.mid_p(3, 7) == comparing.mid_p(7, 3)


def test_overlap_of_errors_decides_what_a_gap_is_worth():
    worst, independent, best = comparing.separable(673, 666, 703)
    assert worst > independent > best == pytest.approx(comparing.mid_p(7, 0))
    assert worst == pytest.approx(comparing.mid_p(37, 30))
    # against a method without errors nothing is open
    assert len(set(comparing.separable(703, 690, 703))) == 1
    assert comparing.common_errors(30, 37, 703) == (0, 2, 30)
    assert comparing.common_errors(600, 300, 703)[0] == 197


def test_smallest_gap():
    for share in (None, 0.0, 0.5, 1.0):
        gap = comparing.smallest_gap(673, 703, share)
        for images, significant in ((gap, True), (gap - 1, False)):
            both = round(30 * (30 + images) / 703) if share is None else round(30 * share)
            assert (comparing.mid_p(30 + images - both, 30 - both) < 0.05) == significant
    assert comparing.smallest_gap(673, 703, 1.0) == 5  # 2 · 2⁻⁵ − 2⁻⁵ = 0.031
    assert comparing.smallest_gap(1, 2, 0.0) is None


def test_overlap_counts_the_first_methods_errors():
    assert comparing.overlap(method(36), method(30)) == 1
    assert comparing.overlap(method(30), method(36)) == pytest.approx(0.4)
    assert np.isnan(comparing.overlap(method(40), method(36)))
    assert isinstance(comparing.table(method(36), {"a": method(30)}, n=9), pd.DataFrame)

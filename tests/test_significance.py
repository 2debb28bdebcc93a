"""Intervals and tests against published values, closed forms, brute force and second libraries."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse, stats
from sklearn.metrics import roc_auc_score
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar
from statsmodels.stats.proportion import confint_proportions_2indep

from gcaf_lib.evaluation import bootstrap, clustered, intervals, metrics, weighted

IMAGES = intervals.IMAGES


def sample(n=120, k=4, seed=0, skill=1.5):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, k, n)
    z = np.exp(rng.normal(size=(n, k)) + skill * np.eye(k)[labels])
    return labels, z / z.sum(1, keepdims=True)


def test_wilson_of_the_papers_accuracy():
    value, low, high = intervals.wilson(673, 703)
    assert value == pytest.approx(0.9573, abs=5e-5) and (round(low, 3), round(high, 3)) == (0.940, 0.970)
    # Newcombe 1998, Table I: 81 of 263 gives 0.2553 to 0.3662
    assert np.round(intervals.wilson(81, 263)[1:], 4).tolist() == [0.2553, 0.3662]
    with pytest.raises(ValueError, match="no proportion"):
        intervals.wilson(4, 3)


@pytest.mark.parametrize(
    "name", ["macro_auc", "micro_auc", "auc_1", "macro_ap", "micro_ap", "accuracy", "ece"]
)
def test_a_metric_of_groups_is_that_of_their_samples(name):
    """Also of equal scores, of weights within a group, and where a class, or anything at all, was not drawn."""
    rng = np.random.default_rng(0)
    labels, probs = rng.integers(0, 4, 120), np.round(rng.dirichlet(np.ones(4), 120), 1) + 0.01
    probs /= probs.sum(1, keepdims=True)
    drawn = sparse.csr_array((rng.random(120), (np.arange(120), rng.integers(0, 15, 120))), (120, 15))
    times = rng.multinomial(15, np.full(15, 1 / 15), 200).astype(float)
    times[0], times[1] = 0, np.eye(15)[3] * 5
    metric = weighted.metric(name, labels, probs, [str(k) for k in range(4)])
    with np.errstate(invalid="ignore"):
        of_groups, of_samples = bootstrap._of_groups(metric, drawn)(times), metric(times @ drawn.T)
    np.testing.assert_allclose(of_groups, of_samples, rtol=1e-12)
    assert np.isnan(of_groups[0]) and np.isfinite(of_groups[2:]).all()


def test_weighted_metrics_are_those_of_the_drawn_samples():
    labels, probs = sample(50)
    probs = np.round(probs, 1) + 1e-9  # ties
    probs /= probs.sum(1, keepdims=True)
    times = clustered.weights(np.random.default_rng(1).choice(list("abcdefghijk"), 50), n=8, seed=4)
    drawn = [np.repeat(np.arange(50), t) for t in [*times, np.ones(50, int)]]
    slow = pd.DataFrame([metrics.summary(labels[rows], probs[rows]) for rows in drawn])
    assert slow["mcc"].notna().all()
    for name in slow:
        fast = weighted.metric(name, labels, probs)(np.vstack([times, np.ones(50)]))
        assert np.allclose(fast, slow[name], equal_nan=True), name


def whole(name, labels, probs, classes=None):
    return float(weighted.metric(name, labels, probs, classes)(np.ones((1, len(labels))))[0])


def test_absent_classes_and_single_classes_as_in_summary():
    labels, probs = sample(30)
    labels = labels % 2  # classes 2 and 3 never occur, but are said
    for y, p in ((labels, probs), (np.zeros(4, int), np.eye(4)[[0] * 4] * 0.9 + 0.025)):
        for name, value in metrics.summary(y, p).items():
            assert whole(name, y, p) == pytest.approx(value, nan_ok=True), name


def test_three_classes_by_name():
    labels, probs = sample(60, k=3)
    found = whole("recall_pituitary", labels, probs, ("a", "b", "pituitary"))
    assert found == pytest.approx(metrics.summary(labels, probs)["recall_2"])
    with pytest.raises(ValueError, match="give one of accuracy"):
        whole("acuracy", labels, probs)


def test_bootstrap_has_the_binomial_spread_and_clusters_widen_it():
    labels, probs = sample(400)
    right = (probs.argmax(1) == labels).astype(float)
    each = np.arange(400)
    spread = clustered.mean_draws(right, each, 4000).std()
    assert spread == pytest.approx(np.sqrt(right.mean() * (1 - right.mean()) / 400), rel=0.06)
    # every sample four times, in groups of four: the interval is that of the single samples
    four = np.tile(right, 4)
    assert clustered.mean_draws(four, np.tile(each, 4), 4000).std() == pytest.approx(spread, rel=0.06)
    assert clustered.mean_draws(four, np.arange(1600), 4000).std() == pytest.approx(spread / 2, rel=0.06)
    one = clustered.mean(right, each, 200, seed=7)
    assert one == clustered.mean(right, each, 200, seed=7) != clustered.mean(right, each, 200, seed=8)


def test_samples_need_their_groups():
    labels, _ = sample()
    with pytest.raises(ValueError, match=r"patient group of each sample, or intervals\.IMAGES"):
        intervals.cluster_permutation(labels, labels)
    with pytest.raises(ValueError, match="groups for 120"):
        intervals.cluster_permutation(labels, labels, [1, 2])


def test_the_difference_of_two_intervals():
    """MOVER: exact for normal estimates, Newcombe's interval for two proportions, and each end moves with the ends it is made of."""
    Interval = intervals.Interval
    normal = intervals.minus(Interval(5, 2, 8), Interval(1, -3, 5))
    assert normal == (4, -1, 9)  # 3, 4, 5
    one, other = intervals.wilson(56, 70), intervals.wilson(48, 80)
    low, high = confint_proportions_2indep(56, 70, 48, 80, method="newcomb", compare="diff")
    assert intervals.minus(one, other) == pytest.approx((0.2, low, high))
    assert (round(low, 4), round(high, 4)) == (0.0524, 0.3339)  # Newcombe (1998), example a, method 10
    wider = intervals.minus(Interval(5, 2, 9), Interval(1, -3, 5))
    assert wider.low == normal.low and wider.high == pytest.approx(4 + 32**0.5)


@pytest.mark.parametrize("size", [2, 5, 9, 13])
def test_cluster_permutation_is_scipys_where_all_swaps_are_tried(size):
    rng = np.random.default_rng(size)
    gaps = rng.integers(1, 4, size) * rng.choice([-1.0, 1.0], size)
    theirs = stats.permutation_test(
        (gaps,), lambda x, axis: x.sum(axis), permutation_type="samples", vectorized=True
    )
    assert intervals.cluster_permutation(gaps, 0 * gaps, IMAGES).p == pytest.approx(theirs.pvalue)


def test_a_p_near_the_limit_is_not_a_matter_of_the_draw():
    """Of 56 samples that tell, 36 for one: the exact p is the binomial's. By 9,999 draws a p came out as 0.047 and as 0.059."""
    first, second = np.repeat([1.0, 0.0], [36, 20]), np.repeat([0.0, 1.0], [36, 20])
    exact = stats.binomtest(36, 56).pvalue
    for seed in range(6):
        p = intervals.cluster_permutation(first, second, IMAGES, seed=seed).p
        assert p == pytest.approx(exact, abs=0.002)


def test_t_tests():
    rng = np.random.default_rng(0)
    a, b = rng.normal(0.95, 0.01, 5), rng.normal(0.94, 0.01, 5)
    scipy = stats.ttest_rel(a, b)
    ours = intervals.nadeau_bengio(a, b, 0)
    assert (ours.statistic, ours.p) == pytest.approx((scipy.statistic, scipy.pvalue)) and ours.n == 5
    assert ours[3:5] == pytest.approx(tuple(scipy.confidence_interval()))
    corrected = intervals.nadeau_bengio(a, b, 703 / 5618)
    assert corrected.statistic == pytest.approx(ours.statistic / np.sqrt(1 + 5 * 703 / 5618))
    assert corrected.p > ours.p
    assert intervals.nadeau_bengio([1, 2], [1, 2], 0).p == 1
    rounded = intervals.nadeau_bengio([0.3] * 3, [0.1 + 0.2] * 3, 0.1)  # the same but for rounding
    assert (rounded.difference, rounded.p, rounded.low, rounded.high) == (0, 1, 0, 0)
    same = intervals.nadeau_bengio([2, 3, 4], [1, 2, 3], 0)  # no spread: no test, and no significance
    assert same.difference == 1 and np.isnan([same.p, same.low, same.high]).all()
    percent = intervals.nadeau_bengio(
        [95.3, 94.4, 93.8], [95.0, 94.1, 93.5], 0
    )  # nor where it is rounding alone
    assert percent.difference == pytest.approx(0.3) and np.isnan([percent.p, percent.low, percent.high]).all()
    with pytest.raises(ValueError, match="two pairs"):
        intervals.nadeau_bengio([1], [2], 0)
    for ratio in (-0.5, np.nan, np.inf):
        with pytest.raises(ValueError, match="test_to_train"):
            intervals.nadeau_bengio(a, b, ratio)


def test_mcnemar_against_published_values():
    # Fagerland et al. 2013, airway hyper-responsiveness (1, 1; 7, 12): exact 0.070, mid-p 0.039
    first = np.array([1] + [1] + [0] * 7 + [0] * 12, bool)
    second = np.array([1] + [0] + [1] * 7 + [0] * 12, bool)
    got = intervals.mcnemar(first, second)
    assert (got.only_first, got.only_second) == (1, 7)
    assert (round(got.exact, 3), round(got.p, 3)) == (0.070, 0.039)
    assert got.exact == pytest.approx(statsmodels_mcnemar([[1, 1], [7, 12]], exact=True).pvalue)
    assert intervals.mcnemar(first, first).p == 1
    with pytest.raises(ValueError, match="same samples"):
        intervals.mcnemar(first, second[:3])


@given(st.integers(0, 30), st.integers(0, 30))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_mcnemars_mid_p_is_the_two_sided_mid_p(b, c):
    first = np.r_[np.ones(b), np.zeros(c)].astype(bool)
    got = intervals.mcnemar(first, ~first)
    mass = stats.binom.pmf(np.arange(b + c + 1), b + c, 0.5)
    lower = min(mass[:b].sum(), mass[b + 1 :].sum()) + mass[b] / 2  # half of the value seen, in each tail
    assert got.p == pytest.approx(min(1, 2 * lower) if b != c else (1 - mass[b] / 2 if b else 1))
    assert 0 < got.p <= got.exact <= 1


def test_delong_against_brute_force():
    rng = np.random.default_rng(2)
    truth = rng.random(70) < 0.4
    scores = np.round(rng.normal(size=(3, 70)) + [[1.0], [0.6], [0.1]] * truth, 1)  # with ties
    got = intervals.delong(truth, *scores)
    kernel = np.sign(scores[:, truth, None] - scores[:, None, ~truth]) / 2 + 0.5
    v10, v01 = kernel.mean(2), kernel.mean(1)
    assert np.allclose(got.auc, [roc_auc_score(truth, s) for s in scores])
    assert np.allclose(got.covariance, np.cov(v10) / truth.sum() + np.cov(v01) / (~truth).sum())
    gap = np.array([1, -1, 0])
    assert got.z == pytest.approx((got.auc[0] - got.auc[1]) / np.sqrt(gap @ got.covariance @ gap))
    assert intervals.delong(truth, scores[0], scores[0])[2:] == (0, 1)
    apart = intervals.delong(truth, truth, np.zeros(70))  # AUCs 1 and 0.5 without variance: no test
    assert apart.auc.tolist() == [1, 0.5] and not apart.covariance.any() and np.isnan(apart[2:]).all()
    single = intervals.delong(truth, scores[0])
    assert single.covariance.shape == (1, 1) and np.isnan(single.p)
    with pytest.raises(ValueError, match="two of each"):
        intervals.delong([1, 0, 0], [1, 2, 3])


def test_cluster_permutation_is_exact_where_it_can_be():
    # 6 groups that all favour the first model: 2 of 64 sign patterns are as extreme
    groups = np.repeat(np.arange(6), 5)
    got = intervals.cluster_permutation(np.ones(30), np.zeros(30), groups)
    assert got.p == pytest.approx(2 / 64) and got.difference == 1 and got.n == 6
    assert intervals.cluster_permutation(np.ones(30), np.zeros(30), IMAGES).p < 0.001  # wrongly independent
    assert intervals.cluster_permutation(np.ones(4), np.ones(4), IMAGES).p == 1
    # one group alone differs: swapped or not, the difference is as large
    one = intervals.cluster_permutation([1, 1, 0, 1], [0, 0, 0, 1], ["a", "a", "b", "c"])
    assert one[:3] == (0.5, 0.5, 1.0) and np.isnan(one[3:5]).all() and one.n == 3
    # on independent right/wrong samples it is McNemar's exact test
    first, second = np.array([1] * 3 + [0] * 9), np.array([0] * 3 + [1] * 9)
    exact = intervals.mcnemar(first, second).exact
    assert intervals.cluster_permutation(first, second, IMAGES).p == pytest.approx(exact)


@pytest.mark.parametrize(
    ("first", "second", "groups"),
    [
        (
            [0.2, 0.4, 0] * 10,
            [0, 0, 0.6] * 10,
            np.repeat(range(10), 3),
        ),  # every group's sum is 1.1e-16, not 0
        ([0.1, 0.2, 0, 0.1, 0.2, 0], [0, 0, 0.3, 0, 0, 0.3], IMAGES),  # the sum of all is, and swaps are less
        (0.7 * np.array([-2 / 3, -1 / 5, 1 / 2, 1 / 5, 1 / 6]), np.zeros(5), IMAGES),
    ],
)
def test_what_is_equal_but_for_rounding_is_equal(first, second, groups):
    assert intervals.cluster_permutation(first, second, groups).p == 1


@pytest.mark.parametrize("missing", [None, np.nan])
def test_samples_without_a_name_of_their_group_are_one_group(missing):
    first, second = [1, 1, 1, 0, 1, 1], [0, 0, 0, 0, 0, 0]
    named, nameless = (
        intervals.cluster_permutation(first, second, np.array(["a", "b", "b", "c", one, one], object))
        for one in ("d", missing)
    )
    assert nameless[:3] == named[:3] == (5 / 6, 5 / 6, 2 / 8) and nameless.n == named.n == 4


def test_holm():
    assert intervals.holm([0.01, 0.04, np.nan, 0.03, 0.005])[[0, 1, 3, 4]] == pytest.approx(
        [0.03, 0.06, 0.06, 0.02]
    )
    assert np.isnan(intervals.holm([np.nan])).all()


def test_power_is_the_noncentral_t():
    d, sd, n = 0.01, 0.008, 5
    cut, shift = stats.t.ppf(0.975, n - 1), d / sd * np.sqrt(n)
    exact = stats.nct.sf(cut, n - 1, shift) + stats.nct.cdf(-cut, n - 1, shift)
    assert intervals.power([d, -d], sd, n) == pytest.approx([exact, exact])
    least = intervals.detectable_by_t_test(sd, n)
    assert intervals.power(least, sd, n)[0] == pytest.approx(0.8, abs=1e-6)
    assert intervals.detectable_by_t_test(sd, 10) < least
    for none in (0.04, 0.05, 1.0, np.nan):
        with pytest.raises(ValueError, match="between alpha"):
            intervals.detectable_by_t_test(1.0, 5, power=none)
    with pytest.raises(ValueError, match="at least 0"):
        intervals.detectable_by_t_test(-1, 3)
    with pytest.raises(ValueError, match="two pairs of runs, not 1"):
        intervals.detectable_by_t_test(0.01, 1)


def test_power_without_any_spread_is_the_limit_of_a_small_one():
    small, none = (intervals.power([0.1, 0, np.nan], sd, 3, alpha=0.05) for sd in (1e-5, 0.0))
    assert none == pytest.approx([1, 0.05, np.nan], nan_ok=True) and none == pytest.approx(small, nan_ok=True)
    with pytest.raises(ValueError, match="at least 0"):
        intervals.power([0.1], -1.0, 3)
    with pytest.raises(ValueError, match="two pairs of runs, not 1"):
        intervals.power([0.1], 1.0, 1)
    with pytest.raises(ValueError, match="sd=nan"):
        intervals.detectable_by_t_test(np.nan, 3)


def test_what_an_interval_could_have_shown_is_found_so_often():
    """Estimates that scatter normally, each with its 95% interval: four in five exclude 0 at that true difference."""
    sd = 0.01
    least = float(intervals.detectable_by_interval(-1.96 * sd, 1.96 * sd, sd))
    assert least == pytest.approx((1.96 + 0.8416) * sd, rel=1e-4)
    drawn = np.random.default_rng(0).normal(least, sd, 20_000)
    assert (np.abs(drawn) > 1.96 * sd).mean() == pytest.approx(0.8, abs=0.01)
    ends = np.array([0.0, 0.1]), np.array([0.0, 0.2])
    assert intervals.detectable_by_interval(*ends, np.array([0, 0.05 / 1.96])).tolist() == pytest.approx(
        [0, 0.0715], rel=1e-3
    )
    assert intervals.detectable_by_interval(-1, 1, 0.5, power=0.9) > intervals.detectable_by_interval(
        -1, 1, 0.5
    )
    assert (
        np.isnan(intervals.detectable_by_interval(np.nan, 1, 0.5))
        and intervals.detectable_by_interval(-0.1, 0.1, 0.0) == 0.1
    )
    assert intervals.detectable_by_interval(np.zeros(0), np.zeros(0), np.zeros(0)).shape == (0,)


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_what_few_trainings_could_have_shown_is_found_so_often(seeds):
    """Each time so many differences are drawn, and the interval is Student's of these: its width is chance, too."""
    sd = 0.01
    factor, error = stats.t.ppf(0.975, seeds - 1), sd / np.sqrt(seeds)
    least = float(intervals.detectable_by_interval(-factor * error, factor * error, error, seeds - 1))
    drawn = np.random.default_rng(seeds).normal(least, sd, (20_000, seeds))
    half = factor * drawn.std(axis=1, ddof=1) / np.sqrt(seeds)
    assert (np.abs(drawn.mean(axis=1)) > half).mean() == pytest.approx(0.8, abs=0.01)
    fixed = float(
        intervals.detectable_by_interval(-factor * error, factor * error, error)
    )  # as if every interval were as wide
    assert (np.abs(drawn.mean(axis=1) + fixed - least) > half).mean() < 0.79

"""Comparisons of methods, what they can show, and costs of models: closed forms and invariants."""

import re

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from gcaf_lib.evaluation import intervals, paired_tests, units
from gcaf_lib.findings import (
    delong,
    p_values,
    seed_pairs,
    seed_spread,
    stages,
    table_rows,
    visible_differences,
    words,
)
from tests.told import Told

SWEEP = "gcaf sweep {} --profile demo".format  # as `Chapter.sweep`


def method(right, seeds=(0,), n=40, classes=4, flip=0):
    """A method with `right` images right of n, the same on every seed but for `flip` more right per seed."""
    labels = np.arange(n) % classes
    out = {}
    for k, seed in enumerate(seeds):
        answer = labels.copy()
        answer[right + k * flip :] = (answer[right + k * flip :] + 1) % classes
        probs = np.full((n, classes), 0.1 / (classes - 1))
        probs[np.arange(n), answer] = 0.9
        out[seed] = paired_tests.Run(np.arange(n) + 5, labels, probs)
    return out


def compare(first, second, groups=intervals.IMAGES, **options):
    return paired_tests.compare(first, second, groups, **options)


def test_one_run_each_gives_image_tests_and_no_t():
    found = compare(method(36), method(30), n=199)
    assert found["seeds"] == 1 and found["images"] == 40 and found["seed"] == 0
    assert (found["only_first"], found["only_second"]) == (6, 0)
    assert found["difference"] == pytest.approx(6 / 40)
    assert found["mcnemar_p"] == pytest.approx(2 * 0.5**6 - 0.5**6)
    assert found["permutation_p"] == pytest.approx(2 * 0.5**6)  # six swaps, enumerated
    assert np.isnan(found["t_p"]) and np.isnan(found["corrected_p"]) and np.isnan(found["sd"])


def test_no_common_seed_is_an_empty_row():
    found = compare(method(36, (0,)), method(30, (1,)))
    assert found["seeds"] == 0 and np.isnan(found["difference"]) and np.isnan(found["mcnemar_p"])
    assert compare({}, {}).keys() == compare(method(9), method(8), n=9).keys()


def test_t_over_seeds_is_scipys_and_the_correction_widens_it():
    first, second = method(33, (0, 1, 2), flip=1), method(29, (0, 1, 2), flip=2)
    found = compare(first, second, test_to_train=0.125, n=99)
    a, b = ([m[s].right.mean() for s in range(3)] for m in (first, second))
    plain = stats.ttest_rel(a, b)
    assert found["t_p"] == pytest.approx(plain.pvalue)
    assert found["t_low"] == pytest.approx(plain.confidence_interval().low)
    assert found["corrected_p"] > found["t_p"] and found["corrected_low"] < found["t_low"]
    assert found["sd"] == pytest.approx(np.std(np.subtract(a, b), ddof=1))


def test_sides_swap_the_sign_and_keep_every_p():
    first, second = method(35, (0, 1), flip=1), method(31, (0, 1))
    one, two = compare(first, second, n=99), compare(second, first, n=99)
    assert one["difference"] == -two["difference"] and one["only_first"] == two["only_second"]
    for test in paired_tests.TESTS:
        assert one[f"{test}_p"] == pytest.approx(two[f"{test}_p"])


def test_groups_are_swapped_whole():
    # the six images that differ belong to two patients: two swaps are all there is
    groups = np.repeat(np.arange(100), 3)
    alone = compare(method(36), method(30), n=999)["permutation_p"]
    together = compare(method(36), method(30), groups=groups, n=999)["permutation_p"]
    rows = np.arange(40)[30:36] + 5
    assert len(set(groups[rows])) == 3 and together == pytest.approx(2 * 0.5**3) and alone < together


def test_images_are_taken_for_independent_only_where_that_is_said():
    with pytest.raises(ValueError, match="patient group of each sample"):
        compare(method(36), method(30), None)


def test_other_test_images_are_refused():
    other = {0: method(30)[0]._replace(rows=np.arange(40))}
    with pytest.raises(ValueError, match="different test images"):
        compare(method(36), other)


def test_a_table_is_adjusted_over_its_known_rows():
    rivals = {"a": method(30), "b": method(33), "c": {}}
    frame = paired_tests.compare_all(method(36), rivals, intervals.IMAGES, n=99)
    assert list(frame["row"]) == ["a", "b", "c"]
    adjusted = intervals.holm(frame["mcnemar_p"][:2])
    assert frame["mcnemar_holm"].to_numpy()[:2] == pytest.approx(adjusted)
    assert (frame["difference"][:2] < 0).all()  # row minus the reference
    assert np.isnan(frame["mcnemar_holm"][2]) and frame["t_holm"].isna().all()


def test_equal_methods_never_differ():
    same = method(36, (0, 1))
    found = compare(same, same, n=9)
    assert found["difference"] == 0 and found["mcnemar_p"] == found["permutation_p"] == found["t_p"] == 1
    assert (paired_tests.aucs(same[0], same[0])["p"] == 1).all()


def test_delong_of_each_class():
    first, second = method(36)[0], method(24)[0]
    found = paired_tests.aucs(first, second)
    assert (found["first"] >= found["second"]).all() and len(found) == 4
    direct = intervals.delong(first.labels == 2, first.probs[:, 2], second.probs[:, 2])
    assert found["p"][2] == pytest.approx(direct.p)
    with pytest.raises(ValueError, match="different test images"):
        paired_tests.aucs(first, second._replace(rows=second.rows[::-1]))


def test_pooled_sd_and_its_interval():
    assert paired_tests.pooled_sd([3.0, 4.0, np.nan], [3, 3, 1]) == (pytest.approx(np.sqrt(12.5)), 4)
    assert paired_tests.pooled_sd([np.nan], [1])[1] == 0
    with pytest.raises(ValueError, match="level=95"):
        paired_tests.sd_interval(1.0, 2, 95)
    low, high = paired_tests.sd_interval(1.0, 2)
    # n = 3: the factors of every table of statistics, 0.521 and 6.285
    assert low == pytest.approx(0.5207, abs=1e-4) and high == pytest.approx(6.2847, abs=1e-4)


@pytest.mark.parametrize("runs", [2, 3, 5, 10])
def test_largest_sd_is_where_the_t_test_turns(runs):
    sd = paired_tests.largest_sd(0.01, runs)
    d = np.linspace(-1, 1, runs)
    d = 0.01 + (d - d.mean()) / d.std(ddof=1) * sd
    assert intervals.nadeau_bengio(d, np.zeros(runs), 0).p == pytest.approx(0.05)
    assert paired_tests.runs_needed(0.01, sd * 0.999) == runs
    assert paired_tests.runs_needed(0.01, sd * 1.001) > runs


def test_no_number_of_runs_beats_one_small_test_set():
    limit = 1.96 * np.sqrt(0.125)
    assert paired_tests.runs_needed(1.0, 0.9 / limit, 0.125) is not None
    assert paired_tests.runs_needed(1.0, 1.1 / limit, 0.125) is None
    with pytest.raises(ValueError, match="two pairs"):
        paired_tests.largest_sd(0.1, 1)


def test_power_is_a_number_that_rises_even_far_out():
    for runs in (2, 3, 5, 10):
        found = intervals.power(np.linspace(0, 50, 400), 1.0, runs)
        assert found[0] == pytest.approx(0.05) and (np.diff(found) >= -1e-9).all() and found[-1] > 0.99


def test_mid_p_from_counts():
    assert paired_tests.mid_p(5, 0) == pytest.approx(2 * 0.5**5 - 0.5**5)
    assert paired_tests.mid_p(0, 0) == 1 and paired_tests.mid_p(3, 7) == paired_tests.mid_p(7, 3)


def test_overlap_of_errors_decides_what_a_gap_is_worth():
    worst, independent, best = paired_tests.separable(673, 666, 703)
    assert worst > independent > best == pytest.approx(paired_tests.mid_p(7, 0))
    assert worst == pytest.approx(paired_tests.mid_p(37, 30))
    # against a method without errors nothing is open
    assert len(set(paired_tests.separable(703, 690, 703))) == 1
    assert paired_tests.common_errors(30, 37, 703) == (0, 2, 30)
    assert paired_tests.common_errors(600, 300, 703)[0] == 197


def test_smallest_gap():
    for share in (None, 0.0, 0.5, 1.0):
        gap = paired_tests.smallest_gap(673, 703, share)
        for images, significant in ((gap, True), (gap - 1, False)):
            both = round(30 * (30 + images) / 703) if share is None else round(30 * share)
            assert (paired_tests.mid_p(30 + images - both, 30 - both) < 0.05) == significant
    assert paired_tests.smallest_gap(673, 703, 1.0) == 5  # 2 · 2⁻⁵ − 2⁻⁵ = 0.031
    assert paired_tests.smallest_gap(1, 2, 0.0) is None
    # 60 and 76 errors among 100 images have at least 36 in common, 60 and 75 at least 35: no fewer can be assumed
    assert paired_tests.smallest_gap(40, 100, 0.0) == paired_tests.smallest_gap(40, 100, 0.2) == 16
    assert paired_tests.mid_p(76 - 36, 60 - 36) < 0.05 < paired_tests.mid_p(75 - 35, 60 - 35)


def test_overlap_counts_the_first_methods_errors():
    assert paired_tests.overlap(method(36), method(30)) == 1
    assert paired_tests.overlap(method(30), method(36)) == pytest.approx(0.4)
    assert np.isnan(paired_tests.overlap(method(40), method(36)))
    assert isinstance(
        paired_tests.compare_all(method(36), {"a": method(30)}, intervals.IMAGES, n=9), pd.DataFrame
    )


# --- costs ---


def macs(*layers_, shape=(16, 16, 3)):
    import keras

    from gcaf_lib.evaluation import costs

    x = start = keras.Input(shape)
    for layer in layers_:
        x = layer(x)
    return costs.count(keras.Model(start, x))


def test_multiply_adds_of_single_layers():
    from keras import layers

    conv = macs(layers.Conv2D(8, 3, strides=2, padding="same"))
    assert conv == {"parameters": 8 * 28, "macs": 8 * 8 * 9 * 3 * 8, "flops": 2 * 8 * 8 * 9 * 3 * 8}
    assert macs(layers.Conv2D(8, 5))["macs"] == 12 * 12 * 25 * 3 * 8
    assert macs(layers.Conv2D(6, 3, groups=3, padding="same"))["macs"] == 16 * 16 * 9 * 1 * 6
    assert macs(layers.DepthwiseConv2D(3, padding="same"))["macs"] == 16 * 16 * 9 * 3
    assert macs(layers.DepthwiseConv2D(7, depth_multiplier=2))["macs"] == 10 * 10 * 49 * 6
    assert macs(layers.Dense(10), shape=(20,))["macs"] == 200
    assert macs(layers.Dense(10))["macs"] == 16 * 16 * 30  # at every place of a map
    assert macs(layers.BatchNormalization(), layers.Activation("relu"), layers.MaxPooling2D())["macs"] == 0


def test_layers_used_twice_count_twice_and_composites_are_opened():
    from gcaf_lib.model.blocks import CBAM

    # squeeze and expand on the average and on the maximum, then one 7x7 filter over two maps
    assert macs(CBAM(ratio=4), shape=(8, 8, 32))["macs"] == 2 * 2 * 32 * 8 + 8 * 8 * 49 * 2


def test_an_unknown_layer_with_weights_is_refused():
    from keras import layers

    with pytest.raises(ValueError, match="can't count"):
        macs(layers.Conv1D(4, 3), shape=(16, 3))


@pytest.mark.parametrize("fusion", ["concat", "gate", "cross", "gcaf", "gcaf-split", "gcaf-token"])
def test_costs_of_settings_agree_with_the_built_model(fusion):
    import keras

    if fusion == "gcaf-token" and keras.backend.backend() == "jax":
        pytest.skip("JAX multiplies no number with a symbolic tensor: `gcaf-token` can't be opened there")
    from gcaf_lib import settings
    from gcaf_lib.evaluation import costs
    from gcaf_lib.model import classifier

    chosen = settings.load("demo", {"model.fusion": fusion, "model.width": 32, "data.image_size": 32})
    model = classifier.build(chosen.model, 32)
    found = costs.of_settings(chosen)
    assert found["parameters"] == classifier.parameters(model)["total"]
    lines = costs.multiply_adds(model)
    assert found["macs"] == lines["macs"].sum()
    head = lines[lines["layer"].str.startswith("fusion/")]["macs"].sum()
    inner, d, places = 16, 32, (4 * 4) * 2
    attention = {
        "concat": 0,
        "gate": 2 * d * d,
        "cross": 6 * d * d,
        "gcaf": 6 * d * d + 2 * 2 * d * d,
        # eight tokens of d/8: four projections a stream, scores and sums over 8 x 8 pairs, then the gates
        "gcaf-split": 8 * 8 * (d // 8) ** 2 + 2 * 2 * 8 * 8 * (d // 8) + 2 * 2 * d * d,
    }
    if fusion in attention:
        assert head == attention[fusion]
    else:
        channels = [model.get_layer(f"features_{k}").output.shape[-1] for k in chosen.model.backbones]
        embed = 16 * inner * sum(channels)
        project, pairs, gates = 4 * places * inner**2, 2 * 2 * 16 * 16 * inner, 2 * 2 * inner * inner
        assert head == embed + project + pairs + gates


def test_full_networks_have_their_published_costs():
    from gcaf_lib import settings
    from gcaf_lib.evaluation import costs

    one = settings.load("paper", {"model.backbones": ("efficientnet-b0",), "model.fusion": "none"})
    found = costs.of_settings(one)
    # Tan and Le 2019, Table 2: 0.39 B multiply-adds and 5.3 M weights, with a classifier of 1,000 classes
    assert found["macs"] / 1e9 == pytest.approx(0.39, abs=0.01)
    assert found["parameters"] - 4 * 1281 + 1000 * 1281 == pytest.approx(5.3e6, rel=0.01)
    # Simonyan and Zisserman 2015: VGG19's sixteen convolutions, 20.0 M weights; He et al. 2016: 19.6e9 in all
    vgg = costs.of_settings(one.replace({"model.backbones": ("vgg19",)}))
    dense = 25088 * 4096 + 4096 * 4096 + 4096 * 1000  # its own head, which this project leaves out
    assert (vgg["macs"] + dense) / 1e9 == pytest.approx(19.6, abs=0.05)


def test_no_weight_is_allocated_to_be_counted(monkeypatch):
    from gcaf_lib import settings
    from gcaf_lib.evaluation import costs

    seen = []
    monkeypatch.setattr(costs, "count", seen.append)
    costs.of_settings(settings.load("demo"))
    assert len(seen[0].weights) > 10 and all(weight._value is None for weight in seen[0].weights)


def test_amounts_are_three_digits():
    from gcaf_lib.display.cost_chart import amount

    assert [amount(v) for v in (999, 1500, 999_600, 2.5e7, 3.856e9, 3.9e10)] == [
        "999", "1.5 k", "1 M", "25 M", "3.86 G", "39 G",
    ]  # fmt: skip


@pytest.mark.parametrize("of_paper", [False, True])
def test_accuracies_over_costs_have_the_colour_of_who_measured_them(of_paper):
    """And the proposed model alone is a filled mark."""
    from gcaf_lib.display import cost_chart, style
    from gcaf_lib.paper import published as paper

    frame = pd.DataFrame({"row": ["VGG19", paper.PROPOSED], "parameters": [1e6, 2e6], "flops": [1e9, 2e9]})
    frame = frame.assign(accuracy=[90.0, 95.0], low=np.nan, high=np.nan)
    marks = cost_chart.over_costs(frame, of_paper).axes[0].lines
    colour = style.PAPER if of_paper else style.OURS
    assert [mark.get_color() for mark in marks] == [colour, colour]
    assert [mark.get_markerfacecolor() for mark in marks] == [style.SURFACE, colour]
    nothing = cost_chart.over_costs(frame.assign(accuracy=np.nan), of_paper)
    assert not nothing.axes[0].lines and not nothing.legends and "<svg" in nothing.svg(), "nothing was run"


# --- what is read from records ---


def record(seed=0, right=36, kind="ema", **changes):
    """A stand-in for a run record with the predictions of `method`."""

    from gcaf_lib import settings

    run = method(right, (seed,))[seed]
    raw = method(changes.pop("raw", right), (seed,))[seed]
    chosen = settings.load("cpu", changes)
    history = pd.DataFrame(
        {"stage": [1, 1, 2], "epoch": [1, 2, 3], "loss": [3.0, 2, 1], "val_loss_raw": [3.0, 2, 1]}
    )
    return Told(
        key=f"{chosen.hash()}-{seed}", seed=seed, settings=chosen, history=history,
        info={
            "stages": [{"stage": 1, "best_epoch": 2, "epochs": 2, "seconds": 5.0}, {"stage": 2, "best_epoch": 1, "epochs": 1, "seconds": 7.0}],
            "provenance": {"device": "a toy"}, "weights": {"x": {"source": "in-domain", "stage0": "abc"}},
        },
        rows=lambda part="test": run.rows, labels=lambda part="test": run.labels,
        probabilities=lambda part="test", which="ema": (raw if which == "raw" else run).probs,
    )  # fmt: skip


@pytest.fixture
def alone(monkeypatch):
    """Every image is a group of its own."""
    from gcaf_lib.data import splits

    monkeypatch.setattr(splits, "clusters", lambda dataset: np.arange(len(dataset.frame)))


def data(n=60):
    """A dataset without patients."""
    from types import SimpleNamespace

    frame = pd.DataFrame({"file": [f"{i}.jpg" for i in range(n)], "label": 0})
    return SimpleNamespace(hash="none", banner=None, frame=frame)


def test_no_records_at_all_still_make_frames_and_words(alone):
    from gcaf_lib.findings import comparison, factorial_effects, moving_average, significance

    frame = p_values.tests({}, [], None, 0.1)
    assert len(frame) == 14 and (frame["seeds"] == 0).all()
    assert (significance.tests_text(frame)["Measured"] == "not trained yet").all()
    assert significance.verdict_said(frame).count("nothing is tested") == 3
    assert delong.auc_tests({}, []).empty
    assert delong.auc_text(delong.auc_tests({}, []))["Row"].tolist() == ["not trained yet"]
    assert moving_average.start_left_table({}, 10)["Row"].tolist() == ["not trained yet"]
    spread = seed_spread.pooled(frame, np.nan, 0)
    assert (spread["source"] == "").all() and spread["sd"].isna().all()
    assert seed_spread.difference_spread_said(spread, 0) == "" and seed_spread.shared_errors({}, []).empty
    effects = factorial_effects.effects({}, data())
    assert (effects["n"] == 0).all() and "–" in factorial_effects.effects_text(effects)["ECE"].iloc[-1]
    assert (
        moving_average.same_course({}).empty
        and moving_average.course_said(moving_average.same_course({})) == ""
    )
    assert stages.training_times({}).empty and "no times" in comparison.time_said({})


def test_a_stage_0_counts_once_a_run_and_backbone(monkeypatch):
    """Trained per seed: the mean over runs of both backbones' seconds; a dash where one is not on record."""
    from gcaf_lib.findings import comparison
    from gcaf_lib.training import runs

    told = [
        Told(key=key, info={"stages": [{"seconds": s}]}) for key, s in (("a", 30), ("b", 40), ("c", 1000))
    ]
    monkeypatch.setattr(runs, "find", {one.key: one for one in told}.get)
    found = {"two": [record(0), record(1)], "lost": [record(0)]}
    for row, names in (("two", "ab"), ("two", "bc"), ("lost", "ax")):
        run = found[row][names == "bc"]
        run.info["weights"] = {k: {"source": "in-domain", "stage0": name} for k, name in zip("xy", names)}
    spent = stages.training_times(found)
    costs = pd.DataFrame(
        {"row": ["two", "lost", "never"], "size": 64, "parameters": 1, "macs": 1, "flops": 2}
    )
    text = comparison.costs_text(costs, spent)
    assert text["Stage 0 (s)"].tolist() == ["555", "–", "–"] and text["Training (s)"][0] == "12 (12 to 12)"
    assert "the mean over the same runs" in comparison.time_said(found)
    assert "once for all" not in comparison.time_said(found)


@pytest.mark.parametrize(
    ("weights", "work", "said"),
    [
        (
            (),
            (),
            "is among the most expensive: no baseline has more parameters (VGG19 counted without its dense layers); no baseline needs more computation",
        ),
        ((0,), (0, 1), "most expensive: {0} has more parameters; {0}, {1} need more computation"),
        (
            (0, 1, 2),
            (),
            "is not among the most expensive: {0}, {1}, {2} have more parameters; no baseline needs",
        ),
    ],
)
def test_how_dear_the_papers_model_is_among_its_rivals(weights, work, said):
    from gcaf_lib.findings import comparison
    from gcaf_lib.paper import published_gaps

    rows = list(published_gaps.rival_gaps(comparison.PLACE)["row"])
    full = pd.DataFrame({"row": [*rows, comparison.OWN], "parameters": 10, "flops": 10})
    full.loc[list(weights), "parameters"], full.loc[list(work), "flops"] = 20, 20
    assert len(rows) == 5 and said.format(*rows) in comparison.full_said(full)


def test_gaps_that_no_whole_number_of_images_gives_are_not_said_to_be_one(monkeypatch):
    from types import SimpleNamespace

    from gcaf_lib.findings import comparison
    from gcaf_lib.paper import published as paper
    from gcaf_lib.paper import published_gaps

    rows = list(published_gaps.rival_gaps(comparison.PLACE)["row"])
    full = pd.DataFrame({"row": [*rows, comparison.OWN], "parameters": 10, "flops": 10})
    said = comparison.full_said(full)
    near = ("VGG19", "DenseNet", "CNN with Attention")  # 95.73 less 94.90, 94.40 and 94.21% of 703
    assert "On 703 test images these gaps come to 5.8, 9.3, 10.7 images; no whole number" in said
    assert f"of right answers gives the accuracy of {', '.join(near)} (chapter 22). Chapter 15" in said
    find = paper.find
    whole = {"VGG19": 667, "DenseNet": 664, "CNN with Attention": 663}

    def found(place, row=None, metric=None):
        if row not in whole:
            return find(place, row, metric)
        return [SimpleNamespace(row=row, value=round(whole[row] / 7.03, 2), decimals=2)]

    monkeypatch.setattr(paper, "find", found)
    assert "10.7 images. Chapter 15" in comparison.full_said(full)


def test_one_seed_and_several():
    from gcaf_lib.findings import significance

    def rows(seeds, right):
        return [record(s, right + (s if right < 35 else 0)) for s in seeds]

    main = rows((0, 1, 2), 36)
    found = {"Table 6": {"VGG19": rows((0, 1, 2), 30), "ResNet50": rows((0,), 33)}}
    frame = p_values.tests(found, main, np.arange(1000), 0.125, n=99).set_index(["place", "row"])
    three, one = frame.loc[("Table 6", "VGG19")], frame.loc[("Table 6", "ResNet50")]
    assert (three["seeds"], one["seeds"]) == (3, 1) and np.isfinite(three["t_p"]) and np.isnan(one["t_p"])
    assert three["difference"] == pytest.approx(-5 / 40) and three["sd"] == pytest.approx(1 / 40)
    text = significance.tests_text(frame.reset_index())
    assert (text["Paired t"] == "needs two runs").sum() == 1
    chance = seed_spread.accuracy_spread(rows((0, 1), 30), np.arange(1000))
    assert chance["seeds"] == pytest.approx(np.std([30 / 40, 31 / 40], ddof=1)) and chance["images"] > 0
    spread = seed_spread.pooled(frame.reset_index(), 0.01, 3)
    same, other = spread.loc[seed_spread.SAME], spread.loc[seed_spread.OTHER]
    assert other["source"] == "pairs" and other["sd"] == pytest.approx(1 / 40) and other["df"] == 2
    # no row with the proposed model's backbones has a second seed: what Table 6 scatters is not taken for theirs
    assert same["source"] == "runs" and same["sd"] == pytest.approx(2**0.5 * 0.01)
    assert seed_spread.same_start(main)
    alone = seed_spread.pooled(frame.reset_index().assign(sd=np.nan), 0.02, 2)
    assert (alone["source"] == "runs").all() and alone["sd"].tolist() == pytest.approx([2**0.5 * 0.02] * 3)


def test_every_kind_of_row_has_its_own_spread_and_only_printed_rows_count():
    """The batch size scatters as it does, not as a fusion; the focal α, of which the paper prints nothing, counts nowhere."""

    main = [record(s, 30) for s in (0, 1, 2)]
    found = {
        "Table 4": {"Feature Concatenation": [record(s, 30 + s) for s in (0, 1, 2)]},
        "Table 8": {
            "Batch Size = 16": [record(s, 30 + 4 * s) for s in (0, 1, 2)],
            "Focal γ = 1": [record(s, 30) for s in (0, 1, 2)],
            "Focal α = 0.5": [record(s, 30 - 9 * s) for s in (0, 1, 2)],
            "Mixup α = 0.1": [record(0, 33)],
        },
    }
    frame = seed_spread.scatter(found, main).set_index("row")
    assert "Focal α = 0.5" not in frame.index and frame.loc["Mixup α = 0.1", "seeds"] == 1
    assert frame.loc["Feature Concatenation", "sd"] == pytest.approx(1 / 40)
    assert frame.loc["Batch Size = 16", "sd"] == pytest.approx(4 / 40)
    spread = seed_spread.pooled(frame.reset_index(), 0.01, 3)
    assert spread.loc[seed_spread.SAME, "sd"] == pytest.approx(1 / 40)
    pd.testing.assert_frame_equal(
        seed_spread.difference_spread(found, main), seed_spread.pooled(frame.reset_index(), 0.0, 3)
    )
    setting = spread.loc[seed_spread.SETTING]
    assert setting["sd"] == pytest.approx((((4 / 40) ** 2 + 0) / 2) ** 0.5)
    assert (setting["narrow"], setting["wide"]) == pytest.approx((0, 4 / 40))
    text = seed_spread.difference_spread_said(spread, 3)
    assert "one setting changed (Table 8)" in text and "row by row 0.00 to 10.00)" in text
    shares = seed_spread.shared_errors(found, main)
    assert shares["place"].tolist() == ["Table 4", *["Table 8"] * 3]
    assert "Focal α = 0.5" not in set(shares["row"])


def test_each_gap_is_held_to_the_spread_and_the_overlap_of_its_own_kind():
    """A spread measured on rows that share stage 0 says nothing of rows that don't."""
    from gcaf_lib.paper import published_gaps

    spread = pd.DataFrame(
        {
            "sd": [0.004, 0.006, 0.012],
            "high": [0.01, 0.02, 0.03],
            "low": [0.001, 0.001, 0.002],
            "narrow": 0.003,
            "wide": 0.005,
            "df": 2,
            "source": ["pairs", "pairs", "runs"],
        },
        index=[seed_spread.SAME, seed_spread.SETTING, seed_spread.OTHER],
    )
    lines = seed_spread.with_spread(published_gaps.rival_gaps(), spread)
    by = lines.groupby("place")[["sd", "sd_high"]].first()
    assert by.loc["Table 6"].tolist() == [0.012, 0.03] and by.loc["Table 8"].tolist() == [0.006, 0.02]
    assert set(lines.loc[lines["kind"] == seed_spread.SAME, "place"]) == {"Table 4", "Table 5"}
    assert (lines["sd_low"] < lines["sd"]).all()
    phantoms = seed_spread.with_spread(published_gaps.rival_gaps(), spread, show_published=False)
    assert phantoms[["sd", "sd_low", "sd_high"]].isna().all(axis=None), "patients' gaps beside drawings"
    needed = published_gaps.needed(lines, (3, 5), 0.125).set_index("Row")
    assert needed.loc["VGG19", "Runs needed, paired t"] == paired_tests.runs_needed(0.0083, 0.012)
    assert needed.loc["With EMA Only", "Runs needed, paired t"] == paired_tests.runs_needed(0.0072, 0.004)
    text = seed_spread.difference_spread_said(spread, 3)
    assert "Tables 4, 5): the paired differences scatter by 0.40 points, pooled" in text
    assert "(Table 8): the paired differences scatter by 0.60 points, pooled" in text
    assert "(Table 6): the paired differences scatter by 1.20 points, √2 times" in text
    shares = pd.DataFrame(
        {
            "place": ["Table 4", "Table 5", "Table 6", "Table 8"],
            "row": list("abcd"),
            "share": [0.8, 0.6, 0.5, 0.9],
        }
    )
    means = seed_spread.mean_by_table(shares)
    assert means == pytest.approx({"Table 4": 0.7, "Table 5": 0.7, "Table 8": 0.9, "Table 6": 0.5})
    ranges = published_gaps.rival_gaps(overlap=means)
    wrong = 703 - 673
    for row, share in (("VGG19", 0.5), ("With EMA Only", 0.7)):
        line, both = ranges.set_index("row").loc[row], round(share * wrong)
        assert line["at_overlap"] == paired_tests.mid_p(round(line["gap"] * 703) + wrong - both, wrong - both)
    assert published_gaps.rival_gaps(overlap={"Table 4": 0.7})["at_overlap"].notna().sum() == 3


def test_equal_means_are_level_and_not_below():
    """Means over seeds that are equal differ by rounding: −3.7e-17 is no loss."""
    from gcaf_lib.findings import significance

    line = {"place": "Table 4", "seeds": 1, "only_first": 1, "only_second": 1}
    line |= {f"{test}_{what}": 1.0 for test in significance.NAMES for what in ("p", "holm")}
    frame = pd.DataFrame(
        [line | {"row": row, "difference": d} for row, d in (("a", -3.7e-17), ("b", -0.01), ("c", 0.01))]
    )
    assert (
        "1 of 3 trained rows is measured below the proposed model, 1 level with it;"
        in significance.verdict_said(frame)
    )


def test_the_proposed_model_beside_itself():
    """Two trainings that err on other patients altogether are "different"; the same answers are not."""

    groups, pictures = np.arange(1000) // 2, np.arange(1000)
    same = seed_pairs.permuted([record(0, 30), record(1, 30)], groups, pictures, 199)
    assert same["p"].tolist() == [1.0] and same["difference"].tolist() == [0.0]
    assert "does not call the method different" in seed_pairs.permuted_said(same, SWEEP)
    other = seed_pairs.permuted([record(0, 38), record(1, 12), record(2, 12)], groups, pictures, 199)
    assert (
        other[["first", "second"]].to_numpy().tolist() == [[0, 1], [0, 2], [1, 2]]
        and other["p"].iloc[0] < 0.05
    )
    text = seed_pairs.permuted_said(other, SWEEP)
    assert (
        "seed 0 minus seed 1 +65.00 points" in text
        and "In 2 of 3, by picture in 2, that test calls the method different" in text
    )
    assert (
        "differ by up to 65.00 points, by picture 65.00: an effect of one seed that is no larger is not"
        in text
    )
    lines = other.assign(p=0.5, picture=[-0.0121, -0.0194, 0.01], picture_p=[0.06, 0.004, 0.0001])
    text = seed_pairs.permuted_said(lines, SWEEP)
    assert (
        "p = 0.500, by picture −1.21, p = 0.060; seed 0 minus seed 2" in text
        and "p = 0.500, by picture −1.94, p = 0.004; seed 1" in text
    )
    assert "by picture +1.00, p < 0.001. In 0 of 3, by picture in 2, that test" in text
    assert "up to 65.00 points, by picture 1.94: an effect" in text
    assert "does not call" in seed_pairs.permuted_said(lines.assign(picture_p=0.05), SWEEP)
    # a picture of many copies weighs as much as one of one: the first 20 of the 40 images are one picture
    copies = np.maximum(np.arange(1000), 24)
    weighed = seed_pairs.permuted([record(0, 40), record(1, 20)], groups, copies, 199).iloc[0]
    assert weighed["difference"] == pytest.approx(20 / 40) and weighed["picture"] == pytest.approx(20 / 21)
    assert "`gcaf sweep patients --profile demo --seeds 2` trains" in seed_pairs.permuted_said(
        seed_pairs.permuted([record(0, 30)], groups, pictures), SWEEP
    )


def test_a_test_over_patients_takes_the_seeds_that_have_all_folds():
    """Five models put together are one run of a row; a seed that lacks a fold is not compared."""
    from gcaf_lib.findings import significance
    from gcaf_lib.training import experiments

    def folded(right, seeds, lacking=0):
        parts = [
            record(seed, right, **{"data.protocol": "patients", "data.fold": fold})
            for seed in range(seeds)
            for fold in range(5)
        ]
        return parts[: len(parts) - lacking]

    found = {"Table 4": {"gcaf-split": folded(30, 2, 1), experiments.PROPOSED_FUSION: folded(36, 2)}}
    every = np.arange(1000)
    frame = significance.fold_tests(found, every, every, n=99).set_index("row")
    line = frame.loc["gcaf-split"]
    assert line["seeds"] == 1 and line["difference"] == pytest.approx(-6 / 40) == line["picture"]
    assert line["images"] == 5 * 40 and frame.loc["VGG19", "seeds"] == 0


def test_of_what_small_runs_speak_is_said_by_profile():
    from gcaf_lib.findings import significance

    demo, cpu, *others = (
        words.of_profile(significance.CAVEAT, profile) for profile in ("demo", "cpu", "paper", "transfer")
    )
    assert "These are phantoms" in demo and "phantoms" not in cpu and "miniature networks on small" in cpu
    assert demo.endswith("holds all the same.") and cpu.endswith("holds all the same.")
    assert others == ["", ""]


def test_a_contrast_is_judged_by_its_interval_and_by_the_paper_s_digits(alone):
    from gcaf_lib.findings import factorial_effects, mixup_ema

    line = {
        "n": 2,
        "value": 0.001,
        "low": -0.012,
        "high": -0.002,
        "published": -0.0015,
        "lift": 0.0,
        "step": 0.001,
        "picture": np.nan,
    }
    text = mixup_ema._word(pd.Series(line), "the ECE", -1)
    assert "better, the interval excludes 0" in text, "the interval says which way, not the value"
    assert "lies inside" in text, "the digits printed allow −0.0025"
    assert "lies above" in mixup_ema._word(pd.Series(line | {"step": 0.0}), "the ECE", -1)
    near = ", by an end so near 0 that other draws might tell otherwise (the paper's"
    for low, high, told in (
        (-0.01, -0.0002, f"better, the interval excludes 0{near}"),  # 0.0002 is less than 3% of the width
        (-0.01, -0.0004, "better, the interval excludes 0 (the paper's"),
        (-0.01, 0.0002, f"not distinguishable from 0{near}"),
        (-0.01, 0.0004, "not distinguishable from 0 (the paper's"),
    ):
        text = mixup_ema._word(pd.Series(line | {"low": low, "high": high}), "the ECE", -1)
        assert f"), {told}" in text
    steps = factorial_effects.effects({}, data(), ("accuracy", "ece")).set_index(["contrast", "metric"])[
        "step"
    ]
    assert steps["EMA, with Mixup", "ece"] == pytest.approx(0.001), "two figures of three decimals"
    assert steps["Interaction", "ece"] == pytest.approx(0.002), "four"
    assert steps["EMA, mean of both", "ece"] == pytest.approx(0.001), "four, each halved"


def test_a_bound_is_cut_and_not_rounded():
    from gcaf_lib.findings import moving_average

    text = moving_average.start_left_said()
    beta = float(re.search(r"at most (0\.\d+)", text)[1])
    steps = int(re.findall(r"(\d+) epochs of (\d+) steps", text)[1][0]) * int(
        re.findall(r"epochs of (\d+)", text)[1]
    )
    assert beta ** (steps - 1) <= 0.01 < (beta + 1e-4) ** (steps - 1)


def test_effects_are_differences_of_the_cells(alone):
    from gcaf_lib.findings import factorial_effects, moving_average

    found = {
        "Without Mixup & EMA": [record(right=30, **{"training.mixup": 0, "training.ema": 0})],
        "With Mixup Only": [record(right=32, **{"training.ema": 0})],
        "With EMA Only": [record(right=33, raw=30, **{"training.mixup": 0})],
        "Proposed Model": [record(right=37, raw=33)],
    }
    frame = factorial_effects.effects(found, data(), ("accuracy",)).set_index("contrast")["value"] * 40
    assert frame.round(9).to_dict() == {
        "Mixup, without EMA": 2, "Mixup, with EMA": 4, "Mixup, mean of both": 3, "EMA, without Mixup": 3,
        "EMA, with Mixup": 5, "EMA, mean of both": 4, "Interaction": 2,
        "Averaged − raw weights, same runs, without Mixup": 3, "Averaged − raw weights, same runs, with Mixup": 4,
    }  # fmt: skip
    course = moving_average.same_course(found)
    assert (course["agree"] == course["epochs"]).all() and list(course["answers"]) == [0, 1]
    one, other = moving_average.course_said(
        course.assign(kept_with=[[3, 1], [5, 3]], kept_without=[[3, 1]] * 2)
    ).splitlines()
    assert (
        "both kept epochs 3 (stage 1) and 1 (stage 2); the final raw weights of the two runs give the same answers"
        in one
    )
    assert (
        "without EMA epochs 3 (stage 1) and 1 (stage 2) were kept, with it epochs 5 (stage 1) and 3 (stage 2);"
        in other
    )
    assert other.endswith("the final raw weights of the two runs answer 1 of 40 test images differently.")
    rows = moving_average.start_left_table({**found, "never trained": []}, 3200)["Row"]
    assert set(rows) == {"With EMA Only", "Proposed Model"}, "of rows with an average"
    left = moving_average.start_left_table({"Proposed Model": found["Proposed Model"]}, 3200)
    assert list(left["Steps"]) == ["200", "100"]
    assert left["Start remaining (%)"][0] == f"{100 * 0.999**199:.1f}"
    late = record(1)
    late.info["stages"][0]["best_epoch"] = 1
    both = moving_average.start_left_table({"Proposed Model": [*found["Proposed Model"], late]}, 3200).iloc[0]
    assert both["Steps"] == "100 to 200"  # the largest share is left after the fewest steps
    assert both["Start remaining (%)"] == f"{100 * 0.999**99:.1f} to {100 * 0.999**199:.1f}"
    assert list(moving_average.scores_by_weights(found, ("accuracy",))["Weights"]) == [
        "raw",
        "raw",
        "raw",
        "averaged",
        "raw",
        "averaged",
    ]


def test_effects_over_folds_are_of_seeds_that_have_them_all(alone, monkeypatch):
    from gcaf_lib.findings import factorial_effects

    monkeypatch.setattr(units, "pictures", lambda dataset: np.arange(len(dataset.frame)))  # no copies

    def runs(right, mixup, ema, count=5):
        change = {"training.mixup": mixup, "training.ema": ema, "data.protocol": "patients"}
        return [record(right=right + fold, **change, **{"data.fold": fold}) for fold in range(count)]

    found = {
        "Without Mixup & EMA": runs(20, 0, 0),
        "With EMA Only": runs(26, 0, 0.999),
        "Proposed Model": runs(30, 0.2, 0.999, count=4),
    }
    frame = factorial_effects.effects(found, data(), ("accuracy",)).set_index("contrast")
    one = frame.loc["EMA, without Mixup"]
    assert (
        one["value"] * 40 == pytest.approx(6) and one["n"] == 1 and one["low"] <= one["value"] <= one["high"]
    )
    copied = frame[["picture", "picture_low", "picture_high"]]
    assert copied.loc["EMA, without Mixup"].tolist() == pytest.approx([one["value"], one["low"], one["high"]])
    text = factorial_effects.effects_text(frame.reset_index()).set_index("Effect of")["Accuracy (points)"]
    assert text["EMA, without Mixup"].count(words.signed(100 * one["value"])) == 2
    assert frame.loc[["Mixup, with EMA", "Averaged − raw weights, same runs, with Mixup"], "n"].eq(0).all()
    frame = factorial_effects.effects(found, data(), ("nll", "ece")).set_index(["contrast", "metric"])
    nll, ece = (frame.loc["EMA, without Mixup", name] for name in ("nll", "ece"))
    assert nll["picture"] == pytest.approx(nll["value"]), "a mean over images can be one over pictures"
    assert np.isfinite(ece["value"]) and np.isnan(ece["picture"])


def effect(value, low, high, picture=(np.nan, np.nan, np.nan), published=np.nan, n=1):
    columns = (
        "value",
        "low",
        "high",
        "picture",
        "picture_low",
        "picture_high",
        "published",
        "n",
        "lift",
        "step",
    )
    return dict(zip(columns, (value, low, high, *picture, published, n, 0.0, 0.0)))


def test_what_is_said_of_mixup_and_ema_has_the_right_sign_side_and_scale():
    from gcaf_lib.findings import mixup_ema

    lines = {
        ("Mixup, without EMA", "accuracy"): effect(-0.02, -0.03, -0.01, published=0.0135),
        ("Mixup, without EMA", "ece"): effect(-0.02, -0.03, -0.01, published=-0.011),
        ("Mixup, without EMA", "nll"): effect(0.02, 0.01, 0.03),
        ("EMA, without Mixup", "accuracy"): effect(0.004, -0.01, 0.02, (-0.0089, -0.0156, -0.0018)),
    }
    for contrast in ("EMA, without Mixup", "Mixup, with EMA", "EMA, with Mixup"):
        for metric in ("accuracy", "ece", "nll"):
            lines.setdefault((contrast, metric), effect(*[np.nan] * 3, n=0))
    frame = pd.DataFrame([{"contrast": c, "metric": m, **line} for (c, m), line in lines.items()])
    levels = {"Without Mixup & EMA": (0.9, 0.03), "With EMA Only": (0.8, 0.05), "Proposed Model": (0.7, 0.02)}
    rows = pd.DataFrame(
        [
            {"row": row, "metric": metric, "mean": mean, "picture": np.nan, "n": 1, "folds": 0}
            for row, pair in levels.items()
            for metric, mean in zip(("accuracy", "ece"), pair)
        ]
    )
    said = mixup_ema.verdict_said(frame, rows).splitlines()
    assert (
        "accuracy −2.00 points (−3.00 to −1.00), worse, the interval excludes 0 (one seed; the paper's +1.35 lies above"
        in said[0]
    )
    assert (
        "the ECE −0.0200 (−0.0300 to −0.0100), better, the interval excludes 0 (one seed; the paper's −0.011"
        in said[0]
    )
    assert "the NLL +0.0200 (+0.0100 to +0.0300), worse" in said[0]
    copied = "by picture −0.89 (−1.56 to −0.18), worse, the interval excludes 0"
    own = "accuracy +0.40 points (−1.00 to +2.00), not distinguishable from 0"
    assert f"{own} (one seed), {copied} (one seed);" in said[1]
    controlled = mixup_ema.verdict_said(frame, rows, pd.DataFrame()).splitlines()
    assert controlled[:-1] == said and controlled[-1].startswith("- No two seeds of the proposed model")
    more = mixup_ema.verdict_said(frame.assign(n=frame["n"] * 2), rows).splitlines()
    assert f"{own}, {copied};" in more[1]
    assert said[2].endswith("not both trained on this split under this profile.")
    assert (
        "Best accuracy of the 3 trained rows, distinguishable or not: Without Mixup & EMA (one run); the paper"
        in said[5]
    )
    assert said[4].startswith(
        "- The table of effects shows 5 intervals of differences, not adjusted for their number; 4 exclude 0. Of"
    )
    assert "Of calibration errors: 1, of which 1 excludes 0;" in said[4] and "one in twenty)" not in said[4]
    assert "of which 3 exclude 0; far more" in said[4] and "another training" in said[4]
    assert (
        "Best ECE of the 3 trained rows, distinguishable or not: Proposed Model (one run), as the paper has it."
        in said[6]
    )


@pytest.mark.parametrize(
    ("copied", "said"),
    [
        ((0.9, 0.8, 0.7), "Without Mixup & EMA (2 seeds of 5 folds); the paper has Proposed Model."),
        ((0.7, 0.8, 0.9), "Without Mixup & EMA, by picture Proposed Model (2 seeds of 5 folds); the paper has"),
        ((0.9, 0.90001, 0.7), "Without Mixup & EMA, by picture Without Mixup & EMA and With EMA Only, equal to the digits printed (2"),
    ],
)  # fmt: skip
def test_the_best_row_is_told_by_image_and_by_picture(alone, copied, said):
    from gcaf_lib.findings import factorial_effects, mixup_ema

    names, frame = (
        ("Without Mixup & EMA", "With EMA Only", "Proposed Model"),
        factorial_effects.effects({}, data()),
    )
    rows = [
        {"row": row, "metric": metric, "mean": mean, "picture": picture, "n": 2, "folds": 5}
        for row, mean, copy in zip(names, (0.9, 0.8, 0.7), copied)
        for metric, picture in (("accuracy", copy), ("ece", np.nan))
    ]
    text = mixup_ema.verdict_said(frame, pd.DataFrame(rows)).splitlines()
    assert text[-2].startswith(f"- Best accuracy of the 3 trained rows, distinguishable or not: {said}")
    assert text[-1].endswith("not: Proposed Model (2 seeds of 5 folds), as the paper has it."), (
        "no ECE by picture"
    )
    both = mixup_ema.verdict_said(frame, pd.DataFrame(rows).assign(mean=[3, 1, 2, 1, 4, 0]))
    assert both.splitlines()[-2].endswith(", as the paper has it.") == (copied[2] == 0.9)
    silent = mixup_ema.verdict_said(
        factorial_effects.effects({}, data(), show_published=False), pd.DataFrame(rows)
    )
    assert "paper" not in silent and silent.count("seeds of 5 folds).") == 2


def test_published_effects_are_the_papers_differences(alone):
    from gcaf_lib.findings import factorial_effects
    from gcaf_lib.paper import published as paper

    frame = factorial_effects.effects({}, data(), ("accuracy", "ece", "nll")).set_index(
        ["contrast", "metric"]
    )
    value = {
        row: paper.published("Table 5", row, "accuracy") for row in paper.table(5)["Training Configuration"]
    }
    gap = value["With EMA Only"] - value["Without Mixup & EMA"]
    assert 100 * frame.loc[("EMA, without Mixup", "accuracy"), "published"] == pytest.approx(gap)
    assert np.isnan(frame.loc[("Interaction", "nll"), "published"])
    text = factorial_effects.effects_text(frame.reset_index()).set_index("Effect of")["Accuracy (points)"]
    mean = {factor: text[f"{factor}, mean of both"].partition("[")[2] for factor in ("Mixup", "EMA")}
    assert mean == {"Mixup": "+1.04]", "EMA": "+1.23]"}, "1.035 and 1.225: one rule for both"
    silent = factorial_effects.effects({}, data(), ("accuracy", "ece"), show_published=False)
    assert silent[["published", "step"]].isna().all(axis=None)
    assert (
        not factorial_effects.effects_text(silent)
        .astype(str)
        .apply(lambda c: c.str.contains("[", regex=False))
        .any(axis=None)
    )


@pytest.mark.parametrize(
    ("contrast", "scale", "said"),
    [(0.01035, 100, "+1.04"), (0.01225, 100, "+1.23"), (-0.01035, 100, "−1.04"), (0.010349, 100, "+1.03"),
     (0.00005, 100, "+0.01"), (0.000049, 100, "0.00"), (-0.000049, 100, "0.00"), (0, 100, "0.00"),
     (0.0015, 1, "+0.002"), (-0.0025, 1, "−0.003"), (0.0004, 1, "0.000")],
)  # fmt: skip
def test_half_of_a_last_digit_goes_away_from_0(contrast, scale, said):
    """Points have two decimals, what is no percentage three."""
    from gcaf_lib.findings import factorial_effects

    assert factorial_effects.printed_contrast(contrast, scale) == said


def test_of_the_rivals_those_that_the_paper_prints_are_taken():
    from gcaf_lib.paper import published_gaps

    told = Told.of(np.zeros(4, int), np.eye(4))
    place, row = "Table 4", "Feature Concatenation"
    some = list(seed_spread.printed_rivals({place: {row: [told], "gcaf-split": [told]}}))
    assert {where for where, _, _ in some} == set(table_rows.TABLES)
    names = [name for where, name, _ in some if where == place]
    assert row in names and "gcaf-split" not in names, "a repair is no row of the paper"
    runs = {(where, name): of for where, name, of in some}
    assert list(runs.pop((place, row))) == [0] and not any(runs.values()), "one row was run"
    for where in table_rows.TABLES:
        printed = set(published_gaps.rival_gaps(where)["row"])
        taken = [name.replace(" = ", " ") for there, name, _ in some if there == where]
        assert taken and set(taken) <= printed and len(taken) == len(set(taken))


def test_the_caption_of_the_effects_tells_the_split_and_whose_figures():
    from gcaf_lib.findings import factorial_effects

    rows = pd.DataFrame(
        {"row": ["a"], "metric": ["accuracy"], "reference": [False], "pairs": [0], "folds": [0]}
    )
    plain, apart = (factorial_effects.effects_caption(rows.assign(folds=n)) for n in (0, 5))
    assert plain.startswith(
        "Effect of Mixup and of EMA, with 95% cluster-bootstrap intervals over patients and"
    )
    assert "over all 5 patient-disjoint folds" in apart and "of its random split" in apart
    assert "in square brackets" in plain and "random split" not in plain and plain.endswith("test part.")
    assert "paper" not in factorial_effects.effects_caption(rows, show_published=False)


def test_the_papers_gaps_and_their_counts():
    from gcaf_lib.paper import published_gaps

    frame = published_gaps.rival_gaps(
        overlap=dict.fromkeys(("Table 4", "Table 5", "Table 6", "Table 8"), 0.5)
    )
    assert set(frame["place"]) == {"Table 4", "Table 5", "Table 6", "Table 8"} and (frame["gap"] > 0).all()
    assert (frame["most"] <= frame["at_overlap"]).all() and (
        frame["independent"] <= frame["least"] + 1e-12
    ).all()
    counts = published_gaps.significant(frame)
    parts, whole = counts.iloc[:-1], counts.iloc[-1]
    assert (parts.drop(columns="place").sum() == whole.drop("place")).all() and whole["gaps"] == len(frame)
    assert (counts["always"] <= counts["independent"]).all() and (
        counts["independent"] <= counts["best"]
    ).all()
    assert "None" not in " ".join(
        published_gaps.significant_text(published_gaps.significant(published_gaps.rival_gaps())).columns
    )
    needed = published_gaps.needed(frame.assign(sd=0.006), (3, 5), 0.125)
    assert len(needed) == len(frame) and "Runs needed, paired t" in needed
    assert "Runs needed, paired t" not in published_gaps.needed(frame.assign(sd=np.nan), (3, 5), 0.125)


def test_pictures_are_drawn_with_and_without_a_spread():
    from gcaf_lib.display import power
    from gcaf_lib.paper import published_gaps

    frame = published_gaps.rival_gaps()
    known = frame.assign(sd=0.006, sd_low=0.003, sd_high=0.02)
    assert len(power.power_curves(known, (3, 5, 10)).axes) == 2
    assert len(power.power_curves(known.assign(sd=np.nan), (3, 5, 10)).axes) == 1
    assert power.gap_ranges(frame).svg().startswith("<svg")


# --- sentences of chapter 15, at their turning points ---


def test_spreads_in_words():

    runs = [record(s, 30 + s) for s in range(3)]
    known = {"images": 0.01, "seeds": 0.002}
    assert "needs no runs of ours" in seed_spread.accuracy_spread_said(known, [])
    assert "t-tests can't be done" in seed_spread.accuracy_spread_said(known | {"seeds": np.nan}, runs[:1])
    text = seed_spread.accuracy_spread_said(known, runs)
    assert "is 5.0 times the scatter over seeds" in text
    assert "times the scatter" not in seed_spread.accuracy_spread_said(known | {"seeds": 0.0}, runs)
    assert "correlation above ½" in text, "a difference scatters more than a model whose errors are its own"
    assert ("All seeds start from the same backbone weights" in text) == seed_spread.same_start(runs)


def test_auc_and_patient_verdicts():
    from gcaf_lib.findings import significance

    frame = pd.DataFrame(
        {"row": ["a", "b"], "first": [0.9, 0.99], "second": [0.95, 0.95], "holm": [0.01, 0.2]}
    )
    assert "1 of 2 differences stand after the adjustment, 1 of them" in delong.auc_verdict_said(frame)
    assert delong.auc_verdict_said(frame.assign(holm=0.3)) == "0 of 2 differences stand after the adjustment."
    assert delong.auc_verdict_said(frame.iloc[:0]).startswith("No other row")
    line = {"place": "Table 4", "images": 40}
    strict = pd.DataFrame(
        [line | {"row": row, "seeds": n, "permutation_holm": p, "difference": d, "picture_holm": q, "picture": -d}
         for row, n, p, q, d in (("a", 2, 0.01, 0.4, -0.1), ("b", 1, 0.01, 0.01, 0.1), ("c", 1, 0.4, 0.4, -0.1), ("d", 0, *[np.nan] * 3))]
    )  # fmt: skip
    text = significance.by_patient_said(strict, SWEEP)
    assert (
        "on 40 images, these trained models: 1 of 3 significantly worse after Holm's adjustment (a), better: b;"
        in text
    )
    assert (
        "by picture 1 of 3 significantly worse after Holm's adjustment (b), better: none. Not trained: d."
        in text
    )
    once = significance.by_patient_said(strict[strict["seeds"] == 1], SWEEP)
    assert "these trained models, one training of each: 0 of 2" in once
    none = significance.by_patient_said(strict.assign(seeds=0), SWEEP)
    assert "`gcaf sweep table-4-patients --profile demo` does it" in none
    assert "by picture" not in significance.by_patient_said(strict.assign(picture_holm=np.nan), SWEEP), (
        "not asked"
    )


def test_what_so_many_runs_and_images_can_find():
    from gcaf_lib.paper import published_gaps

    lines, runs = published_gaps.rival_gaps(), (3, 5, 10)
    assert "5.14 and 0.52 points" in published_gaps.claim_said(lines)
    unknown = published_gaps.power_said(lines.assign(sd=np.nan), runs)
    assert unknown.startswith("In multiples of the standard deviation") and "3.26 with 3 runs" in unknown
    found = published_gaps.power_said(lines.assign(sd=1e-6, sd_high=1e-5), runs)
    assert found.count(" 20 of the paper's 20 (those") == 3 and "5 runs find 20 of them." in found
    assert found.count("so many points on: 0.00 in Tables 4 and 5 and 6 and 8)") == 3, (
        "one spread, one threshold"
    )
    none = published_gaps.power_said(lines.assign(sd=1.0, sd_high=2.0), runs)
    assert none.count(" none of the paper's 20") == 3 and "5 runs find none of them." in none
    apart = lines.assign(sd=np.where(lines["place"] == "Table 6", 0.012, 0.004), sd_high=0.1)
    found = published_gaps.power_said(apart, runs)
    least = [100 * intervals.detectable_by_t_test(sd, 5) for sd in (0.004, 0.012)]
    assert f"{least[0]:.2f} in Tables 4 and 5 and 8, {least[1]:.2f} in Table 6)" in found
    none = pd.DataFrame(columns=["place", "row", "share"])
    assert "runs behind this page" not in published_gaps.images_said(published_gaps.significant(lines), none)
    shares = pd.DataFrame(
        {"place": ["Table 4", "Table 5", "Table 6"], "row": list("abc"), "share": [0.5, 0.7, 0.4]}
    )
    seen = published_gaps.images_said(published_gaps.significant(lines), shares)
    assert "60% with the same backbones (2 rows: 50% to 70%), at which" in seen
    assert "40% with others (1 row: 40% to 40%)" in seen
    part = published_gaps.significant(published_gaps.rival_gaps(overlap={"Table 4": 0.5}))
    table, known = published_gaps.significant_text(part), part.set_index("place")["at_overlap"]
    cells = table.set_index("Table")["… at the overlap measured here"].to_dict()
    assert cells["Table 5"] == cells["Table 6"] == "–" and cells["Table 4"] == str(known["Table 4"])
    assert cells["all"] == f"{known['all']} of {part['measured'].iloc[-1]}"
    assert f" {part['measured'].iloc[-1]} gaps, each at its table's overlap" in published_gaps.images_said(
        part, shares
    )
    assert "spreads measured here" not in published_gaps.backwards_said(lines.assign(sd=np.nan), runs, 0.125)
    said = published_gaps.backwards_said(lines.assign(sd=0.0047), runs, 0.125)
    assert "Table 6 takes 4 runs or more, all four tables 6 runs or more" in said
    assert (
        paired_tests.largest_sd(0.0083, 4) > 0.0047 > paired_tests.largest_sd(0.0083, 3)
    )  # the gap of VGG19
    most = published_gaps.backwards_said(lines.assign(sd=10), runs, 0.125)
    assert "all four tables more runs than anybody makes" in most


def test_what_the_comparisons_of_a_table_could_have_shown():

    def frame(*rows, pairs=2):
        """Rows (half a width, of it by picture, the paper's difference) beside the proposed model's own."""
        lines = [
            {"row": str(k), "metric": "accuracy", "reference": False, "pairs": pairs, "folds": 5, "images": 7000, "pictures": 3000,
             "groups": 600, "difference_low": -half, "difference_high": half, "picture_difference_low": -copied,
             "picture_difference_high": copied, "published_difference": theirs,
             "difference_error": half / 1.96, "picture_difference_error": copied / 1.96,
             "difference_freedom": np.inf, "picture_difference_freedom": np.inf}
            for k, (half, copied, theirs) in enumerate(rows)
        ]  # fmt: skip
        return pd.DataFrame([{"row": "own", "metric": "accuracy", "reference": True, "pairs": 2}, *lines])

    # times 1.43: 1.43, 2.86 and 2.86 points, by picture 4.29; the second gap is as large as the first row's alone
    known = frame((0.01, 0.03, -0.0144), (0.02, 0.03, -0.0248), (0.02, 0.03, np.nan))
    none = frame((np.nan, np.nan, -0.02), pairs=0)
    split = dict.fromkeys(table_rows.TABLES, none) | {"Table 4": known}
    seen = visible_differences.by_table({"here": split})
    text = visible_differences.by_table_text(seen).set_index("Table")
    assert text.loc["4"].tolist() == [
        "here", "2 seeds of 5 folds, 7,000 images (3,000 pictures, 600 patient groups)", "1.43 to 2.86", "4.29", "1 of 2"
    ]  # fmt: skip
    assert (
        text.loc["8", "Compared"] == "not trained yet" and text.loc["8", "The paper's as large"] == "0 of 0"
    )
    said = visible_differences.by_table_said(seen)
    assert "with a power of 80%: here 1 of 2." in said and "Left out" not in said
    once = visible_differences.by_table({"here": split | {"Table 5": frame((0.01, 0.01, 0.05), pairs=1)}})
    assert "here 1 of 2." in visible_differences.by_table_said(once)
    assert (
        "Left out, because one seed knows nothing of another training's chance: 1 (Table 5) on here."
        in visible_differences.by_table_said(once)
    )
    nothing = visible_differences.by_table({"here": dict.fromkeys(table_rows.TABLES, none)})
    assert "no interval" in visible_differences.by_table_said(nothing)

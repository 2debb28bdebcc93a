"""No measure makes a number of nonsense: every one that takes labels and probabilities checks them alike."""

import numpy as np
import pytest

from gcaf_lib.evaluation import calibration_measures, clustered, confidence, intervals, metrics, weighted

LABELS = np.array([0, 1, 2, 3, 0, 1])
PROBS = np.full((6, 4), 0.1) + 0.6 * np.eye(4)[[0, 1, 2, 2, 0, 3]]

MEASURES = {
    "ece": calibration_measures.ece,
    "ece, equal mass": lambda y, p: calibration_measures.ece(y, p, equal_mass=True),
    "classwise ece": calibration_measures.classwise_ece,
    "brier": calibration_measures.brier,
    "nll": calibration_measures.nll,
    "reliability": calibration_measures.reliability,
    "temperature": calibration_measures.temperature,
    "selective": calibration_measures.selective,
    "net benefit": lambda y, p: calibration_measures.net_benefit(y, p, 0),
    "one vs rest": lambda y, p: confidence.one_vs_rest(y, p, 0, np.arange(np.size(y))),
    "threshold": lambda y, p: confidence.threshold_for(y, p, 0.9),
    "kept": lambda y, p: confidence.kept(y, p, 0.5),
    "selective at": lambda y, p: confidence.selective_at(y, p, [0.5]),
    "confusion": metrics.confusion,
    "report": metrics.report,
    "roc": metrics.roc,
    "precision and recall": metrics.precision_recall,
    "summary": metrics.summary,
    **{f"weighted {name}": lambda y, p, name=name: weighted.metric(name, y, p) for name in weighted.PLAIN},
}
NAN = np.where(np.arange(6)[:, None] == 2, np.nan, PROBS)
NONSENSE = {
    "labels are words": (np.array(["a"] * 6), PROBS, "labels must be integers from 0 to 3"),
    "labels count from 1": (LABELS + 1, PROBS, "labels must be integers from 0 to 3"),
    "labels below 0": (LABELS - 1, PROBS, "labels must be integers"),
    "labels are floats": (LABELS + 0.5, PROBS, "labels must be integers"),
    "labels are missing": (np.array([0, 1, None, 3, 0, 1]), PROBS, "labels must be integers"),
    "labels are a column": (LABELS[:, None], PROBS, r"labels \(6, 1\) and probs"),
    "too few labels": (LABELS[:5], PROBS, r"labels \(5,\) and probs"),
    "one label": (np.int64(1), PROBS, "labels"),
    "a row is NaN": (LABELS, NAN, "finite"),
    "infinite": (LABELS, np.where(np.isnan(NAN), np.inf, NAN), "finite"),
    "negative": (LABELS, PROBS - 0.2, "not negative"),
    "above 1 and below 0": (
        LABELS,
        PROBS + 0.5 * np.eye(4)[LABELS] - 0.5 * np.eye(4)[(LABELS + 1) % 4],
        "not negative",
    ),
    "sums of 1.01": (LABELS, PROBS * 1.01, "sum to 1"),
    "sums of 2": (LABELS, PROBS * 2, "sum to 1"),
    "logits": (LABELS, np.log(PROBS), "not negative"),
    "one column": (LABELS, PROBS[:, 0], r"probs \(6,\)"),
    "words for numbers": (LABELS, [*PROBS.astype(str).tolist(), "x"], "probs must be numbers"),
    "complex": (LABELS, PROBS.astype(complex), "probs must be numbers, not complex"),
    "numbers in quotes": (LABELS, PROBS.astype(str), "probs must be numbers, not <U"),
    "labels are spans of time": (LABELS.astype("timedelta64[s]"), PROBS, "labels must be integers"),
    "a single class": (LABELS * 0, np.ones((6, 1)), "two classes"),
    "nothing": (LABELS[:0], PROBS[:0], "no samples"),
}


@pytest.mark.parametrize("measure", MEASURES)
def test_every_measure_takes_what_fits(measure):
    MEASURES[measure](LABELS, PROBS)
    MEASURES[measure](LABELS.tolist(), PROBS.astype(np.float32).tolist())


@pytest.mark.parametrize("measure", MEASURES)
def test_no_measure_makes_a_number_of_nonsense(measure):
    for labels, probs, message in NONSENSE.values():
        with pytest.raises(ValueError, match=message):
            MEASURES[measure](labels, probs)


@pytest.mark.parametrize(
    "use", [lambda p: calibration_measures.scale(p, 2), confidence.perfect_labels, confidence.perfect_ece]
)
def test_probabilities_alone_are_checked_too(use):
    use(PROBS)
    for bad in (NAN, PROBS * 2, PROBS[:, 0], PROBS[:0]):
        with pytest.raises(ValueError, match="probs"):
            use(bad)


@pytest.mark.parametrize("t", [0, -1, np.nan, np.inf])
def test_a_temperature_is_a_number_above_0(t):
    with pytest.raises(ValueError, match="temperature"):
        calibration_measures.scale(PROBS, t)


def test_a_temperature_at_its_edge_is_no_fit():
    """Answers that are all right want T = 0, answers that are all wrong T without end."""
    sure = np.full((6, 4), 0.02) + 0.92 * np.eye(4)[LABELS]
    cold, hot = (
        calibration_measures.temperature(LABELS, sure),
        calibration_measures.temperature((LABELS + 1) % 4, sure),
    )
    assert (
        calibration_measures.at_edge(cold) and calibration_measures.at_edge(hot) and cold < 0.021 and hot > 49
    )
    fit = calibration_measures.temperature(LABELS, PROBS)
    assert not calibration_measures.at_edge(fit) and 0.1 < fit < 10


@pytest.mark.parametrize(
    "truth, score",
    [
        ([0, 0, 1, 1, np.nan], np.arange(5.0)),
        ([0, 0, 1, 2, 1], np.arange(5.0)),
        (["no", "no", "yes", "yes", "no"], np.arange(5.0)),
        ([0, 0, 1, 1], np.arange(5.0)),
        ([0, 0, 1, 1, 1], np.r_[np.nan, np.arange(4.0)]),
    ],
)
def test_delong_takes_0_and_1_and_finite_scores(truth, score):
    with pytest.raises(ValueError, match=r"truth|scores"):
        intervals.delong(truth, score)
    intervals.delong([0, 0, 1, 1, 1], np.arange(5.0))


BINNED = (
    calibration_measures.ece,
    calibration_measures.classwise_ece,
    calibration_measures.reliability,
    lambda y, p, bins: calibration_measures.ece(y, p, bins, equal_mass=True),
    lambda y, p, bins: confidence.one_vs_rest(y, p, 0, np.arange(6), bins),
)


@pytest.mark.parametrize("bins", [0, -1, 2.5, "x", None, True, np.nan])
@pytest.mark.parametrize("measure", BINNED)
def test_a_number_of_bins_is_a_whole_number_from_1(measure, bins):
    measure(LABELS, PROBS, bins=np.int64(3))
    with pytest.raises(ValueError, match="bins"):
        measure(LABELS, PROBS, bins=bins)


@pytest.mark.parametrize("level", [0, True, 95, -0.5, np.nan, "x", None])
def test_a_level_lies_between_0_and_1(level):
    ways = (
        lambda level: calibration_measures.reliability(LABELS, PROBS, level=level),
        lambda level: intervals.wilson(1, 2, level),
        lambda level: clustered.mean([0.0, 1.0], [0, 1], 9, level=level),
        lambda level: clustered.basic(0.5, np.array([0.4, 0.6]), level),
    )
    for way in ways:
        way(0.9)
        with pytest.raises(ValueError, match="level"):
            way(level)


def test_the_level_of_draws_may_be_all_of_them():
    draws = np.array([0.4, 0.5, 0.7])
    for level in (1, 1.0, np.int64(1), np.float32(1)):
        assert clustered.interval(0.5, draws, level)[1:] == (0.4, 0.7)
    for way in (
        lambda level: intervals.wilson(1, 2, level),
        lambda level: calibration_measures.reliability(LABELS, PROBS, level=level),
    ):
        with pytest.raises(ValueError, match="level"):
            way(1)
    for level in (True, 2, 0, "1"):
        with pytest.raises(ValueError, match="level"):
            clustered.interval(0.5, draws, level)


@pytest.mark.parametrize("positive", [4, -1, [0, 7], [], 1.5, "glioma", None, True])
def test_a_class_is_one_of_those_there_are(positive):
    for way in (
        lambda c: calibration_measures.net_benefit(LABELS, PROBS, c),
        lambda c: confidence.one_vs_rest(LABELS, PROBS, c, np.arange(6)),
    ):
        way(np.int64(3))
        with pytest.raises(ValueError, match="class"):
            way(positive)
    once, twice = (calibration_measures.net_benefit(LABELS, PROBS, c) for c in ([0, 2], [0, 2, 2]))
    assert once.equals(twice)


@pytest.mark.parametrize(
    "first, second",
    [
        ([1, 0, 1], [1]),
        ([[1, 0, 1]], [[0, 0, 1]]),
        ([1, 0, np.nan], [1, 1, 0]),
        (["yes", "no", "no"], ["yes"] * 3),
        (1, 0),
    ],
)
def test_two_models_are_compared_value_by_value(first, second):
    for way in (
        intervals.mcnemar,
        lambda a, b: intervals.nadeau_bengio(a, b, 0),
        lambda a, b: intervals.cluster_permutation(a, b, intervals.IMAGES),
    ):
        way([1, 0, 1], [0.0, 0.0, 1.0])
        with pytest.raises(ValueError, match="models"):
            way(first, second)


def test_mcnemar_takes_right_and_wrong_alone():
    with pytest.raises(ValueError, match="right or wrong"):
        intervals.mcnemar([0.9, 0.2], [0.8, 0.3])

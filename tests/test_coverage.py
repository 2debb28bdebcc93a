"""How often an interval holds the truth, and how often a test finds what is not there: simulations whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from gcaf_lib.evaluation import bootstrap, clustered, intervals, worth
from tests.test_worth import simulated

REPEATS, DRAWS = 200, 300
SIZES = np.array(
    [1] * 60 + [2] * 30 + [8] * 20 + [25] * 6
)  # images of a patient: few have many, as in the dataset
OF = np.repeat(np.arange(len(SIZES)), SIZES)
FILES = np.arange(len(OF))


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch):
    monkeypatch.setattr(bootstrap, "_SAMPLES", {})


def right(rng: np.random.Generator, seeds: int, training: float, offset: float = 0.0) -> np.ndarray:
    """(seeds, images) right or wrong: patients, trainings and both together shift a logit; patients are drawn anew."""
    patient = 1.2 * rng.standard_normal(len(SIZES))
    noise = 0.7 * rng.standard_normal((seeds, len(SIZES)))
    logit = 1.8 + offset + patient + training * rng.standard_normal((seeds, 1)) + noise
    return rng.random((seeds, len(OF))) < 1 / (1 + np.exp(-logit[:, OF]))


def sample(hits: np.ndarray, pictures: np.ndarray | None = None) -> bootstrap.Sample:
    """The accuracy's sample of some seeds' hits, as `worth.of_runs` takes it."""
    answers = [
        [bootstrap.Answers(FILES, np.zeros(len(FILES), int), np.eye(2)[(~h).astype(int)], ("a", "b"))]
        for h in hits
    ]
    found = bootstrap.samples(answers, OF, ["accuracy"], pictures=pictures, draws=DRAWS)["accuracy"]
    bootstrap._SAMPLES.clear()
    return found


def truth(training: float, offset: float = 0.0) -> float:
    """Expected accuracy over patients and trainings, from a large simulation."""
    rng = np.random.default_rng(99)
    return float(np.mean([right(rng, 40, training, offset).mean() for _ in range(400)]))


def held(one: worth.Worth, value: float) -> bool:
    return one.low <= value <= one.high


@pytest.mark.parametrize(("seeds", "training"), [(1, 0.0), (3, 0.0), (3, 0.2), (2, 0.2)])
def test_an_interval_of_the_accuracy_holds_the_truth_over_patients_and_trainings(seeds, training):
    """With one seed there is no spread to know of: there the trainings of the simulation are alike. Clusters as uneven
    as these leave percentiles a little short of their 95%."""
    value, rng = truth(training), np.random.default_rng(1)
    found = [worth.of_sample("accuracy", sample(right(rng, seeds, training))) for _ in range(REPEATS)]
    assert np.mean([held(one, value) for one in found]) > 0.87


def test_over_patients_alone_it_would_not():
    """Negative control: the same, with the trainings' part taken out."""
    value, rng = truth(0.4), np.random.default_rng(1)
    plain = []
    for _ in range(REPEATS):
        one = sample(right(rng, 3, 0.4))
        plain.append(clustered.interval(one.values.mean(), one.draws))
    assert np.mean([held(one, value) for one in plain]) < 0.85


@pytest.mark.parametrize(
    ("seeds", "training", "most"),
    [(1, 0.0, 0.1), (2, 0.0, 0.1), (3, 0.0, 0.1), (2, 0.4, 0.1), (3, 0.4, 0.1)],
)
def test_how_often_a_true_difference_of_0_is_excluded(seeds, training, most):
    """About one in twenty, whether trainings scatter little or much."""
    rng, told = np.random.default_rng(2), []
    for _ in range(REPEATS):
        # the same patients are hard for both: half of the answers are those of one model
        first, second = right(rng, seeds, training), right(rng, seeds, training)
        second = np.where(rng.random(second.shape) < 0.5, first, second)
        one = worth.of_sample("accuracy", sample(first) - sample(second), least=-np.inf, answer=1 / len(OF))
        told.append(one.low > 0 or one.high < 0)
    assert np.mean(told) < most


def test_with_one_seed_a_true_difference_of_0_is_excluded_far_more_often():
    """Negative control: what `ablation_summary.differences_said` warns of where rows were trained once."""
    rng, told = np.random.default_rng(2), []
    for _ in range(100):
        first, second = right(rng, 1, 0.4), right(rng, 1, 0.4)
        one = worth.of_sample("accuracy", sample(first) - sample(second), least=-np.inf, answer=1 / len(OF))
        told.append(one.low > 0 or one.high < 0)
    assert np.mean(told) > 0.2


def test_by_picture_the_interval_holds_the_truth_by_picture():
    """Every second image is a copy of the one before it, right or wrong with it, and counts half."""
    pictures, rng, value = FILES // 2, np.random.default_rng(3), truth(0.0)
    found = []
    for _ in range(REPEATS):
        hits = right(rng, 1, 0.0)
        hits = hits[:, FILES - FILES % 2]
        found.append(worth.of_sample("accuracy", sample(hits, pictures)))
    # a patient with one image shares its copy with the next: the truth is the same
    assert np.mean([held(one, value) for one in found]) > 0.88


def test_the_permutation_over_patients_has_its_size_for_two_trained_models():
    rng, p = np.random.default_rng(4), []
    for _ in range(REPEATS):
        a, b = right(rng, 2, 0.0).astype(float)
        p.append(intervals.cluster_permutation(a, b, OF, n=199).p)
    assert 0.01 < np.mean(np.array(p) < 0.05) < 0.1


def test_the_permutation_over_patients_knows_nothing_of_other_trainings():
    """Why chapter 15 sets the proposed model beside itself: two trainings of one method are often "different"."""
    rng, p = np.random.default_rng(5), []
    for _ in range(100):
        a, b = right(rng, 2, 0.6).astype(float)
        p.append(intervals.cluster_permutation(a, b, OF, n=199).p)
    assert np.mean(np.array(p) < 0.05) > 0.2


def test_the_bootstrap_finds_some_three_fifths_of_what_chance_adds_to_a_calibration_error():
    """What `verdicts.level` allows for: of a model that is off by 0.03, measured on 400 images of patients."""
    rng, found = np.random.default_rng(6), []
    for _ in range(120):
        confidence = 0.5 + 0.5 * rng.beta(3, 0.6, len(OF))
        hit = rng.random(len(OF)) < np.clip(confidence - 0.03, 0, 1)
        probs = np.column_stack([confidence, 1 - confidence])
        answers = bootstrap.Answers(FILES, np.where(hit, 0, 1), probs, ("a", "b"))
        found.append(worth.of_sample("ece", bootstrap.samples([[answers]], OF, ["ece"], draws=100)["ece"]))
        bootstrap._SAMPLES.clear()
    bias, lift = np.mean([one.value for one in found]) - 0.03, np.mean([one.lift for one in found])
    assert 0 < lift < bias and 0.4 < lift / bias < 1


FIVE = np.sqrt(2) * np.arange(-2, 3)  # five seeds whose mean has a variance of 1


def test_a_widened_interval_by_hand():
    """Draws of variance 1, and seeds whose mean has another 1: T = 1, V = 2, ν = 4 (V/T)² = 16, t = 2.120."""
    draws = np.random.default_rng(7).standard_normal(20_001)
    one = worth.of_sample("excess", bootstrap.Sample(FIVE, draws), least=-np.inf)
    assert (one.low, one.high) == pytest.approx((-2.120 * 2**0.5, 2.120 * 2**0.5), rel=0.03)
    assert one.error == pytest.approx(2**0.5, rel=0.02) and one.freedom == pytest.approx(16, rel=0.05)
    for values in ([0.0], [0.0, 0.0]):  # one seed, or two that agree: over patients alone
        alone = worth.of_sample("excess", bootstrap.Sample(np.array(values), draws), least=-np.inf)
        assert (alone.low, alone.high) == pytest.approx(tuple(np.quantile(draws, [0.025, 0.975])))
        assert alone.error == pytest.approx(1, rel=0.02) and np.isinf(alone.freedom)
    still = bootstrap.Sample(np.array([-1.0, 1.0]), np.zeros(5))
    one = worth.of_sample("excess", still, least=-np.inf)
    assert one.high == pytest.approx(12.706, rel=1e-3) and one.freedom == pytest.approx(1)


@pytest.mark.parametrize(
    ("values", "level", "half", "freedom"),
    # Satterthwaite's alone: 2.776 √2 = 3.93 of two seeds, 2.921 √2 = 4.13 of five, 2.120 √2 = 3.00
    [((-1.0, 1.0), 0.95, 12.706, 1), (FIVE, 0.99, 4.604, 4), (FIVE, 0.95, 2.120 * 2**0.5, 16)],
)
def test_patients_never_narrow_what_trainings_alone_leave_open(values, level, half, freedom):
    """The same draws of variance 1 beside T = 1: at least Student's t of the seeds, times s/√S."""
    draws = np.random.default_rng(7).standard_normal(20_001)
    for scale in (1, 0.3, 1e-3):
        both = bootstrap.Sample(np.array(values), scale * draws)
        one = worth.of_sample("excess", both, level, least=-np.inf)
        alone = stats.t.ppf((1 + level) / 2, len(values) - 1)
        assert min(-one.low, one.high) >= alone * (1 - 1e-9), scale
        if scale == 1:
            assert (one.low, one.high) == pytest.approx((-half, half), rel=0.03)
            assert one.freedom == pytest.approx(freedom, rel=0.05)


def test_a_calibration_error_is_widened_about_what_chance_has_not_lifted():
    draws = 0.06 + 0.01 * np.random.default_rng(7).standard_normal(20_001)
    one = worth.of_sample("ece", bootstrap.Sample(0.04 + 0.01 * FIVE, draws))
    plain = clustered.basic(0.04, draws)
    assert one.lift == pytest.approx(0.02, abs=1e-3) and one.high > plain.high and one.low == 0
    assert one.high - 0.02 == pytest.approx(2.120 * 0.01 * 2**0.5, rel=0.03)


def test_a_share_does_not_go_beyond_1_and_a_difference_may():
    both = bootstrap.Sample(np.array([0.95, 0.999]), np.linspace(0.96, 0.99, 50))
    assert worth.of_sample("accuracy", both).high == 1 < worth.of_sample("accuracy", both, least=-np.inf).high


@pytest.mark.parametrize(
    ("only_first", "only_second", "apart"),
    [
        (0, 0, False),
        (3, 0, False),
        (4, 0, False),
        (5, 0, False),
        (6, 0, True),
        (7, 1, False),
        (9, 1, True),
        (20, 6, True),
    ],
)
def test_a_handful_of_answers_is_judged_as_by_mcnemars_exact_test(only_first, only_second, apart):
    """703 images of as many patients: p = 0.0625 for 5 answers to none, 0.031 for 6."""
    n = 703
    assert (intervals.mcnemar(*_rights(only_first, only_second, n)).exact < 0.05) == apart
    rows, groups = np.arange(n), np.arange(n)
    sides = [
        bootstrap.samples(
            [[bootstrap.Answers(rows, np.zeros(n, int), np.eye(2)[(~r).astype(int)], ("a", "b"))]],
            groups,
            ["accuracy"],
        )
        for r in _rights(only_first, only_second, n)
    ]
    gap = worth.of_sample(
        "accuracy", sides[0]["accuracy"] - sides[1]["accuracy"], least=-np.inf, answer=1 / n
    )
    assert (gap.low > 0 or gap.high < 0) == apart and gap.low < gap.high
    if not only_first:
        assert (gap.low, gap.high) == pytest.approx((-(1.96**2) / 2**0.5 / n, 1.96**2 / 2**0.5 / n), rel=1e-3)


def _rights(only_first: int, only_second: int, n: int) -> list[np.ndarray]:
    first, second = np.ones(n, bool), np.ones(n, bool)
    second[:only_first] = first[only_first : only_first + only_second] = False
    return [first, second]


@pytest.mark.parametrize(
    ("shift", "least", "most"), [(0.0, 0.5, 0.75), (0.01, 0.74, 0.92), (0.03, 0.8, 0.97), (0.05, 0.8, 0.97)]
)
def test_how_often_the_interval_of_a_calibration_error_holds_the_truth(shift, least, most):
    """What chapter 19 says of one seed's: some 85 to 90 of 100, near 0 some 65."""
    held_ = 0
    for seed in range(100):
        value, draws = simulated(shift, seed)
        one = worth.of_sample("ece", bootstrap.Sample(np.array([value]), draws))
        held_ += one.low <= shift <= one.high
        bootstrap._SAMPLES.clear()
    assert least <= held_ / 100 <= most

"""Calibration: cases computed by hand, scikit-learn as the second library, and invariants."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import CalibratedClassifierCV, calibration_curve
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss

from gcaf_lib.evaluation import calibration_measures as cal


def softmax(z):
    return np.exp(z) / np.exp(z).sum(1, keepdims=True)


def sample(n=300, k=4, seed=0, skill=1.5):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, k, n)
    return labels, softmax(rng.normal(size=(n, k)) + skill * np.eye(k)[labels])


def two(confidence, hit):
    """Two-class samples whose predicted class is 0: confidence and whether it is right."""
    confidence = np.asarray(confidence, float)
    return np.where(hit, 0, 1), np.column_stack([confidence, 1 - confidence])


def test_ece_by_hand():
    labels, probs = two([0.9, 0.9, 0.9, 0.9, 0.6, 0.6], [1, 1, 1, 0, 1, 0])
    # bins (13/15, 14/15] and (8/15, 9/15]: |3/4 - 0.9| * 4/6 + |1/2 - 0.6| * 2/6
    assert cal.ece(labels, probs) == pytest.approx(0.15 * 4 / 6 + 0.1 * 2 / 6)
    assert cal.ece(labels, probs, bins=1) == pytest.approx(abs(4 / 6 - 0.8))
    assert cal.classwise_ece(labels, probs) == pytest.approx(cal.ece(labels, probs))
    # equal mass, two bins of three: ties at 0.9 stay together in the lower bin that they start in
    assert cal.ece(labels, probs, bins=2, equal_mass=True) == pytest.approx(abs(4 / 6 - 0.8))
    labels, probs = two([0.6, 0.7, 0.8, 0.9], [1, 0, 1, 1])
    assert cal.ece(labels, probs, 2, equal_mass=True) == pytest.approx((0.15 + 0.15) / 2)


def test_a_score_on_an_edge_belongs_to_the_bin_below():
    assert cal.bin_numbers(np.array([0, 0.25, 0.26, 0.5, 0.75, 1]), 4, False).tolist() == [0, 0, 1, 1, 2, 3]
    for bins in (10, 15, 20, 50, 100):
        edges = np.arange(bins + 1) / bins
        assert cal.bin_numbers(edges, bins, False).tolist() == [0, *range(bins)], bins
    written = np.array([0.07, 0.14, 0.28, 0.55, 0.56])
    assert cal.bin_numbers(written, 100, False).tolist() == [6, 13, 27, 54, 55]
    score = np.r_[np.random.default_rng(0).random(10_000), np.arange(1001) / 1000]
    for bins in (10, 15, 20):
        plain = np.clip(np.ceil(score * bins).astype(int) - 1, 0, bins - 1)
        assert (cal.bin_numbers(score, bins, False) == plain).all(), bins


def test_ece_agrees_with_scikit_learns_bins():
    rng = np.random.default_rng(1)
    confidence = rng.uniform(0.5, 1, 500)
    labels, probs = two(confidence, rng.random(500) < confidence**2)
    true, mean = calibration_curve(labels == 0, confidence, n_bins=15)
    table = cal.reliability(labels, probs)
    full = table[table["count"] > 0]
    assert np.allclose(full.accuracy, true) and np.allclose(full.confidence, mean)
    assert cal.ece(labels, probs) == pytest.approx(
        (full["count"] * abs(full.accuracy - full.confidence)).sum() / 500
    )


def test_reliability_bins_and_wilson():
    labels, probs = two([1.0] * 10, [1] * 8 + [0] * 2)
    table = cal.reliability(labels, probs)
    assert len(table) == 15 and table["count"].sum() == 10 and table["count"].iloc[-1] == 10
    # Wilson, 8 of 10: Brown, Cai & DasGupta's formula by hand
    z, p, n = 1.959963984540054, 0.8, 10
    centre, half = (p + z * z / 2 / n), z * np.sqrt(p * (1 - p) / n + z * z / 4 / n / n)
    assert table.iloc[-1][["accuracy_low", "accuracy_high"]].tolist() == pytest.approx(
        [(centre - half) / (1 + z * z / n), (centre + half) / (1 + z * z / n)]
    )
    mass = cal.reliability(*sample(), equal_mass=True)
    few = cal.reliability(*two([0.9, 0.9, 0.6], [1, 0, 1]), bins=5, equal_mass=True)
    assert (few["low"].isna() == (few["count"] == 0)).all() and (few["count"] == 0).any()
    assert mass["count"].tolist() == [20] * 15 and (mass.low <= mass.confidence).all()


def test_brier_and_nll():
    labels, probs = sample(k=2)
    assert cal.brier(labels, probs) == pytest.approx(2 * brier_score_loss(labels, probs[:, 1]))
    assert cal.nll(labels, probs) == pytest.approx(-np.log(probs[np.arange(300), labels]).mean())
    assert cal.nll([0], [[0.0, 1.0]]) == pytest.approx(-np.log(1e-12))


def test_temperature_is_recovered_and_agrees_with_scikit_learn():
    labels, probs = sample(4000, skill=0)
    rng = np.random.default_rng(3)
    labels = (probs.cumsum(1) > rng.random((4000, 1))).argmax(1)  # drawn from probs: calibrated
    assert cal.temperature(labels, probs) == pytest.approx(1, abs=0.05)
    sharp = cal.scale(probs, 1 / 3)  # logits times 3
    assert cal.temperature(labels, sharp) == pytest.approx(3 * cal.temperature(labels, probs), rel=1e-3)
    assert cal.ece(labels, cal.scale(sharp, 3)) < cal.ece(labels, sharp) / 3
    flat = cal.scale(probs, 30)  # far down, where half the search would not reach
    assert cal.temperature(labels, flat) == pytest.approx(cal.temperature(labels, probs) / 30, rel=1e-3)
    x = rng.normal(size=(400, 3))
    y = (x[:, 0] + rng.normal(size=400) > 0).astype(int) + (x[:, 1] > 1)
    model = LogisticRegression(C=100).fit(x[:100], y[:100])
    second = CalibratedClassifierCV(FrozenEstimator(model), method="temperature").fit(x, y)
    ours = cal.scale(model.predict_proba(x), cal.temperature(y, model.predict_proba(x)))
    assert np.allclose(ours, second.predict_proba(x), atol=1e-3)


def test_a_temperature_that_nothing_decides_is_at_the_edge():
    """Equal probabilities are equal at every temperature: what minimises there is no fit."""
    flat = cal.temperature([0, 1, 1], np.full((3, 2), 0.5))
    assert flat == pytest.approx(1 / cal.EDGE) and cal.at_edge(flat)
    right, wrong = (cal.temperature(*two([0.9] * 4, [hit] * 4)) for hit in (1, 0))
    assert (right, wrong) == pytest.approx((1 / cal.EDGE, cal.EDGE), rel=1e-12)
    for t in (np.inf, np.nan, -1.0, 0.0):
        with pytest.raises(ValueError, match="above 0"):
            cal.scale([[0.5, 0.5]], t)


@given(st.integers(0, 10**6), st.floats(0.05, 20))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_scaling_keeps_the_decision(seed, t):
    labels, probs = sample(20, seed=seed)
    scaled = cal.scale(probs, t)
    assert (scaled.argmax(1) == probs.argmax(1)).all() and np.allclose(scaled.sum(1), 1)
    assert 0 <= cal.ece(labels, scaled) <= 1 and 0 <= cal.ece(labels, scaled, equal_mass=True) <= 1


@given(st.integers(0, 10**6))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_order_of_the_samples_does_not_matter(seed):
    rng = np.random.default_rng(seed)
    labels, probs = rng.integers(0, 3, 40), np.round(softmax(rng.normal(size=(40, 3))), 1) + 1e-6
    probs /= probs.sum(1, keepdims=True)
    order = rng.permutation(40)
    for f in (cal.ece, cal.classwise_ece, cal.brier, lambda a, b: cal.ece(a, b, 5, True)):
        assert f(labels, probs) == pytest.approx(f(labels[order], probs[order]))
    for one, other in zip(cal.selective(labels, probs), cal.selective(labels[order], probs[order])):
        assert one == pytest.approx(other)


def test_selective_prediction_by_hand():
    labels, probs = two([0.9, 0.8, 0.7, 0.6], [1, 1, 0, 1])
    curve = cal.selective(labels, probs)
    assert curve.coverage.tolist() == [0.25, 0.5, 0.75, 1]
    assert curve.accuracy.tolist() == pytest.approx([1, 1, 2 / 3, 3 / 4])
    assert curve.threshold.tolist() == pytest.approx([0.9, 0.8, 0.7, 0.6])
    tied = cal.selective(*two([0.7] * 4, [1, 0, 1, 0]))
    assert tied.coverage.tolist() == [1] and tied.accuracy.tolist() == [0.5]


def test_net_benefit_by_hand_and_its_limits():
    labels, probs = two([0.9, 0.6, 0.4, 0.1], [1, 0, 1, 0])
    line = cal.net_benefit(labels, probs, 0, [0.5]).iloc[0]
    assert line.model == pytest.approx(1 / 4 - 1 / 4) and line["all"] == pytest.approx(0) and line.none == 0
    assert cal.net_benefit([0, 0], [[0.5, 0.5]] * 2, 0, [0.5]).model.item() == 1, "at least t, not above it"
    everyone = cal.net_benefit(labels, probs, [0, 1], [0.2])
    assert everyone.model.item() == pytest.approx(1) == everyone["all"].item()
    with pytest.raises(ValueError, match="between 0 and 1"):
        cal.net_benefit(labels, probs, 0, [1.0])
    with pytest.raises(ValueError, match="no samples"):
        cal.temperature([], np.zeros((0, 4)))


@pytest.mark.parametrize("equal_mass", [False, True])
@pytest.mark.parametrize("bins", [5, 15])
def test_ece_of_many_outcomes_is_each_ones_ece(bins, equal_mass):
    rng = np.random.default_rng(3)
    probs = rng.dirichlet(np.ones(4), 200)
    labels = rng.integers(0, 4, (6, 200))
    many = cal.ece_of_outcomes(labels == probs.argmax(1), probs.max(1), bins, equal_mass)
    each = [cal.ece(one, probs, bins, equal_mass) for one in labels]
    np.testing.assert_allclose(many, each, atol=1e-15)

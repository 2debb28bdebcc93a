"""Eqs 14 and 15 against closed forms, Keras's own loss, and extreme logits."""

import keras
import numpy as np
import pytest
from keras import ops

from gcaf_lib.model import augment, losses
from gcaf_lib.model.gradients import value_and_gradient

K = 4
rng = np.random.default_rng(0)
LOGITS = rng.normal(size=(64, K)).astype("float32") * 3
HARD = np.eye(K, dtype="float32")[rng.integers(0, K, 64)]
SOFT = rng.dirichlet(np.ones(K), 64).astype("float32")
ALPHA = np.array([0.5, 1.0, 1.5, 1.0])


def softmax(z):
    e = np.exp(z - z.max(-1, keepdims=True).astype(float))
    return e / e.sum(-1, keepdims=True)


def run(labels, logits, reading, gamma=2.0, eps=0.0, alpha=(1, 1, 1, 1)):
    return ops.convert_to_numpy(losses.FocalLoss(reading, gamma, eps, alpha)(labels, logits))


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0, 3.0])
@pytest.mark.parametrize("eps", [0.0, 0.05])
@pytest.mark.parametrize("labels", [HARD, SOFT], ids=["hard", "soft"])
def test_both_readings_are_their_formulas(labels, eps, gamma):
    p, y = softmax(LOGITS), (1 - eps) * labels + eps / K
    pt = (y * p).sum(-1)
    literal = -(y @ ALPHA) * (1 - pt) ** gamma * np.log(pt)
    np.testing.assert_allclose(
        run(labels, LOGITS, "target-probability", gamma, eps, ALPHA), literal, rtol=2e-4
    )
    perclass = -(ALPHA * y * (1 - p) ** gamma * np.log(p)).sum(-1)
    np.testing.assert_allclose(run(labels, LOGITS, "per-class", gamma, eps, ALPHA), perclass, rtol=2e-4)


def test_per_class_is_keras_categorical_focal_crossentropy():
    for eps in (0.0, 0.1):
        keras_loss = keras.losses.CategoricalFocalCrossentropy(
            alpha=0.25, gamma=2, from_logits=True, label_smoothing=eps, reduction="none"
        )
        ours = run(SOFT, LOGITS, "per-class", 2, eps, np.full(K, 0.25))
        np.testing.assert_allclose(ours, ops.convert_to_numpy(keras_loss(SOFT, LOGITS)), rtol=1e-4)


def test_gamma_zero_is_cross_entropy_and_readings_agree_on_hard_labels():
    entropy = -(SOFT * np.log(softmax(LOGITS))).sum(-1)
    np.testing.assert_allclose(run(SOFT, LOGITS, "per-class", 0.0), entropy, rtol=1e-5)
    a = run(HARD, LOGITS, "per-class", 2.0, 0.0, ALPHA)
    np.testing.assert_allclose(a, run(HARD, LOGITS, "target-probability", 2.0, 0.0, ALPHA), rtol=1e-5)


@pytest.mark.parametrize("reading", losses.READINGS)
@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_extreme_logits_give_finite_values_and_gradients(reading, gamma):
    for size in (1e2, 1e4, 1e6):
        for labels in (HARD[:8], SOFT[:8]):
            logits = np.sign(LOGITS[:8]) * size
            loss = losses.FocalLoss(reading, gamma, 0.05, ALPHA)
            value, grad = value_and_gradient(lambda z, y=labels, f=loss: ops.sum(f(y, z)), logits)
            assert np.isfinite(ops.convert_to_numpy(value))
            assert np.isfinite(ops.convert_to_numpy(grad)).all()


@pytest.mark.parametrize("reading", losses.READINGS)
def test_gradient_against_finite_differences(reading):
    y, z, h = SOFT[0].astype(float), LOGITS[0].astype(float), 1e-6
    smoothed = losses.smooth(y, 0.05)

    def at(v):
        return losses.value(softmax(v), smoothed, reading, 2.0, ALPHA)

    wanted = [(at(z + h * e) - at(z - h * e)) / (2 * h) for e in np.eye(K)]
    loss = losses.FocalLoss(reading, 2.0, 0.05, ALPHA)
    _, grad = value_and_gradient(lambda v: ops.sum(loss(SOFT[:1], v)), LOGITS[:1])
    np.testing.assert_allclose(ops.convert_to_numpy(grad)[0], wanted, rtol=1e-3, atol=1e-5)


def test_smoothing_and_mixing_commute():
    lam, order = rng.uniform(size=64).astype("float32"), rng.permutation(64)
    images = np.zeros((64, 1, 1, 1), "float32")
    _, first = augment.mixup(images, losses.smooth(HARD, 0.05), lam, order)
    mixed = ops.convert_to_numpy(augment.mixup(images, HARD, lam, order)[1])
    np.testing.assert_allclose(ops.convert_to_numpy(first), losses.smooth(mixed, 0.05), atol=1e-6)
    np.testing.assert_allclose(losses.smooth(HARD, 0.05).sum(-1), 1, atol=1e-6)


def test_class_weights():
    weights = losses.class_weights([1621, 1645, 2000, 1757], "inverse-frequency")
    assert weights.mean() == pytest.approx(1)
    np.testing.assert_allclose(weights * [1621, 1645, 2000, 1757], weights[0] * 1621)
    np.testing.assert_array_equal(losses.class_weights([1, 2, 3, 4], 0.25), np.full(4, 0.25))
    with pytest.raises(ValueError, match=r"no images of class \[2\]"):
        losses.class_weights([1, 2, 0, 4], "inverse-frequency")
    with pytest.raises(ValueError, match="is not one of"):
        losses.FocalLoss("wrong", 2, 0, ALPHA)


def test_minimisers_literal_is_one_hot_and_per_class_is_soft():
    target = losses.smooth(np.array([0.0, 1.0, 0.0, 0.0]), 0.05)
    literal = losses.minimiser(target, "target-probability", 2.0, np.ones(K))
    np.testing.assert_allclose(literal, [0, 1, 0, 0], atol=1e-6)
    soft = losses.minimiser(target, "per-class", 2.0, np.ones(K))
    assert 0.5 < soft[1] < 0.96 and (soft > 0.01).all()
    # stationary: the derivative of each term, (1-p)^(γ-1)·(γ log p - (1-p)/p), is the same multiplier
    slope = target * (1 - soft) * (2 * np.log(soft) - (1 - soft) / soft)
    np.testing.assert_allclose(slope, slope[0], rtol=1e-2)


@pytest.mark.parametrize("target", [[0.9625, 0.0125, 0.0125, 0.0125], [0.6, 0.3, 0.05, 0.05]])
def test_minimiser_of_cross_entropy_is_the_target(target):
    np.testing.assert_allclose(losses.minimiser(target, "per-class", 0.0, 1.0), target, atol=1e-5)
    for reading in losses.READINGS:  # no probability does better than the minimiser
        best = losses.value(losses.minimiser(target, reading, 2.0, 1.0), target, reading, 2.0, 1.0)
        others = rng.dirichlet(np.ones(K), 500)
        assert all(losses.value(p, target, reading, 2.0, 1.0) >= best - 1e-9 for p in others)

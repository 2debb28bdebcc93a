"""Augmentation and Mixup: ranges, repeatability, KerasCV and Keras held together."""

import keras
import numpy as np
import pytest
from keras import ops
from scipy import stats

from gcaf_lib.model import augment
from gcaf_lib.settings import TrainingSettings

TF = keras.backend.backend() == "tensorflow"
only_tf = pytest.mark.skipif(not TF, reason="KerasCV is used on the TensorFlow backend only")
rng = np.random.default_rng(0)
IMAGES = rng.integers(0, 256, (16, 8, 10, 3)).astype("uint8")
LABELS = np.eye(4, dtype="float32")[rng.integers(0, 4, 16)]


def arrays(x):
    return ops.convert_to_numpy(x)


def chain(settings=None, mix=0.2):
    """Augmentation, Mixup and a nested Dropout in one functional model."""
    image, label = keras.Input((8, 10, 3)), keras.Input((4,))
    x = image
    for layer in augment.augmentation(settings or TrainingSettings()):
        x = layer(x)
    x, y = augment.Mixup(mix)((x, label))
    inner = keras.Sequential([keras.layers.Dropout(0.5)])
    return keras.Model([image, label], [inner(x), y])


def test_idle_outside_training_and_float32():
    for layer in augment.augmentation(TrainingSettings()):
        out = layer(IMAGES, training=False)
        assert keras.backend.standardize_dtype(out.dtype) == "float32"
        np.testing.assert_array_equal(arrays(out), IMAGES)


def test_settings_of_zero_leave_layers_out():
    off = TrainingSettings(flips=False, brightness=0.0, contrast=0.0)
    assert augment.augmentation(off) == []
    assert [la.name for la in augment.augmentation(TrainingSettings())] == [
        "flip_horizontal",
        "flip_vertical",
        "brightness",
        "contrast",
    ]


def test_each_layer_does_what_it_says():
    grey = np.repeat(IMAGES[:1], 400, 0).astype("float32") * 0.5 + 60  # away from the clipping
    for layer in augment.augmentation(TrainingSettings()):
        out = arrays(layer(grey, training=True))
        assert out.min() >= 0 and out.max() <= 255
        if layer.name.startswith("flip"):
            turned = grey[:, :, ::-1] if layer.name == "flip_horizontal" else grey[:, ::-1]
            same = np.array([np.array_equal(a, b) for a, b in zip(out, grey)])
            other = np.array([np.array_equal(a, b) for a, b in zip(out, turned)])
            assert (same ^ other).all() and 0.35 < same.mean() < 0.65
        elif layer.name == "brightness":
            delta = (out - grey)[:, 0, 0, 0]
            np.testing.assert_allclose(out - grey, delta[:, None, None, None] + 0 * grey, atol=1e-3)
            assert np.abs(delta).max() <= 25.51 and delta.min() < -20 and delta.max() > 20
        else:
            mean = grey.mean((1, 2), keepdims=True)
            ratio = ((out - mean) / (grey - mean))[:, 0, 0, 0]
            np.testing.assert_allclose(out, (grey - mean) * ratio[:, None, None, None] + mean, atol=1e-2)
            assert ratio.min() >= 0.899 and ratio.max() <= 1.101 and np.ptp(ratio) > 0.15


def test_the_two_flips_are_independent():
    image = np.repeat(np.arange(4, dtype="float32").reshape(1, 2, 2, 1), 400, 0).repeat(3, -1)
    x = image
    for layer in augment.augmentation(TrainingSettings(brightness=0.0, contrast=0.0)):
        x = layer(x, training=True)
    _, counts = np.unique(arrays(x)[:, 0, 0, 0], return_counts=True)
    assert len(counts) == 4 and counts.min() > 60  # none, one, the other, both


@only_tf
@pytest.mark.parametrize("factor", [-0.1, -0.03, 0.0, 0.07, 0.1])
def test_keras_cv_and_keras_make_the_same_image(factor):
    images = ops.convert_to_tensor(IMAGES, "float32")
    column = np.full((16, 1, 1, 1), factor, "float32")
    cv, own = augment._keras_cv(), augment._keras()
    bright = own["brightness"](0.1).transform_images(images, {"rgb_delta": column * 255})
    np.testing.assert_allclose(cv["brightness"](0.1).augment_images(images, column * 255), bright, atol=1e-3)
    contrast = own["contrast"](0.1).transform_images(images, {"contrast_factor": column + 1})
    np.testing.assert_allclose(cv["contrast"](0.1).augment_images(images, column + 1), contrast, atol=1e-3)
    flips = np.arange(16) % 2 == 0
    for mode in ("horizontal", "vertical"):
        wanted = own["flip"](mode).transform_images(images, {"flips": flips[:, None, None, None]})
        draw = flips[:, None].astype("float32")  # KerasCV flips where the number exceeds 1 - rate
        names = ("flip_horizontals", "flip_verticals")
        given = {n: draw if mode in n else 0 * draw for n in names}
        np.testing.assert_array_equal(cv["flip"](mode).augment_images(images, given), wanted)


@only_tf
def test_keras_versions_are_repeatable_too(monkeypatch):
    monkeypatch.setattr(augment, "_keras_cv", augment._keras)
    model = chain()
    assert augment.reseed(model, 1, 2) == 6
    first = arrays(model([IMAGES, LABELS], training=True)[0])
    augment.reseed(model, 1, 2)
    np.testing.assert_array_equal(arrays(model([IMAGES, LABELS], training=True)[0]), first)


def test_reseeding_repeats_every_draw():
    model, twin = chain(), chain()
    assert augment.reseed(model, 7, 3) == 6  # two flips, brightness, contrast, Mixup, Dropout
    runs = [arrays(model([IMAGES, LABELS], training=True)[0]) for _ in range(3)]
    assert all(np.abs(runs[0] - other).max() > 1 for other in runs[1:])
    for other in (model, twin):
        augment.reseed(other, 7, 3)
        for wanted in runs:
            np.testing.assert_array_equal(arrays(other([IMAGES, LABELS], training=True)[0]), wanted)
    for seed, epoch in ((7, 4), (8, 3)):
        augment.reseed(model, seed, epoch)
        assert np.abs(arrays(model([IMAGES, LABELS], training=True)[0]) - runs[0]).max() > 1


def test_reseeded_generators_draw_apart_from_each_other():
    """With one state for all, both flips would flip together, which is a turn by 180 degrees."""
    image = np.repeat(np.arange(4, dtype="float32").reshape(1, 2, 2, 1), 400, 0).repeat(3, -1)
    x = source = keras.Input((2, 2, 3))
    for layer in augment.augmentation(TrainingSettings(brightness=0.0, contrast=0.0)):
        x = layer(x)
    model = keras.Model(source, x)
    assert augment.reseed(model, 5, 1) == 2
    _, counts = np.unique(arrays(model(image, training=True))[:, 0, 0, 0], return_counts=True)
    assert len(counts) == 4 and counts.min() > 60


def test_nothing_draws_from_a_global_generator():
    model = chain()
    augment.reseed(model, 0, 0)
    keras.utils.set_random_seed(1)
    first = arrays(model([IMAGES, LABELS], training=True)[0])
    augment.reseed(model, 0, 0)
    keras.utils.set_random_seed(2)
    np.testing.assert_array_equal(arrays(model([IMAGES, LABELS], training=True)[0]), first)


def test_mixup_is_eq_3():
    lam, order = rng.uniform(size=16).astype("float32"), rng.permutation(16)
    x, y = augment.mixup(IMAGES.astype("float32"), LABELS, lam, order)
    for i in (0, 5, 15):
        wanted = lam[i] * IMAGES[i].astype(float) + (1 - lam[i]) * IMAGES[order[i]]
        np.testing.assert_allclose(arrays(x)[i], wanted, atol=1e-3)
        np.testing.assert_allclose(
            arrays(y)[i], lam[i] * LABELS[i] + (1 - lam[i]) * LABELS[order[i]], atol=1e-6
        )
    same, labels = augment.mixup(IMAGES.astype("float32"), LABELS, np.ones(16, "float32"), order)
    np.testing.assert_array_equal(arrays(same), IMAGES)
    np.testing.assert_array_equal(arrays(labels), LABELS)


def test_mixup_layer_mixes_images_and_labels_alike():
    # an image that spells its own label: what was done to it can be read off
    images = np.tile(np.eye(16, dtype="float32")[:, None, :, None], (1, 8, 1, 3))
    layer = augment.Mixup(0.4, seed=3)
    x, y = (arrays(v) for v in layer((images, np.eye(16, dtype="float32")), training=True))
    np.testing.assert_allclose(x[:, 0, :, 0], y, atol=1e-6)
    np.testing.assert_allclose(y.sum(-1), 1, atol=1e-6)
    assert len(np.unique(y.max(-1).round(4))) > 4  # each pair has its own λ
    _, y1 = augment.Mixup(0.4, per_pair=False, seed=3)((images, np.eye(16, dtype="float32")), training=True)
    lam = np.unique(np.diag(arrays(y1)).round(5))
    assert len(lam) <= 2  # one λ, or 1 where an image met itself
    for idle in (
        layer((images, images[:, 0, :, 0])),
        augment.Mixup(0.0)((images, images[:, 0, :, 0]), training=True),
    ):
        np.testing.assert_array_equal(arrays(idle[0]), images)
    with pytest.raises(ValueError, match="negative"):
        augment.Mixup(-1.0)


@pytest.mark.parametrize("alpha", [0.01, 0.2, 1.0, 4.0])
def test_lambda_follows_its_beta_distribution(alpha):
    draws = arrays(augment.draw_lambda((20000,), alpha, keras.random.SeedGenerator(5)))
    assert np.isfinite(draws).all() and draws.min() >= 0 and draws.max() <= 1
    for at in (0.01, 0.1, 0.3, 0.5, 0.8, 0.95, 0.999):  # the tails beyond round to 0 and 1 in float32
        assert (draws <= at).mean() == pytest.approx(stats.beta(alpha, alpha).cdf(at), abs=0.014)
    assert draws.mean() == pytest.approx(0.5, abs=0.02)
    assert draws.var() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.05)


@only_tf
@pytest.mark.parametrize("xla", [False, True], ids=["graph", "xla"])
def test_the_chain_compiles(xla):
    import tensorflow as tf

    model = chain()
    step = tf.function(lambda x, y: model([x, y], training=True), jit_compile=xla)
    augment.reseed(model, 0, 0)
    first = [arrays(v) for v in step(IMAGES.astype("float32"), LABELS)]
    second = [arrays(v) for v in step(IMAGES.astype("float32"), LABELS)]
    assert np.abs(first[0] - second[0]).max() > 1
    augment.reseed(model, 0, 0)
    np.testing.assert_array_equal(arrays(step(IMAGES.astype("float32"), LABELS)[0]), first[0])

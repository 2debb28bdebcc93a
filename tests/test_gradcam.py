"""Grad-CAM against closed forms on toy networks, and its invariants."""

import os
import subprocess
import sys

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from gcaf_lib.evaluation import heatmaps  # noqa: E402
from gcaf_lib.model import gradcam  # noqa: E402
from tests import stages  # noqa: E402


def cam_network(size=16, channels=5, classes=3, seed=0):
    """image → two feature maps → GAP → dense: the network for which Grad-CAM has a closed form."""
    keras.utils.set_random_seed(seed)
    image = keras.Input((size, size, 3), name="image")
    a = keras.layers.Conv2D(channels, 3, strides=2, padding="same", name="features_a")(image)
    b = keras.layers.Conv2D(channels - 1, 5, strides=4, activation="relu", name="features_b")(image)
    pooled = [keras.layers.GlobalAveragePooling2D()(f) for f in (a, b)]
    logits = keras.layers.Dense(classes, name="logits")(keras.layers.Concatenate()(pooled))
    return keras.Model(image, {"logits": logits, "features_a": a, "features_b": b})


def images(n=7, size=16, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, size, size, 3), dtype=np.uint8)


def test_equals_the_closed_form_of_class_activation_maps():
    model, x = cam_network(), images()
    cams, targets, logits = gradcam.maps(model, x, batch=3)
    out = {k: np.asarray(v) for k, v in model.predict_on_batch(x.astype("float32")).items()}
    assert np.allclose(logits, out["logits"], rtol=1e-4, atol=1e-3)
    assert (targets == logits.argmax(1)).all() and targets.dtype == np.int64
    kernel = np.asarray(model.get_layer("logits").kernel.value)
    for name, part in (("a", kernel[:5]), ("b", kernel[5:])):
        # dy/dA = w / hw, the same everywhere: Grad-CAM is the CAM of Zhou et al. 2016, up to scale
        cam = np.maximum(np.einsum("nhwc,nc->nhw", out[f"features_{name}"], part[:, targets].T), 0)
        top = cam.max((1, 2), keepdims=True)
        assert np.allclose(cams[name], np.where(top > 0, cam / np.where(top > 0, top, 1), 0), atol=1e-4)


def test_invariants_rows_and_targets():
    model, x = cam_network(seed=3), images(9)
    cams, _, logits = gradcam.maps(model, x, batch=4)
    for m in cams.values():
        top = m.max((1, 2))
        assert (m >= 0).all() and np.all(np.isclose(top, 1) | (top == 0)) and m.dtype == np.float32
    rows = [8, 2, 2]
    few, targets, again = gradcam.maps(model, x, rows, targets=[0, 1, 2])
    assert targets.tolist() == [0, 1, 2] and np.allclose(again, logits[rows], atol=1e-3)
    assert len(few["a"]) == 3 and not np.allclose(few["a"][1], few["a"][2])
    own, _, _ = gradcam.maps(model, x, rows)
    assert np.allclose(own["a"], cams["a"][rows], atol=1e-5)
    empty, targets, logits = gradcam.maps(model, x[:0])
    assert empty["a"].shape == (0, 8, 8) and logits.shape == (0, 3) and targets.shape == (0,)


def test_a_planted_spot_lights_up_for_its_class_only():
    # class 1 answers to red, class 2 to blue; one red and one blue spot in opposite corners
    image = keras.Input((32, 32, 3), name="image")
    features = keras.layers.AveragePooling2D(4, name="features_toy")(image)
    head = keras.layers.Dense(3, use_bias=False, name="logits")
    logits = head(keras.layers.GlobalMaxPooling2D()(features))
    model = keras.Model(image, logits)
    head.set_weights([np.array([[0, 1, 0], [0, 0, 0], [0, 0, 1]], "float32")])
    x = np.zeros((1, 32, 32, 3), np.uint8)
    x[0, 4:8, 8:12, 0] = 200
    x[0, 24:28, 20:24, 2] = 100
    cams, targets, _ = gradcam.maps(model, x)
    assert targets.tolist() == [1]
    assert np.unravel_index(cams["toy"][0].argmax(), (8, 8)) == (1, 2) and cams["toy"][0].sum() == 1
    cams, _, _ = gradcam.maps(model, x, targets=[2])
    assert np.unravel_index(cams["toy"][0].argmax(), (8, 8)) == (6, 5) and cams["toy"][0].sum() == 1
    cams, _, _ = gradcam.maps(model, x, targets=[0])
    assert not cams["toy"].any()  # no evidence: all zero, not NaN


def test_body_is_compiled_once_and_weights_are_shared():
    model, x = cam_network(), images(10)
    first, _, _ = gradcam.maps(model, x, batch=4)
    body = gradcam.split(model)[1]
    assert gradcam.split(model)[1] is body
    if keras.backend.backend() == "tensorflow":
        function = body.predict_function
        gradcam.maps(model, x, batch=4)
        assert body.predict_function is function
    model.get_layer("features_a").kernel.assign(-model.get_layer("features_a").kernel)
    assert not np.allclose(gradcam.maps(model, x, batch=4)[0]["a"], first["a"])


def test_the_projects_own_model():
    from gcaf_lib.model import classifier
    from gcaf_lib.settings import ModelSettings

    model = classifier.build(ModelSettings(scale="mini", width=16, weights="none"), 32)
    x = images(3, 32)
    cams, _, logits = gradcam.maps(model, x, batch=2)
    assert set(cams) == {"efficientnetv2-s", "convnext-tiny"} == set(classifier.cam_layers(model))
    assert np.allclose(logits, np.asarray(model.predict_on_batch(x.astype("float32"))), atol=1e-4)
    assert all(m.shape[0] == 3 and m.max() == 1 for m in cams.values())


def test_models_that_cannot_be_explained_are_refused():
    image = keras.Input((8, 8, 3))
    with pytest.raises(ValueError, match="no layer named features_"):
        gradcam.maps(keras.Model(image, keras.layers.Flatten()(image)), images(1, 8))
    with pytest.raises(ValueError, match="one class each"):
        gradcam.maps(cam_network(), images(2), targets=[1])


def test_upsampling_fusing_and_overlay():
    small = np.zeros((2, 4, 4), np.float16)
    small[0, 1, 2] = 1
    big = heatmaps.upsample(small, 32)
    assert big.shape == (2, 32, 32) and big.dtype == np.float32 and big.max() == 1 and not big[1].any()
    rows, columns = np.indices((32, 32))
    centre = (big[0] * rows).sum() / big[0].sum(), (big[0] * columns).sum() / big[0].sum()
    assert centre == pytest.approx((1.5 * 8 - 0.5, 2.5 * 8 - 0.5))  # the cell's centre in the image
    assert heatmaps.upsample(small, (8, 12)).shape == (2, 8, 12)
    other = np.zeros((2, 2, 2))
    other[:, 1, 1] = 5
    both = heatmaps.fused({"x": small, "y": other}, 16)
    assert both.shape == (2, 16, 16) and np.allclose(both.max((1, 2)), 1)
    assert np.allclose(both[1], heatmaps.upsample(other, 16)[1])
    maps = [np.array([[[1, 0], [0, 0.4]]]), np.array([[[0, 1], [0, 0.4]]])]  # whose mean is no maximum
    assert np.allclose(heatmaps.fused(dict(zip("xy", maps)), 2), [[[1, 1], [0, 0.8]]])
    grey = np.full((32, 32), 80, np.uint8)
    picture = heatmaps.overlay(grey, small[0])
    assert picture.shape == (32, 32, 3) and picture.dtype == np.uint8
    assert (picture[-1, 0] == 80).all() and (picture[12, 20] != 80).any()
    assert (heatmaps.overlay(np.stack([grey] * 3, 2), small[1]) == 80).all()
    with pytest.raises(ValueError, match="no maps"):
        heatmaps.fused({}, 8)


def test_the_other_backend_gives_the_same_maps(tmp_path):
    """The closed form holds on JAX too: this file's own tests of it and of what records keep, in a process of its own."""
    if keras.backend.backend() == "jax":
        pytest.skip("this run is on JAX already")
    pytest.importorskip("jax")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "-p",
        "no:cacheprovider",
        __file__,
        "-k",
        "closed or planted or readings",
    ]
    env = os.environ | {"KERAS_BACKEND": "jax", "XLA_FLAGS": stages.QUICK}
    run = subprocess.run(command, env=env, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


def test_methods_against_their_formulas():
    """Of a head with pooling in quarters the gradient differs from place to place, so methods do too."""
    keras.utils.set_random_seed(1)
    la = keras.layers
    image = keras.Input((16, 16, 3), name="image")
    raw = la.Conv2D(4, 3, strides=2, padding="same", name="toy_conv")(image)
    normed = la.LayerNormalization(name="toy_norm")(raw)
    last = la.Activation("linear", name="features_toy")(normed)
    pooled = la.Flatten()(la.AveragePooling2D(4)(last))
    logits = la.Dense(3, name="logits")(pooled)
    model = keras.Model(image, logits)
    x = images(3)
    a = np.asarray(keras.Model(image, last)(x.astype("float32")))
    kernel = np.asarray(model.get_layer("logits").kernel.value).reshape(2, 2, 4, 3)
    targets = np.array([2, 0, 1])
    g = (
        np.stack(
            [np.kron(kernel[..., t].transpose(2, 0, 1), np.ones((4, 4))).transpose(1, 2, 0) for t in targets]
        )
        / 16
    )
    wanted = {
        "grad-cam": (a * g.mean((1, 2), keepdims=True)).sum(3),
        "hirescam": (a * g).sum(3),
        "layercam": (a * np.maximum(g, 0)).sum(3),
    }
    assert set(wanted) == set(gradcam.METHODS)
    for method, cam in wanted.items():
        found = gradcam.maps(model, x, targets=targets, method=method)[0]["toy"]
        assert np.allclose(found, heatmaps.scaled(cam), atol=1e-4), method
    before = gradcam.maps(model, x, targets=targets, place="before")[0]["toy"]
    assert not np.allclose(before, heatmaps.scaled(wanted["grad-cam"]), atol=0.05)
    assert gradcam.split(model, "before")[1].outputs[0].shape == raw.shape


def test_maps_of_the_whole_model_find_the_planted_spot():
    """A model that sums one corner: nothing elsewhere changes its answer."""
    image = keras.Input((32, 32, 3), name="image")
    features = keras.layers.Cropping2D(((4, 20), (12, 12)), name="features_toy")(image)
    logits = keras.layers.Dense(2, use_bias=False, name="logits")(
        keras.layers.GlobalAveragePooling2D()(features)
    )
    model = keras.Model(image, logits)
    model.get_layer("logits").set_weights([np.array([[1, -1]] * 3, "float32")])
    x = np.zeros((2, 32, 32, 3), np.uint8)
    x[:, 4:12, 12:20] = 200
    for method in gradcam.WHOLE:
        cams, targets, _ = gradcam.maps(model, x, method=method)
        assert targets.tolist() == [0, 0] and list(cams) == [method]
        inside = np.zeros((8, 8), bool)
        inside[1:3, 3:5] = True
        assert cams[method].shape == (2, 8, 8) and inside[np.unravel_index(cams[method][0].argmax(), (8, 8))]
        assert cams[method][0][4:].max() == 0, method
        other = gradcam.maps(model, x, targets=[1, 1], method=method)[0][method]
        assert (other.max() == 0) == (method == "occlusion")  # grey there only helps the other class


def test_a_class_a_method_or_a_layer_that_does_not_exist_is_refused():
    model, x = cam_network(), images(2)
    for wrong in (3, -1, 4):
        with pytest.raises(ValueError, match=f"target {wrong} is no class of a model that tells 0 to 2"):
            gradcam.maps(model, x, targets=[0, wrong])
    for options in ({"method": "cam"}, {"place": "behind"}):
        with pytest.raises(ValueError, match="no map"):
            gradcam.maps(model, x, **options)
    with pytest.raises(ValueError, match="no norm to look before"):
        gradcam.maps(model, x, place="before")


def test_a_record_keeps_both_readings():
    model, x = cam_network(size=32), images(5, 32)
    kept = gradcam.record(model, x, np.array([4, 0]))
    assert kept["rows"].tolist() == [4, 0] and kept["target"].dtype == np.int8
    assert set(kept) == {"rows", "target", "cam_a", "cam_b", f"whole_{gradcam.LAYERLESS}"}
    maps, target, _ = gradcam.maps(model, x, [4, 0])
    assert np.allclose(kept["cam_a"], maps["a"], atol=1e-3) and (kept["target"] == target).all()
    assert kept[f"whole_{gradcam.LAYERLESS}"].shape == (2, 8, 8)
    assert all(v.dtype == np.float16 for name, v in kept.items() if name.startswith(("cam_", "whole_")))

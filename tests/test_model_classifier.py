"""The classifier as one flat graph: seeds, freezing, weight files, precision, both backends."""

import importlib.util
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers, ops

from gcaf_lib.model import backend, classifier
from gcaf_lib.settings import BACKBONES, FUSIONS, ModelSettings
from tests import stages

PAIR = ("efficientnetv2-s", "convnext-tiny")
IMAGES = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3)).astype("uint8")


def mini(*keys, **kwargs):
    keys = keys or PAIR
    fusion = kwargs.pop("fusion", "gcaf" if len(keys) == 2 else "none")
    return ModelSettings(scale="mini", backbones=keys, fusion=fusion, width=32, **kwargs)


def arrays(x):
    return ops.convert_to_numpy(x)


@pytest.fixture(scope="module")
def model():
    return classifier.build(mini(), 64, 4, seed=1)


@pytest.mark.parametrize("fusion", FUSIONS[1:])
def test_every_fusion_builds_flat(fusion):
    model = classifier.build(mini(fusion=fusion), 64, 3)
    assert model.input_shape == (None, 64, 64, 3) and model.output_shape == (None, 3)
    assert not any(isinstance(layer, keras.Model) for layer in model.layers)
    assert classifier.cam_layers(model) == {key: f"features_{key}" for key in PAIR}
    assert model.get_layer("image") and model.get_layer("logits") and model.get_layer("fusion")


def test_uint8_in_float32_logits_out(model):
    logits = model(IMAGES)
    assert keras.backend.standardize_dtype(logits.dtype) == "float32" and logits.shape == (4, 4)
    np.testing.assert_allclose(arrays(logits), arrays(model(IMAGES.astype("float32"))), atol=1e-6)


def test_same_seed_same_weights_and_no_trace_on_the_global_seed(model):
    keras.utils.set_random_seed(5)
    wanted = arrays(keras.random.uniform((2,)))
    keras.utils.set_random_seed(5)
    again, other = classifier.build(mini(), 64, 4, seed=1), classifier.build(mini(), 64, 4, seed=2)
    np.testing.assert_array_equal(arrays(keras.random.uniform((2,))), wanted)
    for a, b in zip(model.get_weights(), again.get_weights()):
        np.testing.assert_array_equal(a, b)
    assert any(not np.array_equal(a, b) for a, b in zip(model.get_weights(), other.get_weights()))


def test_normalisation_is_eq_2_once_and_weightless(model):
    found = [layer for layer in model.layers if layer.name.startswith("normalisation")]
    assert len(found) == 1 and not found[0].weights
    wanted = (IMAGES / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    np.testing.assert_allclose(arrays(found[0](IMAGES)), wanted, atol=1e-5)
    native = classifier.build(mini(normalisation="native"), 64)
    names = [la.name for la in native.layers if la.name.startswith("normalisation")]
    assert names == [f"normalisation_{key}" for key in PAIR]


def test_parts_cover_the_model_in_order(model):
    groups = classifier.parts(model)
    for key, group in groups["backbones"].items():
        own = [la for la in classifier.backbone(model, key).layers if la.name.startswith(f"{key}_")]
        assert [la.name for la in group] == [la.name for la in own] and len(group) > 10
    assert {la.name for la in groups["head"]} == {
        *(f"{kind}_{key}" for kind in ("pool", "project") for key in PAIR),
        "fusion",
        "dropout",
        "logits",
    }
    counts = classifier.parameters(model)
    assert counts["total"] == sum(counts[k] for k in (*PAIR, "head")) == model.count_params()


def test_a_layernorm_stands_behind_the_projection_only_where_asked_for(model):
    plain = {la.name for la in model.layers}
    normed = classifier.build(mini(projection_norm=True), 64, 4, seed=1)
    assert {la.name for la in normed.layers} - plain == {f"norm_{key}" for key in PAIR}
    a, b = (keras.Model(m.input, m.get_layer("fusion").input) for m in (model, normed))
    for x, y in zip(a(IMAGES), b(IMAGES)):
        x, y = arrays(x), arrays(y)
        x -= x.mean(1, keepdims=True)
        np.testing.assert_allclose(y, x / np.sqrt(x.var(1, keepdims=True) + 1e-6), atol=1e-4)


def test_the_head_is_its_equations():
    """Eqs 4-6, concatenated: means over places, one projection a backbone, dropout as set, logits."""
    small = mini(*PAIR, fusion="concat", dropout=0.45)
    model = classifier.build(small, 64)
    assert model.get_layer("dropout").rate == 0.45
    streams = []
    for key in PAIR:
        features = arrays(classifier.backbone(model, key)(IMAGES))
        kernel, bias = model.get_layer(f"project_{key}").get_weights()
        streams.append(features.mean((1, 2)) @ kernel + bias)
    kernel, bias = model.get_layer("logits").get_weights()
    np.testing.assert_allclose(
        arrays(model(IMAGES)), np.hstack(streams) @ kernel + bias, rtol=1e-3, atol=1e-4
    )


def test_attention_of_a_backbone_is_trained_from_stage_1_and_in_no_weight_file_of_it(tmp_path):
    """No ImageNet file holds CBAM: frozen in stage 1 it would stay what chance made it."""
    model = classifier.build(mini("resnet50-cbam"), 64, 4, seed=1)
    name = "attention_resnet50-cbam"
    groups = classifier.parts(model)
    assert name in {la.name for la in groups["head"]}
    classifier.freeze(model)
    own = {v.path for v in model.get_layer(name).trainable_variables}
    assert len(own) == 5 and own < {v.path for v in model.trainable_variables}
    assert name not in classifier.unfreeze(model, 1.0)["resnet50-cbam"]
    assert own < {v.path for v in model.trainable_variables}
    alone = classifier.build(mini("resnet50"), 64, 4, seed=2)
    one, other = classifier.backbone(model, "resnet50-cbam"), classifier.backbone(alone, "resnet50")
    one.save_weights(tmp_path / "a.weights.h5")
    other.load_weights(tmp_path / "a.weights.h5")  # a file of ResNet50 and of nothing else
    np.testing.assert_array_equal(arrays(one(IMAGES)), arrays(other(IMAGES)))
    # Grad-CAM's layer comes before the attention, which the logits do pass
    probe = keras.Model(model.input, [model.get_layer(n).output for n in ("features_resnet50-cbam", name)])
    features, attended = map(arrays, probe(IMAGES))
    np.testing.assert_allclose(attended, arrays(model.get_layer(name)(features)), atol=1e-5)
    pooled = model.get_layer("pool_resnet50-cbam").input
    assert pooled is model.get_layer(name).output


def test_describe(model):
    table = classifier.describe(model)
    assert list(table) == ["layer", "type", "output", "parameters", "trainable", "part"]
    assert table.parameters.sum() == model.count_params() and len(table) == len(model.layers)
    rows = table.set_index("layer")
    assert rows.loc["features_convnext-tiny", "part"] == "convnext-tiny"
    assert rows.loc["image", "part"] == rows.loc["normalisation", "part"] == "input"
    assert (
        rows.loc["logits", "output"] == "4" and rows.loc["features_efficientnetv2-s", "output"][:3] == "8x8"
    )


def test_freeze_thaw_unfreeze(model):
    classifier.freeze(model)
    head = {v.path for la in classifier.parts(model)["head"] for v in la.trainable_weights}
    assert {v.path for v in model.trainable_variables} == head
    classifier.thaw(model)
    assert all(layer.trainable for layer in model.layers)
    names = classifier.unfreeze(model, 0.2)
    groups = classifier.parts(model)["backbones"]
    for key, group in groups.items():
        size = int(np.ceil(0.2 * len(group)))
        top = {la.name for la in group[-size:]}
        assert names[key] and set(names[key]) <= top
        assert not any(la.trainable for la in group[:-size])
        norms = [la for la in group if isinstance(la, layers.BatchNormalization)]
        assert not any(la.trainable for la in norms)
        trained = {la.name for la in group if la.trainable_weights}
        assert trained == set(names[key])
    assert all(not group for group in classifier.unfreeze(model, 0.0).values())
    everything = classifier.unfreeze(model, 1.0)
    assert everything["convnext-tiny"][0] == "convnext-tiny_stem_conv"
    classifier.thaw(model)


@pytest.mark.parametrize("keys", [PAIR, ("vgg19",), ("resnet50-cbam",)])
@pytest.mark.parametrize("share", [0.0, 0.2])
def test_the_cut_leaves_the_model_as_it_is_and_every_training_weight_behind_it(keys, share):
    native = {} if len(keys) == 2 else {"normalisation": "native"}
    model = classifier.build(mini(*keys, **native), 64, 4, seed=1)
    classifier.unfreeze(model, share)
    still, moving = classifier.cut(model)
    got = arrays(moving(still(IMAGES)))
    np.testing.assert_allclose(got, arrays(model(IMAGES)), atol=1e-5)
    assert not still.trainable_weights
    assert {id(w) for w in moving.trainable_weights} == {id(w) for w in model.trainable_weights}
    if not share and "resnet50-cbam" not in keys:  # with frozen backbones no map passes the cut, but its mean
        assert all(len(x.shape) == 2 for x in keras.tree.flatten(still.output))
    for weight in model.trainable_weights:  # training moves what comes behind the cut alone
        weight.assign(weight + 0.1)
    np.testing.assert_allclose(arrays(moving(still(IMAGES))), arrays(model(IMAGES)), atol=1e-4)
    assert not np.allclose(arrays(model(IMAGES)), got)


def test_batch_normalisation_rests_unless_thawed():
    model = classifier.build(mini("efficientnetv2-s", dropout=0.0), 64)
    norms = [la for la in model.layers if isinstance(la, layers.BatchNormalization)]
    for change in (classifier.freeze, lambda m: classifier.unfreeze(m, 1.0)):
        change(model)
        before = [arrays(la.moving_mean).copy() for la in norms]
        model(IMAGES, training=True)
        assert all(np.array_equal(a, arrays(la.moving_mean)) for a, la in zip(before, norms))
    classifier.thaw(model)
    model(IMAGES, training=True)
    assert not any(np.array_equal(a, arrays(la.moving_mean)) for a, la in zip(before, norms))


@pytest.mark.parametrize("key", PAIR)
def test_backbone_weights_travel_between_models(model, key, tmp_path):
    single = classifier.build(mini(key), 64, 4, seed=9)
    one, two = classifier.backbone(single, key), classifier.backbone(model, key)
    assert np.abs(arrays(one(IMAGES)) - arrays(two(IMAGES))).max() > 1e-3
    one.save_weights(tmp_path / "a.weights.h5")
    fresh = classifier.build(mini(*PAIR[::-1], fusion="concat"), 64, 3, seed=4)
    there = classifier.backbone(fresh, key)
    there.load_weights(tmp_path / "a.weights.h5")
    np.testing.assert_array_equal(arrays(there(IMAGES)), arrays(one(IMAGES)))
    there.save_weights(tmp_path / "b.weights.h5")  # and back
    again = classifier.backbone(classifier.build(mini(key), 64, 4, seed=11), key)
    again.load_weights(tmp_path / "b.weights.h5")
    np.testing.assert_array_equal(arrays(again(IMAGES)), arrays(one(IMAGES)))
    with pytest.raises(ValueError, match="no backbone 'vgg19'"):
        classifier.backbone(model, "vgg19")


def test_mixed_precision_keeps_the_ends_in_float32():
    model = classifier.build(mini(), 64, dtype="mixed_bfloat16")
    assert keras.backend.standardize_dtype(model(IMAGES).dtype) == "float32"
    assert model.get_layer("efficientnetv2-s_stem_conv").compute_dtype == "bfloat16"
    kept = ("normalisation", "features_", "pool_", "project_", "norm_", "fusion", "logits")
    assert all(la.compute_dtype == "float32" for la in model.layers if la.name.startswith(kept))


def test_a_model_has_its_own_precision_whatever_stands_globally():
    """Built after a bfloat16 run in the same process it was bfloat16 too, and its answers others."""
    plain, rough = (classifier.build(mini(), 64, seed=1, dtype=d) for d in ("float32", "mixed_bfloat16"))
    assert keras.config.dtype_policy().name == "float32"
    with backend.precision("mixed_bfloat16"):
        again = classifier.build(mini(), 64, seed=1)
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
        np.testing.assert_array_equal(again(IMAGES), plain(IMAGES))
    with pytest.raises(ZeroDivisionError), backend.precision("mixed_bfloat16"):
        1 / 0  # noqa: B018
    assert keras.config.dtype_policy().name == "float32"
    assert not np.array_equal(rough(IMAGES), plain(IMAGES))


TWIN = """
import sys
import numpy as np
from gcaf_lib.model import classifier
from gcaf_lib.settings import Settings
images = np.load(sys.argv[1] + "/images.npy")
for spec in sys.argv[2:]:
    first, second, fusion, scale = spec.split(",")
    settings = Settings().replace({"model.scale": scale, "model.backbones": (first, second),
                                   "model.fusion": fusion, "model.width": 32}).model
    model = classifier.build(settings, images.shape[1], 4, seed=3)
    model.load_weights(f"{sys.argv[1]}/{first}.weights.h5")
    np.save(f"{sys.argv[1]}/{first}.npy", model.predict(images, verbose=0))
"""


def calibrate(model, images):
    """Batch statistics such as training leaves them: a deep network with any others (0 and 1 too)
    amplifies a rounding error by many orders of magnitude, whatever the backend."""
    norms = [la for la in model.layers if isinstance(la, layers.BatchNormalization)]
    momenta = [layer.momentum for layer in norms]
    for layer in norms:
        layer.momentum = 0.0
    model(images, training=True)
    for layer, momentum in zip(norms, momenta):
        layer.momentum = momentum


def assert_backends_agree(folder, images, specs):
    """Logits of this process's backend against the other's, same weights, in a second process."""
    other = "jax" if keras.backend.backend() == "tensorflow" else "tensorflow"
    if importlib.util.find_spec(other) is None:
        pytest.skip(f"{other} is not installed: pip install -e '.[jax]'")
    np.save(folder / "images.npy", images)
    wanted = {}
    for spec in specs:
        first, second, fusion, scale = spec.split(",")
        settings = ModelSettings(scale=scale, backbones=(first, second), fusion=fusion, width=32)
        model = classifier.build(settings, images.shape[1], 4, seed=3)
        calibrate(model, images)
        if fusion == "gcaf-token":
            model.get_layer("fusion").alpha_a.assign(0.5)
        model.save_weights(folder / f"{first}.weights.h5")
        wanted[first] = arrays(model(images))
    env = {**os.environ, "KERAS_BACKEND": other, "JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": ""}
    env |= {"XLA_FLAGS": stages.QUICK}
    run = [sys.executable, "-c", TWIN, str(folder), *specs]
    done = subprocess.run(run, env=env, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    for first, logits in wanted.items():
        assert np.abs(logits).max() > 0.05
        np.testing.assert_allclose(np.load(folder / f"{first}.npy"), logits, atol=1e-4)


def test_both_backends_give_the_same_logits(tmp_path):
    images = IMAGES.astype("float32")
    assert_backends_agree(tmp_path, images, ["efficientnetv2-s,convnext-tiny,gcaf,mini"])


@pytest.mark.slow
def test_both_backends_give_the_same_logits_other_miniatures(tmp_path):
    specs = ["resnet50-cbam,densenet121,gcaf-token,mini", "vgg19,efficientnet-b0,gcaf-split,mini"]
    assert_backends_agree(tmp_path, IMAGES.astype("float32"), specs)


@pytest.mark.slow
def test_both_backends_give_the_same_logits_full_size(tmp_path):
    images = np.random.default_rng(1).uniform(0, 255, (2, 224, 224, 3)).astype("float32")
    assert_backends_agree(tmp_path, images, ["efficientnetv2-s,convnext-tiny,gcaf,full"])


def test_full_model_has_the_papers_feature_maps():
    model = classifier.build(ModelSettings(), 224)
    shapes = {
        key: model.get_layer(name).output.shape[1:] for key, name in classifier.cam_layers(model).items()
    }
    assert shapes == {"efficientnetv2-s": (7, 7, 1280), "convnext-tiny": (7, 7, 768)}
    assert not any(isinstance(layer, keras.Model) for layer in model.layers)
    counts = classifier.parameters(model)
    assert counts["efficientnetv2-s"] == 20_331_360 and counts["convnext-tiny"] == 27_820_128


@pytest.mark.parametrize("key", BACKBONES)
def test_every_miniature_is_small_and_sees_where(key):
    model = classifier.build(mini(key), 64)
    assert model.get_layer(f"features_{key}").output.shape[1:3] == (8, 8)
    assert 1e5 < classifier.parameters(model)[key] < 1e6
    assert arrays(model(IMAGES)).std() > 0

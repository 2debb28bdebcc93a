"""The written-out full backbones are keras.applications', and ImageNet weights find their place."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from gcaf_lib.model import backbones, blocks, classifier, gradients
from gcaf_lib.settings import BACKBONES, ModelSettings

IMAGES = np.random.default_rng(0).uniform(0, 255, (2, 64, 64, 3)).astype("float32")


def arrays(x):
    return ops.convert_to_numpy(x)


def randomise(model, seed=0):
    """Weights a mistake shows through: LayerScale not 1e-6, statistics not 0 and 1."""
    rng = np.random.default_rng(seed)
    for layer in backbones._leaves(model):
        for v in layer.weights:
            flat = len(v.shape) < 2
            low, high = (0.5, 1.5) if flat and v.name not in ("bias", "beta", "moving_mean") else (-0.1, 0.1)
            v.assign(rng.uniform(low, high, v.shape) if flat else arrays(v) + rng.normal(0, 1e-3, v.shape))


def source_of(key, size=64):
    extra = {"include_preprocessing": False} if key in ("efficientnetv2-s", "convnext-tiny") else {}
    model = backbones._application(key)(include_top=False, weights=None, input_shape=(size, size, 3), **extra)
    randomise(model)
    return model


def ours(key, normalisation="explicit", size=64):
    settings = ModelSettings(backbones=(key,), fusion="none", normalisation=normalisation)
    return classifier.build(settings, size)


def compare(key, size=64):
    source, model = source_of(key, size), ours(key, size=size)
    backbones.transfer(source, model, key)
    images = np.random.default_rng(1).uniform(0, 255, (2, size, size, 3)).astype("float32")
    normed = arrays(model.get_layer("normalisation")(images))
    if key == "efficientnet-b0":  # its own normalisation has weights: feed what makes it the identity
        norm = next(la for la in source.layers if isinstance(la, layers.Normalization))
        norm.set_weights([np.zeros(3), np.ones(3), np.array(0)])
        normed = normed * 255
    wanted = arrays(source(normed))
    found = arrays(classifier.backbone(model, key)(images))
    assert wanted.std() > 1e-3
    np.testing.assert_allclose(found, wanted, atol=2e-4 * np.abs(wanted).max())


def test_efficientnet_b0_is_that_of_keras():
    compare("efficientnet-b0")


@pytest.mark.slow
def test_efficientnet_b0_is_that_of_keras_at_an_odd_size():
    compare("efficientnet-b0", 75)


def test_convnext_tiny_is_that_of_keras():
    compare("convnext-tiny")


@pytest.mark.slow
@pytest.mark.parametrize("key", ["efficientnetv2-s", "vgg19", "resnet50", "densenet121"])
def test_the_others_are_those_of_keras(key):
    compare(key)


@pytest.mark.slow
@pytest.mark.parametrize("key", ["efficientnetv2-s", "convnext-tiny"])
def test_same_order_of_layers_as_keras(key):
    """The top 20% of the layers is a matter of their order: with weights, it is Keras's."""
    theirs = [la.name for la in backbones._leaves(source_of(key)) if la.weights]
    found = [la.name for la in classifier.parts(ours(key))["backbones"][key] if la.weights]
    assert [n.removeprefix(f"{key}_") for n in found][:-1] == [
        n.removeprefix("convnext_tiny_") for n in theirs
    ][:-1]


def native(key):
    image = keras.Input((64, 64, 3))
    return arrays(keras.Model(image, backbones.normalise(image, key))(IMAGES))


@pytest.mark.parametrize(
    "key, module", [("vgg19", "vgg19"), ("resnet50", "resnet"), ("densenet121", "densenet")]
)
def test_native_normalisation_is_that_of_keras(key, module):
    preprocess = getattr(keras.applications, module).preprocess_input
    np.testing.assert_allclose(native(key), preprocess(IMAGES.copy()), atol=1e-4)


@pytest.mark.parametrize(
    "key, name", [("efficientnetv2-s", "EfficientNetV2S"), ("convnext-tiny", "ConvNeXtTiny")]
)
def test_native_normalisation_is_the_one_keras_builds_in(key, name):
    model = getattr(keras.applications, name)(include_top=False, weights=None, input_shape=(64, 64, 3))
    kinds = (layers.Rescaling, layers.Normalization)
    built_in = next(la for la in model.layers if isinstance(la, kinds))
    np.testing.assert_allclose(native(key), arrays(built_in(IMAGES)), atol=1e-5)


def test_native_normalisation_of_efficientnet_b0():
    """Keras with ImageNet weights: /255, minus mean over sqrt(variance), then over sqrt(std) again."""
    std = np.array(backbones.STD)
    wanted = (IMAGES / 255 - np.array(backbones.MEAN)) / std / np.sqrt(std)
    np.testing.assert_allclose(native("efficientnet-b0"), wanted, rtol=1e-4, atol=1e-4)


def stand_in(key, path):
    """A file such as Keras would download, in its layout, with random weights; returns its model."""
    from keras.src.legacy.saving import legacy_h5_format

    model = source_of(key, 224) if key != "vgg19" else source_of(key)
    import h5py

    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, model)
    return model


def test_imagenet_weights_from_a_file(tmp_path):
    source = stand_in("convnext-tiny", tmp_path / "notop.h5")
    model = classifier.build(ModelSettings(backbones=("vgg19", "convnext-tiny")), 64)
    backbones.load_imagenet(model, "convnext-tiny", tmp_path / "notop.h5")
    kernel = model.get_layer("convnext-tiny_stage_3_block_2_pointwise_conv_1").get_weights()[0]
    wanted = source.get_layer("convnext_tiny_stage_3_block_2_pointwise_conv_1").get_weights()[0]
    np.testing.assert_array_equal(kernel, wanted)
    with pytest.raises(backbones.WeightsError, match=r"vgg19.*in-domain"):  # another network's file
        backbones.load_imagenet(model, "vgg19", tmp_path / "notop.h5")
    with pytest.raises(backbones.WeightsError, match=r"absent\.h5"):
        backbones.load_imagenet(model, "vgg19", tmp_path / "absent.h5")


def test_cbam_stays_out_of_the_transfer():
    model = ours("resnet50-cbam")
    before = [w.copy() for w in model.get_layer("attention_resnet50-cbam").get_weights()]
    source = backbones._application("resnet50")(include_top=False, weights=None, input_shape=(64, 64, 3))
    backbones.transfer(source, model, "resnet50-cbam")
    np.testing.assert_array_equal(
        model.get_layer("resnet50-cbam_conv1_conv").get_weights()[0],
        source.get_layer("conv1_conv").get_weights()[0],
    )
    after = model.get_layer("attention_resnet50-cbam").get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(before, after))
    with pytest.raises(backbones.WeightsError, match="unmatched"):
        backbones.transfer(
            source, classifier.build(ModelSettings(backbones=("vgg19",), fusion="none"), 64), "vgg19"
        )


def test_no_network_says_what_to_do(monkeypatch, tmp_path):
    from keras.src.utils import file_utils

    def offline(url, *args, **kwargs):
        raise file_utils.urllib.error.URLError("no route to host")

    monkeypatch.setattr(file_utils, "urlretrieve", offline)
    monkeypatch.setattr(file_utils.config, "keras_home", lambda: str(tmp_path))
    model = classifier.build(ModelSettings(backbones=("vgg19",), fusion="none"), 64)
    with pytest.raises(backbones.WeightsError) as caught:
        backbones.load_imagenet(model, "vgg19")
    for part in ("https://", "vgg19", ".keras/models", "model.weights=in-domain", "model.weights=FOLDER"):
        assert part in str(caught.value)


@pytest.mark.parametrize("name", ["gelu", "swish"])
def test_an_activation_of_ours_is_keras_s(name):
    x = np.linspace(-12, 12, 2001).astype("float32")
    ours, theirs = getattr(blocks, name), getattr(keras.activations, name)
    np.testing.assert_allclose(arrays(ours(x)), arrays(theirs(x)), atol=2e-6)
    slopes = [gradients.value_and_gradient(lambda v, f=f: ops.sum(f(v)), x)[1] for f in (ours, theirs)]
    np.testing.assert_allclose(*map(arrays, slopes), atol=2e-6)


def test_cbam_is_its_formula():
    layer = blocks.CBAM(ratio=4)
    x = np.random.default_rng(0).normal(size=(2, 5, 5, 16)).astype("float32")
    out = arrays(layer(x))

    def sigmoid(v):
        return 1 / (1 + np.exp(-v))

    def mlp(v):
        (w1, b1), (w2, b2) = layer.squeeze.get_weights(), layer.expand.get_weights()
        return np.maximum(v @ w1 + b1, 0) @ w2 + b2

    channel = sigmoid(mlp(x.mean((1, 2))) + mlp(x.max((1, 2))))
    y = x * channel[:, None, None]
    pooled = np.stack([y.mean(-1), y.max(-1)], -1)
    spatial = arrays(ops.conv(pooled, layer.spatial.get_weights()[0], padding="same"))
    np.testing.assert_allclose(out, y * sigmoid(spatial), atol=1e-5)
    again = blocks.CBAM.from_config(layer.get_config())
    assert (again.ratio, again.kernel) == (4, 7)


def test_unknown_backbone():
    with pytest.raises(ValueError, match="not one of"):
        backbones.build("alexnet", keras.Input((64, 64, 3)))
    assert [backbones.top(10, s) for s in (0, 0.2, 0.21, 1)] == [0, 2, 3, 10]
    assert backbones.top(5, 0.2) == 1 and set(BACKBONES) == {*BACKBONES}

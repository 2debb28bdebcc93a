"""The feature extractors, full size and as miniatures, each built flat on a given tensor.

`build(key, x, scale, normalisation)` returns the last feature map. Full: the architectures of
keras.applications without their tops. Miniatures: the same families at small width and depth for
64-pixel images on a CPU, ending in an 8x8 map (4x4 would be too coarse for Grad-CAM).

Normalisation (Eq 2, x' = (x/255 - μ)/σ with ImageNet's μ and σ) is done by the caller, once, when
`explicit`. With `native` each backbone gets what its ImageNet weights were trained with:
EfficientNetV2-S x/128 - 1; ConvNeXt-Tiny and DenseNet121 the same μ and σ as Eq 2; VGG19 and
ResNet50 BGR minus the mean; EfficientNet-Lite (x - 127)/128; EfficientNet-B0 (x/255 - μ)/σ^1.5 (an
oversight of the original training that Keras preserves). All of it is weight-free. So with `explicit`, as in the paper,
EfficientNetV2-S is fed values about twice as wide as its ImageNet weights expect; VGG19 and ResNet50
would be fed RGB near unit spread in place of BGR in 0..255, which is why Table 6 gives `native` to
baselines that start from ImageNet.
"""

from __future__ import annotations

import math
from pathlib import Path
from urllib.error import URLError

import keras
from keras import layers, ops

from gcaf_lib.model import blocks, lite
from gcaf_lib.model.blocks import Stage
from gcaf_lib.settings import BACKBONES

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
BGR_MEAN = (103.939, 116.779, 123.68)


class WeightsError(OSError):
    """Pretrained weights can't be had or don't fit."""


_B0 = (
    Stage(1, 16, 1, 3, 1),
    Stage(2, 24, 6, 3, 2),
    Stage(2, 40, 6, 5, 2),
    Stage(3, 80, 6, 3, 2),
    Stage(3, 112, 6, 5, 1),
    Stage(4, 192, 6, 5, 2),
    Stage(1, 320, 6, 3, 1),
)
_MINI_V2 = (
    Stage(1, 16, 1, 3, 1, 0, True),
    Stage(1, 32, 4, 3, 2, 0, True),
    Stage(1, 48, 4, 3, 2, 0, True),
    Stage(2, 64, 4),
    Stage(2, 96, 4),
)
_MINI_B0 = (
    Stage(1, 16, 1, 3, 1),
    Stage(2, 24, 4, 3, 2),
    Stage(2, 48, 4, 5, 2),
    Stage(2, 80, 4, 3, 1),
)


def normalise(image, key: str | None = None):
    """Eq 2 as one weight-free layer; with `key`, the normalisation Keras gives that backbone.

    `image`: (B, S, S, 3) symbolic tensor in 0..255. Always float32, whatever the dtype policy:
    bfloat16 would round augmented pixels to 8 bits before they are even normalised.
    """
    name = "normalisation" if key is None else f"normalisation_{key}"
    power = 1.5 if key == "efficientnet-b0" else 1.0
    scale, offset = [1 / (255 * s**power) for s in STD], [-m / s**power for m, s in zip(MEAN, STD)]
    if key == "efficientnetv2-s":
        scale, offset = [1 / 128] * 3, [-1.0] * 3
    elif key in lite.TABLES:
        scale, offset = [1 / 128] * 3, [-127 / 128] * 3
    elif key in ("vgg19", "resnet50", "resnet50-cbam"):
        image, scale, offset = ops.flip(image, axis=-1), [1.0] * 3, [-m for m in BGR_MEAN]
    return layers.Rescaling(scale, offset, dtype="float32", name=name)(image)


def build(key: str, x, scale: str = "full", normalisation: str = "explicit"):
    """Last feature map (B, h, w, C) of backbone `key` on `x`, every layer named `<key>_...`.

    `x`: (B, S, S, 3), normalised by the caller if `explicit`, raw 0..255 if `native`.
    Raises `ValueError` for a key that is not in settings.BACKBONES.
    """
    if key not in BACKBONES:
        raise ValueError(f"backbone {key!r} is not one of {', '.join(BACKBONES)}")
    if normalisation == "native":
        x = normalise(x, key)
    if key in lite.TABLES:
        return lite.build(key, x, scale)
    return (_mini if scale == "mini" else _full)(key, x)


def _mini(key: str, x):
    match key:
        case "efficientnetv2-s":
            return blocks.efficientnet(x, _MINI_V2, 16, 256, key, drop=0.1, momentum=0.9)
        case "efficientnet-b0":
            return blocks.efficientnet(x, _MINI_B0, 16, 256, key, drop=0.1, momentum=0.9)
        case "convnext-tiny":
            return blocks.convnext(x, (2, 2, 2), (40, 80, 128), key, down=(2, 1), scale=0.1)
        case "vgg19":
            return blocks.vgg(x, (1, 1, 2), (16, 48, 128), key)
        case "resnet50" | "resnet50-cbam":
            return blocks.resnet(x, (2, 3), (24, 48), key)
        case "densenet121":
            return blocks.densenet(x, (4, 8), 16, key)


def _full(key: str, x):
    if key == "convnext-tiny":
        return blocks.convnext(x, (3, 3, 9, 3), (96, 192, 384, 768), key)
    if key == "efficientnet-b0":
        return blocks.efficientnet(x, _B0, 32, 1280, key, momentum=0.99, v1_padding=True)
    extra = {"include_preprocessing": False} if key == "efficientnetv2-s" else {}
    model = _application(key)(include_top=False, weights=None, input_tensor=x, **extra)
    upstream = ("normalisation",)
    for layer in model.layers:  # two families share names such as stem_conv: tell them apart
        if not isinstance(layer, layers.InputLayer) and not layer.name.startswith(upstream):
            layer.name = f"{key}_{layer.name}"
    return model.output


def _application(key: str):
    apps = keras.applications
    return {
        "efficientnetv2-s": apps.EfficientNetV2S,
        "convnext-tiny": apps.ConvNeXtTiny,
        "vgg19": apps.VGG19,
        "resnet50": apps.ResNet50,
        "resnet50-cbam": apps.ResNet50,
        "densenet121": apps.DenseNet121,
        "efficientnet-b0": apps.EfficientNetB0,
    }[key]


def load_imagenet(model: keras.Model, key: str, path: str | Path | None = None) -> None:
    """Put ImageNet weights into backbone `key` of `model`, in place.

    Keras's own notop file is fetched by keras.applications (keras.utils.get_file, hash checked,
    cached in ~/.keras/models); EfficientNet-Lite's comes from an installed package. `path` names a local
    copy instead. Raises `WeightsError` when the file can't be had or read.
    """
    if key in lite.TABLES:
        try:
            return lite.load_imagenet(model, key, path or lite.weights_file(key))
        except (OSError, ValueError) as error:
            raise WeightsError(f"no ImageNet weights for {key}: {error}") from error
    try:
        source = _application(key)(
            include_top=False, weights=str(path or "imagenet"), input_shape=(224, 224, 3)
        )
    except (URLError, OSError, ValueError) as error:
        raise WeightsError(_no_weights(key, path, error)) from error
    except Exception as error:  # keras.utils.get_file raises a bare Exception
        if "fetch failure" not in str(error):
            raise
        raise WeightsError(_no_weights(key, path, error)) from error
    transfer(source, model, key)


def _no_weights(key: str, path, error: Exception) -> str:
    where = (
        f"the file {path} can't be used"
        if path
        else "keras.applications downloads them once into ~/.keras/models (or $KERAS_HOME/models), and that failed"
    )
    return (
        f"no ImageNet weights for {key}: {where}: {error}. Without a network: copy the file there from a "
        "machine that has one, or pre-train on the training images with --set model.weights=in-domain, "
        "or give a folder of .weights.h5 files with --set model.weights=FOLDER."
    )


def transfer(source: keras.Model, model: keras.Model, key: str) -> None:
    """Copy the weights of a keras.applications model into the flat backbone `key` of `model`.

    Layers are matched by name; anything left over on either side, or of another shape, raises
    `WeightsError` rather than leaving half a backbone at random.
    """
    theirs = {}
    for layer in _leaves(source):
        if layer.weights and not isinstance(layer, layers.Normalization):
            name = layer.name.removeprefix("convnext_tiny_")
            theirs["layernorm" if name.startswith("layer_normalization") else name] = layer
    ours = {
        layer.name.removeprefix(f"{key}_"): layer
        for layer in model.layers
        if layer.name.startswith(f"{key}_") and layer.weights
    }
    if set(theirs) != set(ours):
        odd = sorted(set(theirs) ^ set(ours))[:4]
        raise WeightsError(f"weights of {source.name} don't fit backbone {key}: unmatched layers {odd}")
    for name, layer in ours.items():
        values = theirs[name].get_weights()
        if isinstance(layer, layers.DepthwiseConv2D) and key == "convnext-tiny":
            values[0] = values[0].transpose(0, 1, 3, 2)  # grouped (7,7,1,C) to depthwise (7,7,C,1)
        shapes = [tuple(w.shape) for w in layer.weights]
        if [v.shape for v in values] != shapes:
            raise WeightsError(
                f"layer {name} of backbone {key} holds {shapes}, the file {[v.shape for v in values]}"
            )
        layer.set_weights(values)


def _leaves(model: keras.Model):
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _leaves(layer)
        else:
            yield layer


def top(count: int, share: float) -> int:
    """How many of `count` layers the top `share` is: rounded up, so that any share trains one."""
    return min(count, math.ceil(round(share * count, 9)))

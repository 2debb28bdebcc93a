"""Grad-CAM of every backbone, on any Keras backend.

    α_k = (1/hw) Σ_ij ∂y_c/∂A_k,ij ,   L = ReLU(Σ_k α_k A_k)   (Selvaraju et al. 2017, Eqs 1, 2)

with A the feature map of one backbone and y_c the logit of the target class c. The model is cut at its
layers `features_<backbone>`: the part before gives A, compiled; the gradient needs the small part behind
only. The paper shows such maps (Figure 13) without saying of which layer; here it is each backbone's last
feature map.
"""

from __future__ import annotations

import weakref

import keras
import numpy as np
from keras import ops
from tqdm import tqdm

from gcaf_lib.model.gradients import value_and_gradient

PREFIX = "features_"
_PARTS: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


def split(model: keras.Model) -> tuple[list[str], keras.Model, keras.Model]:
    """Backbone names, the body (image → list of feature maps) and the head (feature maps → logits).

    Both share the model's weights. Raises `ValueError` where the model has no layer `features_<backbone>`,
    or no output that is plainly its logits (the output or the layer of that name, or the only output).
    """
    if model not in _PARTS:
        layers = [layer for layer in model.layers if layer.name.startswith(PREFIX)]
        if not layers:
            raise ValueError(
                f"model {model.name!r} has no layer named {PREFIX}<backbone>: nothing to explain"
            )
        features = [layer.output for layer in layers]
        body, head = keras.Model(model.inputs, features), keras.Model(features, _logits(model))
        _PARTS[model] = [layer.name.removeprefix(PREFIX) for layer in layers], body, head
    return _PARTS[model]


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
    model: keras.Model, images, rows=None, targets=None, batch: int = 64
) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Grad-CAM maps of `images[rows]`: ({backbone: (n, h, w)}, targets (n,), logits (n, K)).

    images: (N, S, S, 3) in 0..255, may be memory-mapped, read a batch at a time; rows: (n,) row numbers, all
    by default; targets: (n,) class numbers, by default the class predicted. Maps are float32, not negative,
    and scaled to a maximum of 1; a map without any positive evidence is all zero. Every batch has the same
    shape (the last one is padded), so nothing is traced twice.
    """
    rows = np.arange(len(images)) if rows is None else np.asarray(rows)
    if targets is not None and np.shape(targets) != rows.shape:
        raise ValueError(f"{np.shape(targets)} targets for {len(rows)} images: give one class each")
    names, body, head = split(model)
    dtype, n = body.inputs[0].dtype, len(rows)
    size = min(batch, n)
    out: dict[str, list[np.ndarray]] = {name: [] for name in names}
    chosen, scores = [], []
    starts = range(0, n, size) if n else ()
    for start in tqdm(starts, desc="Grad-CAM", unit="batch", disable=None if n > 4 * batch else True):
        part = rows[np.minimum(np.arange(start, start + size), n - 1)]
        keep = min(size, n - start)
        features = body.predict_on_batch(np.asarray(images[part]).astype(dtype))
        features = [features] if len(names) == 1 and not isinstance(features, list) else features
        wanted = None
        if targets is not None:
            wanted = np.asarray(targets)[np.minimum(np.arange(start, start + size), n - 1)]
        logits, target, slopes = _gradient(head, features, wanted)
        for name, a, g in zip(names, features, slopes):
            out[name].append(
                _cam(np.asarray(a, np.float32), ops.convert_to_numpy(ops.cast(g, "float32")))[:keep]
            )
        chosen.append(target[:keep])
        scores.append(logits[:keep])
    if not n:
        shapes = {name: f.shape[1:3] for name, f in zip(names, body.outputs)}
        empty = {name: np.zeros((0, *shape), np.float32) for name, shape in shapes.items()}
        return empty, np.zeros(0, np.int64), np.zeros((0, head.outputs[0].shape[-1]), np.float32)
    cams = {name: np.concatenate(parts) for name, parts in out.items()}
    return cams, np.concatenate(chosen).astype(np.int64), np.concatenate(scores)


def _cam(features: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    weights = gradients.mean((1, 2))
    cam = np.maximum(np.einsum("nhwc,nc->nhw", features, weights), 0)
    top = cam.max((1, 2), keepdims=True)
    return np.divide(cam, top, out=np.zeros_like(cam), where=top > 0)


def _gradient(head: keras.Model, features: list, wanted) -> tuple[np.ndarray, np.ndarray, list]:
    """Logits, targets, and the gradient of each sample's target logit with regard to its feature maps."""
    features = [ops.convert_to_tensor(f) for f in features]
    logits = ops.convert_to_numpy(ops.cast(head(features, training=False), "float32"))
    target = logits.argmax(1) if wanted is None else wanted
    chosen = ops.one_hot(target, logits.shape[1], dtype="float32")

    def selected(tensors):
        # samples don't mix in inference mode: the gradient of the sum holds that of each one's own logit
        return ops.sum(ops.cast(head(tensors, training=False), "float32") * chosen)

    return logits, target, value_and_gradient(selected, features)[1]

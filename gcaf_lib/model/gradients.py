"""Gradients on whichever backend Keras runs on: the one thing keras.ops has no word for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops


def value_and_gradient(fn: Callable[[Any], Any], inputs: Any) -> tuple[Any, Any]:
    """fn(inputs), a scalar, and its gradient with respect to `inputs` (a tensor or a list of them).

    TensorFlow: a GradientTape; JAX: jax.value_and_grad. A tensor that `fn` does not use gets zeros.
    Raises `NotImplementedError` on another backend.
    """
    inputs = keras.tree.map_structure(ops.convert_to_tensor, inputs)
    match keras.backend.backend():
        case "tensorflow":
            import tensorflow as tf

            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(inputs)
                value = fn(inputs)
            return value, tape.gradient(value, inputs, unconnected_gradients="zero")
        case "jax":
            import jax

            return jax.value_and_grad(fn)(inputs)
        case other:
            raise NotImplementedError(f"gradients are written for TensorFlow and JAX, not for {other}")


def weight_gradients(layer: keras.Layer, inputs: Any, seed: int = 0) -> dict[str, np.ndarray]:
    """Gradient of a random weighted sum of the layer's output with respect to each trainable weight.

    A random sum, because the plain sum of, say, a layer-normalised output has no gradient at all.
    """
    inputs = keras.tree.map_structure(ops.convert_to_tensor, inputs)
    rest = [v.value for v in layer.non_trainable_variables]

    def total(weights):
        out, _ = layer.stateless_call(weights, rest, inputs)
        mix = np.random.default_rng(seed).normal(size=out.shape).astype("float32")
        return ops.sum(ops.cast(out, "float32") * mix)

    _, grads = value_and_gradient(total, [v.value for v in layer.trainable_variables])
    return {v.path: ops.convert_to_numpy(g) for v, g in zip(layer.trainable_variables, grads)}

"""What a model costs: parameters, and the multiply-adds of one image, layer by layer.

FLOPs here are 2 × multiply-adds: each adds one product to a sum. Counted are convolutions, dense layers and
products of matrices, which is what papers on architectures count; normalisation, activations, pooling and
other element-wise work (a few per cent, and bound by memory rather than arithmetic) are not.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pandas as pd

from gcaf_lib.settings import Settings


def multiply_adds(model: Any) -> pd.DataFrame:
    """One row a use of a layer or matrix product: layer, kind, macs (of one image); in no particular order.

    model: a functional Keras model. Composite layers of this library are opened, so that a sub-layer that is
    used twice counts twice. Raises `ValueError` for a layer whose weights it can't account for.
    On JAX the fusion `gcaf-token` can't be opened: a learnt number times a symbolic tensor is an error there.
    """
    return pd.DataFrame(_nodes(model, ""), columns=["layer", "kind", "macs"])


def _nodes(graph: Any, prefix: str) -> Iterator[tuple[str, str, int]]:
    import keras
    from keras import layers

    # Keras has no public way to ask how often, and on what, an operation is used within a graph
    for node in (n for level in graph._nodes_by_depth.values() for n in level if not n.is_input):
        op, into, out = node.operation, node.arguments.keras_tensors, node.outputs[0]
        name, kind = prefix + op.name, type(op).__name__
        if isinstance(op, (layers.Conv2D, layers.DepthwiseConv2D, layers.Dense)):
            yield name, kind, math.prod(out.shape[1:-1]) * math.prod(op.kernel.shape)
        elif kind == "Matmul":
            yield name, kind, math.prod(out.shape[1:]) * into[0].shape[-1]
        elif any(len(w.shape) > 1 for w in getattr(op, "weights", ())):
            if not isinstance(op, layers.Layer) or type(op).__module__.startswith("keras."):
                raise ValueError(f"can't count the multiply-adds of layer {name} ({kind})")
            fresh = keras.tree.map_structure(
                lambda t: keras.KerasTensor(t.shape, t.dtype), node.arguments.args[0]
            )
            yield from _nodes(keras.Function(fresh, op.call(fresh)), f"{name}/")


def count(model: Any) -> dict[str, float]:
    """parameters, macs and flops (2 × macs) of one image of a functional Keras model."""
    macs = int(multiply_adds(model)["macs"].sum())
    return {"parameters": model.count_params(), "macs": macs, "flops": 2 * macs}


def of_settings(settings: Settings) -> dict[str, float]:
    """`count` of the classifier that these settings describe; no weights are allocated."""
    import keras

    from gcaf_lib.model import classifier

    # variables have shapes but no values: a hundred million weights cost nothing
    with keras.StatelessScope(initialize_variables=False):
        model = classifier.build(settings.model, settings.data.image_size, len(settings.data.classes))
        return count(model)

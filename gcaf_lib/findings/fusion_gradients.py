"""Which weights of a fusion get a gradient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import pandas as pd

from gcaf_lib.model.fusion import FUSIONS
from gcaf_lib.model.gradients import weight_gradients

KINDS = {
    "query": "queries",
    "key": "keys",
    "value": "values",
    "join": "output of attention",
    "gate": "gates",
    "other": "tokens and norms",
}
REPAIRS = ("gcaf-sigmoid", "gcaf-split", "gcaf-token")
OPENED = 0.1  # gcaf-token's α where its attention is looked at: at α = 0, where it starts, it is shut out by design
ROUNDING = 1e-5  # a gradient, or a departure from what should be equal, below this share is rounding


def build(name: str, width: int, given: Mapping[str, Sequence[Any]]):
    """A fusion layer with its weights, and the inputs among `given` (`streams`) that it takes."""
    keras.utils.set_random_seed(0)
    layer = FUSIONS[name](width, name="fusion")
    inputs = list(given[layer.takes])
    layer(inputs)
    return layer, inputs


def dead(largest: pd.Series) -> pd.Series:
    """Which of a fusion's weights have no gradient but for rounding; largest: of its absolute values, by weight.

    The softmax over one key can leave a trace of rounding in its queries and keys, small beside what the values of the
    same attention get. So a weight is dead below a hundred-thousandth of the values' largest gradient, that of the
    smaller of the two: vectors of unlike lengths have gradients of unlike sizes, and a small one is none the less one.
    """
    values = largest[largest.index.str.startswith("value")]
    beside = values.groupby(values.index.str.split("/").str[0]).max().min() if len(values) else largest.max()
    return largest <= ROUNDING * beside


def gradients(given: Mapping[str, Sequence[Any]], width: int, opened: float = OPENED) -> pd.DataFrame:
    """One line a weight of each fusion: variant, weight, kind (`KINDS`), size, norm and largest of its gradient, dead.

    The gradient is that of a random weighted sum of the fused vector: where it is zero for such a sum, no
    loss whatever can move the weight. opened: α of `gcaf-token`, which lets its attention in.
    """
    parts = []
    for name in FUSIONS:
        layer, inputs = build(name, width, given)
        if not layer.trainable_weights:
            continue
        if name == "gcaf-token":
            layer.alpha_a.assign(opened), layer.alpha_b.assign(opened)
        found = weight_gradients(layer, inputs)
        lines = {
            path.removeprefix("fusion/"): (gradient.size, np.linalg.norm(gradient), np.abs(gradient).max())
            for path, gradient in found.items()
        }
        part = pd.DataFrame.from_dict(lines, orient="index", columns=["size", "norm", "largest"])
        kinds = part.index.str.extract(r"^([a-z]+)", expand=False).map(KINDS).fillna(KINDS["other"])
        part = part.assign(variant=name, kind=kinds, dead=dead(part["largest"]))
        parts.append(part.rename_axis("weight").reset_index())
    return pd.concat(parts, ignore_index=True)

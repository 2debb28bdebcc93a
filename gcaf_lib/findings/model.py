"""Chapter 4: sizes of the model's parts, and the weights of its fusion that nothing can move."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from gcaf_lib.findings import fusion_gradients
from gcaf_lib.model import classifier
from gcaf_lib.model.fusion import FUSIONS
from gcaf_lib.paper import published as paper
from gcaf_lib.settings import Settings

_HEAD = {"projections": "project_", "fusion": "fusion", "classifier": "logits"}
FIRST_STEP = "gcaf-token, first step"


def built(chosen: Settings) -> Any:
    """The classifier of these settings, with random weights."""
    return classifier.build(chosen.model, chosen.data.image_size)


def weights(layers: Iterable[Any]) -> int:
    """Numbers in the weights of some layers."""
    return sum(layer.count_params() for layer in layers)


def sizes_by_profile(models: Mapping[str, Any]) -> pd.DataFrame:
    """Parts down (index), profiles across: input, feature maps (Eqs 4, 5), width d, and numbers of weights."""
    columns = {}
    for profile, model in models.items():
        groups, side = classifier.parts(model), model.input.shape[1]
        column: dict[str, Any] = {"input": f"{side}×{side}×3"}
        for symbol, (key, layer) in zip(("F₁", "F₂"), classifier.cam_layers(model).items()):
            column[f"{symbol}, {key}"] = "×".join(map(str, model.get_layer(layer).output.shape[1:]))
        column["width d"] = model.get_layer("fusion").input[0].shape[-1]
        column |= {f"weights, {key}": weights(group) for key, group in groups["backbones"].items()}
        for part, start in _HEAD.items():
            column[f"weights, {part}"] = weights(la for la in groups["head"] if la.name.startswith(start))
        column["weights, whole model"] = classifier.parameters(model)["total"]
        columns[profile] = column
    return pd.DataFrame(columns).rename_axis("Part")


def shares_said(size: pd.Series) -> str:
    """Whose the weights are; size: one column of `sizes_by_profile`."""
    whole, fusion = size["weights, whole model"], size["weights, fusion"]
    known = size.dropna()  # other profiles' backbones have no weights here
    backbones = sum(n for part, n in known.items() if part.startswith("weights, ") and "-" in part)
    return (
        f"At full size the two backbones hold {backbones:,} of {whole:,} weights ({backbones / whole:.1%}). The fusion, which the "
        f"paper is about, has {fusion:,} ({fusion / whole:.1%}). The paper gives no counts to compare with."
    )


def scrambled(names: Sequence[str], a: np.ndarray, b: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    """What noise in every query and key weight changes: a line a fusion, with its attention weights' shape and range.

    a, b (B, d): the two projected vectors. The change is the largest of the fused vector's entries.
    """
    lines = []
    for name in names:
        layer = FUSIONS[name](a.shape[1], name="fusion")
        before = np.asarray(layer([a, b]))
        for weight in layer.trainable_weights:
            if "query" in weight.path or "key" in weight.path:
                weight.assign(rng.normal(size=weight.shape))
        seen, change = layer.inspect(a, b)["attention_a"], np.abs(np.asarray(layer([a, b])) - before).max()
        shape = "×".join(map(str, seen.shape[1:]))
        lines.append([name, shape, seen.min(), seen.max(), f"{change:.3f}" if change else "exactly 0"])
    heads = [
        "Fusion",
        "Attention weights per image",
        "Smallest",
        "Largest",
        "Change of z, queries and keys scrambled",
    ]
    return pd.DataFrame(lines, columns=heads)


def gradients(vectors: Sequence[np.ndarray], maps: Sequence[np.ndarray]) -> pd.DataFrame:
    """`fusion_gradients.gradients`, with `gcaf-token` twice: in its first step, where its attention is shut out, and with it let in.

    vectors: [a, b] (B, d); maps: [F1, F2] (B, h, w, C).
    """
    given, width = {"vectors": list(vectors), "maps": list(maps)}, vectors[0].shape[1]
    later, first = (
        fusion_gradients.gradients(given, width),
        fusion_gradients.gradients(given, width, opened=0.0),
    )
    first = first[first["variant"] == "gcaf-token"].assign(variant=FIRST_STEP)
    return pd.concat([later, first], ignore_index=True)


def dead_counts(found: pd.DataFrame) -> pd.DataFrame:
    """Numbers of weights of each of `gradients`' fusions (index): parameters, and dead of them."""
    each = found.assign(parameters=found["size"], dead=found["size"].where(found["dead"], 0))
    counts = each.groupby("variant")[["parameters", "dead"]].sum()
    return counts.reindex([*FUSIONS, FIRST_STEP], fill_value=0).rename_axis(None)  # concat has no weights


def dead_table(found: pd.DataFrame) -> pd.DataFrame:
    """The reconstruction's weights among `gradients`, for readers."""
    heads = {"weight": "Weight", "size": "Numbers", "largest": "Largest gradient", "dead": "Dead"}
    return found.loc[found["variant"] == "gcaf", list(heads)].rename(columns=heads).reset_index(drop=True)


def dead_said(found: pd.DataFrame, full: Any) -> str:
    """Which weights of the reconstruction are dead, how many at full size (`full`: that fusion layer), and where none is."""
    own, lost = found[found["variant"] == "gcaf"], set(found.loc[found["dead"], "variant"])
    if (zero := own[own["dead"]]).empty:
        return "Dead in the reconstruction: none of its weights."
    trace = zero["largest"].max() / own["largest"].max()
    dead = set(zero["weight"].str.split("/").str[0])
    count = sum(int(np.prod(w.shape)) for w in full.trainable_weights if dead & set(w.path.split("/")))
    return (
        f"Dead in the reconstruction: {_code(sorted(dead))} "
        + (
            f"(a trace of rounding: {trace:.0e} of the largest gradient)"
            if trace
            else "(their gradient is exactly 0)"
        )
        + f". At full size that is {count:,} of the fusion's {full.count_params():,} weights ({count / full.count_params():.0%}). "
        f"Without dead weights: {_code(n for n in fusion_gradients.REPAIRS if n not in lost) or 'none of the repairs'}."
    )


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def departure(layer: Any, x: np.ndarray, y: np.ndarray) -> float:
    """Departure of a layer f from linearity, max |f(x + y) − f(x) − f(y) + f(0)| over max |f(x)|; x, y (2, B, d): pairs of vectors."""
    both, one, other, none = (np.asarray(layer(list(pair))) for pair in (x + y, x, y, 0 * x))
    return float(np.abs(both - one - other + none).max() / np.abs(one).max())


def departure_said(bend: float) -> str:
    """What `cross` without gates is, and the gain that the paper reports for it; bend: its `departure`."""
    one = paper.published("Table 4", "Feature Concatenation", "accuracy")
    two = paper.published("Table 4", "Cross-Attention (No Gating)", "accuracy")
    return (
        f"Departure from linearity, $f(x + y) - f(x) - f(y) + f(0)$, relative to the largest value: {bend:.0e}, so `cross` is "
        f"{'linear, up to rounding' if bend < fusion_gradients.ROUNDING else 'not linear'}. The paper reports {one:g}% for concatenation and {two:g}% "
        f"for cross-attention without gates, a gain of {two - one:.2f} points. If Equations 9 and 10 are as reconstructed, attention can't be its cause: "
        "what remains is that the same functions, written with more weights, train differently, a different test set, chance, or "
        "equations other than these."
    )


def unfrozen(models: Mapping[str, Any], share: float) -> pd.DataFrame:
    """What the top `share` of each backbone's layers comes to: a line a profile and backbone. Sets the models to stage 2."""
    lines = []
    for profile, model in models.items():
        names = classifier.unfreeze(model, share)
        for key, group in classifier.parts(model)["backbones"].items():
            top = group[-classifier.backbones.top(len(group), share) :]
            trained = [layer for layer in group if layer.name in names[key]]
            norms = sum(type(layer).__name__ == "BatchNormalization" for layer in top)
            part = f"{weights(trained) / weights(group):.0%}"
            lines.append([profile, key, len(group), len(top), norms, len(trained), weights(trained), part])
    heads = [
        "Profile",
        "Backbone",
        "Layers",
        "In the top share",
        "of these BatchNorm",
        "Layers trained",
        "Weights trained",
    ]
    return pd.DataFrame(lines, columns=[*heads, "of the backbone"])


def unfrozen_layers(model: Any, share: float) -> pd.DataFrame:
    """Layers with weights that stage 2 trains, from the lowest to the top of each backbone: type, output, parameters."""
    names = [name for group in classifier.unfreeze(model, share).values() for name in group]
    known = classifier.describe(model).set_index("layer").loc[names, ["type", "output", "parameters"]]
    return known.rename_axis("Layer").rename(columns=str.capitalize)

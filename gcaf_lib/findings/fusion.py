"""Chapter 11: the fusions of Table 4 opened up, that is, gradients of their weights, their sizes, and what the reconstruction equals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import pandas as pd

from gcaf_lib.data import splits
from gcaf_lib.evaluation import worth
from gcaf_lib.findings import (
    ablation,
    difference_intervals,
    first_place,
    fusion_gradients,
    row_lists,
    table_rows,
    words,
)
from gcaf_lib.model import classifier
from gcaf_lib.model.fusion import FUSIONS
from gcaf_lib.paper import published as paper
from gcaf_lib.paper import verdicts
from gcaf_lib.settings import ModelSettings

FULL_MAPS = ((7, 7, 1280), (7, 7, 768))  # F1 and F2 of the paper's backbones (Eqs 4, 5)
ROWS = {name: row for row, name in table_rows.FUSION_NAMES.items()}  # fusion to its row of Table 4
CAVEAT = {  # by profile: what its page can't say of the paper's networks (`words.of_profile`)
    "demo": "These are phantoms and miniature networks: the gradients above are exact all the same, the accuracies say nothing of "
    "patients.",
    "cpu": "These are miniature networks on small images, started from backbones trained in-domain. The algebra and the dead weights "
    "are the same at any size; the differences need not be.",
}


def streams(model: ModelSettings, image_size: int, images: np.ndarray) -> dict[str, list]:
    """What the fusion layer of the built model is given for `images` (B, S, S, 3) in 0..255.

    "vectors": [a, b] (B, d), the projected averages (Eq 6); "maps": [F1, F2] (B, h, w, C) (Eqs 4, 5).
    """
    built = classifier.build(model, image_size, seed=0)
    maps = [built.get_layer(name).output for name in classifier.cam_layers(built).values()]
    given = keras.Model(built.input, {"vectors": built.get_layer("fusion").input, "maps": maps})(images)
    return {name: [keras.ops.convert_to_numpy(v) for v in values] for name, values in given.items()}


def gradient_table(found: pd.DataFrame) -> pd.DataFrame:
    """`fusion_gradients.gradients` for readers: kinds of weights down, variants across, the norm over all weights of the kind."""
    norm = found.assign(square=found["norm"] ** 2).groupby(["kind", "variant"])["square"].sum() ** 0.5
    text = norm.map(lambda v: "0" if v == 0 else f"{v:.0f}" if v >= 10 else f"{v:.2g}").unstack()
    table = (
        text.reindex(index=list(fusion_gradients.KINDS.values()), columns=list(FUSIONS))
        .astype(object)
        .fillna("–")
    )
    return table.rename_axis(columns=None).rename_axis("Gradient of the").reset_index()


def weight_counts(width: int, maps: Sequence[Sequence[int]], classes: int = 4) -> pd.DataFrame:
    """One line a fusion (index): weights of projections, fusion and classifier, head (their sum), and dead ones.

    width: d; maps: shapes (h, w, C) of F1 and F2. dead: as in `fusion_gradients.gradients`, for random inputs of these shapes.
    """
    rng = np.random.default_rng(0)
    given = {
        "vectors": [rng.normal(size=(2, width)).astype("float32") for _ in maps],
        "maps": [rng.normal(size=(2, *shape)).astype("float32") for shape in maps],
    }
    found, rows = fusion_gradients.gradients(given, width), {}
    lost = found[found["dead"]].groupby("variant")["size"].sum()
    for name, kind in FUSIONS.items():
        # a Dense projection with bias for each stream; gcaf-token has its own
        project = sum((shape[-1] + 1) * width for shape in maps) if kind.takes == "vectors" else 0
        layer, inputs = fusion_gradients.build(name, width, given)
        last = (layer(inputs).shape[-1] + 1) * classes
        fusion = layer.count_params()
        rows[name] = {"projections": project, "fusion": fusion, "classifier": last,
                      "head": project + fusion + last, "dead": lost.get(name, 0)}  # fmt: skip
    return pd.DataFrame(rows).T.astype(int)


def without_attention(layer: Any, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """z of a `gcaf` layer computed without its queries and keys: c_{a←b} = W_V b, c_{b←a} = W_V a.

    z = [g_a⊙a + (1-g_a)⊙W_V b; g_b⊙b + (1-g_b)⊙W_V a], gates as in Eqs 11 and 12.
    """
    out = []
    for own, other, value, gate in ((a, b, layer.value_b, layer.gate_a), (b, a, layer.value_a, layer.gate_b)):
        mapped, kernel, bias = (keras.ops.convert_to_numpy(w) for w in (value.kernel, gate.kernel, gate.bias))
        c = np.asarray(other, np.float64) @ mapped
        g = 1 / (1 + np.exp(-(np.concatenate([own, c], -1) @ kernel + bias)))
        out.append(g * own + (1 - g) * c)
    return np.concatenate(out, -1)


def as_concatenation(layer: Any, kernel: np.ndarray) -> np.ndarray:
    """The classifier on [a; b] that equals a classifier `kernel` (2d, K) on the z of a `cross` layer.

    z = [a + W_V b; b + W_V a] is linear in [a; b], so its kernel is folded into the classifier's.
    """
    top, bottom = np.split(np.asarray(kernel, np.float64), 2)
    value_a, value_b = (keras.ops.convert_to_numpy(v.kernel) for v in (layer.value_a, layer.value_b))
    return np.concatenate([top + value_a @ bottom, bottom + value_b @ top])


def learns_said(found: pd.DataFrame) -> str:
    """Which weights of which fusion get no gradient, and which repairs have none such; found: `fusion_gradients.gradients`."""
    lost = found[found["dead"]]
    lost = lost["weight"].str.split("/").str[0].groupby(lost["variant"], sort=False).agg(", ".join)
    alive = ", ".join(f"`{name}`" for name in fusion_gradients.REPAIRS if name not in lost)
    dead = "; ".join(f"in `{name}` {which}" for name, which in lost.items())
    return (f"Without a gradient: {dead}. " if dead else "Every weight has a gradient. ") + (
        f"Every weight learns in {alive}." if alive else "No repair works."
    )


def without_keys(given: Mapping[str, Sequence[Any]], width: int) -> dict[str, float]:
    """Largest relative differences: `gcaf` to itself without queries and keys, `cross` to the `concat` made from it."""
    a, b = given["vectors"]
    layer, _ = fusion_gradients.build("gcaf", width, given)
    z = np.asarray(layer([a, b]))
    linear, _ = fusion_gradients.build("cross", width, given)
    kernel = np.random.default_rng(1).normal(size=(2 * width, 4))
    logits = np.asarray(linear([a, b])) @ kernel
    folded = np.concatenate([a, b], axis=-1) @ as_concatenation(linear, kernel)
    pairs = {"gcaf": (z, without_attention(layer, a, b)), "cross": (logits, folded)}
    return {name: float(np.abs(one - two).max() / np.abs(one).max()) for name, (one, two) in pairs.items()}


def compared_said(off: Mapping[str, float]) -> str:
    """What the four rows of Table 4 compare as reconstructed; off: `without_keys`."""
    rows = paper.table(4)["Fusion Strategy"]
    concat, gate, cross, best = (paper.published("Table 4", row, "accuracy") for row in rows)
    word = {
        name: "the same up to rounding" if gap < fusion_gradients.ROUNDING else "not the same"
        for name, gap in off.items()
    }
    return (
        f"`gcaf` with and without queries and keys: {word['gcaf']} (largest difference {off['gcaf']:.0e} of the largest value). "
        f"`cross` and the `concat` made from it: {word['cross']} ({off['cross']:.0e}).\n\n"
        "So, if the reconstruction is right, Table 4 compares a linear fusion, a gated one, the linear one again with more weights, and a gated "
        f"one with value maps. The step from {concat:g}% to {cross:g}%, for which the paper gives the credit to attention, is a step "
        f"between two forms of one family of functions; the step from {gate:g}% to {best:g}% adds value maps and a second gate, "
        "not attention. The gains have another cause: optimisation (the same function written with more weights trains differently), "
        "the choice of epoch or settings, chance, or Equations 9 to 13, which may be other than reconstructed here."
    )


def weight_counts_table(here: pd.DataFrame, full: pd.DataFrame) -> pd.DataFrame:
    """`weight_counts` under this page's profile beside those at full size, for readers."""
    columns = ["head", "fusion", "dead"]
    ours = here[columns].set_axis(["Head, this page", "Of which fusion", "Of which dead"], axis=1)
    # a head stands once in a table
    theirs = full[columns].set_axis(["Head, full size", "Of which fusion ", "Of which dead "], axis=1)
    return ours.join(theirs).rename_axis("Variant").reset_index()


def weight_counts_said(full: pd.DataFrame) -> str:
    """How many of the proposed fusion's weights are dead at full size, and which heads are smallest and largest."""
    lost, head = full.loc["gcaf"], full["head"]
    largest = " and ".join(f"`{name}`" for name in full.index[head == head.max()])
    return (
        f"At full size {lost['dead']:,} of the proposed fusion's {lost['fusion']:,} weights ({lost['dead'] / lost['fusion']:.0%}) "
        f"are dead. They cost memory and time and change nothing. The smallest head is that of `{head.idxmin()}` ({head.min():,} "
        f"weights), the largest that of {largest} ({head.max():,}), so the rows of Table 4 differ in size as well as in kind."
    )


# --- what the runs of Table 4 say ---


def beside_concatenation_said(frame: pd.DataFrame, show_published: bool = True) -> str:
    """Whether the proposed fusion is better than concatenation where no known patient is shared; frame: of `ablation.measure_on_folds`."""
    question = "Is the proposed fusion better than concatenation where no known patient is shared?"
    return first_place.answer(frame, ROWS["concat"], question, table_rows.FUSION_NAMES, show_published)


def equal_functions_said(found: Mapping[str, Sequence[Any]], dataset: Any) -> str:
    """`cross` minus `concat`, which compute the same functions: measured on the same images, and in the paper."""
    pair = ROWS["cross"], ROWS["concat"]
    gap = worth.difference(*(found.get(row, ()) for row in pair), splits.clusters(dataset))
    theirs = np.subtract(*(paper.published("Table 4", row, "accuracy") for row in pair))
    said = f"`cross` minus `concat`, which compute the same functions: {words.signed(theirs)} points in the paper; here "
    if not gap:
        return said + "they are not both trained on this split."
    told = "distinguishable from 0: what differs is how the two forms train, or chance."
    same = "not distinguishable from 0, as the algebra leads one to expect."
    return f"{said}{words.shift(gap['accuracy'], 2, 100)}, {words.by_side(gap['accuracy'], told, told, same)}"


def repaired_said(frame: pd.DataFrame) -> str:
    """Whether attention that can learn is measured to be better than the reconstruction; frame: of `ablation.measure`."""
    part = ablation.others(frame)
    part = part[part["row"].map(table_rows.FUSION_NAMES).isin(fusion_gradients.REPAIRS) & (part["pairs"] > 0)]
    if part.empty:
        return "No fusion whose attention can learn has been trained on this split."
    better = difference_intervals.below_above_undecided(part)[1]
    if better.empty:
        tried = ", ".join(f"`{table_rows.FUSION_NAMES[row]}`" for row in part["row"])
        return f"Attention that can learn ({tried}) is not shown to be better than the reconstruction, in which it can't."
    once = " (trained with one seed, so another may reverse it)" if (better["pairs"] == 1).all() else ""
    return (
        f"Attention that can learn is better than the reconstruction, with an interval that excludes 0, in {row_lists.listed(better, table_rows.FUSION_NAMES)}{once}, of "
        f"{words.plural(len(part), 'variant')}."
    )


def norm_cost_said(frame: pd.DataFrame, command: str) -> str:
    """What the LayerNorm behind the projections does to the accuracy; frame: `ablation.measure("projection-norm", …)`,
    command: what trains its runs."""
    line = ablation.others(frame).iloc[0]
    if not line["pairs"]:
        return f"The model with LayerNorm is not trained yet under this profile: `{command}` does it."
    side = f"a {'loss' if line['difference'] < 0 else 'gain'} whose interval excludes 0"
    side = side if difference_intervals.separated(line) else verdicts.UNDECIDED
    return (
        f"With LayerNorm minus without, in points of accuracy on the same images: {row_lists.difference_said(line)}, {side} "
        f"({'one run' if line['pairs'] == 1 else f'{line.pairs:.0f} seeds'} of each)."
    )

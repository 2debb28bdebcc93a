"""Chapter 6: what run records say about training, that is, settings beside Table 3, stages, unfrozen layers, EMA."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import beta as beta_law

from gcaf_lib.display import tables
from gcaf_lib.display.names import backbone_name
from gcaf_lib.findings import stages, words
from gcaf_lib.paper import published as paper
from gcaf_lib.settings import PROFILES, Settings, TrainingSettings, load, names

_WORDS = {"Class Balance Factor": ("loss.balance",)}  # printed as a word: no figure stands for it
_LEFT_OPEN = """model.scale model.weights model.width model.projection_norm model.dropout loss.reading
    training.stage0_seed training.stage0_batch_size training.unfrozen training.brightness training.contrast training.stop_patience
    training.plateau_patience training.plateau_factor training.dtype""".split()


def beside_table_3(settings: Settings) -> pd.DataFrame:
    """Table 3 with the settings in use beside it: parameter, the paper's value, in use, same."""
    lines = []
    for parameter, _, printed in paper.table(3).itertuples(index=False):
        found = paper.find("Table 3", parameter)
        wanted = [(f.metric, f.value) for f in found] or [
            (name, printed.lower().replace(" ", "-")) for name in _WORDS[parameter]
        ]
        used = [attrgetter(name)(settings) for name, _ in wanted]
        same = all(value == theirs for value, (_, theirs) in zip(used, wanted))
        shown = " / ".join(words.setting(value) for value in used)
        if wanted[0][0] == "data.image_size":
            shown = f"{shown}×{shown}"
        lines.append((parameter, printed, shown, "same" if same else "differs"))
    return pd.DataFrame(lines, columns=["Parameter", "The paper", "In use", "Compared"])


def left_open(settings: Settings) -> pd.DataFrame:
    """Settings that the paper leaves open: name, value in use, what it is (the setting's own help)."""
    known = names()
    lines = [
        (name, words.setting(attrgetter(name)(settings)), known[name].metadata["help"]) for name in _LEFT_OPEN
    ]
    return pd.DataFrame(lines, columns=["Setting", "In use", "What it is"])


def profiles_said() -> str:
    """Where each profile leaves Table 3, a list."""
    lines = []
    for name in PROFILES:
        beside = beside_table_3(load(name))
        off = [f"{r.Parameter} {r[3]}" for r in beside[beside["Compared"] == "differs"].itertuples()]
        lines.append(f"- `{name}`: {'; '.join(off) or 'every row is the same'}.")
    return "Rows in which the profiles differ from the paper:\n\n" + "\n".join(lines)


def patience_said(chosen: TrainingSettings) -> str:
    """In which stages early stopping and the lower rate can change anything: they wait that long after the first epoch."""
    epochs = (chosen.stage1_epochs, chosen.stage2_epochs)
    where = {
        (): "in neither stage",
        (1,): "in stage 1 alone",
        (2,): "in stage 2 alone",
        (1, 2): "in both stages",
    }
    stop, rate = (
        where[tuple(stage for stage, n in enumerate(epochs, 1) if n > wait + 1)]
        for wait in (chosen.stop_patience, chosen.plateau_patience)
    )
    return (
        f"With {epochs[0]} epochs in stage 1 and {epochs[1]} in stage 2, early stopping (`stop_patience` {chosen.stop_patience}) can act {stop}, "
        f"a lower rate (`plateau_patience` {chosen.plateau_patience}) {rate}."
    )


def contradicted() -> pd.DataFrame:
    """Rows of Table 3 on which another place of the paper differs."""
    said = paper.disagreements()
    return said[said["topic"].isin(["loss.smoothing", "loss.balance"])].rename(columns=str.capitalize)


def raw_history(record: Any) -> pd.DataFrame:
    """A run's history with the validation figures of its raw weights in val_loss and val_accuracy."""
    plain = {f"val_{name}": record.history[f"val_{name}_raw"] for name in ("loss", "accuracy")}
    return record.history.assign(**plain)


def moving_averages(records: Sequence[Any], images: int) -> pd.DataFrame:
    """One row a stage: what the average still holds of its start, and what it gains over the raw weights.

    images: number of training images, which gives the steps an epoch. All at the kept epoch; accuracies
    are those of the validation part, mean ± sd over seeds.
    """
    lines = []
    for stage, part in pd.concat([stages.kept_epochs(r) for r in records]).groupby("stage"):
        ends, left = stages.average_left(records[0].settings.training, part["best_epoch"], images)
        gain = tables.mean_sd_n(part["val_accuracy"] - part["val_accuracy_raw"], scale=100)
        lines.append((int(stage), stages.span(ends), tables.mean_sd_n(left, 1, 100), gain))
    heads = ["Stage", "Steps up to the kept epoch", "Start remaining (%)"]
    return pd.DataFrame(lines, columns=[*heads, "EMA − raw on validation (points)"])


def unfrozen(record: Any) -> pd.DataFrame:
    """One row a backbone: how many layers with weights stage 2 trains, from which to which, and its size."""
    lines = []
    for key, layers in record.info["unfrozen"].items():
        ends = (layers[0], layers[-1]) if layers else ("–", "–")
        lines.append((backbone_name(key, record), len(layers), *ends, record.info["parameters"][key]))
    heads = ["Backbone", "Layers trained", "From", "To", "Weights in the backbone"]
    return pd.DataFrame(lines, columns=heads)


def unfrozen_layers(record: Any) -> pd.DataFrame:
    """Every layer with weights that stage 2 trains: backbone, layer, top last."""
    pairs = [(key, layer) for key, layers in record.info["unfrozen"].items() for layer in layers]
    return pd.DataFrame(pairs, columns=["backbone", "layer"])


def stage0_table(records: Sequence[Any]) -> pd.DataFrame:
    """One row a backbone: epochs, the kept epoch, accuracy on validation and test (mean ± sd), seconds (mean)."""
    lines = []
    for key, found in stages.stage0_records(records).items():
        rows = pd.DataFrame([stages.kept_epochs(record).iloc[0] for record in found])
        hits = [r.right(which="raw").mean() for r in found]
        accuracies = (tables.mean_sd_n(values, scale=100) for values in (rows["val_accuracy"], hits))
        epochs = stages.span(rows["epochs"]), stages.span(rows["best_epoch"])
        lines.append((backbone_name(key, found[0]), *epochs, *accuracies, round(rows["seconds"].mean())))
    heads = ["Backbone", "Epochs", "Epoch kept", "Validation accuracy (%)", "Test accuracy (%)", "Seconds"]
    return pd.DataFrame(lines, columns=heads)


# --- sentences ---


def start_said(found: Mapping[str, Sequence[Any]], settings: Settings) -> str:
    """Where the backbones of these runs start; found: `stages.stage0_records`."""
    if found:
        return "The runs on this page start from these weights."
    return f"The runs on this page start from `{settings.model.weights}` weights: no stage 0."


def convergence_said(records: Sequence[Any]) -> str:
    """Training and validation accuracy at the end beside those the paper reads off its Figure 9, and what stage 2 moved."""
    frames = [stages.kept_epochs(record) for record in records]
    train, val = (
        tables.mean_sd_n([f[name].iloc[-1] for f in frames], scale=100)
        for name in ("accuracy", "val_accuracy_raw")
    )
    claim = {f.metric: f.value for f in paper.find("§5.3")}
    text = (
        f"The paper reads {claim['training accuracy (low)']:.0f} to {claim['training accuracy (high)']:.0f}% training and "
        f"{claim['validation accuracy (low)']:.0f} to {claim['validation accuracy (high)']:.0f}% validation accuracy off its Figure 9. "
        f"Here the percentages are {train} and {val}, the latter with raw weights. "
    )
    both = [f for f in frames if len(f) > 1]
    if not both:
        return text
    moved = []
    for name, weights in (("val_accuracy", "averaged"), ("val_accuracy_raw", "raw")):
        one = words.over_runs([f[name].iloc[-1] - f[name].iloc[0] for f in both])
        told = words.by_side(one, "a fall", "a rise", "neither a rise nor a fall can be told")
        moved.append(f"with {weights} weights {words.shift(one, 2, 100)}, {told}")
    return (
        f"{text}From the kept epoch of stage 1 to that of stage 2 validation accuracy moved, in points with a 95% interval over "
        f"{words.plural(len(both), 'seed')} (Student's t; none for one seed): {'; '.join(moved)}. Both epochs are chosen by the averaged weights' loss, "
        "and these weights are reported; raw ones may have been better at another epoch, so their change is partly one of which epochs are compared."
    )


def ceiling_said() -> str:
    """What Mixup leaves of a training accuracy, by the paper's own α and class counts."""
    low, high = (paper.published("§5.3", metric=f"training accuracy ({end})") for end in ("low", "high"))
    alpha = paper.published("Table 3", metric="training.mixup")
    counts = np.array([paper.published("Table 2", c, "training") for c in paper.CLASS_LABELS.values()])
    law = beta_law(alpha, alpha)
    others = 1 - 1 / paper.published("Table 3", metric="training.batch_size")  # an image may meet itself
    share = (law.cdf(0.6) - law.cdf(0.4)) * others * (1 - ((counts / counts.sum()) ** 2).sum())
    return (
        f"A training accuracy of {low:.0f} to {high:.0f}% is near the ceiling *under Mixup*. With the paper's α, class counts and batches, "
        f"{100 * share:.1f}% of the pairs are of two classes with λ between 0.4 and 0.6; there even a very good network will often miss "
        f"which share is larger, and guessing would cost {50 * share:.1f} points. The paper doesn't say whether its training curve was "
        "measured on mixed or on plain images."
    )


def moving_weights_said(size: Mapping[str, int]) -> str:
    """How many weights stage 2 moves; size: a record's `parameters`."""
    return (
        f"Of {size['total']:,} weights in all, {size['trainable']:,} ({size['trainable'] / size['total']:.1%}) move in stage 2; "
        f"projections, fusion and classifier hold {size['head']:,} of them."
    )


def moving_averages_said(records: Sequence[Any]) -> str:
    """What the paper's β leaves of the start of stage 2, and what raw and averaged weights score on the test part."""
    names = ("ema", "batch_size", "stage2_epochs")
    beta, batch, epochs = (paper.published("Table 3", metric=f"training.{name}") for name in names)
    steps = int(paper.published("Table 2", "Total", "training") // batch * epochs)
    raw, averaged = (100 * np.array([r.right(which=w).mean() for r in records]) for w in ("raw", "ema"))
    return (
        f"Half of the start is forgotten after {np.log(0.5) / np.log(beta):,.0f} steps with the paper's $\\beta = {beta:g}$. By its own "
        f"settings, an epoch's last partial batch dropped as here, stage 2 has {steps:,} steps, after which {stages.remaining(beta, steps):.1%} of the average is still the weights it began with. "
        f"On the test part the raw weights score (in percent) {tables.mean_sd_n(raw)}, the averaged ones {tables.mean_sd_n(averaged)}; averaged "
        f"minus raw, seed by seed: {tables.mean_sd_n(averaged - raw)} points. Every run record holds the predictions of both; the following "
        "chapters report the averaged weights, as the paper does, unless they say otherwise."
    )

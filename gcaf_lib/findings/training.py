"""What run records say about training: settings beside Table 3, stages, unfrozen layers, EMA."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from gcaf_lib.display import tables
from gcaf_lib.display.names import backbone_name
from gcaf_lib.paper import published as paper
from gcaf_lib.settings import Settings, names
from gcaf_lib.training import runs

_WORDS = {"Class Balance Factor": ("loss.balance",)}  # printed as a word: no figure stands for it


def _value(settings: Settings, name: str) -> Any:
    room, leaf = name.split(".")
    return getattr(getattr(settings, room), leaf)


def _printed(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return f"{value:g}" if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value)


def beside_table_3(settings: Settings) -> pd.DataFrame:
    """Table 3 with the settings in use beside it: parameter, the paper's value, in use, same."""
    lines = []
    for parameter, _, printed in paper.table(3).itertuples(index=False):
        found = paper.find("Table 3", parameter)
        wanted = [(f.metric, f.value) for f in found] or [
            (name, printed.lower().replace(" ", "-")) for name in _WORDS[parameter]
        ]
        used = [_value(settings, name) for name, _ in wanted]
        same = all(value == theirs for value, (_, theirs) in zip(used, wanted))
        shown = " / ".join(_printed(value) for value in used)
        if wanted[0][0] == "data.image_size":
            shown = f"{shown}×{shown}"
        lines.append((parameter, printed, shown, "same" if same else "differs"))
    return pd.DataFrame(lines, columns=["Parameter", "The paper", "In use", "Compared"])


def unstated(settings: Settings, wanted: Sequence[str]) -> pd.DataFrame:
    """Settings that the paper leaves open: name, value in use, what it is (the setting's own help)."""
    known = names()
    lines = [(name, _printed(_value(settings, name)), known[name].metadata["help"]) for name in wanted]
    return pd.DataFrame(lines, columns=["Setting", "In use", "What it is"])


def kept(record: Any) -> pd.DataFrame:
    """One row a stage: the epoch whose weights were kept (lowest validation loss), and what it cost."""
    lines = []
    for stage in record.info["stages"]:
        rows = record.history[record.history["stage"] == stage["stage"]].reset_index(drop=True)
        lines.append({**rows.iloc[stage["best_epoch"] - 1].to_dict(), **stage})
    return pd.DataFrame(lines)


def raw_history(record: Any) -> pd.DataFrame:
    """A run's history with the validation figures of its raw weights in val_loss and val_accuracy."""
    plain = {f"val_{name}": record.history[f"val_{name}_raw"] for name in ("loss", "accuracy")}
    return record.history.assign(**plain)


def stages(records: Sequence[Any]) -> pd.DataFrame:
    """One row a stage, mean ± sd over seeds: epochs run, epoch kept, accuracies there, seconds."""
    frame = pd.concat([kept(r) for r in records])
    lines = []
    for stage, part in frame.groupby("stage"):
        lines.append(
            {
                "Stage": int(stage),
                "Epochs run": _span(part["epochs"]),
                "Epoch kept": _span(part["best_epoch"]),
                "Training (%)": tables.mean_sd(part["accuracy"], scale=100),
                "Validation, raw (%)": tables.mean_sd(part["val_accuracy_raw"], scale=100),
                "Validation, EMA (%)": tables.mean_sd(part["val_accuracy"], scale=100),
                "Validation loss, EMA": tables.mean_sd(part["val_loss"], 4),
                "Seconds": f"{part['seconds'].mean():.0f}",
            }
        )
    return pd.DataFrame(lines)


def _span(values: Any) -> str:
    low, high = int(min(values)), int(max(values))
    return str(low) if low == high else f"{low} to {high}"


def remaining(beta: float, steps: int) -> float:
    """Share of the starting weights in a moving average after `steps` updates: β^(steps − 1) (Eq 18).

    Keras sets the average to the weights after the first step, which is the start meant here.
    """
    return float(beta ** max(steps - 1, 0)) if beta else 0.0


def ema(records: Sequence[Any], images: int) -> pd.DataFrame:
    """One row a stage: what the average still holds of its start, and what it gains over the raw weights.

    images: number of training images, which gives the steps an epoch. All at the kept epoch; accuracies
    are those of the validation part, mean ± sd over seeds.
    """
    first = records[0].settings.training
    frame = pd.concat([kept(r) for r in records])
    steps = images // min(first.batch_size, images)
    lines = []
    for stage, part in frame.groupby("stage"):
        ends = [int(e) * steps for e in part["best_epoch"]]
        lines.append(
            {
                "Stage": int(stage),
                "Steps up to the kept epoch": _span(ends),
                "Of the start remains (%)": f"{100 * np.mean([remaining(first.ema, n) for n in ends]):.1f}",
                "EMA − raw on validation (points)": tables.mean_sd(
                    part["val_accuracy"] - part["val_accuracy_raw"], scale=100
                ),
            }
        )
    return pd.DataFrame(lines)


def unfrozen(record: Any) -> pd.DataFrame:
    """One row a backbone: how many layers with weights stage 2 trains, from which to which, and its size."""
    info = record.info
    return pd.DataFrame(
        [
            {
                "Backbone": backbone_name(key, record),
                "Layers trained": len(layers),
                "From": layers[0] if layers else "–",
                "To": layers[-1] if layers else "–",
                "Weights in the backbone": info["parameters"][key],
            }
            for key, layers in info["unfrozen"].items()
        ]
    )


def unfrozen_layers(record: Any) -> pd.DataFrame:
    """Every layer with weights that stage 2 trains: backbone, layer, top last."""
    pairs = [(key, layer) for key, layers in record.info["unfrozen"].items() for layer in layers]
    return pd.DataFrame(pairs, columns=["backbone", "layer"])


def stage0_records(records: Sequence[Any]) -> dict[str, list[Any]]:
    """Backbone to the records of the stage 0 that these runs took it from; empty where they took it elsewhere."""
    out: dict[str, dict[str, Any]] = {}
    for record in records:
        for key, start in record.info["weights"].items():
            found = runs.find(start["stage0"]) if start.get("stage0") else None
            if found is not None:
                out.setdefault(key, {})[found.key] = found
    return {key: list(found.values()) for key, found in out.items()}


def stage0(records: Sequence[Any]) -> pd.DataFrame:
    """One row a backbone: epochs, the kept epoch, accuracy on validation and test (mean ± sd), seconds (mean)."""
    lines = []
    for key, found in stage0_records(records).items():
        rows = [kept(record).iloc[0] for record in found]
        hits = [(r.probabilities("test", "raw").argmax(1) == r.labels("test")).mean() for r in found]
        lines.append(
            {
                "Backbone": backbone_name(key, found[0]),
                "Epochs": _span([row["epochs"] for row in rows]),
                "Epoch kept": _span([row["best_epoch"] for row in rows]),
                "Validation accuracy (%)": tables.mean_sd([row["val_accuracy"] for row in rows], scale=100),
                "Test accuracy (%)": tables.mean_sd(hits, scale=100),
                "Seconds": round(float(np.mean([row["seconds"] for row in rows]))),
            }
        )
    return pd.DataFrame(lines)

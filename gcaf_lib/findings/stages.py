"""What a run's stages kept, what they cost, and what is left of a stage's start in the average."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from gcaf_lib.display import tables
from gcaf_lib.display.names import ABSENT
from gcaf_lib.findings import words
from gcaf_lib.settings import TrainingSettings
from gcaf_lib.training import runs


def kept_epochs(record: Any) -> pd.DataFrame:
    """One row a stage: the epoch whose weights were kept (lowest validation loss), and what it cost."""
    lines = []
    for stage in record.info["stages"]:
        rows = record.history[record.history["stage"] == stage["stage"]].reset_index(drop=True)
        lines.append({**rows.iloc[stage["best_epoch"] - 1].to_dict(), **stage})
    return pd.DataFrame(lines)


def stages_table(records: Sequence[Any]) -> pd.DataFrame:
    """One row a stage, mean ± sd over runs: epochs run, epoch kept, accuracies there, seconds."""
    if not records:
        return pd.DataFrame([{"Stage": ABSENT}])
    lines = [
        {
            "Stage": int(stage),
            "Epochs run": span(part["epochs"]),
            "Epoch kept": span(part["best_epoch"]),
            "Training (%)": tables.mean_sd_n(part["accuracy"], scale=100),
            "Validation, raw (%)": tables.mean_sd_n(part["val_accuracy_raw"], scale=100),
            "Validation, EMA (%)": tables.mean_sd_n(part["val_accuracy"], scale=100),
            "Validation loss, EMA": tables.mean_sd_n(part["val_loss"], 4),
            "Seconds": f"{part['seconds'].mean():.0f}",
        }
        for stage, part in pd.concat([kept_epochs(r) for r in records]).groupby("stage")
    ]
    return pd.DataFrame(lines)


def span(values: Any) -> str:
    return words.extent(sorted(values), "{:.0f}".format)


def remaining(beta: float, steps: int) -> float:
    """Share of the starting weights in a moving average after `steps` updates: β^(steps − 1) (Eq 18).

    Keras sets the average to the weights after the first step, which is the start meant here.
    """
    return float(beta ** max(steps - 1, 0)) if beta else 0.0


def average_left(
    chosen: TrainingSettings, epochs: Sequence[int], images: int
) -> tuple[list[int], list[float]]:
    """Steps up to each of these kept epochs on `images` training images, and the share of the start left in the average."""
    steps = images // min(chosen.batch_size, images)
    ends = [int(epoch) * steps for epoch in epochs]
    return ends, [remaining(chosen.ema, n) for n in ends]


def stage0_records(records: Sequence[Any]) -> dict[str, list[Any]]:
    """Backbone to the records of the stage 0 that these runs took it from; empty where they took it elsewhere."""
    out: dict[str, dict[str, Any]] = {}
    for record in records:
        for key, start in record.info["weights"].items():
            if start.get("stage0") and (found := runs.find(start["stage0"])):
                out.setdefault(key, {})[found.key] = found
    return {key: list(found.values()) for key, found in out.items()}


def training_times(found: Mapping[str, Sequence[Any]]) -> pd.DataFrame:
    """One line a trained row: row, n, seconds (stages 1 and 2, mean), low, high, epochs (mean), devices, and stage0:
    the seconds of the stage 0 of all its backbones (mean; NaN: there is none, or not on record)."""
    lines = []
    for row, records in found.items():
        seconds, epochs = ([_sum(r, what) for r in records] for what in ("seconds", "epochs"))
        devices = ", ".join(sorted({r.info["provenance"]["device"] for r in records}))
        taken = np.mean(seconds), min(seconds), max(seconds), np.mean(epochs)
        lines.append((row, len(records), *taken, devices, np.mean([_before(r) for r in records])))
    return pd.DataFrame(lines, columns=["row", "n", "seconds", "low", "high", "epochs", "devices", "stage0"])


def _sum(record: Any, what: str) -> float:
    return sum(stage[what] for stage in record.info["stages"])


def _before(record: Any) -> float:
    """Seconds of the stage 0 of all backbones of a run; NaN where one has none on record."""
    found = stage0_records([record])
    known = found and found.keys() == record.info["weights"].keys()
    return sum(_sum(own, "seconds") for (own,) in found.values()) if known else np.nan

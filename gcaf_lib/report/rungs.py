"""The ladder's rows: the model's records and the floors on one scale, with intervals over patients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from gcaf_lib.data import splits
from gcaf_lib.evaluation import significance
from gcaf_lib.settings import PROTOCOLS
from gcaf_lib.training import experiments

MODEL = "Proposed model"
FLOOR_NAMES = {
    "1nn": "1-NN on pixels",
    "1nn-mirror": "1-NN, mirror-aware",
    "size": "file size and mode",
    "border": "image border",
    "masked": "tumour masked out",
}


def ladder_records(chapter: Any, train: Sequence[str] = ()) -> dict[str, list[Any]]:
    """Records of the experiment "ladder" by protocol; of `train`'s protocols that have none one run is made."""
    found = chapter.records("ladder")
    for label, chosen in experiments.experiment("ladder").settings(chapter.profile, chapter.overrides):
        if label in train and label not in found:
            from gcaf_lib.training.train import get

            found[label] = [get(chosen, 0, profile=chapter.profile)]
    return {protocol: found[protocol] for protocol in PROTOCOLS if protocol in found}


def pooled(
    records: Sequence[Any], clusters: np.ndarray, keep: Sequence[int] | None = None
) -> dict[str, float | int]:
    """accuracy, macro_f1 (means over runs), low, high, f1_low, f1_high, seeds, folds, images of some runs.

    The intervals are cluster bootstraps over `clusters` (N,), the patient groups of the dataset's rows:
    all predictions of a patient's images, of whichever seed and fold, are drawn together. `keep`: only
    test images of these labels are judged.
    """
    labels, probs, groups, rows, each = [], [], [], [], []
    for record in records:
        y, p, at = record.labels(), record.probabilities(), record.rows()
        if keep is not None:
            chosen = np.isin(y, keep)
            y, p, at = y[chosen], p[chosen], at[chosen]
        labels.append(y)
        probs.append(p)
        groups.append(clusters[at])
        rows.append(at)
        each.append([significance.bootstrap(y, p, name, None, 1).value for name in ("accuracy", "macro_f1")])
    y, p, g = np.concatenate(labels), np.concatenate(probs), np.concatenate(groups)
    accuracy, f1 = (significance.bootstrap(y, p, name, g) for name in ("accuracy", "macro_f1"))
    return {
        "accuracy": float(np.mean(each, axis=0)[0]),
        "low": accuracy.low,
        "high": accuracy.high,
        "macro_f1": float(np.mean(each, axis=0)[1]),
        "f1_low": f1.low,
        "f1_high": f1.high,
        "seeds": len({r.seed for r in records}),
        "folds": len({r.settings.data.fold for r in records}),
        "images": len(np.unique(np.concatenate(rows))),
    }


def rungs(records: dict[str, list[Any]], floors: pd.DataFrame, clusters: np.ndarray) -> pd.DataFrame:
    """method, kind, protocol, and `pooled`'s columns: floors on every rung, the model where it has records.

    On `patients` the floors are those of the five folds, as the model's runs are.
    """
    kept = floors[floors["protocol"] != "patients"].replace({"protocol": {splits.FIVEFOLD: "patients"}})
    out = kept.assign(
        method=kept["floor"].map(FLOOR_NAMES),
        kind="floor",
        images=kept["n"],
        folds=np.where(kept["protocol"] == "patients", splits.FOLDS, 1),
    )
    rows = [
        {"method": MODEL, "kind": "model", "protocol": protocol, **pooled(group, clusters)}
        for protocol, group in records.items()
    ]
    columns = ["method", "kind", "protocol", "accuracy", "low", "high", "macro_f1", "f1_low", "f1_high",
               "seeds", "folds", "images"]  # fmt: skip
    return pd.concat([pd.DataFrame(rows), out], ignore_index=True).reindex(columns=columns)


def band(value: float, low: float, high: float) -> str:
    """`95.7 (94.0 to 97.0)` in percent."""
    return f"{100 * value:.1f} ({100 * low:.1f} to {100 * high:.1f})"


def wide(frame: pd.DataFrame, metric: str = "accuracy") -> pd.DataFrame:
    """A reader's table of `rungs`: methods down, protocols across, `band`s in the cells."""
    low, high = ("low", "high") if metric == "accuracy" else ("f1_low", "f1_high")
    text = frame.assign(text=[band(*row) for row in frame[[metric, low, high]].to_numpy(float)])
    table = text.pivot(index="method", columns="protocol", values="text")
    table = table.reindex(index=list(dict.fromkeys(frame["method"])), columns=list(PROTOCOLS)).fillna(
        "no run yet"
    )
    table.columns.name = None
    return table.rename_axis("Method").reset_index()

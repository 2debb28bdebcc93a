"""Where a model fails: errors by patient, source, size, view and copy, as frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from gcaf_lib.data import splits
from gcaf_lib.display.style import CLASS_NAMES
from gcaf_lib.evaluation import clustered, dataset_audit
from gcaf_lib.settings import DataSettings

SHARES = ("lowest third", "middle third", "highest third")


def cases(
    records: Sequence[Any],
    dataset: Any,
    images: pd.DataFrame,
    facts: dataset_audit.Audit,
    clusters: np.ndarray,
) -> pd.DataFrame:
    """One row a test image and run: run, seed, row, file, label, predicted, right, confidence, margin, group,
    twin (group of copies), source, area, symmetry, and p_<class>."""
    source = "phantom" if dataset.banner else "mri"
    twin = splits.load(DataSettings(source=source, protocol="twins"), dataset)["group"].to_numpy()
    parts = []
    for r in records:
        probs, rows = r.probabilities(), r.rows()
        ordered = np.sort(probs, axis=1)
        part = pd.DataFrame(
            {
                "run": r.key,
                "seed": r.seed,
                "row": rows,
                "label": r.labels(),
                "predicted": probs.argmax(1),
                "confidence": ordered[:, -1],
                "margin": ordered[:, -1] - ordered[:, -2],
            }
        )
        names = r.settings.data.classes
        parts.append(part.assign(**{f"p_{c}": probs[:, k] for k, c in enumerate(names)}))
    out = pd.concat(parts, ignore_index=True)
    out["right"] = out["label"] == out["predicted"]
    out["file"] = dataset.frame["file"].to_numpy()[out["row"]]
    out["group"], out["twin"] = clusters[out["row"]], twin[out["row"]]
    for name in ("area", "symmetry"):
        out[name] = images[name].to_numpy()[out["row"]]
    out["source"] = sources(dataset, facts)[out["row"]]
    out["wrong"] = (~out["right"]).astype(float)
    return out


def sources(dataset: Any, facts: dataset_audit.Audit) -> np.ndarray:
    """Where each file (N,) comes from, as far as it was found out: `audit.SOURCES`, or "phantom"."""
    if dataset.banner:
        return np.full(len(dataset.frame), "phantom", dtype=object)
    flag = dataset.frame["file"].map(facts.slices.set_index("file")["mirrored"])
    return np.select([flag == 1, flag == 0], dataset_audit.SOURCES[:2], dataset_audit.SOURCES[2]).astype(
        object
    )


def rates(frame: pd.DataFrame, column: str, order: Sequence[Any] | None = None) -> pd.DataFrame:
    """label, mean, low, high, n, groups of the error rate by a column, patient groups drawn whole."""
    known = frame[frame[column].notna()]
    out = clustered.by(known, [column], "wrong").rename(columns={column: "label"})
    if order is not None:
        out = out.set_index("label").reindex([o for o in order if o in set(out["label"])]).reset_index()
    return out


def thirds(values: pd.Series, words: Sequence[str] = SHARES) -> pd.Series:
    """Which third each value lies in, in words; NaN stays unknown (None)."""
    edges = np.nanquantile(values, [1 / 3, 2 / 3])
    number = np.searchsorted(edges, values.to_numpy(float))
    out = pd.Series(np.asarray(words, dtype=object)[np.minimum(number, 2)], index=values.index)
    return out.where(values.notna(), None)


def spread(wrong: np.ndarray, groups: np.ndarray, draws: int = 300, seed: int = 0) -> pd.DataFrame:
    """groups, errors, low, high: share of all errors in the share of groups with most of them.

    low and high: 95 % of draws in which as many errors fall on images at random, whatever their patient.
    Groups without errors count as well. Raises `ValueError` where there is no error.
    """
    wrong, code = np.asarray(wrong, float), pd.factorize(np.asarray(groups))[0]
    if not wrong.sum():
        raise ValueError("no errors to spread over the groups")

    def curve(values: np.ndarray) -> np.ndarray:
        count = np.sort(np.bincount(code, weights=values))[::-1]
        return np.r_[0, np.cumsum(count) / count.sum()]

    own, rng = curve(wrong), np.random.default_rng(seed)
    chance = np.stack([curve(rng.permutation(wrong)) for _ in range(draws)])
    low, high = np.quantile(chance, [0.025, 0.975], axis=0)
    x = np.arange(len(own)) / (len(own) - 1)
    return pd.DataFrame({"groups": x, "errors": own, "low": low, "high": high, "chance": chance.mean(0)})


def copies(frame: pd.DataFrame) -> pd.DataFrame:
    """Pairs of copies of one picture that one run judged: run, twin, group, same (answer), both (answers right).

    Copies are identical, near-identical or mirrored files: what differs between them is no medicine. Within a
    set of copies the first is paired with each other one.
    """
    lines = []
    for (run, twin), part in frame.groupby(["run", "twin"], sort=False):
        if len(part) < 2:
            continue
        first = part.iloc[0]
        for other in part.iloc[1:].itertuples():
            lines.append(
                (
                    run,
                    twin,
                    first["group"],
                    float(first["predicted"] == other.predicted),
                    float(first["right"] and other.right),
                )
            )
    return pd.DataFrame(lines, columns=["run", "twin", "group", "same", "both"])


def confusions(frame: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """Kinds of error, most frequent first: True class, Named, Errors, Share, Mean confidence."""
    wrong = frame[~frame["right"]]
    by = wrong.groupby(["label", "predicted"])
    out = pd.DataFrame({"Errors": by.size(), "Mean confidence": by["confidence"].mean()}).reset_index()
    out = out.sort_values("Errors", ascending=False, ignore_index=True)
    names = [CLASS_NAMES[c] for c in classes]
    return pd.DataFrame(
        {
            "True class": [names[k] for k in out["label"]],
            "Named": [names[k] for k in out["predicted"]],
            "Errors": out["Errors"],
            "Share of all errors": [f"{v:.1%}" for v in out["Errors"] / max(len(wrong), 1)],
            "Mean confidence": out["Mean confidence"].round(3),
        }
    )

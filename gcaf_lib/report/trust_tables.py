"""Frames of the chapters on trust: calibration with intervals, localisation, failures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from gcaf_lib.evaluation import calibration, clustered, trust, tumours, worth
from gcaf_lib.evaluation.folds import by_seed
from gcaf_lib.report.style import CLASS_NAMES

NAMES = {
    "accuracy": "Accuracy",
    "excess": "Confidence − accuracy",
    "ece": "ECE, equal width",
    "mass": "ECE, equal mass",
    "classwise": "Class-wise ECE, equal width",
    "classwise_mass": "Class-wise ECE, equal mass",
    "brier": "Brier score",
    "nll": "Negative log-likelihood",
}
TERCILES = ("small", "middle", "large")
MAP_NAMES = {
    tumours.FUSED: "Model, both backbones",
    "sensitivity": "Sensitivity of the whole model",
    tumours.PLACE: "Usual place of the named class",
    tumours.CENTRE: "Centre of the image",
    tumours.RANDOM: "Random map",
    tumours.EDGE: "Edges of the image",
}
MEASURE_NAMES = {
    "pointing": "Pointing game",
    "tolerant": "Pointing, 7 % tolerance",
    "energy": "Energy inside",
    "iou": "IoU at matched area",
}


# --- calibration ---


def predictions(
    records: Sequence[Any], which: str = "ema", scaled: bool = False
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """labels (n,), probabilities (n, K) and rows (n,) of the test parts, end to end.

    scaled: after temperature scaling, each run with the temperature fitted on its own validation part.
    """
    labels, probs, rows = [], [], []
    for r in records:
        p = r.probabilities("test", which)
        if scaled:
            t = calibration.temperature(r.labels("validation"), r.probabilities("validation", which))
            p = calibration.scale(p, t)
        labels.append(r.labels())
        probs.append(p / p.sum(1, keepdims=True))
        rows.append(r.rows())
    return np.concatenate(labels), np.concatenate(probs), np.concatenate(rows)


def calibration_table(states: Mapping[str, Mapping[str, worth.Worth]]) -> pd.DataFrame:
    """Long frame measure, state, value, low, high from `worth.row` of each state, measures in the first's order."""
    first = next(iter(states.values()))
    lines = [
        (name, state, found[name].value, found[name].low, found[name].high)
        for name in first
        for state, found in states.items()
    ]
    return pd.DataFrame(lines, columns=["measure", "state", "value", "low", "high"])


def wide_calibration(frame: pd.DataFrame, decimals: int = 4) -> pd.DataFrame:
    """A reader's table of `calibration_table`: measures down, states across, `0.0123 (0.0101 to 0.0150)`."""
    text = frame.assign(text=[span(*v, decimals) for v in frame[["value", "low", "high"]].to_numpy()])
    states = list(dict.fromkeys(frame["state"]))
    out = text.pivot(index="measure", columns="state", values="text")
    out = out.reindex(index=list(dict.fromkeys(frame["measure"])), columns=states)
    out.columns.name = None
    return out.rename(index=NAMES).rename_axis("Measure").reset_index()


def span(value: float, low: float, high: float, decimals: int = 4) -> str:
    """`0.0123 (0.0101 to 0.0150)`; a dash where there is no value."""
    if not np.isfinite(value):
        return "–"
    text = f"{value:.{decimals}f}"
    return text + (f" ({low:.{decimals}f} to {high:.{decimals}f})" if np.isfinite(low) else "")


def effects(
    rows: Mapping[str, Sequence[Any]],
    wanted: Sequence[str],
    against: Sequence[Any],
    clusters: np.ndarray,
    names: Sequence[str] = ("ece", "classwise", "brier", "nll"),
) -> pd.DataFrame:
    """One row a setting: seeds, T, accuracy, and measures as value with the difference's interval against `against`.

    rows: label to records; wanted: labels in order; those without a record stay in, and say so. The
    difference is taken on the seeds (and folds) that both have, both drawn on the same samples.
    """
    lines = []
    for label in wanted:
        records = list(rows.get(label, []))
        if not records:
            lines.append({"Setting": label, "Seeds": "no run yet"})
            continue
        mine = worth.row(records, clusters, ("accuracy", "excess", *names))
        line = {
            "Setting": label,
            "Seeds": str(mine["accuracy"].n),
            "T": f"{np.mean([_fitted(r) for r in records]):.2f}",
            "Accuracy": f"{mine['accuracy'].value:.4f}",
            "Conf. − acc.": f"{mine['excess'].value:+.4f}",
        }
        reference = {r.key for r in records} <= {r.key for r in against}
        gaps = {} if reference else worth.difference(records, against, clusters, names)
        for name in names:
            text = f"{mine[name].value:.4f}" + (" (reference)" if reference else "")
            if name in gaps:
                text += f" ({gaps[name].value:+.4f}; {gaps[name].low:+.4f} to {gaps[name].high:+.4f})"
            line[NAMES[name].replace(", equal width", "")] = text
        lines.append(line)
    return pd.DataFrame(lines).fillna("–")


def selective(
    records: Sequence[Any], clusters: np.ndarray, coverage: np.ndarray, n: int = 400
) -> pd.DataFrame:
    """coverage, value, low, high: accuracy on the surest share, mean over seeds, all drawn on the same patients."""
    sums = []
    for part in by_seed(records).values():
        labels, probs, rows = predictions(part)
        f = trust.selective_at(labels, probs, coverage)
        sums.append(np.vstack([f(np.ones((1, len(labels)))), clustered.of(f, clusters[rows], n)]))
    mean = np.mean(sums, axis=0)
    low, high = np.quantile(mean[1:], [0.025, 0.975], axis=0)
    return pd.DataFrame({"coverage": coverage, "value": mean[0], "low": low, "high": high})


def bins_sweep(
    labels: np.ndarray, probs: np.ndarray, counts: Sequence[int] = (5, 10, 15, 20, 50), draws: int = 200
) -> pd.DataFrame:
    """kind, bins, value, low, high: ECE by number and kind of bins, and the middle 95 % of what a perfectly
    calibrated model with these probabilities shows."""
    others, lines = trust.perfect_labels(probs, draws), []
    for kind, mass in (("equal width", False), ("equal mass", True)):
        for bins in counts:
            chance = [calibration.ece(other, probs, bins, mass) for other in others]
            value = calibration.ece(labels, probs, bins, mass)
            lines.append((kind, bins, value, *np.quantile(chance, [0.025, 0.975])))
    return pd.DataFrame(lines, columns=["kind", "bins", "value", "low", "high"])


def _fitted(record: Any, which: str = "ema") -> float:
    return calibration.temperature(record.labels("validation"), record.probabilities("validation", which))


# --- localisation ---


def judged(
    scores: pd.DataFrame, records: Sequence[Any], dataset: Any, images: pd.DataFrame, clusters: np.ndarray
) -> pd.DataFrame:
    """`tumours.read`'s scores with what they are compared by: one row an image, run and map.

    Adds label, group, area, size (tercile of all tumours here), seed, right, predicted. Scores of maps that
    know no model are repeated for every run that saw the image, so that each map has the same rows.
    """
    base = scores[scores["run"] == tumours.NO_RUN]
    parts = []
    for r in records:
        own = scores[scores["run"] == r.key]
        seen = base[base["row"].isin(own["row"])].assign(run=r.key)
        predicted = pd.Series(r.probabilities().argmax(1), index=r.rows())
        part = pd.concat([own, seen])
        truth = pd.Series(r.labels(), index=r.rows())
        parts.append(
            part.assign(seed=r.seed, predicted=part["row"].map(predicted), label=part["row"].map(truth))
        )
    out = pd.concat(parts, ignore_index=True)
    out["right"] = out["predicted"] == out["label"]
    out["group"], out["area"] = clusters[out["row"]], images["area"].to_numpy()[out["row"]]
    third = np.searchsorted(edges(out), out["area"])
    out["size"] = pd.Categorical.from_codes(third, TERCILES, ordered=True)
    classes = records[0].settings.data.classes
    out["class"] = [CLASS_NAMES[classes[k]] for k in out["label"]]
    return out


def map_name(name: str) -> str:
    """A map's name for people."""
    from gcaf_lib.report.training_tables import backbone_name

    return MAP_NAMES[name] if name in MAP_NAMES else backbone_name(name)


def localisation(frame: pd.DataFrame, by: str | None = None, n: int = 2000) -> pd.DataFrame:
    """map, (by,) measure, mean, low, high, n: means with cluster-bootstrap intervals over patient groups."""
    lines = []
    keys = ["map"] if by is None else ["map", by]
    for key, part in frame.groupby(keys, sort=False, observed=True):
        sample = clustered.mean_draws(part[list(tumours.MEASURES)], part["group"], n)
        for k, name in enumerate(tumours.MEASURES):
            one = clustered.interval(float(part[name].mean()), sample[:, k])
            lines.append((*key, name, *one, len(part)))
    return pd.DataFrame(lines, columns=[*keys, "measure", "mean", "low", "high", "n"])


def against(frame: pd.DataFrame, first: str, second: str, n: int = 2000) -> pd.DataFrame:
    """measure, difference, low, high of map `first` minus map `second`, image by image, patients drawn whole."""
    index = ["run", "row"]
    a, b = (frame[frame["map"] == m].set_index(index).sort_index() for m in (first, second))
    d = a[list(tumours.MEASURES)] - b[list(tumours.MEASURES)]
    sample = clustered.mean_draws(d, a["group"].to_numpy(), n)
    lines = [
        (name, *clustered.interval(float(d[name].mean()), sample[:, k]))
        for k, name in enumerate(tumours.MEASURES)
    ]
    return pd.DataFrame(lines, columns=["measure", "difference", "low", "high"])


def wide_localisation(frame: pd.DataFrame, by: str | None = None, decimals: int = 3) -> pd.DataFrame:
    """A reader's table of `localisation`: maps (and `by`) down, measures across."""
    text = frame.assign(text=[span(*v, decimals) for v in frame[["mean", "low", "high"]].to_numpy(float)])
    keys = ["map"] if by is None else ["map", by]
    out = text.pivot(index=keys, columns="measure", values="text")[list(tumours.MEASURES)]
    counts = frame[frame["measure"] == "iou"].set_index(keys)["n"]
    order = (
        pd.MultiIndex.from_frame(frame[keys].drop_duplicates()) if by else list(dict.fromkeys(frame["map"]))
    )
    out = out.reindex(order).rename(columns=MEASURE_NAMES)
    out["Images"] = counts.reindex(out.index)
    out.columns.name = None
    out = out.reset_index()
    out["map"] = out["map"].map(map_name)
    return out.rename(columns={"map": "Map", "size": "Tumour", "class": "Class", "right": "Answer"})


def edges(frame: pd.DataFrame) -> np.ndarray:
    """The two area shares that part `judged`'s tumours into thirds."""
    return np.nanquantile(frame.drop_duplicates("row")["area"], [1 / 3, 2 / 3])

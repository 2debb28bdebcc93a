"""The scorecard: every published figure beside what this project's run records say.

Intervals are 95 % cluster-bootstrap percentiles over patient groups, of the mean over seeds: all
seeds of a row share their test images, so they are resampled together.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from gcaf_lib import settings as _settings
from gcaf_lib.evaluation import folds, metrics, significance
from gcaf_lib.report import paper
from gcaf_lib.training import experiments, runs

COLUMNS = [
    "place", "row", "metric", "published", "measured", "sd", "n", "low", "high", "profile", "protocol",
    "weights", "verdict",
]  # fmt: skip
MAIN_PLACES = ("Abstract", "§5.4", "§5.5", "Table 7")
TABLES = {"Table 4": "table-4", "Table 5": "table-5", "Table 6": "table-6", "Table 8": "table-8"}
DRAWS = 1000
REPRODUCED, HIGHER, LOWER = "reproduced", "higher", "lower"
NOT_REPRODUCED, IMPOSSIBLE, OPEN = "not reproduced", "can't be true", "not measured"
_SMALLER_IS_BETTER = ("ece", "brier", "nll")


def verdict(published: float, low: float, high: float, metric: str = "", half_step: float = 0.0) -> str:
    """What the interval says of the published figure, which is known to within `half_step`.

    "reproduced": inside the interval; "higher" (for an error such as ECE "lower"): ours is better;
    "not reproduced": ours is worse.
    """
    if not (np.isfinite(low) and np.isfinite(high)):
        return OPEN
    if low - half_step <= published <= high + half_step:
        return REPRODUCED
    small = metric in _SMALLER_IS_BETTER
    if (published > high) == small:
        return LOWER if small else HIGHER
    return NOT_REPRODUCED


def scorecard(
    profile: str,
    dataset: Any,
    records: Iterable[Any] | None = None,
    impossible: Iterable[tuple[str, str, str]] = (),
    protocols: tuple[str, ...] = ("paper", "patients"),
) -> pd.DataFrame:
    """One row (`COLUMNS`, and folds: 0 for a split without) a published figure and protocol; figures as fractions.

    `records`: run records (default: all of the store); those of other settings or data are ignored.
    `impossible`: (place, row, metric) of figures that no set of predictions can give.
    """
    ours = _by_settings(list(runs.all_records() if records is None else records), dataset)
    impossible, groups, lines, cache = set(impossible), None, [], {}
    for figure, wanted in _targets(profile):
        step = 0.5 * 10.0**-figure.decimals / (100 if figure.unit == "%" else 1)
        for protocol in protocols:
            found = ours.get((_key(wanted), protocol), [])
            if found and groups is None:
                groups = clusters(dataset)
            name = (_key(wanted), protocol)
            if found and name not in cache:
                pools = folds.pool(found)
                cache[name] = _measure(pools, groups), pools[0].folds
            known, parts = cache[name] if found else ({}, 0)
            value = known.get(figure.metric)
            mean, sd, n, low, high = value or (np.nan, np.nan, 0, np.nan, np.nan)
            word = verdict(figure.fraction, low, high, figure.metric, step)
            if (figure.place, figure.row, figure.metric) in impossible:
                word = IMPOSSIBLE
            lines.append(
                (figure.place, figure.row, figure.metric, figure.fraction, mean, sd, n, low, high, profile,
                 protocol, wanted.model.weights, word, parts)
            )  # fmt: skip
    return pd.DataFrame(lines, columns=[*COLUMNS, "folds"])


def _targets(profile: str) -> Iterable[tuple[paper.Figure, _settings.Settings]]:
    """Published metrics, each with the settings that should give it."""
    main = experiments.experiment("main").settings(profile)[0][1]
    rows = {}
    for place, name in TABLES.items():
        for label, chosen in experiments.experiment(name).settings(profile):
            rows[place, label.replace(" = ", " ")] = chosen
    known = set(metrics.summary(np.arange(4), np.eye(4)))
    for figure in paper.FIGURES:
        if figure.metric not in known:
            continue
        if figure.place in MAIN_PLACES:
            yield figure, main
        elif (figure.place, figure.row) in rows:
            yield figure, rows[figure.place, figure.row]


def _key(chosen: _settings.Settings) -> str:
    """Settings without the split: the same model on every protocol."""
    return chosen.replace({"data.protocol": "paper", "data.fold": None}).hash()


def _by_settings(records: list[Any], dataset: Any) -> dict[tuple[str, str], list[Any]]:
    out: dict[tuple[str, str], list[Any]] = {}
    for record in records:
        if record.info["data_hash"] != dataset.hash:
            continue
        out.setdefault((_key(record.settings), record.settings.data.protocol), []).append(record)
    return out


def clusters(dataset: Any) -> np.ndarray | None:
    """Patient groups (N,) that intervals resample, or None where patients are not known."""
    from gcaf_lib.data import splits

    try:
        return splits.clusters(dataset)
    except (OSError, ValueError):  # patients are not known for this dataset: images stand alone
        return None


def measure(records: list[Any], dataset: Any) -> dict[str, tuple]:
    """metric to (mean, sd, n, low, high) of one row's records: what the scorecard shows, for chapters."""
    return _measure(folds.pool(list(records)), clusters(dataset))


def _measure(pools: list[folds.Pooled], groups: np.ndarray | None) -> dict[str, tuple]:
    """metric to (mean, sd, n, low, high) over seeds."""
    values, sampled = [], []
    for one in pools:
        labels, probs, rows = one.labels(), one.probabilities(), one.rows()
        probs = probs / probs.sum(axis=1, keepdims=True)
        classes = one.settings.data.classes
        values.append(metrics.summary(labels, probs, classes))
        chosen = None if groups is None else groups[rows]
        sampled.append(
            {
                name: significance.draws(labels, probs, name, chosen, DRAWS, classes=classes)
                for name in values[-1]
            }
        )
    frame, out = pd.DataFrame(values), {}
    for metric in frame:
        low = high = np.nan
        if metric in sampled[0]:
            mean = np.mean([s[metric] for s in sampled], axis=0)
            low, high = np.nanquantile(mean, [0.025, 0.975])
        sd = frame[metric].std(ddof=1) if len(frame) > 1 else np.nan
        out[metric] = (float(frame[metric].mean()), float(sd), len(frame), float(low), float(high))
    return out

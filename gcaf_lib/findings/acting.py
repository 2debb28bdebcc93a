"""Chapter 19's second half: letting a model decline doubtful cases, and acting on its probabilities."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from gcaf_lib.display import tables
from gcaf_lib.display.style import CLASS_NAMES
from gcaf_lib.evaluation import calibration, clustered, confidence, worth
from gcaf_lib.evaluation.folds import by_seed
from gcaf_lib.findings import words
from gcaf_lib.findings.calibration import predictions

DRAWS = 400
GOALS = (0.95, 0.98, 0.99)  # wanted accuracies


def thresholds(by_split: Mapping[str, Sequence[Any]], pictures: np.ndarray) -> pd.DataFrame:
    """Thresholds on the confidence fixed on validation for a wanted accuracy, and what they keep on test, over runs;
    pictures (N,): `worth.pictures`, for the same by picture where copies are kept together."""
    lines = []
    for (name, records), goal in itertools.product(by_split.items(), GOALS):
        if not records:
            continue
        found, copied = [], []
        for r in records:
            cut = confidence.threshold_for(r.labels("validation"), r.probabilities("validation"), goal)
            weights = worth.picture_weights(r.rows(), pictures)
            found.append(confidence.kept(r.labels(), r.probabilities(), cut))
            copied.append(confidence.kept(r.labels(), r.probabilities(), cut, weights).accuracy)
        cuts, coverage, accuracy = zip(*found)
        by_picture = np.nanmean(copied) if worth.grouped(records) else np.nan
        line = {
            "Split": name,
            "Wanted accuracy": f"{goal:.0%}",
            "Threshold": tables.mean_sd(cuts, 3),
            "Answered on test (%)": tables.mean_sd(coverage, 1, 100),
            "Accuracy there (%)": words.beside(tables.mean_sd(accuracy, 1, 100), by_picture),
        }
        lines.append(line)
    return pd.DataFrame(lines)


def selective(
    records: Sequence[Any], clusters: np.ndarray, coverage: np.ndarray, pictures: np.ndarray | None = None
) -> pd.DataFrame:
    """coverage, value, low, high: accuracy on the surest share, mean over seeds, all drawn on the same patients.

    pictures (N,): each weighs 1 (`worth.pictures`).
    """
    sums = []
    for part in by_seed(records).values():
        labels, probs, rows = predictions(part)
        f = confidence.selective_at(labels, probs, coverage)
        weight = np.ones(len(rows)) if pictures is None else worth.picture_weights(rows, pictures)
        drawn = clustered.of(lambda w, f=f, weight=weight: f(w * weight), clusters[rows], DRAWS)
        sums.append(np.vstack([f(weight[None]), drawn]))
    mean = np.mean(sums, axis=0)
    low, high = np.quantile(mean[1:], [0.025, 0.975], axis=0)
    return pd.DataFrame({"coverage": coverage, "value": mean[0], "low": low, "high": high})


def decision_curves(labels: np.ndarray, probs: np.ndarray, classes: Sequence[str]) -> dict[str, pd.DataFrame]:
    """`calibration.net_benefit` of acting on any tumour (where there are images without one), and on each tumour class."""
    tumour = [k for k, c in enumerate(classes) if c != "notumor"]
    panels: dict[str, Any] = {"Any tumour": tumour} if len(tumour) < len(classes) else {}
    panels |= {CLASS_NAMES[classes[k]]: k for k in tumour}
    return {title: calibration.net_benefit(labels, probs, k) for title, k in panels.items()}


def decision(curves: Mapping[str, pd.DataFrame]) -> str:
    """At what share of the thresholds each of `calibration.net_benefit`'s curves beats acting on all and on none."""
    said = []
    for title, frame in curves.items():
        better = frame["model"] > frame[["all", "none"]].max(axis=1)
        said.append(
            f"{title.lower()} {better.mean():.0%}"
            + ("" if better.all() else f" (not from {frame['threshold'][~better].min():.2f})")
        )
    first = next(iter(curves.values()))["threshold"]
    return (
        f"Share of the thresholds from {first.min():.2f} to {first.max():.2f} at which the model beats both: "
        f"{'; '.join(said)}."
    )

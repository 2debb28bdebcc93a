"""Calibration beyond one number: one-vs-rest bins, thresholds, and what chance alone would show.

Measures with intervals are those of `worth.of_runs`, by the names of `MEASURES`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from gcaf_lib.evaluation import calibration_measures, clustered, weighted
from gcaf_lib.evaluation.answers import checked, classes_of, probabilities

MEASURES = ("accuracy", "excess", "ece", "mass", "classwise", "classwise_mass", "brier", "nll")


def one_vs_rest(
    labels,
    probs,
    positive: int,
    groups,
    bins: int = calibration_measures.BINS,
    equal_mass: bool = True,
) -> pd.DataFrame:
    """Bins of one class's probability against how often the class is true: columns of `calibration_measures.reliability`.

    groups (n,): patient of each answer. The interval is the cluster bootstrap's: an image that several seeds answered
    is drawn with its patient, not counted once for each; `clustered.believed` where all of a bin are of the class, or none.
    """
    labels, probs = checked(labels, probs)
    (positive,) = classes_of(positive, probs.shape[1])
    score, truth = probs[:, positive], labels == positive
    number = calibration_measures.bin_numbers(score, bins, equal_mass)
    inside = np.where(number[:, None] == np.arange(bins), truth[:, None], np.nan)
    draws = clustered.mean_draws(inside, groups)

    def drawn(b: int, right: int, n: int) -> tuple[float, float]:
        one = clustered.interval(right / n, draws[:, b])
        return clustered.believed(one, np.asarray(groups)[number == b])[1:]

    return calibration_measures.bin_table(score, truth, number, bins, equal_mass, drawn)


class Kept(NamedTuple):
    """What a threshold on the confidence keeps: share kept, accuracy on it (NaN where nothing is kept)."""

    threshold: float
    coverage: float
    accuracy: float


def threshold_for(labels, probs, accuracy: float) -> float:
    """Smallest confidence above which the accuracy on this part is at least `accuracy`; inf where there is none.

    Fit it on validation. The largest share of cases that reaches the target is taken.
    """
    curve = calibration_measures.selective(labels, probs)
    good = np.flatnonzero(curve.accuracy >= accuracy)
    return float(curve.threshold[good[-1]]) if len(good) else float("inf")


def kept(labels, probs, threshold: float) -> Kept:
    """Coverage and accuracy of the answers whose confidence is at least `threshold`."""
    labels, probs = checked(labels, probs)
    sure, right = probs.max(1) >= threshold, probs.argmax(1) == labels
    return Kept(threshold, float(sure.mean()), float(right[sure].mean()) if sure.any() else float("nan"))


def selective_at(labels, probs, coverages: Sequence[float]) -> weighted.Weighted:
    """Accuracy on the most confident share of the drawn samples, for each coverage: weights (B, n) to (B, m).

    Of samples that are equally confident each counts in proportion, whatever their order.
    """
    labels, probs = checked(labels, probs)
    order = np.argsort(-probs.max(1), kind="stable")
    last = np.flatnonzero(np.diff(probs.max(1)[order], append=-1.0))  # of those that are equally confident
    right = (probs.argmax(1) == labels).astype(float)[order]
    shares = np.asarray(coverages, np.float64)

    def accuracy(w: np.ndarray) -> np.ndarray:
        w = w[:, order].astype(np.float64)
        drawn, won = np.cumsum(w, axis=1), np.cumsum(w * right, axis=1)
        out = np.empty((len(w), len(shares)))
        for i in range(len(w)):
            at = shares * drawn[i, -1]
            out[i] = np.interp(at, np.r_[0, drawn[i, last]], np.r_[0, won[i, last]]) / at
        return out

    return accuracy


def perfect_labels(probs, n: int = 300) -> np.ndarray:
    """Labels (n, rows) each drawn from its own row of probabilities: what a perfectly calibrated model would meet."""
    edges = probabilities(probs).cumsum(1)
    edges = edges[:, :-1] / edges[:, -1:]
    rng = np.random.default_rng(0)
    return np.stack([(rng.random((len(edges), 1)) > edges).sum(1) for _ in range(n)])


def perfect_ece(probs, draws: int = 2000) -> np.ndarray:
    """ECE (draws,) that a perfectly calibrated model with these confidences would measure, by chance alone.

    Each answer is right with the probability that its confidence states. The plain ECE of a finite sample
    is above 0 even then: this is the yardstick for a measured value.
    """
    score = probabilities(probs).max(1)
    hit = np.random.default_rng(0).random((draws, len(score))) < score
    return calibration_measures.ece_of_outcomes(hit, score)

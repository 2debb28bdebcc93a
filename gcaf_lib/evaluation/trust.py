"""Calibration with intervals: estimators as functions of row weights, one-vs-rest bins, thresholds.

The estimators themselves stand in `calibration`; here they are made to run on thousands of bootstrap samples
at once. Bins are those of the whole sample: the edges of equal-mass bins don't move from draw to draw.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from statsmodels.stats.proportion import proportion_confint

from gcaf_lib.evaluation import calibration, clustered

Weighted = Callable[[np.ndarray], np.ndarray]
MEASURES = ("accuracy", "excess", "ece", "mass", "classwise", "classwise_mass", "brier", "nll")


def _gaps(hit: np.ndarray, score: np.ndarray, bins: int, equal_mass: bool) -> np.ndarray:
    """(n, bins): each row's hit − score in its bin."""
    out = np.zeros((len(score), bins))
    number = calibration.bin_numbers(score, bins, equal_mass)
    out[np.arange(len(score)), number] = hit - score
    return out


def measure(name: str, labels, probs, bins: int = calibration.BINS) -> Weighted:
    """A measure as a function of weights (B, n) to (B,).

    accuracy; excess (mean confidence − accuracy: above 0 is overconfidence); ece and mass (equal width and
    equal mass); classwise and classwise_mass; brier; nll. Raises `ValueError` for other names.
    """
    labels, probs = np.asarray(labels, int), np.asarray(probs, np.float64)
    k, score = probs.shape[1], probs.max(1)
    hit, truth = (probs.argmax(1) == labels).astype(float), np.eye(probs.shape[1])[labels]
    if name in ("ece", "mass"):
        tables = [_gaps(hit, score, bins, name == "mass")]
    elif name in ("classwise", "classwise_mass"):
        tables = [_gaps(truth[:, c], probs[:, c], bins, name == "classwise_mass") for c in range(k)]
    else:
        each = {
            "accuracy": lambda: hit,
            "excess": lambda: score - hit,
            "brier": lambda: ((probs - truth) ** 2).sum(1),
            "nll": lambda: -np.log(np.clip(probs[np.arange(len(labels)), labels], calibration.TINY, 1)),
        }
        if name not in each:
            raise ValueError(f"measure {name!r}: one of {', '.join(MEASURES)}")
        values = each[name]()
        return lambda w: w @ values / w.sum(1)
    return lambda w: np.mean([np.abs(w @ t).sum(1) for t in tables], axis=0) / w.sum(1)


def draws(
    labels, probs, groups, names: Sequence[str] = MEASURES, n: int = 1000, seed: int = 0
) -> pd.DataFrame:
    """Measures on n cluster-bootstrap samples, one column each; the first row is the sample itself."""
    functions = [measure(name, labels, probs) for name in names]

    def all_(w: np.ndarray) -> np.ndarray:
        w = w.astype(np.float64)
        return np.column_stack([f(w) for f in functions])

    whole = all_(np.ones((1, len(labels))))
    sample = clustered.of(all_, groups, n, seed, max(1, min(500, 2_000_000 // max(len(labels), 1))))
    return pd.DataFrame(np.vstack([whole, sample]), columns=list(names))


def one_vs_rest(
    labels, probs, positive: int, bins: int = calibration.BINS, equal_mass: bool = True, level: float = 0.95
) -> pd.DataFrame:
    """Bins of one class's probability against how often the class is true: columns of `calibration.reliability`."""
    score = np.asarray(probs, np.float64)[:, positive]
    truth = np.asarray(labels) == positive
    number = calibration.bin_numbers(score, bins, equal_mass)
    lines = []
    for b in range(bins):
        here = number == b
        n, right = int(here.sum()), int(truth[here].sum())
        if not n:
            low, high = (np.nan, np.nan) if equal_mass else (b / bins, (b + 1) / bins)
            lines.append((low, high, 0, np.nan, np.nan, np.nan, np.nan))
            continue
        edges = (score[here].min(), score[here].max()) if equal_mass else (b / bins, (b + 1) / bins)
        interval = proportion_confint(right, n, 1 - level, method="wilson")
        lines.append((*edges, n, score[here].mean(), right / n, *interval))
    heads = ["low", "high", "count", "confidence", "accuracy", "accuracy_low", "accuracy_high"]
    return pd.DataFrame(lines, columns=heads)


class Kept(NamedTuple):
    """What a threshold on the confidence keeps: share kept, accuracy on it (NaN where nothing is kept)."""

    threshold: float
    coverage: float
    accuracy: float


def threshold_for(labels, probs, accuracy: float) -> float:
    """Smallest confidence above which the accuracy on this part is at least `accuracy`; inf where there is none.

    Fit it on validation. The largest share of cases that reaches the target is taken.
    """
    curve = calibration.selective(labels, probs)
    good = np.flatnonzero(curve.accuracy >= accuracy)
    return float(curve.threshold[good[-1]]) if len(good) else float("inf")


def kept(labels, probs, threshold: float) -> Kept:
    """Coverage and accuracy of the answers whose confidence is at least `threshold`."""
    probs = np.asarray(probs, np.float64)
    sure = probs.max(1) >= threshold
    right = probs.argmax(1) == np.asarray(labels)
    return Kept(threshold, float(sure.mean()), float(right[sure].mean()) if sure.any() else float("nan"))


def selective_at(labels, probs, coverages: Sequence[float]) -> Weighted:
    """Accuracy on the most confident share of the drawn samples, for each coverage: weights (B, n) to (B, m)."""
    probs = np.asarray(probs, np.float64)
    order = np.argsort(-probs.max(1), kind="stable")
    right = (probs.argmax(1) == np.asarray(labels)).astype(float)[order]
    shares = np.asarray(coverages, np.float64)

    def accuracy(w: np.ndarray) -> np.ndarray:
        w = w[:, order].astype(np.float64)
        drawn, won = np.cumsum(w, axis=1), np.cumsum(w * right, axis=1)
        out = np.empty((len(w), len(shares)))
        for i in range(len(w)):
            at = shares * drawn[i, -1]
            out[i] = np.interp(at, np.r_[0, drawn[i]], np.r_[0, won[i]]) / at
        return out

    return accuracy


def perfect(probs, names: Sequence[str] = MEASURES, n: int = 300, seed: int = 0) -> pd.DataFrame:
    """Measures (n rows) that a perfectly calibrated model with these probabilities would show by chance.

    Every label is drawn from its own row of probabilities; what the estimators give then is not 0.
    """
    probs = np.asarray(probs, np.float64)
    probs = probs / probs.sum(1, keepdims=True)
    rng, one = np.random.default_rng(seed), np.ones((1, len(probs)))
    edges = probs.cumsum(1)
    lines = []
    for _ in range(n):
        labels = (rng.random((len(probs), 1)) > edges[:, :-1]).sum(1)
        lines.append([measure(name, labels, probs)(one)[0] for name in names])
    return pd.DataFrame(lines, columns=list(names))

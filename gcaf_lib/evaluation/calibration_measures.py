"""Calibration of probabilities: how far they can be believed, and temperature scaling.

`labels` is (n,) int in 0..K-1, `probs` (n, K) float with rows that sum to 1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from sklearn.metrics import brier_score_loss, log_loss

from gcaf_lib.evaluation.answers import bins_of, checked, classes_of, probabilities
from gcaf_lib.evaluation.intervals import wilson

BINS = 15
EDGE = 50  # temperatures are sought between 1/50 and 50
TINY = 1e-12  # smallest probability that enters a logarithm: float32 softmax does give exact zeros


def _rows(probs: np.ndarray) -> np.ndarray:
    """Rows divided by their sums: float32 softmax misses 1 by more than scikit-learn tolerates."""
    return probs / probs.sum(1, keepdims=True)


def bin_numbers(score: np.ndarray, bins: int, equal_mass: bool) -> np.ndarray:
    """Bin number of each score: equal widths (low, high] on [0, 1], or bins of (almost) equal counts."""
    bins = bins_of(bins)
    if equal_mass:
        order = np.argsort(score, kind="stable")
        out = np.empty(len(score), np.int64)
        out[order] = np.arange(len(score)) * bins // len(score)
        # equal scores belong together, or the result would depend on the order of the samples
        value, first = np.unique(score[order], return_index=True)
        return out[order][first][np.searchsorted(value, score)]
    return np.searchsorted(np.arange(1, bins) / bins, score)  # score * bins may be rounded over an edge


def _gap(hit: np.ndarray, score: np.ndarray, bins: int, equal_mass: bool) -> float:
    """Σ_b n_b/n · |mean hit − mean score|, in one pass."""
    difference = np.bincount(bin_numbers(score, bins, equal_mass), weights=hit - score, minlength=bins)
    return float(np.abs(difference).sum() / len(score))


def ece(labels, probs, bins: int = BINS, equal_mass: bool = False) -> float:
    """Expected calibration error of the predicted class (Table 7): Σ_b n_b/n · |accuracy_b − confidence_b|.

    Source: Guo et al. 2017, 15 equal-width bins, which is the reading used here for the paper's ECE (it
    names neither bins nor norm); `equal_mass` gives bins of equal counts instead (Nixon et al. 2019).
    """
    labels, probs = checked(labels, probs)
    return _gap((probs.argmax(1) == labels).astype(float), probs.max(1), bins, equal_mass)


def ece_of_outcomes(
    hits: np.ndarray, score: np.ndarray, bins: int = BINS, equal_mass: bool = False
) -> np.ndarray:
    """`ece` (B,) of many outcomes, hits (B, n) bool, of answers with the same confidences, score (n,)."""
    order = np.argsort(number := bin_numbers(score, bins, equal_mass), kind="stable")
    starts = np.unique(number[order], return_index=True)[1]
    gaps = np.add.reduceat((hits - score)[:, order], starts, axis=1)
    return np.abs(gaps).sum(1) / len(score)


def classwise_ece(labels, probs, bins: int = BINS, equal_mass: bool = False) -> float:
    """Class-wise ECE: the mean over classes of the one-vs-rest calibration error (Kull et al. 2019)."""
    labels, probs = checked(labels, probs)
    truth = np.eye(probs.shape[1])[labels]
    return float(np.mean([_gap(*one, bins, equal_mass) for one in zip(truth.T, probs.T)]))


def brier(labels, probs) -> float:
    """Multi-class Brier score, mean over samples of Σ_c (p_c − y_c)²: 0 to 2 (twice the binary one)."""
    labels, probs = checked(labels, probs)
    probs = _rows(probs)
    return float(brier_score_loss(labels, probs, labels=range(probs.shape[1]), scale_by_half=False))


def nll(labels, probs) -> float:
    """Mean negative log-likelihood, natural logarithm; a probability of 0 counts as 1e-12."""
    labels, probs = checked(labels, probs)
    probs = _rows(np.clip(probs, TINY, 1))
    return float(log_loss(labels, probs, labels=range(probs.shape[1])))


def reliability(
    labels, probs, bins: int = BINS, equal_mass: bool = False, level: float = 0.95
) -> pd.DataFrame:
    """Bins of the reliability diagram: low, high, count, confidence, accuracy, accuracy_low, accuracy_high.

    `low` and `high` bound the bin (of equal mass: its least and greatest confidence); the accuracy's interval is Wilson's.
    Empty bins are kept (NaN).
    """
    labels, probs = checked(labels, probs)
    score = probs.max(1)
    number = bin_numbers(score, bins, equal_mass)

    def interval(_: int, right: int, n: int) -> tuple[float, float]:
        return wilson(right, n, level)[1:]

    return bin_table(score, probs.argmax(1) == labels, number, bins, equal_mass, interval)


def bin_table(
    score: np.ndarray,
    hit: np.ndarray,
    number: np.ndarray,
    bins: int,
    equal_mass: bool,
    interval: Callable[[int, int, int], tuple[float, float]],
) -> pd.DataFrame:
    """`reliability`'s columns of scores (n,), hits (n,) bool and bin numbers (n,); interval: of (bin, hits, samples)."""
    lines = []
    for b in range(bins):
        here = number == b
        n, right = int(here.sum()), int(hit[here].sum())
        ends = (b / bins, (b + 1) / bins)
        if equal_mass:  # an empty bin of equal mass lies nowhere
            ends = (score[here].min(), score[here].max()) if n else (np.nan, np.nan)
        known = (score[here].mean(), right / n, *interval(b, right, n)) if n else [np.nan] * 4
        lines.append((*ends, n, *known))
    heads = ["low", "high", "count", "confidence", "accuracy", "accuracy_low", "accuracy_high"]
    return pd.DataFrame(lines, columns=heads)


def temperature(labels, probs) -> float:
    """Temperature T > 0 that minimises the NLL of softmax(log p / T); fit it on validation only.

    Takes probabilities: log p equals the logits up to a constant per row, so nothing is lost. Source: Guo et
    al. 2017. T is sought between 1/`EDGE` and `EDGE`; one that ends there is no fit (`at_edge`). Raises `ValueError`
    where there are no samples.
    """
    labels, probs = checked(labels, probs)
    logits, rows = np.log(np.clip(probs, TINY, 1)), np.arange(len(labels))

    def loss(log_t: float) -> float:
        return -log_softmax(logits / np.exp(log_t), axis=1)[rows, labels].mean()

    edge = np.log(EDGE)
    best = minimize_scalar(loss, bounds=(-edge, edge), method="bounded", options={"xatol": 1e-6})
    ends = [end for end in (-edge, edge) if loss(end) <= best.fun + 1e-9]  # flat or falling up to there
    return float(np.exp(ends[0] if ends else best.x))


def at_edge(t: float) -> bool:
    """Whether a fitted temperature lies at the edge of what was searched: then no T fits, and it is a bound."""
    return bool(np.isclose(abs(np.log(t)), np.log(EDGE)))


def scale(probs, t: float) -> np.ndarray:
    """softmax(log p / T), (n, K) float64: the calibrated probabilities; the most probable class stays."""
    if not (np.isfinite(t) and t > 0):
        raise ValueError(f"temperature {t}: give a number above 0")
    return softmax(np.log(np.clip(probabilities(probs), TINY, 1)) / t, axis=1)


class Selective(NamedTuple):
    """Selective prediction: coverage rising to 1, accuracy on what is kept, and its threshold; one of each a distinct confidence."""

    coverage: np.ndarray
    accuracy: np.ndarray
    threshold: np.ndarray


def selective(labels, probs) -> Selective:
    """Accuracy on the most confident share of the samples, for every share (coverage).

    `threshold` is the confidence of the least confident sample kept. Samples of equal confidence are kept or
    declined together; points stand at the ends of such ties (Geifman & El-Yaniv 2017).
    """
    labels, probs = checked(labels, probs)
    score, hit = probs.max(1), (probs.argmax(1) == labels).astype(float)
    order = np.argsort(-score, kind="stable")
    score, hit = score[order], hit[order]
    last = np.r_[np.flatnonzero(np.diff(score)), len(score) - 1]
    kept = last + 1
    return Selective(kept / len(score), np.cumsum(hit)[last] / kept, score[last])


def acted_on(labels, probs, positive, thresholds=None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Thresholds (T,) on a probability (default: 0.01 to 0.99), whether each sample is of the positive classes (n,), and
    whether one acts on it from each threshold on (T,n). `positive`: see `net_benefit`."""
    labels, probs = checked(labels, probs)
    t = np.atleast_1d(np.linspace(0.01, 0.99, 99) if thresholds is None else thresholds).astype(np.float64)
    if not ((t > 0) & (t < 1)).all():
        raise ValueError("decision thresholds must lie strictly between 0 and 1")
    chosen = classes_of(positive, probs.shape[1])
    return t, np.isin(labels, chosen), probs[:, chosen].sum(1)[None, :] >= t[:, None]


def net_benefit(labels, probs, positive, thresholds=None) -> pd.DataFrame:
    """Decision curve of one class, or a set of classes, against the rest (Vickers & Elkin 2006).

    Net benefit at threshold t is TP/n − FP/n · t/(1 − t), acting on samples whose probability of the
    positive classes is at least t; `all` acts on every sample, `none` (0) on no sample. Columns threshold,
    model, all, none. `positive` is a class number or a list of them (say, the three tumours).
    """
    t, truth, acts = acted_on(labels, probs, positive, thresholds)
    odds = t / (1 - t)
    model = (acts & truth).mean(1) - (acts & ~truth).mean(1) * odds
    everyone = truth.mean() - (1 - truth.mean()) * odds
    return pd.DataFrame({"threshold": t, "model": model, "all": everyone, "none": 0.0})

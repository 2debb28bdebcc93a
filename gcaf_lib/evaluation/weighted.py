"""Every scalar metric of `metrics.summary` on many reweighted copies of the samples at once.

A bootstrap sample is a vector of weights (how often each sample was drawn). Working on the weights instead
of on copied samples turns thousands of calls into a few matrix products and cumulative sums.

`weights` is (B, n), not negative; every function made here maps it to (B,). Where a metric is undefined
(no positives of a class were drawn), the value is NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from gcaf_lib.evaluation import calibration
from gcaf_lib.evaluation.metrics import class_names

Weighted = Callable[[np.ndarray], np.ndarray]
PLAIN = ("accuracy", "macro_precision", "macro_recall", "macro_f1", "kappa", "mcc", "macro_auc", "micro_auc")
PLAIN += ("macro_ap", "micro_ap", "ece", "brier", "nll")
PER_CLASS = ("precision", "recall", "f1", "auc", "ap")


def metric(name: str, labels, probs, classes: Sequence[str] | None = None) -> Weighted:
    """The function of weights for a metric named as in `metrics.summary` (`macro_auc`, `recall_glioma`, …).

    Raises `ValueError` naming the known metrics.
    """
    labels, probs = np.asarray(labels), np.asarray(probs, np.float64)
    k, truth = probs.shape[1], np.eye(probs.shape[1], dtype=bool)[labels]
    names = class_names(classes, k)
    head, _, rest = name.partition("_")
    c = names.index(rest) if head in PER_CLASS and rest in names else None
    if name not in PLAIN and c is None:
        known = ", ".join([*PLAIN, *(f"{m}_<class>" for m in PER_CLASS)])
        raise ValueError(f"metric {name!r}: give one of {known} (classes {', '.join(names)}), or a function")
    if name in ("brier", "nll"):
        each = ((probs - truth) ** 2).sum(1)
        if name == "nll":
            each = -np.log(np.clip(probs[np.arange(len(labels)), labels], calibration.TINY, 1))
        return lambda w: w @ each / w.sum(1)
    if name == "ece":
        gap = np.zeros((len(labels), calibration.BINS))
        score = probs.max(1)
        number = calibration.bin_numbers(score, calibration.BINS, False)
        gap[np.arange(len(labels)), number] = (probs.argmax(1) == labels) - score
        return lambda w: np.abs(w @ gap).sum(1) / w.sum(1)
    if "auc" in name or name.endswith("_ap") or head == "ap":
        area = _auc if "auc" in name else _ap
        if head == "micro":
            pooled = area(truth.ravel(), probs.ravel())
            return lambda w: pooled(np.repeat(w, k, axis=1))
        single = [area(truth[:, i], probs[:, i]) for i in (range(k) if c is None else [c])]
        return lambda w: _mean(np.stack([f(w) for f in single], axis=1))
    cells = np.eye(k * k)[labels * k + probs.argmax(1)]
    return lambda w: _from_confusion((w @ cells).reshape(-1, k, k), head if c is not None else name, c)


def _mean(columns: np.ndarray) -> np.ndarray:
    """Mean over the classes whose metric is defined; NaN where none is."""
    known = ~np.isnan(columns)
    total = np.where(known, columns, 0).sum(1)
    return np.divide(total, known.sum(1), out=np.full(len(columns), np.nan), where=known.any(1))


def _ties(score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rising order of the scores, and where each run of equal scores starts in it."""
    order = np.argsort(score, kind="stable")
    return order, np.flatnonzero(np.r_[True, np.diff(score[order]) > 0])


def _auc(truth: np.ndarray, score: np.ndarray) -> Weighted:
    order, starts = _ties(score)

    def value(w):
        w = w[:, order].astype(np.float64)
        positive = np.add.reduceat(w * truth[order], starts, axis=1)
        negative = np.add.reduceat(w * ~truth[order], starts, axis=1)
        won = (positive * (np.cumsum(negative, axis=1) - negative / 2)).sum(1)
        pairs = positive.sum(1) * negative.sum(1)
        return np.divide(won, pairs, out=np.full(len(w), np.nan), where=pairs > 0)

    return value


def _ap(truth: np.ndarray, score: np.ndarray) -> Weighted:
    order, starts = _ties(-score)

    def value(w):
        w = w[:, order].astype(np.float64)
        positive = np.add.reduceat(w * truth[order], starts, axis=1)
        drawn = np.cumsum(np.add.reduceat(w, starts, axis=1), axis=1)
        precision = np.divide(np.cumsum(positive, axis=1), drawn, out=np.zeros_like(drawn), where=drawn > 0)
        total = positive.sum(1)
        # as in `metrics`: a class needs positives and negatives
        defined = (total > 0) & (total < drawn[:, -1])
        area = (positive * precision).sum(1)
        return np.divide(area, total, out=np.full(len(w), np.nan), where=defined)

    return value


def _ratio(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    return np.divide(top, bottom, out=np.zeros(np.broadcast(top, bottom).shape), where=bottom > 0)


def _from_confusion(c: np.ndarray, name: str, number: int | None) -> np.ndarray:
    """Metric of confusion matrices (B, K, K); 0/0 is 0 in precision, recall and F1, as in `metrics.report`."""
    right, truth, said, n = np.einsum("bii->bi", c), c.sum(2), c.sum(1), c.sum((1, 2))
    if name == "accuracy":
        return right.sum(1) / n
    if name in ("kappa", "mcc"):
        agreed, chance = right.sum(1) * n, (truth * said).sum(1)
        spread = n**2 - chance
        if name == "mcc":
            spread = np.sqrt((n**2 - (said**2).sum(1)) * (n**2 - (truth**2).sum(1)))
        one = ((truth + said) > 0).sum(1) == 1  # a single class drawn and said: 0/0
        return np.where(one, np.nan, _ratio(agreed - chance, spread))
    which = name.removeprefix("macro_")
    each = {"precision": (right, said), "recall": (right, truth), "f1": (2 * right, truth + said)}[which]
    each = _ratio(*each)
    return each.mean(1) if number is None else each[:, number]

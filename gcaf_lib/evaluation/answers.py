"""Labels and probabilities as every measure takes them: what doesn't fit is refused, so that no number comes of it."""

from __future__ import annotations

from numbers import Real

import numpy as np


def probabilities(probs) -> np.ndarray:
    """(n, K) float64; raises `ValueError` where they are none: of another shape, empty, no numbers, or sums that aren't 1."""
    try:
        probs = np.asarray(probs)
    except ValueError as error:  # rows of unequal length
        raise ValueError(f"probs must be numbers ({error})") from None
    if probs.dtype.kind not in "fiu":
        raise ValueError(f"probs must be numbers, not {probs.dtype}")
    probs = probs.astype(np.float64)
    if probs.ndim != 2 or not probs.size or probs.shape[1] < 2:
        raise ValueError(f"probs {probs.shape}: give (n, K), of at least one sample and two classes")
    if not (np.isfinite(probs).all() and probs.min() >= 0 and np.allclose(probs.sum(1), 1, atol=1e-3)):
        raise ValueError("probs must be finite, not negative, and each row must sum to 1")
    return probs


def checked(labels, probs) -> tuple[np.ndarray, np.ndarray]:
    """`labels` as (n,) int64 and `probs` as (n, K) float64; raises `ValueError` where they don't fit."""
    labels = np.asarray(labels)
    if not len(np.atleast_1d(labels)):
        raise ValueError("no samples: labels and probs are empty")
    probs = probabilities(probs)
    if labels.shape != probs.shape[:1]:
        raise ValueError(f"labels {labels.shape} and probs {probs.shape}: give (n,) and (n, K) of the same n")
    if not (labels.dtype.kind in "iu" and 0 <= labels.min() and labels.max() < probs.shape[1]):
        raise ValueError(f"labels must be integers from 0 to {probs.shape[1] - 1}")
    return labels.astype(np.int64), probs


def one_class(truth, scores) -> tuple[np.ndarray, np.ndarray]:
    """`truth` as (n,) bool and `scores` as (m, n) float64, for measures of one class; raises `ValueError`."""
    truth, scores = np.asarray(truth), np.atleast_2d(np.asarray(scores, np.float64))
    if truth.shape != scores.shape[1:] or not np.isin(truth, (0, 1)).all():
        raise ValueError(
            f"truth {truth.shape} and scores {scores.shape}: give (n,) of 0 and 1, and (n,) scores"
        )
    if not np.isfinite(scores).all():
        raise ValueError("scores must be finite")
    return truth.astype(bool), scores


def paired_values(first, second) -> tuple[np.ndarray, np.ndarray]:
    """Values (n,) float64 of two models, one by one of the same samples or runs; raises `ValueError` where they aren't."""
    first, second = np.asarray(first), np.asarray(second)
    if first.ndim != 1 or first.shape != second.shape:
        raise ValueError(f"{first.shape} and {second.shape}: both models must be judged on the same samples")
    if not all(one.dtype.kind in "bfiu" and np.isfinite(one).all() for one in (first, second)):
        raise ValueError("values of two models must be finite numbers")
    return first.astype(np.float64), second.astype(np.float64)


def bins_of(number) -> int:
    """A number of bins; raises `ValueError` where it is none."""
    if isinstance(number, bool) or not isinstance(number, int | np.integer) or number < 1:
        raise ValueError(f"bins={number!r}: give a whole number from 1")
    return int(number)


def level_of(level, of_draws: bool = False) -> float:
    """A confidence level, between 0 and 1 (of draws also 1: all of them); raises `ValueError` where it is none."""
    number = isinstance(level, Real) and not isinstance(level, bool)
    if not (number and (0 < level < 1 or (of_draws and level == 1))):
        raise ValueError(f"level={level!r}: give a share between 0 and 1, such as 0.95")
    return float(level)


def classes_of(numbers, k: int) -> np.ndarray:
    """Class numbers (m,), each once, of `numbers`, one or several; raises `ValueError` for what is no class of k."""
    found = np.unique(numbers)
    if found.dtype.kind not in "iu" or not len(found) or found[0] < 0 or found[-1] >= k:
        raise ValueError(f"class {numbers!r}: give numbers from 0 to {k - 1}")
    return found

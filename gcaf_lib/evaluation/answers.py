"""Labels and probabilities as every measure takes them: what doesn't fit is refused, so that no number comes of it."""

from __future__ import annotations

import numpy as np


def probabilities(probs) -> np.ndarray:
    """(n, K) float64; raises `ValueError` where they are none: of another shape, empty, no numbers, or sums that aren't 1."""
    try:
        probs = np.asarray(probs, np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"probs must be numbers ({error})") from None
    if probs.ndim != 2 or not probs.size:
        raise ValueError(f"probs {probs.shape}: give (n, K), of at least one sample")
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
    if not (np.issubdtype(labels.dtype, np.integer) and 0 <= labels.min() and labels.max() < probs.shape[1]):
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

"""Focal loss with label smoothing for mixed labels (Eqs 14, 15), in both readings.

With soft labels y* Eq 14, L = -α(1-p_t)^γ log p_t, can be read in two ways:
- `target-probability`: "the smoothed labels are used to compute p_t", p_t = Σ_c y*_c p_c. Literal;
  its minimiser over p is one-hot, so smoothing can't restrain confidence.
- `per-class`: L = -Σ_c α_c y*_c (1-p_c)^γ log p_c, as keras.losses.CategoricalFocalCrossentropy.
  Its minimiser is soft; γ = 0 is cross-entropy.
"""

from __future__ import annotations

import numpy as np
from keras import ops
from scipy.optimize import minimize

READINGS = ("target-probability", "per-class")
_NEVER = -1e30  # a logarithm of 0 that neither overflows nor gives 0·∞


def smooth(labels, eps: float):
    """y*_c = (1-ε)·y_c + ε/K (Eq 15). Linear, so smoothing and Mixup (Eq 3) commute.

    `labels`: (B, K) rows summing to 1, an array or a tensor; `eps` in 0..1.
    """
    return (1 - eps) * labels + eps / labels.shape[-1]


def class_weights(counts, balance: str | float) -> np.ndarray:
    """α of Eq 14 (K,): inverse class frequency normalised to mean 1, or one constant for all.

    `counts`: images per class (K,). Raises `ValueError` when a class has none. The paper says
    "inverse frequency" in Table 3 and 0.5 in Sections 5.2 and 5.8.
    """
    counts = np.asarray(counts, float)
    if balance != "inverse-frequency":
        return np.full(counts.shape, float(balance))
    if (counts <= 0).any():
        empty = np.flatnonzero(counts <= 0).tolist()
        raise ValueError(f"no images of class {empty}: inverse frequency is undefined; set loss.balance to 1")
    inverse = 1 / counts
    return inverse / inverse.mean()


class FocalLoss:
    """Eq 14 on logits: `loss(labels (B, K), logits (B, K)) -> (B,)`, float32.

    `labels`: mixed, not yet smoothed, rows summing to 1. `alpha`: (K,), see `class_weights`; in the
    literal reading a soft label's weight is Σ_c y*_c α_c. All in logarithms: log p from
    log_softmax, log(1-p) as the log of the sum of the others, so no logit is too large.
    """

    def __init__(self, reading: str, gamma: float, smoothing: float, alpha):
        if reading not in READINGS:
            raise ValueError(f"reading={reading!r} is not one of {', '.join(READINGS)}")
        self.reading, self.gamma, self.smoothing = reading, float(gamma), float(smoothing)
        self.alpha = np.asarray(alpha, "float32")
        self.name = self.__name__ = "focal_loss"

    def __call__(self, labels, logits):
        logits = ops.cast(logits, "float32")
        target = smooth(ops.cast(labels, "float32"), self.smoothing)
        log_p = ops.log_softmax(logits, axis=-1)
        if self.reading == "per-class":
            return self._per_class(target, log_p)
        alpha = ops.sum(target * self.alpha, axis=-1)
        log_pt = ops.logsumexp(log_p + _log(target), axis=-1)
        # 1-p_t = Σ_c (1-y*_c) p_c, a sum of what is small, not a difference of what is near 1
        log_rest = ops.logsumexp(log_p + _log(1 - target), axis=-1)
        return -alpha * ops.exp(self.gamma * log_rest) * log_pt

    def _per_class(self, target, log_p):
        own = _NEVER * np.eye(len(self.alpha), dtype="float32")
        log_rest = ops.logsumexp(log_p[:, None, :] + own, axis=-1)
        return -ops.sum(self.alpha * target * ops.exp(self.gamma * log_rest) * log_p, axis=-1)


def _log(x):
    """log x, with a huge negative number for 0, and a gradient that is finite everywhere."""
    positive = x > 1e-12
    return ops.where(positive, ops.log(ops.where(positive, x, 1.0)), _NEVER)


def value(p, target, reading: str, gamma: float, alpha) -> float:
    """The loss of probabilities p (K,) against a soft target (K,), in float64, for analysis."""
    p, target = np.asarray(p, float), np.asarray(target, float)
    alpha = np.broadcast_to(np.asarray(alpha, float), target.shape)
    tiny = np.finfo(float).tiny
    if reading == "per-class":
        rest = np.clip(1 - p, 0, 1)
        return float(-(alpha * target * rest**gamma * np.log(np.maximum(p, tiny))).sum())
    rest = np.clip((1 - target) @ p, 0, 1)
    return float(-(target @ alpha) * rest**gamma * np.log(max(target @ p, tiny)))


def minimiser(target, reading: str, gamma: float, alpha) -> np.ndarray:
    """Probabilities (K,) with the least loss against a soft target (K,): what training aims for.

    Numerical, over the simplex, from several starts. For `target-probability` it is one-hot at the
    largest target; for `per-class` it is soft (with γ = 0 and equal α: the target itself).
    """
    target = np.asarray(target, float)
    if reading not in READINGS:
        raise ValueError(f"reading={reading!r} is not one of {', '.join(READINGS)}")
    k = len(target)
    starts = [np.full(k, 1 / k), target / target.sum(), *(0.9 * np.eye(k) + 0.1 / k)]
    found = []
    for start in starts:
        result = minimize(
            lambda p: value(np.clip(p, 1e-12, 1), target, reading, gamma, alpha),
            start,
            method="SLSQP",
            bounds=[(0, 1)] * k,
            constraints={"type": "eq", "fun": lambda p: p.sum() - 1},
            options={"ftol": 1e-15, "maxiter": 500},
        )
        p = np.clip(result.x, 0, 1)
        found.append(p / p.sum())
    return min(found, key=lambda p: value(p, target, reading, gamma, alpha))

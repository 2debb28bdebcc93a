"""Chapter 3: how much mixtures are mixed, and which steps may be swapped with mixing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import pandas as pd
from scipy.stats import beta

from gcaf_lib.data.preprocess import clahe
from gcaf_lib.model import backbones
from gcaf_lib.model.augment import draw_lambda
from gcaf_lib.model.augment import mixup as mix
from gcaf_lib.model.losses import READINGS, FocalLoss, smooth
from gcaf_lib.paper import published as paper
from gcaf_lib.settings import LossSettings


def dominance(alphas: Sequence[float]) -> pd.DataFrame:
    """How much one image dominates a mixture: the law Beta(α, α), and 20,000 draws of the library."""
    lines = []
    for alpha in alphas:
        drawn = np.asarray(draw_lambda((20_000,), alpha, keras.random.SeedGenerator(0)))
        larger = np.maximum(drawn, 1 - drawn)
        share = 2 * beta(alpha, alpha).sf(0.9)
        mean = beta(alpha + 1, alpha).sf(0.5)  # E max(λ, 1 - λ): λ times the density is Beta(α + 1, α)
        cells = [f"{share:.1%}", f"{(larger > 0.9).mean():.1%}", f"{mean:.3f}", f"{larger.mean():.3f}"]
        lines.append([f"{alpha:g}", *cells])
    heads = ["α", "one image over 90%", "drawn", "larger weight, mean", "mean drawn"]
    return pd.DataFrame(lines, columns=heads)


def soft_labels_said(alpha: float, batch: int, labels: pd.Series) -> str:
    """How many training samples get a clearly soft label; labels: of the training part."""
    if not alpha:
        return "Mixup is off under these settings."
    other = (1 - 1 / batch) * (1 - (labels.value_counts(normalize=True) ** 2).sum())
    visible = 1 - 2 * beta(alpha, alpha).cdf(0.1)
    return (
        f"Under this page's settings (α = {alpha:g}, batches of {batch}), a partner is of **another class** in {other:.0%} of the pairs, "
        f"and the weaker image has **more than a tenth** of the weight in {visible:.0%}. Both together, that is, a clearly "
        f"soft label: about {other * visible:.0%} of the training samples."
    )


def spread_weights(count: int, alpha: float, rng: np.random.Generator) -> np.ndarray:
    """Weights λ (count,) in random order, spread as the Beta law spreads them; alpha 0, Mixup being off: with the paper's α."""
    alpha = alpha or paper.published("Table 3", metric="training.mixup")
    return beta.ppf((rng.permutation(count) + 0.5) / count, alpha, alpha).astype("float32")


def swapped(
    images: np.ndarray, raw: np.ndarray, labels: np.ndarray, weights: np.ndarray, loss: LossSettings, rng: Any
) -> pd.DataFrame:
    """Mixing before or after another step: largest difference relative to the largest value, and whether the two commute.

    images: preprocessed, raw: before CLAHE, both (B, S, S, 3) in 0..255; labels (B, K) one-hot; weights λ (B,).
    """
    order = rng.permutation(len(images))

    def mixed(batch: np.ndarray) -> np.ndarray:
        return np.asarray(mix(batch, labels, weights, order)[0])

    def mixed_labels(y: np.ndarray) -> np.ndarray:
        return np.asarray(mix(images, y, weights, order)[1])

    gaps = {
        "label smoothing": _swap(lambda y: smooth(y, loss.smoothing), mixed_labels, labels),
        "normalisation": _swap(lambda batch: np.asarray(backbones.normalise(batch)), mixed, images),
        "CLAHE": _swap(_equalise, mixed, raw),
    }
    logits = rng.normal(0, 2, labels.shape).astype("float32")
    for reading in READINGS:
        focal = FocalLoss(reading, loss.gamma, loss.smoothing, np.ones(labels.shape[1]))
        one, other = (np.asarray(focal(y, logits)) for y in (labels, labels[order]))
        together = np.asarray(focal(mixed_labels(labels), logits))
        gaps[f"loss, {reading}"] = _apart(together, weights * one + (1 - weights) * other)
    lines = [[name, f"{gap:.1e}", "yes" if gap < 1e-5 else "no"] for name, gap in gaps.items()]
    return pd.DataFrame(lines, columns=["Swapped with mixing", "Largest relative difference", "Commutes"])


def _swap(step: Callable[[np.ndarray], np.ndarray], mixed: Callable, batch: np.ndarray) -> float:
    return _apart(step(mixed(batch)), mixed(step(batch)))


def _apart(one: Any, two: Any) -> float:
    return float(np.abs(one - two).max() / np.abs(two).max())


def _equalise(batch: np.ndarray) -> np.ndarray:
    return np.stack([clahe(x.round().clip(0, 255).astype(np.uint8)) for x in batch]).astype("float32")

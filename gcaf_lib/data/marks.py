"""Pictures on which nothing but one small mark tells the class: the positive control of explanations.

Every picture is a smooth random texture in grey, of the same distribution whatever the class, and one disc
at a random place, whose colour is the class. A model that is right on such pictures must have looked at the
disc. Colours survive the augmentation (flips, brightness, contrast), have one brightness, and lie at equal
steps around grey; none is grey, because a class that is told by the absence of the others needs no look.
Patterns in grey were tried first: ConvNeXt's miniature did not learn them, and a map of a backbone that
knows nothing shows nothing of the method.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

SIDE = 64
RADIUS = 6.0  # pixels: the disc takes 2.8% of the picture
STRENGTH = 90  # grey values: of a colour's distance from grey
CLASSES = 4


class Marks(NamedTuple):
    """images (n, S, S, 3) uint8, labels (n,) in 0..3, masks (n, S, S) bool: where the mark is."""

    images: np.ndarray
    labels: np.ndarray
    masks: np.ndarray


def make(n: int, seed: int = 0) -> Marks:
    """`n` pictures (from 1), as many of each class but for one; the same for the same (n, seed)."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n) % CLASSES)
    centres = rng.uniform(RADIUS, SIDE - RADIUS, (n, 2, 1))
    grid = np.arange(SIDE) + 0.5
    masks = np.hypot((grid - centres[:, 0])[:, :, None], (grid - centres[:, 1])[:, None]) <= RADIUS
    images = np.repeat(_texture(n, rng)[..., None], 3, axis=3)
    images += masks[..., None] * tints()[labels][:, None, None]
    return Marks(np.clip(np.rint(images), 0, 255).astype(np.uint8), labels, masks)


def tints() -> np.ndarray:
    """What each class's mark adds to red, green and blue (4, 3): sums of nothing, a quarter turn apart."""
    turn = np.arange(CLASSES) * 2 * np.pi / CLASSES
    first, second = np.array([1, -1, 0]) / np.sqrt(2), np.array([1, 1, -2]) / np.sqrt(6)
    return STRENGTH * (np.cos(turn)[:, None] * first + np.sin(turn)[:, None] * second)


def _texture(n: int, rng: np.random.Generator) -> np.ndarray:
    """Smooth random fields (n, S, S) about 115: noise at three scales and a grain."""
    out = 115 + rng.normal(0, 5, (n, SIDE, SIDE))
    for cells, strength in ((4, 15), (8, 10), (16, 8)):
        coarse = rng.normal(0, strength, (n, cells, cells)).astype(np.float32)
        out += np.stack([cv2.resize(c, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC) for c in coarse])
    return out

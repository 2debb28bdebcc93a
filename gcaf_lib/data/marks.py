"""Pictures on which nothing but one small mark tells the class: the positive control of explanations.

Every picture is a smooth random texture, of the same distribution whatever the class, and one disc at a
random place, whose pattern is the class. Patterns survive the augmentation (flips, brightness, contrast)
and have the same mean. A model that is right on such pictures must have looked at the disc.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

SIDE = 64
RADIUS = 6.0  # pixels: the disc takes 2.8 % of the picture
PATTERNS = ("plain", "stripes across", "stripes down", "checks")


class Marks(NamedTuple):
    """images (n, S, S, 3) uint8, labels (n,) of `PATTERNS`, masks (n, S, S) bool: where the mark is."""

    images: np.ndarray
    labels: np.ndarray
    masks: np.ndarray


def make(n: int, seed: int = 0) -> Marks:
    """`n` pictures, the classes in turn; the same for the same (n, seed)."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n) % len(PATTERNS))
    centres = rng.uniform(RADIUS, SIDE - RADIUS, (n, 2))
    grid = np.arange(SIDE) + 0.5
    y, x = grid[None, :, None] - centres[:, :1, None], grid[None, None, :] - centres[:, 1:, None]
    masks = y**2 + x**2 <= RADIUS**2
    across, down = np.sign(np.sin(y * np.pi / 2)), np.sign(np.sin(x * np.pi / 2))  # bands of two pixels
    patterns = np.stack(np.broadcast_arrays(np.zeros(()), across, down, across * down))
    tone = 150 + 60 * patterns[labels, np.arange(n)]
    grey = np.where(masks, tone, _texture(n, rng)) + rng.normal(0, 6, masks.shape)
    images = np.clip(np.rint(grey), 0, 255).astype(np.uint8)
    return Marks(np.repeat(images[..., None], 3, axis=3), labels, masks)


def _texture(n: int, rng: np.random.Generator) -> np.ndarray:
    """Smooth random fields (n, S, S) about 100: noise at three scales."""
    out = np.full((n, SIDE, SIDE), 100.0)
    for cells, strength in ((4, 30), (8, 20), (16, 15)):
        coarse = rng.normal(0, strength, (n, cells, cells)).astype(np.float32)
        out += np.stack([cv2.resize(c, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC) for c in coarse])
    return out

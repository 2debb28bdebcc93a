"""Grad-CAM maps as pictures: brought to image size, fused over backbones, laid over the image.

The maps themselves come from `gcaf_lib.model.gradcam.maps`; training stores them in its run records.
"""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import matplotlib
import numpy as np

__all__ = ["fused", "overlay", "scaled", "upsample"]


def scaled(maps: np.ndarray) -> np.ndarray:
    """Maps (n, h, w) float32, negative values cut and each divided by its maximum (all-zero maps stay)."""
    maps = np.maximum(np.asarray(maps, np.float32), 0)
    top = maps.max((1, 2), keepdims=True)
    return np.divide(maps, top, out=np.zeros_like(maps), where=top > 0)


def upsample(maps: np.ndarray, size: int | tuple[int, int]) -> np.ndarray:
    """Maps (n, h, w) → (n, height, width) float32, bilinear with half-pixel centres, maximum 1 again.

    size: one side in pixels, or (height, width). A map's cell stands for the image patch below it, so cell
    centres, not corners, are aligned.
    """
    height, width = (size, size) if isinstance(size, (int, np.integer)) else size
    maps = np.asarray(maps, np.float32)
    out = np.empty((len(maps), height, width), np.float32)
    for i, one in enumerate(maps):
        out[i] = cv2.resize(one, (width, height), interpolation=cv2.INTER_LINEAR)
    return scaled(out) if len(out) else out


def fused(maps: Mapping[str, np.ndarray], size: int | tuple[int, int]) -> np.ndarray:
    """The fused model's map (n, height, width): mean of the backbones' upsampled maps, maximum 1 again.

    The fused model has no feature map of its own (its fusion works on vectors), so the backbones' maps,
    each scaled to 1, weigh the same. The paper doesn't say which map it shows.
    """
    if not maps:
        raise ValueError("no maps to fuse: give at least one backbone's")
    mean = np.mean([upsample(m, size) for m in maps.values()], axis=0)
    return scaled(mean) if len(mean) else mean


def overlay(image: np.ndarray, map: np.ndarray, colours: str = "inferno") -> np.ndarray:
    """uint8 (H, W, 3): one image (H, W[, 3]) in 0..255 under one map (h, w) in 0..1 (Figure 13).

    The map's own value sets its opacity (times 0.6), so that tissue without evidence stays as it is.
    """
    image = np.asarray(image, np.float32)
    image = np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 else image
    heat = upsample(np.asarray(map)[None], image.shape[:2])[0]
    colour = matplotlib.colormaps[colours](heat)[..., :3] * 255
    mixed = image + (colour - image) * (0.6 * heat[..., None])
    return np.clip(np.rint(mixed), 0, 255).astype(np.uint8)

"""Do the maps look at the tumour? Maps measured against tumour borders, beside maps that know nothing.

`maps` is (n, h, w) float, not negative; `masks` is (n, H, W) bool of the same size, or larger: maps are
brought to the masks' size first. Images without a tumour in their mask give NaN.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import cv2
import numpy as np
import pandas as pd

from gcaf_lib.evaluation import clustered
from gcaf_lib.evaluation.heatmaps import scaled, upsample
from gcaf_lib.evaluation.intervals import Interval

_EPS = 1e-12


def rasterise(polygon: str | Sequence[Sequence[float]], size: int | tuple[int, int]) -> np.ndarray:
    """Mask (height, width) bool of a closed polygon [[x, y], …] in fractions of width and height.

    polygon: the points, or their JSON text (`tumour_border` of the figshare table); empty gives an empty
    mask. A fraction f stands for the place f·width from the left edge, so a pixel's centre is (i + ½)/width;
    a pixel belongs to the mask if at least half of it lies inside, and the mask of a tumour smaller than
    that is the pixel that holds most of it. Raises `ValueError` for
    text that isn't such a list, or fewer than three points.
    """
    height, width = (size, size) if isinstance(size, (int, np.integer)) else size
    if isinstance(polygon, str):
        try:
            polygon = json.loads(polygon) if polygon.strip() else []
        except json.JSONDecodeError as error:
            raise ValueError(f"tumour border is not a JSON list of points: {polygon[:40]!r}") from error
    points = np.asarray(polygon, np.float64)
    if not points.size:
        return np.zeros((height, width), bool)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 3 or not np.isfinite(points).all():
        raise ValueError(f"tumour border of shape {points.shape}: give at least three [x, y] points")
    fine = 8  # drawn eight times finer: OpenCV's own filling adds every pixel that the border touches
    shift = 4  # fixed-point coordinates, 1/16 of a fine pixel
    mask = np.zeros((height * fine, width * fine), np.uint8)
    corners = np.rint((points * (width * fine, height * fine) - 0.5) * 2**shift).astype(np.int32)
    cv2.fillPoly(mask, [corners], 255, shift=shift)
    share = cv2.resize(mask, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32)
    return share >= min(127.5, max(share.max(), 1))


def _fitted(maps, masks) -> tuple[np.ndarray, np.ndarray]:
    maps, masks = np.asarray(maps, np.float32), np.asarray(masks, bool)
    if maps.ndim != 3 or masks.ndim != 3 or len(maps) != len(masks):
        raise ValueError(f"maps {maps.shape} and masks {masks.shape}: give (n, h, w) and (n, H, W)")
    return (maps if maps.shape == masks.shape else upsample(maps, masks.shape[1:])), masks


def _where_tumour(masks: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.where(masks.any((1, 2)), values, np.nan)


def pointing(maps, masks, tolerance: float = 0.0) -> np.ndarray:
    """Pointing game, (n,): 1 where the map's maximum lies in the tumour, else 0 (Zhang et al. 2018).

    tolerance: a miss by at most this share of the image's longer side still counts (15 pixels of 224 are
    usual: 0.067). Where several pixels share the maximum, the share of them that hit; an all-zero map
    points nowhere and misses.
    """
    maps, masks = _fitted(maps, masks)
    radius = tolerance * max(masks.shape[1:])
    out = np.zeros(len(maps))
    for i, (one, mask) in enumerate(zip(maps, masks)):
        if not mask.any() or one.max() <= 0:
            continue
        if radius > 0:  # distance of every pixel to the nearest one of the mask
            away = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
            mask = away <= radius
        out[i] = mask[one >= one.max() * (1 - 1e-6)].mean()
    return _where_tumour(masks, out)


def energy(maps, masks) -> np.ndarray:
    """Share of the map's sum that lies inside the tumour, (n,) in 0..1 (Wang et al. 2020); 0 for a zero map.

    A map that is the same everywhere scores the tumour's share of the image: compare with that.
    """
    maps, masks = _fitted(maps, masks)
    total = maps.sum((1, 2), dtype=np.float64)
    inside = np.where(masks, maps, 0).sum((1, 2), dtype=np.float64)
    return _where_tumour(masks, inside / np.maximum(total, _EPS))


def matched_iou(maps, masks) -> np.ndarray:
    """Intersection over union of the tumour and the map's highest pixels, as many as the tumour has, (n,).

    Matching the area takes the choice of a threshold away. Pixels that tie at the edge of the chosen area
    count in proportion, so that the result doesn't depend on their order: a constant map scores about what
    a map of independent random pixels does.
    """
    maps, masks = _fitted(maps, masks)
    out = np.zeros(len(maps))
    for i, (one, mask) in enumerate(zip(maps, masks)):
        area = int(mask.sum())
        if not area:
            continue
        edge = np.partition(one.ravel(), one.size - area)[one.size - area]
        above, tied = one > edge, one == edge
        share = (area - above.sum()) / tied.sum()
        hit = (above & mask).sum() + share * (tied & mask).sum()
        out[i] = hit / (2 * area - hit)
    return _where_tumour(masks, out)


def scores(maps, masks, tolerance: float = 0.067) -> pd.DataFrame:
    """All measures of each image: pointing, tolerant (pointing with that tolerance), energy, iou, and the tumour's area share."""
    maps, masks = _fitted(maps, masks)
    return pd.DataFrame(
        {
            "pointing": pointing(maps, masks),
            "tolerant": pointing(maps, masks, tolerance),
            "energy": energy(maps, masks),
            "iou": matched_iou(maps, masks),
            "area": masks.mean((1, 2)),
        }
    )


def centre_prior(n: int, size: int) -> np.ndarray:
    """Baseline (n, size, size): a Gaussian in the middle of every image, sigma a quarter of its side."""
    axis = (np.arange(size) + 0.5) / size - 0.5
    bell = np.exp(-(axis[:, None] ** 2 + axis[None, :] ** 2) / (2 * 0.25**2))
    return np.repeat(scaled(bell[None]), n, axis=0)


def random_maps(n: int, size: int, cells: int = 7, seed: int = 0) -> np.ndarray:
    """Baseline (n, size, size): independent uniform cells, brought to image size like a Grad-CAM map."""
    return upsample(np.random.default_rng(seed).random((n, cells, cells)), size)


def edge_maps(images) -> np.ndarray:
    """Baseline (n, S, S): edge strength of each image (n, S, S[, 3]), blurred by a fiftieth of its side.

    Sobel gradients of the grey image: what a map scores that follows the picture and no model.
    """
    images = np.asarray(images)
    out = np.empty(images.shape[:3], np.float32)
    for i, image in enumerate(images):
        grey = np.asarray(image, np.float32)
        grey = grey.mean(2) if grey.ndim == 3 else grey
        strength = np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1))
        out[i] = cv2.GaussianBlur(strength, (0, 0), max(0.02 * max(grey.shape), 0.1))
    return scaled(out) if len(out) else out


def correlation(first, second) -> np.ndarray:
    """Pearson correlation of each pair of maps, (n,); NaN where a map is constant (or all zero)."""
    a, b = (np.asarray(m, np.float64).reshape(len(m), -1) for m in (first, second))
    if a.shape != b.shape:
        raise ValueError(f"maps of shapes {np.shape(first)} and {np.shape(second)} can't be correlated")
    a, b = a - a.mean(1, keepdims=True), b - b.mean(1, keepdims=True)
    squares = (a**2).sum(1), (b**2).sum(1)
    varied = np.minimum(*squares) > _EPS**2
    return clustered.ratio((a * b).sum(1), np.where(varied, np.sqrt(squares[0] * squares[1]), 0))


def unlike(first, second, groups, labels=None) -> Interval:
    """The yardstick of agreement, and its interval: mean correlation of maps (n, h, w) of images of different patients.

    Map i of `first` is correlated with map j of `second` for every two images whose `groups` (n,) differ
    (and whose `labels` agree, where given): what pairs drawn at random come to, whatever order the images
    stand in. Pairs with a constant map count nowhere. The interval draws patients anew, a pair as often as
    both of its patients together. NaN throughout where there is no pair.
    """
    return clustered.interval(*unlike_draws(first, second, groups, labels))


def unlike_draws(first, second, groups, labels=None) -> tuple[float, np.ndarray]:
    """Value of `unlike` and its bootstrap draws, (B,)."""
    groups = np.asarray(groups)
    sides = [np.asarray(m, np.float64).reshape(len(m), -1) for m in (first, second)]
    sides = [m - m.mean(1, keepdims=True) for m in sides]
    norms = [np.linalg.norm(m, axis=1) for m in sides]
    pairs = (groups[:, None] != groups) & (norms[0][:, None] > _EPS) & (norms[1] > _EPS)
    if labels is not None:
        pairs &= np.asarray(labels)[:, None] == np.asarray(labels)
    if not pairs.any():
        return np.nan, np.full(clustered.DRAWS, np.nan)
    unit = [m / np.maximum(norm, _EPS)[:, None] for m, norm in zip(sides, norms)]
    alike = np.where(pairs, unit[0] @ unit[1].T, 0)
    drawn = clustered.weights(groups).astype(float)
    sums, counts = (((drawn @ table) * drawn).sum(1) for table in (alike, pairs))
    return float(alike.sum() / pairs.sum()), clustered.ratio(sums, counts)

"""Thumbnails: every file as a grey square of 64×64 pixels, and the most alike of another set.

What finds a file's figshare slice (`data.figshare`), and what the nearest-neighbour floor looks at. Copies
of a picture among the files themselves are found by `data.twins`.
"""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np

from gcaf_lib.data import files
from gcaf_lib.data.dataset import Dataset
from gcaf_lib.data.decode import grey
from gcaf_lib.machine import whole
from gcaf_lib.settings import cache_dir

SIDE = 64
BLOCK = 1024  # rows of a correlation block: 1024 × 7,023 float32 are 29 MB


def squares(images: Iterable[np.ndarray], side: int) -> np.ndarray:
    """Images (H,W), of whatever sizes, reduced to (N,side,side) by area averages; their number type stays."""
    out = [cv2.resize(np.ascontiguousarray(i), (side, side), interpolation=cv2.INTER_AREA) for i in images]
    return np.stack(out)


def shrink(image: np.ndarray) -> np.ndarray:
    """Grey image (H,W), any number type, reduced to uint8 (64,64) with INTER_AREA."""
    if image.dtype != np.uint8:
        image = image.astype(np.float32)
        low, high = float(image.min()), float(image.max())
        image = np.round((image - low) * (255.0 / max(high - low, 1e-12))).astype(np.uint8)
    return squares([image], SIDE)[0]


def thumbnails(dataset: Dataset, progress: bool = True) -> np.ndarray:
    """uint8 (N,64,64) in the order of dataset.frame; computed once per data hash, then read from the cache.

    Raises `DataError` when the dataset has no images on this machine.
    """
    store = cache_dir() / "thumbnails" / f"{dataset.hash}-{SIDE}.npy"
    if store.is_file():
        out = np.load(store, allow_pickle=False)
        if out.shape == (len(dataset.frame), SIDE, SIDE):
            return out
    paths = files.paths(dataset, "thumbnails need the")
    out = np.stack(files.each(lambda path: shrink(grey(path)), paths, "thumbnails", progress))
    with whole(store) as part:
        np.save(part, out)
    return out


def normalise(images: np.ndarray) -> np.ndarray:
    """Rows of zero mean and unit length, float32 (N,P): their dot product is the correlation.

    A constant image becomes zeros, so it correlates with nothing.
    """
    rows = np.asarray(images).reshape(len(images), -1).astype(np.float32)
    rows -= rows.mean(1, keepdims=True)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(rows, length, out=np.zeros_like(rows), where=length > 1e-3)


def mirror(images: np.ndarray) -> np.ndarray:
    """Left-right mirror images of (N,H,W)."""
    return np.ascontiguousarray(images[:, :, ::-1])


def nearest(left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(index into right, mirrored bool, correlation) of the best partner of each thumbnail of `left`, blockwise."""
    rows, ways, out = normalise(left), (normalise(right), normalise(mirror(right))), []
    for start in range(0, len(rows), BLOCK):
        alike = [rows[start : start + BLOCK] @ way.T for way in ways]
        at, best = (np.stack([f(one, axis=1) for one in alike]) for f in (np.argmax, np.max))
        flip, own = (best[1] > best[0]).astype(int), np.arange(len(alike[0]))
        out.append((at[flip, own], flip > 0, best[flip, own]))
    return tuple(np.concatenate(column) for column in zip(*out))

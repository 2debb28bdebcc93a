"""Thumbnails: every file as a grey square of 64×64 pixels, and the most alike of another set.

What finds a file's figshare slice (`data.figshare`), and what the nearest-neighbour floor looks at. Copies
of a picture among the files themselves are found by `data.twins`.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from gcaf_lib.data.dataset import DataError, Dataset
from gcaf_lib.data.decode import grey
from gcaf_lib.machine import whole
from gcaf_lib.settings import cache_dir

SIDE = 64
BLOCK = 1024  # rows of a correlation block: 1024 × 7,023 float32 are 29 MB


def shrink(image: np.ndarray) -> np.ndarray:
    """Grey image (H,W), any number type, reduced to uint8 (64,64) with INTER_AREA."""
    if image.dtype != np.uint8:
        image = image.astype(np.float32)
        low, high = float(image.min()), float(image.max())
        image = np.round((image - low) * (255.0 / max(high - low, 1e-12))).astype(np.uint8)
    return cv2.resize(np.ascontiguousarray(image), (SIDE, SIDE), interpolation=cv2.INTER_AREA)


def thumbnails(dataset: Dataset, progress: bool = True) -> np.ndarray:
    """uint8 (N,64,64) in the order of dataset.frame; computed once per data hash, then read from the cache.

    Raises `DataError` when the dataset has no images on this machine.
    """
    store = cache_dir() / "thumbnails" / f"{dataset.hash}-{SIDE}.npy"
    if store.is_file():
        out = np.load(store, allow_pickle=False)
        if out.shape == (len(dataset.frame), SIDE, SIDE):
            return out
    if dataset.root is None:
        raise DataError("thumbnails need the images: `gcaf data fetch`, --data or GCAF_DATA")
    paths = [Path(dataset.root) / name for name in dataset.frame["file"]]
    with ThreadPoolExecutor(2) as pool:
        work = pool.map(lambda path: shrink(grey(path)), paths)
        bar = tqdm(work, "thumbnails", len(paths), disable=None if progress else True)
        out = np.stack(list(bar))
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


def blocks(left: np.ndarray, right: np.ndarray) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """(first row, plain, mirrored): correlations of rows of thumbnails `left` with all of `right`, blockwise."""
    a, b, m = normalise(left), normalise(right), normalise(mirror(right))
    for start in range(0, len(a), BLOCK):
        rows = a[start : start + BLOCK]
        yield start, rows @ b.T, rows @ m.T


def nearest(left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(index into right, mirrored bool, correlation) of the best partner of each thumbnail of `left`."""
    found, flags, best = [], [], []
    for _, plain, mirrored in blocks(left, right):
        rows = np.arange(len(plain))
        at, at_m = plain.argmax(1), mirrored.argmax(1)
        value, value_m = plain[rows, at], mirrored[rows, at_m]
        flip = value_m > value
        found.append(np.where(flip, at_m, at))
        flags.append(flip)
        best.append(np.where(flip, value_m, value))
    return np.concatenate(found), np.concatenate(flags), np.concatenate(best)

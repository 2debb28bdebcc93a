"""Twins: which files show the same picture, byte for byte, nearly, or left-right mirrored.

Every file becomes a 64×64 grey thumbnail; two files are twins when the thumbnails, or one
thumbnail and the other's mirror image, correlate at `THRESHOLD` or more. Twins of twins
belong together, so the groups are the connected components of that graph.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from tqdm import tqdm

from gcaf_lib.data.dataset import DataError, Dataset
from gcaf_lib.settings import cache_dir

SIDE = 64
# The valley of the histogram of similarities between files (`histogram`, chapter 16). A file
# against its figshare slice leaves no choice at all: best matches are below 0.91 or above 0.999.
THRESHOLD = 0.99
BLOCK = 1024  # rows of a correlation block: 1024 × 7,023 float32 are 29 MB


def shrink(image: np.ndarray) -> np.ndarray:
    """Grey image (H,W), any number type, reduced to uint8 (64,64) with INTER_AREA."""
    if image.dtype != np.uint8:
        image = image.astype(np.float32)
        low, high = float(image.min()), float(image.max())
        image = np.round((image - low) * (255.0 / max(high - low, 1e-12))).astype(np.uint8)
    return cv2.resize(np.ascontiguousarray(image), (SIDE, SIDE), interpolation=cv2.INTER_AREA)


def grey(path: Path) -> np.ndarray:
    """Image file as grey uint8 (H,W); raises `DataError` if it cannot be decoded."""
    data = np.frombuffer(Path(path).read_bytes(), np.uint8)
    image = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE) if data.size else None
    if image is None:
        raise DataError(f"{path} is not a readable image; run `gcaf data check` and fetch it again")
    return image


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
    store.parent.mkdir(parents=True, exist_ok=True)
    part = store.with_name(f".{store.name}.{os.getpid()}")
    with part.open("wb") as file:
        np.save(file, out)
    os.replace(part, store)
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


def pairs(thumbs: np.ndarray, threshold: float = THRESHOLD) -> pd.DataFrame:
    """Pairs of rows at or above `threshold`: columns left < right, similarity, mirrored."""
    out = []
    for start, plain, mirrored in blocks(thumbs, thumbs):
        value = np.maximum(plain, mirrored)
        i, j = np.nonzero(value >= threshold)
        keep = i + start < j
        i, j = i[keep], j[keep]
        flag = mirrored[i, j] > plain[i, j]
        out.append(pd.DataFrame({"left": i + start, "right": j, "similarity": value[i, j], "mirrored": flag}))
    return pd.concat(out, ignore_index=True)


def histogram(thumbs: np.ndarray, low: float = 0.9, bins: int = 40) -> pd.DataFrame:
    """Histogram of all pair similarities from `low` to 1: columns left, right (bin edges), plain, mirrored.

    The threshold stands in its valley: to the left neighbouring slices of one patient, to the
    right copies of one slice.
    """
    edges = np.linspace(low, 1.0, bins + 1)
    found = pairs(thumbs, low)
    # float32 dot products of identical images may end a hair above 1
    value = found["similarity"].to_numpy().clip(max=1.0)
    flag = found["mirrored"].to_numpy(bool)
    return pd.DataFrame(
        {
            "left": edges[:-1],
            "right": edges[1:],
            "plain": np.histogram(value[~flag], edges)[0],
            "mirrored": np.histogram(value[flag], edges)[0],
        }
    )


def join(*keys: np.ndarray) -> np.ndarray:
    """Coarsest grouping (N,) int in which rows that share any of the keys share a group.

    Each key is an (N,) array; None or NaN means that the row is joined with nobody by that key.
    """
    size = len(keys[0])
    rows = np.arange(size)
    edges = []
    for key in keys:
        codes = pd.factorize(np.asarray(key, dtype=object))[0]
        known = codes >= 0
        first = np.full(codes.max(initial=-1) + 1, -1)
        first[codes[known][::-1]] = rows[known][::-1]  # the last writer is the first row of its code
        edges.append((rows[known], first[codes[known]]))
    i, j = (np.concatenate(side) for side in zip(*edges))
    graph = coo_matrix((np.ones(len(i), np.int32), (i, j)), shape=(size, size))
    return connected_components(graph, directed=False)[1]


def groups(frame: pd.DataFrame, thumbs: np.ndarray, threshold: float = THRESHOLD) -> np.ndarray:
    """Twin groups (N,) int: identical bytes, or thumbnails that correlate at `threshold` plain or mirrored."""
    found = pairs(thumbs, threshold)
    graph = coo_matrix(
        (np.ones(len(found), np.int32), (found["left"], found["right"])), shape=(len(frame), len(frame))
    )
    alike = connected_components(graph, directed=False)[1]
    return join(alike, frame["sha256"].to_numpy())

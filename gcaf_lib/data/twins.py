"""Twins: which files show the same picture, whatever was done to it.

Copies of a picture in this dataset are mirrored, turned upside down, brightened, darkened, sharpened,
re-encoded, or framed anew. So each file is looked at twice, whole and cut to what is not background,
reduced to a grey square, and rid of its local mean and spread (what was cut tighter has its structure elsewhere:
`data.keypoints`):

    d = (x - μ) / (s + 8),    μ, s: mean and spread under a Gaussian of σ = 4 pixels (of 128)

which takes brightness and contrast out and leaves structure. Two files are as alike as the best correlation
of d over both looks and four ways to turn one of them. Twins of twins belong together, so the groups are
the connected components.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import pandas as pd
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from tqdm import tqdm

from gcaf_lib.data import files
from gcaf_lib.data.dataset import Dataset
from gcaf_lib.data.decode import grey
from gcaf_lib.data.thumbnails import BLOCK, normalise, squares
from gcaf_lib.machine import write_table
from gcaf_lib.settings import cache_dir, digest

SIDE, COARSE = 128, 32  # pixels: of the comparison, and of the screen before it
SIGMA = 4 / 128  # of the local mean and spread, as a share of the side
# Of the histogram of similarities (`histogram`, chapter 16): copies lie above. So do a few neighbouring slices of one
# patient, who is known then; the others lie below.
THRESHOLD = 0.8
# Between files of which no patient is known the histogram is empty down to here. In doubt they are joined:
# nobody could tell whether they are slices of one head.
DOUBT = 0.65
FLOOR = 0.6  # pairs less alike are not kept
SCREEN = 0.1  # a pair at x on 128 pixels has at least x - 0.1 on 32 (measured from 0.65 up: x - 0.02)
TURNS = ("as it is", "left-right", "up-down", "both")  # index: 1 for left-right + 2 for up-down
PAIRS = 256  # compared at full size at a time: two arrays of 17 MB
_VERSION = 1


def trim(image: np.ndarray) -> np.ndarray:
    """Grey image (H,W) without its dark margins; whole where little would be left.

    Dark is what lies below half of Otsu's threshold: the background of some pictures is a grey of 40.
    """
    level, _ = cv2.threshold(image, 0, 255, cv2.THRESH_OTSU)
    light = (image > level / 2).view(np.uint8)
    counts = (cv2.reduce(light, axis, cv2.REDUCE_SUM, dtype=cv2.CV_32S).ravel() for axis in (1, 0))
    rows, columns = (np.flatnonzero(n / side > 0.02) for n, side in zip(counts, image.shape[::-1]))
    if len(rows) < 16 or len(columns) < 16:
        return image
    return image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def looks(image: np.ndarray) -> np.ndarray:
    """uint8 (2,128,128) of a grey image (H,W): whole, and trimmed."""
    return squares((image, trim(image)), SIDE)


def structure(image: np.ndarray) -> np.ndarray:
    """float32 (H,W): an image without its local mean and spread, the d above; σ goes with the longer side."""
    x, sigma = image.astype(np.float32), SIGMA * max(image.shape)
    mean = cv2.GaussianBlur(x, (0, 0), sigma)
    spread = np.sqrt(np.maximum(cv2.GaussianBlur(x * x, (0, 0), sigma) - mean * mean, 0))
    return (x - mean) / (spread + 8)


def describe(images: np.ndarray) -> np.ndarray:
    """float32 (N,S,S): `structure` of images (N,S,S), each of zero mean and unit length."""
    out = np.empty(images.shape, np.float32)
    for number, image in enumerate(images):
        out[number] = normalise(structure(image)[None])[0].reshape(image.shape)
    return out


def turn(images: np.ndarray, way: int) -> np.ndarray:
    """(N,H,W) turned by TURNS[way]; doing it twice undoes it."""
    return images[:, :: -1 if way & 2 else 1, :: -1 if way & 1 else 1]


def _screened(images: np.ndarray, floor: float) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(left, right) rows, left < right, of the pairs that are worth a comparison at full size."""
    unit = describe(squares(images, COARSE))
    flat = [np.ascontiguousarray(turn(unit, way)).reshape(len(unit), -1) for way in range(4)]
    for start in range(0, len(unit), BLOCK):
        rows = flat[0][start : start + BLOCK]
        found = np.zeros((len(rows), len(unit) - start), bool)
        for turned in flat:
            found |= rows @ turned[start:].T >= floor - SCREEN
        left, right = np.nonzero(np.triu(found, 1))
        yield left + start, right + start


def compare(images: np.ndarray, floor: float = FLOOR, progress: bool = True) -> pd.DataFrame:
    """Pairs of rows at or above `floor`: columns left < right, similarity (float32), turn (index of TURNS).

    images: uint8 (N,2,128,128), the `looks` of N files. A constant image is nobody's twin.
    """
    out = [pd.DataFrame({"left": [0], "right": [0], "similarity": np.float32([0]), "turn": [0]})[:0]]
    for look in tqdm((0, 1), "comparing files", disable=None if progress else True):
        pairs = [np.concatenate(side) for side in zip(*_screened(images[:, look], floor))]
        unit = describe(images[:, look])
        for at in range(0, len(pairs[0]), PAIRS):
            left, right = (side[at : at + PAIRS] for side in pairs)
            a, b = unit[left], unit[right]
            value = np.stack([np.einsum("nij,nij->n", a, turn(b, way)) for way in range(4)])
            way = value.argmax(0)
            table = {"left": left, "right": right, "similarity": value.max(0).clip(max=1), "turn": way}
            out.append(pd.DataFrame(table))
    found = pd.concat(out, ignore_index=True)
    found = found[found["similarity"] >= floor].sort_values("similarity", ascending=False, kind="stable")
    return found.drop_duplicates(["left", "right"]).sort_values(["left", "right"], ignore_index=True)


def pairs(dataset: Dataset, progress: bool = True) -> pd.DataFrame:
    """`compare` of all files of a dataset, in the order of dataset.frame; kept in the cache folder.

    Raises `DataError` when the dataset has no images on this machine, or one can't be decoded.
    """
    store = cache_dir() / "twins" / f"{digest([dataset.hash, _VERSION])}.csv"
    if store.is_file():
        return pd.read_csv(store).astype({"similarity": np.float32})
    paths = files.paths(dataset, "finding copies needs the")
    images = np.stack(files.each(lambda path: looks(grey(path)), paths, "reading files", progress))
    found = compare(images, progress=progress)
    write_table(store, found, "%.5f")
    return found


def copies(found: pd.DataFrame, known: np.ndarray) -> pd.DataFrame:
    """The pairs that count as copies: at `THRESHOLD`, or at `DOUBT` where of neither file the patient is known.

    found: what `compare` gives; known (N,) bool: of which files the patient is known.
    """
    bar = np.where(known[found["left"]] | known[found["right"]], THRESHOLD, DOUBT)
    return found[found["similarity"] >= bar]


def groups(frame: pd.DataFrame, found: pd.DataFrame) -> np.ndarray:
    """Twin groups (N,) int of the rows of `frame`: identical bytes, or joined by the pairs `found` (`copies`)."""
    return join(_connected(len(frame), found["left"], found["right"]), frame["sha256"].to_numpy())


def _connected(size: int, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Connected component (N,) of each of `size` numbers, left (M,) and right (M,) being joined; in their order."""
    graph = coo_matrix((np.ones(len(left), np.int32), (left, right)), shape=(size, size))
    return connected_components(graph, directed=False)[1]


def representatives(groups: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first row of each group, and whether nothing is known of the whole group: (G,) int and (G,) bool.

    groups (N,) of rows; known (N,) bool: of which rows the patient is known.
    """
    first = np.unique(groups, return_index=True)[1]
    return first, ~pd.Series(known).groupby(groups).any().to_numpy()


def opened(dataset: Dataset, rows: np.ndarray) -> list[np.ndarray]:
    """Grey images of some rows of dataset.frame, opened side by side."""
    paths = files.paths(dataset, "finding copies needs the")
    return files.each(grey, [paths[row] for row in rows])


def histogram(found: pd.DataFrame, floor: float = FLOOR, bins: int = 40) -> pd.DataFrame:
    """Numbers of pairs by similarity from `floor` to 1: left, right (bin edges), and one column a turn."""
    edges = np.linspace(floor, 1.0, bins + 1)
    columns = {
        name: np.histogram(found["similarity"][found["turn"] == way], edges)[0]
        for way, name in enumerate(TURNS)
    }
    return pd.DataFrame({"left": edges[:-1], "right": edges[1:], **columns})


def join(*keys: np.ndarray) -> np.ndarray:
    """Coarsest grouping (N,) int in which rows that share any of the keys share a group.

    Each key is an (N,) array; None or NaN means that the row is joined with nobody by that key.
    """
    size = total = len(keys[0])
    edges = []
    for key in keys:  # what a key may be is numbered behind the rows, and joined with those that have it
        codes = pd.factorize(np.asarray(key, dtype=object))[0]
        rows = np.flatnonzero(codes >= 0)
        edges.append((rows, codes[rows] + total))
        total += codes.max(initial=-1) + 1
    return _connected(total, *(np.concatenate(side) for side in zip(*edges)))[:size]

"""Keypoints: copies that were cut out anew, which correlation at one place (`data.twins`) can't find.

A picture cut tighter, or in a corner, keeps its structure but not its place in the square. So places are looked for
that look alike (SIFT, Lowe 2004; as RootSIFT, Arandjelović and Zisserman 2012), in the picture and in its mirror image:

    1. screen: each keypoint of a picture votes for the picture that holds its nearest neighbour of all;
    2. fit: where the votes are, a shift, turn and scale by RANSAC over the matches that pass Lowe's ratio test;
    3. judge: laid over each other by it, the two correlate in their local structure where both show something.

Between files of known patients nothing is looked for: which slice they show is known from the archive.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd

from gcaf_lib.data import files
from gcaf_lib.data.dataset import Dataset
from gcaf_lib.data.twins import opened, representatives, structure
from gcaf_lib.machine import write_table
from gcaf_lib.settings import cache_dir, digest

SIDE = 256  # pixels of the longer side
COUNT, ASKED = 150, 75  # keypoints of a picture, and how many of them, the strongest, vote
VOTES = 3  # of 75, for a pair to be looked at
AXES = 32  # principal axes of the descriptors, enough to vote by
BLOCK = 8192  # descriptors compared at a time: what fits a core's cache
RATIO = 0.8  # of the nearest neighbour's distance to the second's, at most (Lowe)
REACH = 4  # pixels between a point and where RANSAC's fit puts it, at most
SCALES = (0.4, 2.5)  # of one picture against the other, both at `SIDE`
INLIERS = 10  # different points of one place, at least, for an alignment to mean anything
THRESHOLD = 0.75  # of the correlation after alignment (`pairs`, chapter 16)
FLOOR = 0.0  # pairs less alike are not kept
SHOWN = 20  # grey values above which a pixel is no background
OVERLAP = 0.1  # of the picture that both have to show
COLUMNS = {"left": int, "right": int, "similarity": np.float32, "turn": int, "inliers": int, "scale": float}
_VERSION = 2


class Keypoints(NamedTuple):
    """points (K,2) float32 in pixels (x, y), the strongest first; descriptors (K,128) float32 of unit length."""

    points: np.ndarray
    descriptors: np.ndarray


class Fit(NamedTuple):
    """matrix (2,3): a similarity that carries points of the second picture onto the first's; inliers: how many it does."""

    matrix: np.ndarray
    inliers: int

    @property
    def scale(self) -> float:
        return float(np.hypot(*self.matrix[:, 0]))

    @property
    def angle(self) -> float:
        """Degrees, -180 to 180."""
        return float(np.degrees(np.arctan2(self.matrix[1, 0], self.matrix[0, 0])))


def shrink(image: np.ndarray) -> np.ndarray:
    """Grey image (H,W) with a longer side of `SIDE` pixels."""
    k = SIDE / max(image.shape)
    return cv2.resize(image, None, fx=k, fy=k, interpolation=cv2.INTER_AREA if k < 1 else cv2.INTER_LINEAR)


def detect(image: np.ndarray) -> Keypoints:
    """The `COUNT` strongest SIFT keypoints of a grey image (H,W), its local contrast equalised (CLAHE)."""
    even = cv2.createCLAHE(2.0, (8, 8)).apply(np.ascontiguousarray(image))
    points, found = cv2.SIFT_create(COUNT, contrastThreshold=0.02).detectAndCompute(even, None)
    if found is None:
        return Keypoints(np.zeros((0, 2), np.float32), np.zeros((0, 128), np.float32))
    order = np.argsort([-point.response for point in points], kind="stable")[:COUNT]
    root = np.sqrt(found / (found.sum(1, keepdims=True) + 1e-9))
    return Keypoints(np.float32([points[k].pt for k in order]), root[order].astype(np.float32))


def fit(one: Keypoints, two: Keypoints) -> Fit | None:
    """The similarity that RANSAC finds among the matches of `one` in `two` that pass the ratio test; None where none is."""
    if min(len(one.points), len(two.points)) < 3:
        return None
    cosine = one.descriptors @ two.descriptors.T
    second, first = np.partition(cosine, -2, 1)[:, -2:].T
    good = 2 - 2 * first < RATIO**2 * (2 - 2 * second)  # squared distances of unit vectors
    if good.sum() < INLIERS:
        return None
    ours, theirs = one.points[good], two.points[cosine.argmax(1)[good]]
    matrix, kept = cv2.estimateAffinePartial2D(theirs, ours, ransacReprojThreshold=REACH)
    if matrix is None:
        return None
    kept = kept.ravel() > 0
    # many keypoints at one place, in several directions, are one
    return Fit(matrix, min(len(np.unique(side[kept].round(), axis=0)) for side in (ours, theirs)))


def likeness(one: np.ndarray, two: np.ndarray, matrix: np.ndarray) -> float:
    """Correlation of the local structure of `one` (H,W) and of `two` laid over it, where both show something; else 0."""
    size = one.shape[::-1]
    laid = cv2.warpAffine(two, matrix, size)
    both = (one > SHOWN) & (laid > SHOWN)
    # what lies at the rim of the overlap has other neighbours in one picture than in the other
    both = cv2.erode(both.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    if both.mean() < OVERLAP:
        return 0.0
    a, b = (structure(image)[both] for image in (one, laid))
    return float(np.corrcoef(a, b)[0, 1]) if a.std() and b.std() else 0.0


def _turn(mirrored: bool, angle: float) -> int:
    """Index of `twins.TURNS` that is nearest: a mirror image turned by half a circle is one upside down."""
    return (0, 3, 1, 2)[2 * mirrored + (abs(angle) > 90)]


def votes(asked: list[Keypoints], own: np.ndarray, pool: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """int (A,P): how many of the `ASKED` strongest keypoints have their nearest neighbour in picture p, not their own.

    asked: A pictures; own (A,): their numbers among the P; pool (M,128) all descriptors, owner (M,) rising: of which picture.
    """
    middle = pool.mean(0)
    axes = np.linalg.svd(pool[:: len(pool) // 10_000 + 1] - middle, full_matrices=False)[2][:AXES].T
    flat = (pool - middle) @ axes
    half = (flat**2).sum(1) / 2  # nearest: the largest of a·b - b·b/2

    def ask(number: int) -> np.ndarray:
        query = (asked[number].descriptors[:ASKED] - middle) @ axes
        best, where = np.full(len(query), -np.inf, np.float32), np.zeros(len(query), int)
        for start in range(0, len(flat), BLOCK):
            near = query @ flat[start : start + BLOCK].T - half[start : start + BLOCK]
            near[:, owner[start : start + BLOCK] == own[number]] = -np.inf
            at = near.argmax(1)
            value = near[np.arange(len(near)), at]
            better = value > best
            best[better], where[better] = value[better], at[better] + start
        return np.bincount(owner[where], minlength=owner[-1] + 1)

    return np.stack(files.each(ask, range(len(asked))))


def search(images: list[np.ndarray], asked: np.ndarray, progress: bool = True) -> pd.DataFrame:
    """Pairs of pictures, at least one of them asked for, that show one place: one row a pair.

    images: P grey ones (H,W); asked: numbers of those to be looked for among all. Columns: left < right (numbers),
    similarity (`likeness`, at or above `FLOOR`), turn (index of `twins.TURNS`), inliers, scale (of the right one's pixels).
    """
    if not len(asked):
        return pd.DataFrame(columns=list(COLUMNS)).astype(COLUMNS)
    small = files.each(shrink, images)
    mirrors = {number: np.ascontiguousarray(small[number][:, ::-1]) for number in asked}
    found = files.each(detect, [*small, *mirrors.values()], "finding keypoints", progress)
    plain, mirrored = found[: len(small)], found[len(small) :]
    pool = np.concatenate([one.descriptors for one in plain])
    owner = np.repeat(np.arange(len(plain)), [len(one.points) for one in plain])
    rows = []
    for flip, queries in enumerate(([plain[number] for number in asked], mirrored)):
        for at, other in np.argwhere(votes(queries, asked, pool, owner) >= VOTES):
            number = asked[at]
            near = fit(plain[other], queries[at])
            if near is None or near.inliers < INLIERS or not SCALES[0] < near.scale < SCALES[1]:
                continue
            value = likeness(small[other], mirrors[number] if flip else small[number], near.matrix)
            scale = near.scale if number > other else 1 / near.scale
            pair = (min(number, other), max(number, other))
            rows.append((*pair, value, _turn(bool(flip), near.angle), near.inliers, scale))
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table = table[table["similarity"] >= FLOOR].sort_values("similarity", ascending=False, kind="stable")
    table = table.drop_duplicates(["left", "right"]).astype(COLUMNS)
    return table.sort_values(["left", "right"], ignore_index=True)


def pairs(dataset: Dataset, groups: np.ndarray, known: np.ndarray, progress: bool = True) -> pd.DataFrame:
    """`search` over the first file of each group, for groups of no known patient; kept in the cache folder.

    groups (N,): `twins.groups` of the dataset's rows; known (N,) bool: of which files the patient is known. left and
    right are rows of dataset.frame.
    """
    first, alone = representatives(groups, known)
    asked = np.flatnonzero(alone)
    key = digest([dataset.hash, first.tolist(), asked.tolist(), _VERSION])
    store = cache_dir() / "twins" / f"{key}.csv"
    if store.is_file():
        return pd.read_csv(store).astype(COLUMNS)
    found = search(opened(dataset, first), asked, progress)
    found["left"], found["right"] = first[found["left"]], first[found["right"]]
    write_table(store, found, "%.5f")
    return found

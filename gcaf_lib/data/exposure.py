"""Exposure: how many of a split's test images training knows already, by a copy detector that made no split.

The groups that a split keeps apart can't tell what they missed: measured with them, exposure is 0 by
construction. So copies are looked for a second time, and otherwise than in `data.twins` and `data.keypoints`:

- by the edges (the square root of the gradient's magnitude), at 40×40 pixels, whole and cut to Otsu's foreground, in all
  eight ways to turn and mirror a square;
- cut out anew: among files of one class, one of them of an unknown patient, by ORB keypoints (Rublee 2011), every pair
  tried; an alignment by them counts where the edges then agree.

Patients come from the figshare archive's own numbers.

    python -m gcaf_lib.data.exposure    # writes results/exposure.csv (needs images and figshare data)
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from gcaf_lib.data import committed, files, splits, thumbnails, twins
from gcaf_lib.data.dataset import Dataset, open_dataset
from gcaf_lib.data.decode import grey
from gcaf_lib.settings import CLASSES, DataSettings
from gcaf_lib.terminal import arguments

SIDE = 40
# Of `alike`. On the real images it finds a copy of 99.0% of the tumour-free files that the splits' descriptor gives
# one, and of 99.97% of the tumour files; of pairs that are no copies 20 reach it, all neighbouring slices of one patient.
THRESHOLD = 0.97
WIDE = 384  # pixels of the longer side, for keypoints
INLIERS, AGREE = 30, 0.5  # of one alignment: keypoints that it carries over, correlation of edges afterwards
COLUMNS = ["protocol", "class", "images", "with_copy", "with_patient"]
_ROWS = 512  # of a correlation block


def steepness(image: np.ndarray) -> np.ndarray:
    """float32 (H,W): the square root of the gradient's magnitude."""
    return np.sqrt(np.hypot(*(cv2.Sobel(image, cv2.CV_32F, *axis) for axis in ((1, 0), (0, 1)))))


def edges(image: np.ndarray) -> np.ndarray:
    """float32 (2,40,40) of a grey image (H,W): edges of the whole, and of its foreground (Otsu's threshold, halved)."""
    level, _ = cv2.threshold(image, 0, 255, cv2.THRESH_OTSU)
    x, y, width, height = cv2.boundingRect((image > level / 2).astype(np.uint8))
    looks = (image, image[y : y + height, x : x + width] if width and height else image)
    return np.stack([steepness(look) for look in thumbnails.squares(looks, SIDE)])


def alike(drawn: np.ndarray, threshold: float = THRESHOLD) -> csr_matrix:
    """Symmetric bool (N,N): pairs whose `edges` (N,2,40,40) correlate at `threshold`, in either look and any of eight ways."""
    size, pairs = len(drawn), []
    for look in (0, 1):
        unit = thumbnails.normalise(drawn[:, look])
        for way in range(8):
            turned = np.rot90(drawn[:, look], way % 4, (1, 2))
            other = thumbnails.normalise(turned[:, :, ::-1] if way > 3 else turned)
            for start in range(0, size, _ROWS):
                near = unit[start : start + _ROWS] @ other[start:].T >= threshold
                pairs.append(start + np.array(np.nonzero(near)))
    pairs = np.concatenate(pairs, axis=1)
    found = csr_matrix((np.ones(pairs.shape[1], bool), pairs), shape=(size, size))
    return found.maximum(found.T)


class Drawn(NamedTuple):
    """A picture for keypoints: edges (H,W) float32, points (K,2), descriptors (K,32) uint8."""

    edges: np.ndarray
    points: np.ndarray
    descriptors: np.ndarray


def places(image: np.ndarray) -> Drawn:
    """The 250 strongest ORB keypoints of a grey image (H,W) at `WIDE` pixels, and its edges."""
    k = WIDE / max(image.shape)
    how = cv2.INTER_AREA if k < 1 else cv2.INTER_CUBIC
    image = cv2.equalizeHist(cv2.resize(image, None, fx=k, fy=k, interpolation=how))
    points, found = cv2.ORB_create(250, 1.15, 8, fastThreshold=7).detectAndCompute(image, None)
    found = np.zeros((0, 32), np.uint8) if found is None else found
    at = np.float32([point.pt for point in points]).reshape(-1, 2)
    return Drawn(steepness(cv2.GaussianBlur(image, (0, 0), 2)), at, found)


def same_place(one: Drawn, two: Drawn) -> bool:
    """Whether keypoints lay `two` over `one` such that the edges of both agree."""
    if min(len(one.points), len(two.points)) < INLIERS:
        return False
    near = cv2.BFMatcher(cv2.NORM_HAMMING).knnMatch(one.descriptors, two.descriptors, k=2)
    good = [m for m, n in near if m.distance < 0.8 * n.distance]
    if len(good) < INLIERS:
        return False
    ours, theirs = one.points[[m.queryIdx for m in good]], two.points[[m.trainIdx for m in good]]
    matrix, kept = cv2.estimateAffinePartial2D(theirs, ours, ransacReprojThreshold=5)
    if matrix is None or kept.sum() < INLIERS:
        return False
    size = one.edges.shape[::-1]
    laid, both = (cv2.warpAffine(of, matrix, size) for of in (two.edges, np.ones_like(two.edges)))
    both = (both > 0.99) & ((one.edges > 1) | (laid > 1))
    if both.mean() < 0.1:
        return False
    return np.corrcoef(one.edges[both], laid[both])[0, 1] >= AGREE


def cut_anew(images: list[np.ndarray], labels: np.ndarray, asked: np.ndarray) -> list[tuple[int, int]]:
    """Pairs of pictures (left < right) of one class, at least one of them asked for, that show one place, mirrored or not.

    images: P grey ones (H,W); labels (P,); asked (P,) bool.
    """
    plain = files.each(places, images)
    mirrored = files.each(lambda image: places(np.ascontiguousarray(image[:, ::-1])), images)

    def seek(one: int) -> list[tuple[int, int]]:
        # a pair of two that are asked for is tried once
        others = np.flatnonzero((labels == labels[one]) & (~asked | (np.arange(len(labels)) > one)))
        return [
            (min(one, two), max(one, two))
            for two in others
            if any(same_place(each[two], plain[one]) for each in (plain, mirrored))
        ]

    found = files.each(seek, np.flatnonzero(asked), "copies cut out anew")
    return [pair for pairs in found for pair in pairs]


def copies(dataset: Dataset, patient: np.ndarray) -> csr_matrix:
    """Symmetric bool (N,N): files that are `alike`, and those whose families a pair of `cut_anew` joins.

    patient (N,): None where unknown. One file of each family, by the edges, is looked at. Raises `DataError` where one
    can't be read.
    """
    paths = files.paths(dataset, "finding copies needs the")
    near = alike(np.stack(files.each(lambda path: edges(grey(path)), paths)))
    family = connected_components(near, directed=False)[1]
    first, asked = twins.representatives(family, pd.notna(patient))
    if not asked.any():
        return near
    labels = dataset.frame["label"].to_numpy(int)[first]
    pairs = np.reshape(cut_anew(twins.opened(dataset, first), labels, asked), (-1, 2)).astype(int)
    link = csr_matrix((np.ones(len(pairs), bool), pairs.T), shape=(len(first), len(first)))
    member = csr_matrix((np.ones(len(family), bool), (np.arange(len(family)), family)))
    return near.maximum(member @ link.maximum(link.T) @ member.T)


def exposure(
    part: np.ndarray, labels: np.ndarray, copies: csr_matrix, patient: np.ndarray
) -> list[tuple[str, int, float, float]]:
    """(class or "all", test images, share with a copy in training, share with a slice of the same patient there).

    part (N,): train, validation, test, or "" for what is not in use; copies: `alike`; patient (N,): None where unknown.
    """
    train, test, known = part == "train", np.flatnonzero(part == "test"), pd.notna(patient)
    copied = np.asarray(copies[test][:, np.flatnonzero(train)].sum(1)).ravel() > 0
    seen = known[test] & np.isin(patient[test].astype(str), patient[train & known].astype(str))
    rows = [(name, labels[test] == k) for k, name in enumerate(CLASSES)] + [("all", np.ones(len(test), bool))]
    return [(name, int(own.sum()), copied[own].mean(), seen[own].mean()) for name, own in rows if own.any()]


def compute(
    dataset: Dataset,
    figshare_path: str | Path | None = None,
    protocols: Sequence[str] = splits.MANIFESTS,
) -> pd.DataFrame:
    """`COLUMNS` of each of `protocols`; `patients-5fold`: the five folds' test images together."""
    labels, patient = dataset.frame["label"].to_numpy(int), splits.patients(dataset, figshare_path)
    found, out = copies(dataset, patient), []
    for protocol in protocols:
        each = pd.DataFrame(
            [row for part in parts(protocol, dataset) for row in exposure(part, labels, found, patient)]
        )
        each[[2, 3]] = each[[2, 3]].mul(each[1], axis=0)
        for name, (images, copied, seen) in each.groupby(0, sort=False).sum().iterrows():
            out.append((protocol, name, int(images), copied / images, seen / images))
    return pd.DataFrame(out, columns=COLUMNS)


def parts(protocol: str, dataset: Dataset, classes: tuple[str, ...] = CLASSES) -> list[np.ndarray]:
    """Part (N,) of each image in a split of `splits.MANIFESTS`, or in each of the five folds."""
    folds = range(splits.FOLDS)
    asked = [("patients", fold) for fold in folds] if protocol == splits.FIVEFOLD else [(protocol, None)]
    common = {"source": "phantom" if dataset.banner else "mri", "classes": classes}
    settings = [DataSettings(protocol=name, fold=fold, **common) for name, fold in asked]
    return [splits.load(one, dataset)["part"].to_numpy() for one in settings]


def read(
    dataset: Dataset, place: Path | None = None, protocols: Sequence[str] = splits.MANIFESTS
) -> pd.DataFrame:
    """The committed table; phantoms are measured on the spot, on these protocols."""
    if dataset.banner:
        return compute(dataset, protocols=protocols)
    found = committed.read("exposure.csv", "gcaf_lib.data.exposure", place)
    return found[found["protocol"].isin(protocols)]


if __name__ == "__main__":
    arguments(__doc__)
    print(committed.write("exposure.csv", compute(open_dataset(DataSettings())), "%.5f"))

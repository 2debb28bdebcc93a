"""Floors: what needs no network. A model is worth its distance from them, on the same split.

    1nn         nearest training thumbnail (64×64 grey pixels, Euclidean distance)
    1nn-mirror  the same, also looking at the mirror image
    size        logistic regression on width, height, aspect and mode of the file
    border      logistic regression on grey-value statistics of the image's outer frame
    masked      PCA and logistic regression on the image with its tumour masked out (`mask_out`)

All are fitted on the train part alone and scored on the test part. What the two look-ups answer to each image is kept too
(`results/floors_answers.npz`), so that a model can be paired with them.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tqdm import tqdm

from gcaf_lib.data import committed, exposure, figshare, files, splits, thumbnails
from gcaf_lib.data.dataset import DataError, Dataset
from gcaf_lib.evaluation import bootstrap, units, worth
from gcaf_lib.machine import whole
from gcaf_lib.settings import CLASSES, results_dir

MODULE = "gcaf_lib.evaluation.hints"  # run by itself it makes what is committed
LOOK_UPS = ("1nn", "1nn-mirror")  # whose answers are kept image by image
FLOORS = (*LOOK_UPS, "size", "border", "masked")
ANSWERS = "floors_answers.npz"
COLUMNS = ("floor", "protocol", "accuracy", "macro_f1", "low", "high", "n", "sd", "f1_low", "f1_high",
           "picture", "picture_low", "picture_high", "picture_f1", "picture_f1_low", "picture_f1_high")  # fmt: skip
FRAME = 4  # pixels of a 64-pixel thumbnail: the outer sixteenth on every side
MARGIN = 0.1  # by which a tumour's box grows on every side, share of its size: enhancement fades out
FREQUENT = 20  # files of one size that make it worth a column
COMPONENTS = 64  # of the PCA


@dataclass(frozen=True)
class Features:
    """What the floors see, one row a file: thumbnails plain and mirrored as rows of 0..1 (N,4096), and
    the design matrices size (N,p), border (N,q), masked (N,1024), all float32."""

    plain: np.ndarray
    mirrored: np.ndarray
    size: np.ndarray
    border: np.ndarray
    masked: np.ndarray


def size_features(frame: pd.DataFrame) -> np.ndarray:
    """(N,p): width, height, aspect, one column for each image mode and one for each frequent size.

    Sizes of at least `FREQUENT` files get a column of their own: a line through width and height
    cannot say "exactly 512×512". Nothing of the image's content goes in, and no label.
    """
    width, height = frame["width"].to_numpy(float), frame["height"].to_numpy(float)
    modes = pd.get_dummies(frame["mode"]).to_numpy(float)
    names = frame["width"].astype(str) + "x" + frame["height"].astype(str)
    count = names.map(names.value_counts())
    sizes = pd.get_dummies(names.where(count >= FREQUENT)).to_numpy(float)
    return np.column_stack([width, height, width / height, modes, sizes]).astype(np.float32)


def border_features(thumbs: np.ndarray) -> np.ndarray:
    """(N,15): mean and sd of each side's strip, and mean, sd and five quantiles of the whole outer frame."""
    inside = np.zeros(thumbs.shape[1:], bool)
    inside[FRAME:-FRAME, FRAME:-FRAME] = True
    ring = thumbs[:, ~inside].astype(np.float32)
    sides = [thumbs[:, :FRAME], thumbs[:, -FRAME:], thumbs[:, :, :FRAME], thumbs[:, :, -FRAME:]]
    columns = [f(side, axis=(1, 2)) for side in sides for f in (np.mean, np.std)]
    columns += [ring.mean(1), ring.std(1), *np.quantile(ring, [0.05, 0.25, 0.5, 0.75, 0.95], axis=1)]
    return np.column_stack(columns).astype(np.float32)


def boxes(dataset: Dataset, figshare_path: str | Path | None = None) -> np.ndarray:
    """(N,4) x0, y0, x1, y1 of each file's tumour in fractions of width and height, NaN where unknown.

    From figshare's tumour borders; of phantoms from their masks.
    """
    out = np.full((len(dataset.frame), 4), np.nan)
    if dataset.banner:
        for row, mask in files.masks(dataset).items():
            (y, x), (height, width) = np.nonzero(mask), mask.shape
            out[row] = x.min() / width, y.min() / height, (x.max() + 1) / width, (y.max() + 1) / height
        return out
    for row, polygon in figshare.of_dataset(dataset, figshare_path).items():
        out[row] = *polygon.min(0), *polygon.max(0)
    return out


def fill(image: np.ndarray, box: np.ndarray) -> None:
    """Fill a box (x0,y0,x1,y1 in fractions, grown by `MARGIN`) with the mean of the pixels around it, in place."""
    side = image.shape[0]
    grow = MARGIN * (box[2:] - box[:2])
    x0, y0 = np.floor((box[:2] - grow) * side).astype(int).clip(0, side - 1)
    x1, y1 = np.ceil((box[2:] + grow) * side).astype(int).clip(1, side)
    around = image[max(y0 - 2, 0) : y1 + 2, max(x0 - 2, 0) : x1 + 2]
    inside = image[y0:y1, x0:x1]
    outside = around.size - inside.size
    # a sum over the window less the box: the mean of the ring of two pixels
    inside[:] = (around.sum() - inside.sum()) / outside if outside else image.mean()


def mask_out(thumbs: np.ndarray, labels: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Thumbnails (N,64,64) without their tumours: three boxes of each, one a tumour class, are filled.

    A hole where the tumour was would itself tell the class (pituitary tumours sit in the
    middle). So every image gets one box of each tumour class: its own tumour's box where it is known,
    and for the other classes (all three, if it is unknown or there is no tumour) the box of
    a random image of that class. The holes are then distributed alike for all classes. Tumours of
    unknown place may stay visible (`known` (N,4) NaN: about 6% of the tumour images).
    """
    rng = np.random.default_rng(0)
    out = thumbs.astype(np.float32)
    have = ~np.isnan(known[:, 0])
    for label in range(len(CLASSES)):
        donors = np.flatnonzero(have & (labels == label))
        if not len(donors):
            continue
        chosen = rng.choice(donors, len(thumbs))
        own = have & (labels == label)
        chosen[own] = np.flatnonzero(own)
        for image, box in zip(out, known[chosen]):
            fill(image, box)
    return out


def pixels(thumbs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Thumbnails (N,64,64) uint8, plain and mirrored, as rows (N,4096) float32 of 0..1."""
    both = thumbs, thumbnails.mirror(thumbs)
    return tuple(images.reshape(len(images), -1).astype(np.float32) / 255 for images in both)


def features(dataset: Dataset, figshare_path: str | Path | None = None) -> Features:
    """Everything the floors see, from the images and the tumour borders."""
    thumbs = thumbnails.thumbnails(dataset)
    masked = mask_out(thumbs, dataset.frame["label"].to_numpy(int), boxes(dataset, figshare_path))
    half = masked.reshape(len(masked), 32, 2, 32, 2).mean((2, 4)).reshape(len(masked), -1)
    return Features(
        *pixels(thumbs),
        size_features(dataset.frame),
        border_features(thumbs),
        half.astype(np.float32),
    )


def predict(
    floor: str, seen: Features, labels: np.ndarray, train: np.ndarray, test: np.ndarray
) -> np.ndarray:
    """Predicted labels of the rows `test` by a floor fitted on the rows `train`."""
    if floor in LOOK_UPS:
        known = seen.plain[train]
        best = seen.plain[test] @ known.T
        if floor == "1nn-mirror":
            np.maximum(best, seen.mirrored[test] @ known.T, out=best)
        # |a - b|² = |a|² + |b|² - 2ab, and |a|² is the same for all b and for a's mirror image
        return labels[train][((known**2).sum(1) - 2 * best).argmin(1)]
    steps = [StandardScaler()]
    if floor == "masked":
        components = min(COMPONENTS, len(train) - 1)
        steps = [PCA(components, svd_solver="covariance_eigh", random_state=0), StandardScaler()]
    model = make_pipeline(*steps, LogisticRegression(C=1.0, max_iter=2000))
    matrix = getattr(seen, floor)
    return model.fit(matrix[train], labels[train]).predict(matrix[test])


def measure(
    protocol: str,
    seen: Features,
    dataset: Dataset,
    clusters: np.ndarray,
    pictures: np.ndarray,
    classes: tuple[str, ...] = CLASSES,
    floors: tuple[str, ...] = FLOORS,
    labels: np.ndarray | None = None,
) -> pd.DataFrame:
    """Floors on one protocol: `COLUMNS`. For `patients-5fold` of all folds' answers together; sd: over the folds.

    clusters: (N,) patient groups, which all intervals (95%) resample. pictures: (N,) `units.pictures`; in
    the columns `picture…` each counts as one, however many copies are tested. classes: those in use (leave notumor
    out for the three-class track). labels: (N,) what is to be told apart, if not the class. Macro-F1 is the
    mean over the labels that occur in the task.
    """
    labels = dataset.frame["label"].to_numpy(int) if labels is None else labels
    parts = exposure.parts(protocol, dataset, classes)
    own = np.unique(labels[parts[0] != ""])
    rows = []
    for floor in floors:
        folds = [_answers(floor, seen, labels, part, own) for part in parts]
        right, f1, right1, f11 = (
            worth.of_sample(*one)
            for weights in (None, pictures)
            for one in bootstrap.samples([folds], clusters, worth.OF_ALL, pictures=weights).items()
        )
        each = [np.mean(fold.probs.argmax(1) == fold.labels) for fold in folds]
        sd = np.std(each, ddof=1) if len(each) > 1 else np.nan
        count = sum(len(fold.rows) for fold in folds)
        rows.append(
            (floor, protocol, right.value, f1.value, right.low, right.high, count, sd, f1.low, f1.high,
             right1.value, right1.low, right1.high, f11.value, f11.low, f11.high)
        )  # fmt: skip
    return pd.DataFrame(rows, columns=COLUMNS)


def _answers(
    floor: str, seen: Features, labels: np.ndarray, part: np.ndarray, own: np.ndarray
) -> bootstrap.Answers:
    """A floor's answers on the test part, labels numbered by their place in `own`, the labels of the task."""
    train, test = np.flatnonzero(part == "train"), np.flatnonzero(part == "test")
    guess = predict(floor, seen, labels, train, test)
    said, truth = np.searchsorted(own, guess), np.searchsorted(own, labels[test])
    return bootstrap.Answers(test, truth, np.eye(len(own))[said], [str(name) for name in own])


def over_protocols(
    seen: Features, dataset: Dataset, protocols: tuple[str, ...] = splits.MANIFESTS
) -> pd.DataFrame:
    """`measure` of all floors on each protocol, four classes, one below the other."""
    groups = splits.clusters(dataset), units.pictures(dataset)
    bar = tqdm(protocols, "floors", disable=None)
    return pd.concat([measure(name, seen, dataset, *groups) for name in bar], ignore_index=True)


def look_ups(seen: Features, dataset: Dataset) -> dict[str, np.ndarray]:
    """`floor protocol` to the label (N,) that one of `LOOK_UPS` gives each file, int8: of all folds, −1 for what is not tested."""
    labels, out = dataset.frame["label"].to_numpy(int), {}
    for protocol, floor in itertools.product(splits.MANIFESTS, LOOK_UPS):
        said = out[f"{floor} {protocol}"] = np.full(len(labels), -1, np.int8)
        for part in exposure.parts(protocol, dataset):
            train, test = np.flatnonzero(part == "train"), np.flatnonzero(part == "test")
            said[test] = predict(floor, seen, labels, train, test)
    return out


def read(dataset: Dataset, place: Path | None = None) -> pd.DataFrame:
    """All floors on all protocols: the committed table; that of phantoms is computed on the spot."""
    if dataset.banner:
        return over_protocols(features(dataset), dataset)
    return committed.read("floors.csv", MODULE, place)


def read_answers(dataset: Dataset, place: Path | None = None) -> dict[tuple[str, str], bootstrap.Answers]:
    """(floor, protocol) to the answers of `LOOK_UPS`, all folds' together: the committed ones; those of phantoms are
    computed on the spot.

    Raises `DataError` with the cure where they are not those that floors.csv scores.
    """
    labels = dataset.frame["label"].to_numpy(int)
    if dataset.banner:
        said = look_ups(features(dataset), dataset)
    else:
        path = committed.find(ANSWERS, MODULE, place)
        with np.load(path) as stored:
            said = dict(stored)
        score = read(dataset, place).set_index(["floor", "protocol"])["accuracy"]
        if not all(
            _scored(said.get(" ".join(name)), labels, score[name]) for name in score.loc[[*LOOK_UPS]].index
        ):
            raise DataError(
                f"{path} does not belong to floors.csv beside it: `python -m {MODULE}` makes both"
            )
    out = {}
    for name, one in said.items():
        rows, known = np.flatnonzero(one >= 0), np.eye(len(CLASSES))
        out[tuple(name.split())] = bootstrap.Answers(rows, labels[rows], known[one[rows]], CLASSES)
    return out


def _scored(said: np.ndarray | None, labels: np.ndarray, accuracy: float) -> bool:
    """Whether the answers (N,) are right as often as the table says, to its five decimals."""
    if said is None or said.shape != labels.shape:
        return False
    return abs(np.mean((said == labels)[said >= 0]) - accuracy) < 1e-5


def write(frame: pd.DataFrame, place: Path | None = None) -> Path:
    """Write floors.csv whole, five decimals, into `place` or the results folder; return its path."""
    return committed.write("floors.csv", frame, "%.5f", place)


def write_answers(said: Mapping[str, np.ndarray], place: Path | None = None) -> Path:
    """Write what `read_answers` reads, of `look_ups`, whole or not at all; return its path."""
    path = (place or results_dir()) / ANSWERS
    with whole(path) as part:
        np.savez_compressed(part, **said)
    return path


def make(seen: Features, dataset: Dataset, place: Path | None = None) -> tuple[Path, Path]:
    """Compute and write both, which takes minutes for the real dataset; return their paths."""
    return write(over_protocols(seen, dataset), place), write_answers(look_ups(seen, dataset), place)

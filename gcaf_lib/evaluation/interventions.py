"""Does the answer hang on the tumour? It is painted over, and so is as much of the head elsewhere.

A map says where something lies that the model may have used; an intervention takes it away and asks again.
On the preprocessed image, as the model sees it, the tumour (its mask, grown by two pixels in 64) is

    painted    filled from its surroundings (Bertalmío et al. 2001, by OpenCV)
    flat       painted in the mean colour of the rest of the head: what one fill does by itself, the other need not
    alone      kept, and the rest of the head painted in that colour

and beside each stands the same with the same shape elsewhere: at random places inside the head, off its rim and off the
tumour's, which is what painting does by itself. An image without a tumour borrows the mask of another test image at its
own place: nothing is there to be taken away, so that the two kinds of place should do alike.

What each model answered is committed as `results/interventions.csv`: the runs with patients apart, and as a positive
control models of the marks (`evaluation.control`), which can have gone by nothing but the mark. Make it again (needs
images, figshare data, and the runs' weights in the cache; trains three miniatures, a quarter of an hour):

    python -m gcaf_lib.evaluation.interventions
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from tqdm import tqdm

from gcaf_lib.data import committed, preprocess, splits
from gcaf_lib.data.dataset import DataError, Dataset, open_dataset
from gcaf_lib.evaluation import control, tumours
from gcaf_lib.settings import DataSettings
from gcaf_lib.terminal import arguments
from gcaf_lib.training import listing, reproduce, runs

MODULE = "gcaf_lib.evaluation.interventions"  # run by itself it makes what is committed
WHOLE, PAINTED, FLAT, ALONE = "whole", "painted", "flat", "alone"
KINDS = (PAINTED, FLAT, ALONE)  # what is done to the tumour, and `elsewhere` to as much of the head
PLACES = 2  # elsewhere, whose answers are kept one by one
INSIDE = 0.95  # share of a place that must lie in the head
GROWN = 2  # pixels in 64 that masks grow
RIM, GAP = 4, 1  # that a place elsewhere keeps off the head's rim, and off the mask
NEAR = 3  # that the ring around a place is wide
COLUMNS = ("run", "row", "label", "border", "kind", "place", "answer", "probability", "step")
MARKS = "marks"  # in the column `run`, with the seed: a model of the positive control


# --- pictures ---


def elsewhere_kind(kind: str) -> str:
    """Name of a kind of picture that is asked elsewhere."""
    return f"{kind} elsewhere"


def grown(mask: np.ndarray, pixels: int = GROWN) -> np.ndarray:
    """Mask (S, S) bool, larger by `pixels` in 64 on every side, or smaller (below 0).

    A border's own pixels hold some tumour, and equalising darkens those around a bright one.
    """
    reach = max(1, round(abs(pixels) * len(mask) / 64))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1,) * 2)
    change = cv2.dilate if pixels > 0 else cv2.erode
    # nothing lies beyond the image: a head that it cuts has its rim there
    return change(mask.astype(np.uint8), kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0).astype(bool)


def head_mask(image: np.ndarray) -> np.ndarray:
    """What isn't air (S, S) bool of an image (S, S, 3) uint8, its dark inside included: brighter than half of Otsu's threshold."""
    smooth = cv2.GaussianBlur(image.max(2), (3, 3), 0)  # equalising has made air grainy
    middle = cv2.threshold(smooth, 0, 255, cv2.THRESH_OTSU)[0]
    bright = (smooth > middle / 2).astype(np.uint8)
    outlines = cv2.findContours(bright, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0]
    return cv2.drawContours(np.zeros_like(bright), outlines, -1, 1, cv2.FILLED).astype(bool)


def elsewhere(
    mask: np.ndarray, where: np.ndarray, rng: np.random.Generator, count: int = PLACES
) -> np.ndarray:
    """The mask (S, S) bool moved to random places `GAP` from it, (count, S, S); (0, S, S) where there is none.

    At least `INSIDE` of it lies in `where` (S, S) bool, `RIM` from its edge. The places may touch each other.
    """
    top, left, height, width = cv2.boundingRect(mask.astype(np.uint8).T)  # of the transpose: rows first
    shape = mask[top : top + height, left : left + width].astype(np.float32)
    in_head, on_mask = (
        cv2.matchTemplate(one.astype(np.float32), shape, cv2.TM_CCORR)
        for one in (grown(where, -RIM), grown(mask, GAP))
    )
    corners = np.argwhere((in_head >= INSIDE * shape.sum() - 0.5) & (on_mask < 0.5))
    if not len(corners):
        return np.zeros((0, *mask.shape), bool)
    out = np.zeros((count, *mask.shape), bool)
    for one, (y, x) in zip(out, corners[rng.integers(len(corners), size=count)]):
        one[y : y + height, x : x + width] = shape > 0
    return out


def painted(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The image (S, S, 3) uint8 with the mask (S, S) filled from its surroundings."""
    return cv2.inpaint(image, mask.astype(np.uint8), 3, cv2.INPAINT_NS)


def flat(image: np.ndarray, mask: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """The image (S, S, 3) uint8 with the mask (S, S) in one colour (3,)."""
    out = image.copy()
    out[mask] = colour
    return out


def step(image: np.ndarray, mask: np.ndarray, where: np.ndarray) -> float:
    """How much brighter the mask (S, S) is than the head `where` around it, in grey values of the image (S, S, 3) uint8.

    Around: `NEAR` wide, `GAP` from the mask. NaN where there is nothing around.
    """
    ring = grown(mask, GAP + NEAR) & ~grown(mask, GAP) & where
    return float(image[mask].mean() - image[ring].mean()) if ring.any() else np.nan


def variants(
    image: np.ndarray, mask: np.ndarray, where: np.ndarray, others: Sequence[np.ndarray]
) -> list[tuple[str, int, np.ndarray]]:
    """(kind, number of the place, picture) of an image, its tumour's mask, its head, and the same shape elsewhere."""
    colour = np.rint(image[where & ~mask].mean(0))  # without the tumour, which else could be told by it
    make = {
        PAINTED: lambda place: painted(image, place),
        FLAT: lambda place: flat(image, place, colour),
        ALONE: lambda place: flat(image, where & ~place, colour),
    }
    out = [(WHOLE, 0, image)]
    for kind in KINDS:
        out.append((kind, 0, make[kind](mask)))
        out += [(elsewhere_kind(kind), k, make[kind](other)) for k, other in enumerate(others)]
    return out


def borrowed(where: np.ndarray, known: np.ndarray, rng: np.random.Generator) -> int | None:
    """Which of the masks `known` (n, S, S) an image borrows: drawn of those that lie in its head; None if none does."""
    inside = (known & where).sum((1, 2)) >= INSIDE * known.sum((1, 2))
    return int(rng.choice(np.flatnonzero(inside))) if inside.any() else None


# --- answers ---


def of_model(
    model: Any, images: np.ndarray, labels: np.ndarray, masks: np.ndarray, seed: int = 0
) -> pd.DataFrame:
    """row (of `images`), label, border, kind, place, answer, probability (of the true class), step: a line a picture asked.

    images (n, S, S, 3) uint8; labels (n,); masks (n, S, S) bool, empty ones are `borrowed`. border: label of the image
    whose mask it is; step: `step` of the place, whole or painted over. Images without a place elsewhere are left out.
    """
    from gcaf_lib.training.loop import probabilities

    rng, asked, pictures = np.random.default_rng(seed), [], []
    masks = np.stack([grown(mask) for mask in masks])
    lenders = np.flatnonzero(masks.any((1, 2)))
    lent = masks[lenders]
    for row, image in enumerate(images):
        where, lender = head_mask(image), row
        if not masks[row].any():
            drawn = borrowed(where, lent, rng)
            lender = row if drawn is None else lenders[drawn]
        mask = masks[lender]
        others = elsewhere(mask, where, rng) if mask.any() else ()
        for kind, place, picture in variants(image, mask, where, others) if len(others) else ():
            at = mask if kind in (WHOLE, *KINDS) else others[place]
            found = np.nan if ALONE in kind else step(picture, at, where)
            asked.append((row, labels[row], labels[lender], kind, place, found))
            pictures.append(picture)
    out = pd.DataFrame(asked, columns=["row", "label", "border", "kind", "place", "step"])
    if len(out):
        told = probabilities(model, np.stack(pictures), np.arange(len(pictures)))
        out["answer"], out["probability"] = told.argmax(1), told[np.arange(len(out)), out["label"]]
    return out.reindex(columns=COLUMNS[1:])


def compute(record: runs.Record, dataset: Dataset, masks: Mapping[int, np.ndarray]) -> pd.DataFrame:
    """`COLUMNS` of a run with weights on this machine, on its test images that have a border, or no tumour.

    masks: `tumours.masks` at the run's image size. Raises `RunError` where the weights are not on this machine.
    """
    from gcaf_lib.training.train import load_model

    data, rows = record.settings.data, record.rows()
    healthy = dataset.frame["label"].to_numpy(int)[rows] == splits.CLASSES.index("notumor")
    rows, labels = (part[healthy | np.isin(rows, list(masks))] for part in (rows, record.labels()))
    empty = np.zeros((data.image_size,) * 2, bool)
    drawn = np.stack([masks.get(r, empty) for r in rows])
    images = np.asarray(preprocess.images(dataset, data)[rows])
    out = of_model(load_model(record), images, labels, drawn, record.seed)
    return out.assign(run=record.key, row=rows[out["row"]])[list(COLUMNS)]


def of_marks(seed: int) -> pd.DataFrame:
    """`COLUMNS` of a model of the marks, trained now: the positive control."""
    model, _, unseen = control.trained(control.TRAINED, False, seed)
    out = of_model(model, *unseen, seed)
    return out.assign(run=f"{MARKS} {seed}")[list(COLUMNS)]


def read(records: Sequence[runs.Record], dataset: Dataset, place: Path | None = None) -> pd.DataFrame:
    """`COLUMNS` of these runs, and of the positive control: the committed ones.

    Runs that are not among them: of the first that has weights here, with images and borders, asked now; else none.
    """
    try:
        table = committed.read("interventions.csv", MODULE, place, dtype={"run": str})
    except DataError:
        table = pd.DataFrame(columns=list(COLUMNS))
    marked, mine = table["run"].str.startswith(MARKS), table["run"].isin([r.key for r in records])
    if mine.any():
        return table[mine | marked]
    here = [r for r in records if runs.weights_path(r.key, "ema").is_file()]
    try:
        asked = [compute(r, dataset, tumours.masks(dataset, r.settings.data.image_size)) for r in here[:1]]
    except DataError:  # no images, or no borders, here
        asked = []
    return pd.concat([*asked, table[marked]], ignore_index=True)


if __name__ == "__main__":
    arguments(__doc__)
    dataset = open_dataset(DataSettings())
    ladder = [r for label, r in listing.found("ladder", "cpu") if label == "patients"]
    here = [r for r in ladder if runs.weights_path(r.key, "ema").is_file()]
    if not here:
        raise SystemExit(
            "no weights of a run with patients apart are here: `gcaf sweep ladder --row patients` trains them"
        )
    masks = tumours.masks(dataset, here[0].settings.data.image_size)
    found = [compute(r, dataset, masks) for r in tqdm(here, "runs")]
    with reproduce.beside_store(own_stage0=True):
        found += [of_marks(seed) for seed in tqdm(control.SEEDS, "models of the marks")]
    print(committed.write("interventions.csv", pd.concat(found, ignore_index=True), "%.3g"))

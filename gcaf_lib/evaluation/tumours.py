"""Maps against tumour borders, kept as small tables, so that chapters need no borders.

    tumours.csv       one row a file: the tumour's share of the image and its centre where a border is
                      known, and how mirror-symmetric the picture is
    localisation.csv  one row an image, run and map: what the map scores against the border

Both name files, or rows of the dataset, and hold neither patients nor borders. Those of the real data are
committed; phantoms, whose masks are at hand, are measured on the spot. Make them again (needs run
records, images and figshare data):

    python -m gcaf_lib.evaluation.tumours
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from gcaf_lib.data import committed, figshare, files, preprocess, splits, thumbnails
from gcaf_lib.data.dataset import DataError, Dataset, open_dataset
from gcaf_lib.evaluation import heatmaps, localisation
from gcaf_lib.evaluation.clustered import ratio
from gcaf_lib.settings import DataSettings
from gcaf_lib.terminal import arguments
from gcaf_lib.training import listing

MODULE = "gcaf_lib.evaluation.tumours"  # run by itself it makes what is committed
SIDE = 64  # pixels of the square on which maps and borders meet
MEASURES = ("pointing", "tolerant", "energy", "iou")
FUSED, PLACE, CENTRE, RANDOM, EDGE = "fused", "usual place", "centre", "random", "edges"
NO_RUN = "none"  # in the column `run`: maps that know no model
COLUMNS = ("run", "row", "map", *MEASURES)


# --- borders ---


def masks(
    dataset: Dataset, side: int = SIDE, figshare_path: str | Path | None = None
) -> dict[int, np.ndarray]:
    """Row of the dataset to tumour mask (side, side) bool, where a border is known and not empty.

    Phantoms: their own masks; real images: the figshare borders. Raises `DataError` with the cure where
    the images or the figshare data are not there.
    """
    files.paths(dataset, "tumour borders need the")
    if not dataset.banner:
        known = figshare.of_dataset(dataset, figshare_path)
        return {row: localisation.rasterise(polygon, side) for row, polygon in known.items()}
    out = {}
    for row, drawn in files.masks(dataset).items():
        share = cv2.resize(drawn, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32)
        out[row] = share >= min(127.5, share.max())
    return out


def symmetry(thumbs: np.ndarray) -> np.ndarray:
    """How mirror-symmetric each thumbnail uint8 (n, h, w) is, (n,): correlation of its halves at the best axis.

    Upright axes in the middle third are tried. Slices seen from the front or from above are nearly
    symmetric, slices seen from the side are not: what there is in place of the view, which no file states.
    """
    images, best = thumbnails.squares(thumbs, 32).astype(np.float32), np.full(len(thumbs), -1.0)
    for axis in range(11, 22):
        reach = min(axis, 32 - axis)
        halves = np.stack([images[:, :, axis - reach : axis], images[:, :, axis : axis + reach][:, :, ::-1]])
        halves = halves.reshape(2, len(images), -1)
        halves -= halves.mean(2, keepdims=True)
        spread = np.sqrt((halves**2).sum(2).prod(0))
        both = np.einsum("ni,ni->n", *halves)
        best = np.fmax(best, ratio(both, spread, -1))
    return best


def image_table(dataset: Dataset, known: Mapping[int, np.ndarray]) -> pd.DataFrame:
    """file, area (share of the image), x, y (the tumour's centre, fractions), symmetry; NaN: no border known."""
    out = dataset.frame[["file"]].reset_index(drop=True).assign(area=np.nan, x=np.nan, y=np.nan)
    out["symmetry"] = symmetry(thumbnails.thumbnails(dataset))
    for row, mask in known.items():
        y, x = np.nonzero(mask)
        side = mask.shape[0]
        out.loc[row, ["area", "x", "y"]] = mask.mean(), (x.mean() + 0.5) / side, (y.mean() + 0.5) / side
    return out


# --- scores ---


def _scores(run: str, named: Mapping[str, np.ndarray], drawn: np.ndarray, rows: np.ndarray) -> pd.DataFrame:
    """`COLUMNS` of maps (n, h, w) by name against masks (n, S, S) of these rows of the dataset."""
    parts = [
        localisation.scores(maps, drawn).assign(run=run, row=rows, map=name) for name, maps in named.items()
    ]
    return pd.concat(parts, ignore_index=True)[list(COLUMNS)]


def of_baselines(dataset: Dataset, data: DataSettings, known: Mapping[int, np.ndarray]) -> pd.DataFrame:
    """Scores of maps that know no model, on every image with a border: the middle, chance, the edges."""
    rows = np.fromiter(known, int)
    drawn = np.stack([known[r] for r in rows])
    images = preprocess.images(dataset, data)[rows]
    named = {
        CENTRE: localisation.centre_prior(len(rows), SIDE),
        RANDOM: localisation.random_maps(len(rows), SIDE),
        EDGE: localisation.edge_maps(images),
    }
    return _scores(NO_RUN, named, drawn, rows)


def of_record(record: Any, dataset: Dataset, known: Mapping[int, np.ndarray]) -> pd.DataFrame:
    """Scores of every map a run keeps, on its test images with a border: each backbone's, their mean
    (`fused`), those of the whole model, and `usual place`: the mean border of the training images of the
    class that the model named."""
    shown = np.empty(0, int) if record.maps is None else record.maps["rows"].astype(int)
    at = np.flatnonzero(np.isin(shown, list(known)))
    rows = shown[at]
    if not len(rows):
        return pd.DataFrame(columns=list(COLUMNS))
    drawn = np.stack([known[r] for r in rows])
    cams = backbone_maps(record, at)
    named = {**cams, FUSED: heatmaps.fused(cams, SIDE), **whole_maps(record, at)}
    named[PLACE] = _usual_places(record, dataset, known)[record.maps["target"][at].astype(int)]
    return _scores(record.key, named, drawn, rows)


def backbone_maps(record: Any, at: Sequence[int] | slice = slice(None)) -> dict[str, np.ndarray]:
    """backbone to its stored Grad-CAM maps (n, h, w) float32, of these places of the record."""
    return _stored(record, "cam_", at)


def whole_maps(record: Any, at: Sequence[int] | slice = slice(None)) -> dict[str, np.ndarray]:
    """method to its stored maps of the whole model (n, h, w) float32; older records keep none."""
    return _stored(record, "whole_", at)


def _stored(record: Any, prefix: str, at: Sequence[int] | slice) -> dict[str, np.ndarray]:
    return {
        name.removeprefix(prefix): maps[at].astype(np.float32)
        for name, maps in record.maps.items()
        if name.startswith(prefix)
    }


def _usual_places(record: Any, dataset: Dataset, known: Mapping[int, np.ndarray]) -> np.ndarray:
    """Mean border (K, S, S) of the training images of each class; of all of them for a class without any."""
    part = splits.load(record.settings.data, dataset)["part"].to_numpy()
    label = dataset.frame["label"].to_numpy(int)
    rows = [r for r in known if part[r] == "train"]
    drawn = np.stack([known[r] for r in rows]).astype(np.float32)
    own = [label[rows] == splits.CLASSES.index(name) for name in record.settings.data.classes]
    return np.stack([drawn[one if one.any() else slice(None)].mean(0) for one in own])


# --- the stored tables ---


def read_images(dataset: Dataset, place: Path | None = None) -> pd.DataFrame:
    """`image_table`, aligned with dataset.frame: the committed one, or the phantoms' measured on the spot."""
    if dataset.banner:
        return image_table(dataset, masks(dataset))
    table = committed.read("tumours.csv", MODULE, place)
    if not table["file"].equals(dataset.frame["file"].reset_index(drop=True)):
        raise DataError(
            "results/tumours.csv is of other files than this dataset; `gcaf data check` names them"
        )
    return table


def runs_of(table: pd.DataFrame, records: Sequence[Any]) -> list[Any]:
    """Those of the records of which a table (column run) has lines."""
    known = set(table["run"].unique())
    return [r for r in records if r.key in known]


def read(records: Sequence[Any], dataset: Dataset, place: Path | None = None) -> pd.DataFrame:
    """Scores (`COLUMNS`) of these runs and of the baselines on the same images.

    Real data: the committed table; runs that it doesn't know are measured now where images and borders
    are at hand, and left out elsewhere. Phantoms are measured on the spot.
    """
    if dataset.banner:
        return compute(records, dataset)
    try:
        table = committed.read("localisation.csv", MODULE, place)
    except DataError:
        table = pd.DataFrame(columns=list(COLUMNS))
    known = {r.key for r in runs_of(table, records)}
    new = [r for r in records if r.maps is not None and r.key not in known]
    if new:
        try:
            fresh = compute(new, dataset, baselines=not (table["run"] == NO_RUN).any())
            table = pd.concat([table, fresh], ignore_index=True) if len(table) else fresh
        except DataError:
            pass  # no images or no borders here: the chapter says which runs it shows
    mine = table[table["run"].isin([r.key for r in records])]
    return pd.concat(
        [mine, table[(table["run"] == NO_RUN) & table["row"].isin(mine["row"])]], ignore_index=True
    )


def compute(records: Sequence[Any], dataset: Dataset, baselines: bool = True) -> pd.DataFrame:
    """Scores of runs, and of the baselines on every image with a border, from maps, images and borders."""
    known = masks(dataset)
    parts = [of_record(r, dataset, known) for r in records]
    if baselines and records:
        parts.append(of_baselines(dataset, records[0].settings.data, known))
    return pd.concat([p for p in parts if len(p)], ignore_index=True)


if __name__ == "__main__":
    arguments(__doc__)
    dataset = open_dataset(DataSettings())
    print(committed.write("tumours.csv", image_table(dataset, masks(dataset)), "%.3g"))
    found: dict[str, Any] = {}
    for profile in ("cpu", "paper"):
        for name in ("main", "ladder"):
            for label, record in listing.found(name, profile):
                if name == "main" or label == "patients":
                    found[record.key] = record
    if found:
        print(committed.write("localisation.csv", compute(list(found.values()), dataset), "%.3g"))
    else:
        print("no run on record yet: localisation.csv is left as it is")

"""Shortcuts: how far the floors come when a hint that has nothing to do with tumours is given or taken away.

Tracks, each on the paper's random split and over five folds with patients apart:

    three classes   all floors without the no-tumour images, which come from other collections
    tumour or not   size and border: is the *presence* of a tumour written into the file's outside?
    canonical       files re-encoded alike (`preprocess.canonical`): pixels and border

The table of the real dataset is committed as `results/shortcuts.csv`. Make it, and `results/floors.csv`
with it, again (needs images and figshare data; minutes):

    python -m gcaf_lib.evaluation.hints
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from gcaf_lib.data import committed, preprocess, splits, thumbnails
from gcaf_lib.data.dataset import DataError, Dataset, open_dataset
from gcaf_lib.evaluation import floors, worth
from gcaf_lib.settings import CLASSES, DataSettings
from gcaf_lib.terminal import arguments

PROTOCOLS = ("paper", splits.FIVEFOLD)
TUMOURS = tuple(name for name in CLASSES if name != "notumor")
COLUMNS = ("track", *floors.COLUMNS)


def canonical_thumbnails(dataset: Dataset) -> np.ndarray:
    """uint8 (N,64,64) of the re-encoded files, in the order of dataset.frame."""
    if dataset.root is None:
        raise DataError("re-encoding needs the images: `gcaf data fetch`, --data or GCAF_DATA")
    paths = [Path(dataset.root) / name for name in dataset.frame["file"]]
    return np.stack(
        [
            thumbnails.shrink(preprocess.canonical(preprocess.decode(path))[..., 0])
            for path in tqdm(paths, "re-encoding", disable=None)
        ]
    )


def canonical_features(dataset: Dataset) -> floors.Features:
    """What the floors see of the re-encoded files. All have one size, and the tumours' places are not carried over."""
    thumbs, nothing = canonical_thumbnails(dataset), np.zeros((len(dataset.frame), 1), np.float32)
    plain, flipped = (
        a.reshape(len(a), -1).astype(np.float32) / 255 for a in (thumbs, thumbnails.mirror(thumbs))
    )
    return floors.Features(plain, flipped, nothing, floors.border_features(thumbs), nothing)


def table(dataset: Dataset, seen: floors.Features) -> pd.DataFrame:
    """All tracks (`COLUMNS`). seen: `floors.features` of the files as they are."""
    groups = splits.clusters(dataset), worth.pictures(dataset)
    labels = dataset.frame["label"].to_numpy(int)
    tumour = (labels != CLASSES.index("notumor")).astype(int)
    again = canonical_features(dataset)
    out = []
    for protocol in PROTOCOLS:
        given = (protocol, seen, dataset, *groups)
        tracks = {
            "three classes": floors.measure(*given, classes=TUMOURS),
            "tumour or not": floors.measure(*given, floors=("size", "border"), labels=tumour),
            "canonical": floors.measure(
                protocol, again, dataset, *groups, floors=("1nn", "1nn-mirror", "border")
            ),
        }
        out += [frame.assign(track=name) for name, frame in tracks.items()]
    return pd.concat(out, ignore_index=True)[list(COLUMNS)]


def read(dataset: Dataset, place: Path | None = None) -> pd.DataFrame:
    """All tracks: the committed table; that of phantoms is computed on the spot."""
    if dataset.banner:
        return table(dataset, floors.features(dataset))
    return committed.read("shortcuts.csv", "gcaf_lib.evaluation.hints", place)


def _main() -> None:
    dataset = open_dataset(DataSettings())
    seen = floors.features(dataset)
    print(floors.write(floors.over_protocols(seen, dataset)))
    print(committed.write("shortcuts.csv", table(dataset, seen), "%.5f"))


if __name__ == "__main__":
    arguments(__doc__)
    _main()

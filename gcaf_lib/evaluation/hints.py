"""Shortcuts: how far the floors come when a hint that has nothing to do with tumours is given or taken away.

Tracks, each on the paper's random split and over five patient-disjoint folds:

    three classes   all floors without the no-tumour images, which come from other collections
    tumour or not   size and border: is the *presence* of a tumour written into the file's outside?
    canonical       files re-encoded alike (`preprocess.canonical`): pixels and border

The table of the real dataset is committed as `results/shortcuts.csv`. Make it, and `results/floors.csv`
and the look-ups' answers with it, again (needs images and figshare data; minutes):

    python -m gcaf_lib.evaluation.hints
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from gcaf_lib.data import committed, files, preprocess, splits, thumbnails
from gcaf_lib.data.dataset import Dataset, open_dataset
from gcaf_lib.evaluation import floors, units
from gcaf_lib.settings import CLASSES, DataSettings
from gcaf_lib.terminal import arguments

PROTOCOLS = ("paper", splits.FIVEFOLD)
TUMOURS = tuple(name for name in CLASSES if name != "notumor")
COLUMNS = ("track", *floors.COLUMNS)


def canonical_features(dataset: Dataset) -> floors.Features:
    """What the floors see of the re-encoded files. All have one size, and the tumours' places are not carried over."""

    def small(path: Path) -> np.ndarray:
        return thumbnails.shrink(preprocess.canonical(preprocess.decode(path))[..., 0])

    thumbs = np.stack(files.each(small, files.paths(dataset, "re-encoding needs the"), "re-encoding"))
    nothing = np.zeros((len(thumbs), 1), np.float32)
    return floors.Features(*floors.pixels(thumbs), nothing, floors.border_features(thumbs), nothing)


def table(dataset: Dataset, seen: floors.Features) -> pd.DataFrame:
    """All tracks (`COLUMNS`). seen: `floors.features` of the files as they are."""
    given = dataset, splits.clusters(dataset), units.pictures(dataset)
    labels = dataset.frame["label"].to_numpy(int)
    tumour = (labels != CLASSES.index("notumor")).astype(int)
    again = canonical_features(dataset)
    out = []
    for protocol in PROTOCOLS:
        tracks = {
            "three classes": floors.measure(protocol, seen, *given, classes=TUMOURS),
            "tumour or not": floors.measure(protocol, seen, *given, floors=("size", "border"), labels=tumour),
            "canonical": floors.measure(protocol, again, *given, floors=("1nn", "1nn-mirror", "border")),
        }
        out += [frame.assign(track=name) for name, frame in tracks.items()]
    return pd.concat(out, ignore_index=True)[list(COLUMNS)]


def read(dataset: Dataset, place: Path | None = None) -> pd.DataFrame:
    """All tracks: the committed table; that of phantoms is computed on the spot."""
    if dataset.banner:
        return table(dataset, floors.features(dataset))
    return committed.read("shortcuts.csv", floors.MODULE, place)


if __name__ == "__main__":
    arguments(__doc__)
    dataset = open_dataset(DataSettings())
    seen = floors.features(dataset)
    print(*floors.make(seen, dataset), sep="\n")
    print(committed.write("shortcuts.csv", table(dataset, seen), "%.5f"))

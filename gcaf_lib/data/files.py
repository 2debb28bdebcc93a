"""The files of a dataset, and what is done with each of many: side by side, in their order."""

from __future__ import annotations

from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from gcaf_lib.data.dataset import DataError, Dataset
from gcaf_lib.machine import cores

NAMED = 20  # faults in one line


def paths(dataset: Dataset, need: str) -> list[Path]:
    """Every file of dataset.frame; need: who needs images (`thumbnails need the`), for the `DataError` where none are here."""
    if dataset.root is None:
        raise DataError(f"{need} images: `gcaf data fetch`, --data or GCAF_DATA")
    return [Path(dataset.root, name) for name in dataset.frame["file"]]


def each(work: Callable, things: Collection, bar: str | None = None, progress: bool = True) -> list[Any]:
    """What `work` makes of each of `things`, on all cores; bar: what the progress bar is called (None: there is none)."""
    with ThreadPoolExecutor(cores()) as pool:
        quiet = None if bar and progress else True
        return list(tqdm(pool.map(work, things), bar, len(things), disable=quiet))


def readable(work: Callable, things: Collection, bar: str | None = None, progress: bool = True) -> list[Any]:
    """`each`, but what raises `DataError` is named at once, the first `NAMED`: who gave many files mends them together."""

    def tried(thing: Any) -> Any:
        try:
            return work(thing)
        except DataError as error:
            return error

    found = each(tried, things, bar, progress)
    bad = [str(one) for one in found if isinstance(one, DataError)]
    if len(bad) > 1:
        more = f"; and {len(bad) - NAMED:,} more" if len(bad) > NAMED else ""
        raise DataError(f"{len(bad):,} of {len(found):,} files can't be used: {'; '.join(bad[:NAMED])}{more}")
    if bad:
        raise DataError(bad[0])
    return found


def masks(phantoms: Dataset) -> dict[int, np.ndarray]:
    """Row of phantoms.frame to the mask of its lesion, uint8 (H,W) of 0 and 255, of those that have one.

    Raises `DataError` for a mask that can't be read.
    """
    out = {}
    for row, name in enumerate(phantoms.frame["file"]):
        path = Path(phantoms.root, "masks", f"{Path(name).stem}.png")  # none for no-tumour
        if not path.is_file():
            continue
        if (mask := cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)) is None:
            raise DataError(f"{path} is damaged: write the phantoms again into another folder")
        if mask.any():
            out[row] = mask
    return out

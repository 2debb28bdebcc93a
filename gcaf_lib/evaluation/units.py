"""The units that a comparison counts: images, the pictures that they are copies of, and groups of patients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from gcaf_lib.data import splits
from gcaf_lib.data.dataset import Dataset
from gcaf_lib.settings import CLASSES, DataSettings


def pictures(dataset: Dataset) -> np.ndarray:
    """Picture (N,) that each file of dataset.frame is a copy of: the groups of the `twins` manifest."""
    source = "phantom" if dataset.banner else "mri"
    return splits.load(DataSettings(source=source, protocol="twins"), dataset)["group"].to_numpy()


def counts(rows: np.ndarray, groups: np.ndarray, pictures: np.ndarray) -> dict[str, int]:
    """How many images, pictures and patient groups some rows of the dataset are: what a comparison on them rests on.

    rows: may name an image more than once, as seeds do. groups, pictures (N,): see `worth.of_runs`.
    """
    rows = np.unique(np.asarray(rows, int))
    units = {"pictures": pictures, "groups": groups}
    return {"images": len(rows)} | {name: len(np.unique(np.asarray(of)[rows])) for name, of in units.items()}


def picture_weights(rows: np.ndarray, pictures: np.ndarray) -> np.ndarray:
    """Weights (n,) of tested rows that sum to 1 over the tested copies of each picture."""
    _, number, count = np.unique(np.asarray(pictures)[rows], return_inverse=True, return_counts=True)
    return 1 / count[number]


def class_counts(labels: Any, parts: Any, classes: Sequence[str] = CLASSES) -> pd.DataFrame:
    """Images of each class (rows) in each part (columns training, validation, test)."""
    frame = pd.crosstab(np.asarray(labels), np.asarray(parts))
    frame = frame.reindex(index=range(len(classes)), columns=list(splits.PARTS), fill_value=0)
    frame.index, frame.columns = list(classes), ["training", "validation", "test"]
    return frame

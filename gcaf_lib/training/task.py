"""The data side of a run: dataset, split, parts. Without Keras, so that asking what is done is quick."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from gcaf_lib.data import dataset as datasets
from gcaf_lib.data import splits
from gcaf_lib.settings import Settings


@dataclass(frozen=True)
class Part:
    """One part of a split: rows into the images, labels 0..K-1."""

    rows: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class Task:
    """The data side of a run: dataset, split and, on first use, the preprocessed images."""

    settings: Settings
    dataset: datasets.Dataset
    split: pd.DataFrame

    @cached_property
    def split_hash(self) -> str:
        return splits.hash(self.split)

    @cached_property
    def images(self) -> np.ndarray:
        """uint8 (N, S, S, 3), memory-mapped."""
        from gcaf_lib.data import preprocess

        return preprocess.images(self.dataset, self.settings.data)

    def part(self, name: str) -> Part:
        """Rows and labels (0..K-1 in the order of `settings.data.classes`) of one part."""
        rows = np.flatnonzero((self.split["part"] == name).to_numpy())
        label = self.dataset.frame["label"].to_numpy()[rows]
        known = np.full(len(datasets.CLASSES), -1)
        known[[datasets.CLASSES.index(c) for c in self.settings.data.classes]] = range(
            len(self.settings.data.classes)
        )
        return Part(rows, known[label])


def task(settings: Settings, data: str | Path | None = None, need_images: bool = True) -> Task:
    """Open the dataset and the split that `settings.data` names."""
    opened = datasets.open_dataset(settings.data, data, need_images=need_images)
    return Task(settings, opened, splits.load(settings.data, opened))

"""The folds of one training put together: every image of the dataset tested once, as one set of predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gcaf_lib.data import splits

# the two splits that are compared, for readers; `splits.NAMES` has an older word, and a change there would age every record
NAMES = splits.NAMES | {"patients": "patient-disjoint"}


@dataclass(frozen=True)
class Pooled:
    """Run records of one seed, one a fold, read like a single record whose test part is all of theirs."""

    parts: tuple[Any, ...]

    @property
    def key(self) -> str:
        return "+".join(part.key for part in self.parts)

    @property
    def seed(self) -> int:
        return self.parts[0].seed

    @property
    def settings(self) -> Any:
        """Settings of the first fold; all folds differ in `data.fold` alone."""
        return self.parts[0].settings

    @property
    def folds(self) -> int:
        """How many folds; 0 for a run on a split that has none."""
        return len(self.parts) if self.settings.data.fold is not None else 0

    def rows(self, part: str = "test") -> np.ndarray:
        """Row numbers (n,) of the images in the dataset's frame."""
        return np.concatenate([one.rows(part) for one in self.parts])

    def labels(self, part: str = "test") -> np.ndarray:
        """True labels (n,)."""
        return np.concatenate([one.labels(part) for one in self.parts])

    def probabilities(self, part: str = "test", which: str = "ema") -> np.ndarray:
        """Class probabilities (n, K), with `ema` or `raw` weights."""
        return np.concatenate([one.probabilities(part, which) for one in self.parts])


def by_seed(records: Sequence[Any]) -> dict[int, list[Any]]:
    """Records by seed, in ascending order of seeds and folds: those whose test parts belong together.

    Where any seed was run in folds, runs without a fold are left out, whose test images are among theirs; so are
    seeds that have fewer folds than another, because they test on fewer images. Of equally many but different folds
    those that most seeds have are taken, else those of the first seed. Raises `ValueError`
    where a seed has two runs of one fold: they are of different settings.
    """
    seeds: dict[int, list[Any]] = {}
    folded = [r for r in records if r.settings.data.fold is not None]
    for record in sorted(folded or records, key=lambda r: (r.seed, r.settings.data.fold or 0)):
        seeds.setdefault(record.seed, []).append(record)
    numbers = {seed: {r.settings.data.fold for r in parts} for seed, parts in seeds.items()}
    for seed, parts in seeds.items():
        if len(numbers[seed]) < len(parts):
            raise ValueError(f"seed {seed}: two runs of one fold; give the runs of one setting")
    each = list(numbers.values())
    most = max(each, key=lambda one: (len(one), each.count(one)), default=set())
    return {seed: parts for seed, parts in seeds.items() if numbers[seed] == most}


def pool(records: Sequence[Any], least: int = 1) -> list[Pooled]:
    """One `Pooled` for each seed of `by_seed`; a run without a fold is a pool of its own.

    least: folds that there must be, for comparisons that need the same images on both sides.
    """
    return [Pooled(tuple(parts)) for parts in by_seed(records).values() if len(parts) >= least]


def complete(records: Sequence[Any]) -> list[Any]:
    """The runs of `by_seed`: of no seed that has fewer folds than another."""
    return [one for parts in by_seed(records).values() for one in parts]

"""Scores of answers, drawn anew: what they are on bootstrap samples of whole patient groups, seed by seed."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

import joblib
import numpy as np
import pandas as pd
from scipy import sparse

from gcaf_lib.data import splits
from gcaf_lib.evaluation import clustered, units, weighted

DRAWS = 2000
SEED = 0
BLOCK = 1_000_000  # weights at a time: 8 MB, and some times that for the sums of a calibration error
SUBSETS = 100  # of a fold, for a calibration error at the random split's number of images
# of this process, which is a chapter's and ends with it: a row is in its level and in many differences
_SAMPLES: dict[str, dict[str, Sample]] = {}


class Answers(NamedTuple):
    """Test answers of one run or fold: rows (n,) of the dataset, labels (n,), probs (n, K), names of the K classes.

    over: numbers of the classes that macro means run over (None: all K). fold: whether it is one of the five folds.
    """

    rows: np.ndarray
    labels: np.ndarray
    probs: np.ndarray
    classes: Sequence[str]
    over: Sequence[int] | None = None
    fold: bool = False


class Sample(NamedTuple):
    """A metric of a row: values (S,) of each seed, draws (B,) of their mean over bootstrap samples."""

    values: np.ndarray
    draws: np.ndarray

    def __sub__(self, other: Sample) -> Sample:
        return Sample(self.values - other.values, self.draws - other.draws)


def per_fold(metric: str) -> bool:
    """Whether a metric is the mean over folds (calibration errors, AUC, average precision), not of all together."""
    return metric in weighted.BINNED or bool({"auc", "ap"} & {metric.split("_")[0], metric.split("_")[-1]})


def samples(
    seeds: Sequence[Sequence[Answers]],
    groups: np.ndarray,
    names: Sequence[str],
    *,
    pictures: np.ndarray | None = None,
    draws: int = DRAWS,
) -> dict[str, Sample]:
    """Metric to `Sample` of answers, seed by seed, each a list of its folds (one, on a split without folds).

    For answers that are no run records (`floors`), and for more than an interval. Other arguments: see `worth.of_runs`.
    """
    if groups is None:
        raise ValueError("intervals need the patient group of each image: give splits.clusters(dataset)")
    if not len(seeds):
        raise ValueError("no runs: nothing to take a mean of")
    tested = np.unique(np.concatenate([part.rows for parts in seeds for part in parts]))
    if len(groups) <= tested.max(initial=-1):
        raise ValueError(
            f"{len(groups)} groups, and row {tested[-1]} was tested: give one for each image of the dataset"
        )
    code = np.full(len(groups), -1)
    code[tested], known = pd.factorize(np.asarray(groups)[tested], use_na_sentinel=False)
    kept = _SAMPLES.setdefault(joblib.hash((seeds, code, pictures, draws)), {})
    if missing := [name for name in names if name not in kept]:
        ready = [_Seed(parts, code, missing, pictures) for parts in seeds]
        times = _times(len(known), draws)
        size = max(1, BLOCK // max(len(part.rows) for parts in seeds for part in parts))
        blocks = [[one(times[i : i + size]) for one in ready] for i in range(0, len(times), size)]
        for name in missing:
            table = np.concatenate([np.stack([one[name] for one in block], axis=1) for block in blocks])
            kept[name] = Sample(table[0].copy(), weighted.mean_of_known(table[1:]))
            for array in kept[name]:
                array.flags.writeable = False  # who asks next is given the same
    return {name: kept[name] for name in names}


@functools.cache
def subsets(n: int, size: int) -> np.ndarray | None:
    """`SUBSETS` random choices of `size` of n images, (SUBSETS, n) bool; None where there are no more than that."""
    if n <= size:
        return None
    rng = np.random.default_rng(SEED)
    chosen = rng.permuted(np.tile(np.arange(n) < size, (SUBSETS, 1)), axis=1)
    chosen.flags.writeable = False  # who asks next is given the same
    return chosen


def _random_test_part(labels: np.ndarray, folds: int) -> int:
    """How many images the random split tests of a dataset of which `folds` of five folds have the test labels (n,)."""
    counts = np.bincount(labels) * splits.FOLDS / folds
    return sum(splits.paper_counts(round(count))[2] for count in counts)


class _Seed:
    """All metrics of one seed as functions of how often each group was drawn, (B, groups) to (B,) each."""

    def __init__(
        self, parts: Sequence[Answers], code: np.ndarray, names: Sequence[str], pictures: np.ndarray | None
    ):
        rows, labels, probs = (np.concatenate(column) for column in list(zip(*parts))[:3])
        weight = np.ones(len(rows)) if pictures is None else units.picture_weights(rows, pictures)
        # (rows, groups): what drawing a group once adds to each row's weight
        drawn = sparse.csr_array((weight, (np.arange(len(rows)), code[rows])), (len(rows), code.max() + 1))
        ends = np.cumsum([0, *(len(part.rows) for part in parts)])
        folds = [(drawn[a:b], part) for a, b, part in zip(ends, ends[1:], parts)]
        all_ = parts[0]._replace(rows=rows, labels=labels, probs=probs)
        size = _random_test_part(all_.labels, len(parts)) if all_.fold else len(rows)
        self.functions = {
            name: [
                _of_groups(weighted.metric(name, *one[1:5], subsets(len(one.rows), size)), here)
                for here, one in (folds if per_fold(name) else [(drawn, all_)])
            ]
            for name in names
        }

    def __call__(self, times: np.ndarray) -> dict[str, np.ndarray]:
        with np.errstate(invalid="ignore"):  # a fold of which nothing was drawn: 0/0, left out of the mean
            return {
                name: weighted.mean_of_known(np.stack([f(times) for f in parts], axis=1))
                for name, parts in self.functions.items()
            }


def _of_groups(metric: weighted.Weighted, drawn: sparse.csr_array) -> weighted.Weighted:
    """A metric of row weights (B, n) as one of how often groups are drawn (B, groups). drawn: (n, groups), in `_Seed`.

    What is summed over rows is summed group by group here, once for all draws.
    """
    if hasattr(metric, "of_groups"):
        return metric.of_groups(drawn)
    return lambda times: metric(times @ drawn.T)


@functools.lru_cache(maxsize=8)
def _times(groups: int, draws: int) -> np.ndarray:
    """How often each group is drawn, (1 + draws, groups): once each first, then in bootstrap samples."""
    times = np.vstack([np.ones(groups), *clustered.drawn(groups, draws, SEED)])
    times.flags.writeable = False  # who asks next is given the same
    return times

"""Accuracy and macro-F1 of some runs by file and by picture, with intervals over patients, and how they are written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from gcaf_lib.data import splits
from gcaf_lib.evaluation import bootstrap, folds, intervals, units, worth
from gcaf_lib.findings import ablation, words

SCORES = {"accuracy": ("accuracy", "low", "high"), "macro_f1": ("macro_f1", "f1_low", "f1_high")}
PICTURE_COLUMNS = {
    "accuracy": ("picture", "picture_low", "picture_high"),
    "macro_f1": ("picture_f1", "picture_f1_low", "picture_f1_high"),
}
COLUMNS = [name for scores in (SCORES, PICTURE_COLUMNS) for three in scores.values() for name in three]
TOGETHER = (*splits.GROUPED, splits.FIVEFOLD, folds.NAMES["patients"])  # splits that keep copies together


def with_picture(line: Any) -> str:
    """`85.9 (84.0 to 87.6), by picture 86.4`: accuracy of a line with protocol and `COLUMNS`; by picture on `TOGETHER`."""
    text = words.band(line.accuracy, line.low, line.high)
    return words.beside(text, line.picture) if line.protocol in TOGETHER else text


def line_of_runs(
    records: Sequence[Any],
    clusters: np.ndarray,
    pictures: np.ndarray,
    keep: Sequence[str] | None = None,
) -> dict[str, float | int]:
    """`COLUMNS` (accuracy and macro-F1 with intervals, by image and by picture), seeds, folds, images of some runs.

    What `worth.of_runs` says, so that the digits are the scorecard's. clusters (N,): patient groups. pictures (N,):
    `units.pictures`. keep: only test images of these classes are judged.
    """
    out: dict[str, float | int] = {}
    answers = worth.answers_by_seed(records, keep)
    for names, weights in ((SCORES, None), (PICTURE_COLUMNS, pictures)):
        levels = worth.of_answers(answers, clusters, list(names), pictures=weights)
        for metric, three in names.items():
            out |= dict(zip(three, value_and_ends(levels[metric])))
    rows = np.concatenate([fold.rows for one in answers for fold in one])
    return out | {
        "seeds": len(answers),
        "folds": len(answers[0]),
        **units.counts(rows, clusters, pictures),
    }


def levels(
    found: Mapping[str, Sequence[Any]],
    clusters: np.ndarray,
    pictures: np.ndarray,
    keep: Sequence[str] | None = None,
) -> pd.DataFrame:
    """`line_of_runs`, a line each, of runs by whatever name they stand; without a run there is no line."""
    known = {name: line_of_runs(group, clusters, pictures, keep) for name, group in found.items() if group}
    return pd.DataFrame.from_dict(known, orient="index")


def basis_said(line: Any) -> str:
    """`words.basis_said` of a line with `line_of_runs`'s columns, on which one part is a split without folds."""
    basis = {"n": line.seeds, "folds": line.folds if line.folds > 1 else 0}
    return words.basis_said(basis | {name: getattr(line, name) for name in ablation.SIZES})


def change_said(a: Any, b: Any) -> str:
    """`−21.9 points (−25.9 to −18.1), by picture −20.8 points (…)`: from one line to another, of `line_of_runs`'s columns."""
    file, picture = changes(b, a)
    return words.points(file, picture if np.isfinite(picture.value) else None)


def changes(one: Any, other: Any) -> list[intervals.Interval]:
    """Accuracy of a line less another's by file and by picture, from the intervals of both."""
    return [
        intervals.minus(*(intervals.Interval(*side[list(three)]) for side in (one, other)))
        for three in (SCORES["accuracy"], PICTURE_COLUMNS["accuracy"])
    ]


def value_and_ends(one: worth.Worth) -> tuple[float, float, float]:
    """Value, low and high of an accuracy or a difference."""
    return one.value, one.low, one.high


def answers_to(one: bootstrap.Answers, tested: np.ndarray) -> bootstrap.Answers:
    """The answers to the images `tested` (rows of the dataset). Raises `ValueError` where one was not tested."""
    kept = np.isin(one.rows, tested)
    if kept.sum() != len(tested):
        raise ValueError("two sides to be compared have different test images; compare runs of one split")
    return one._replace(rows=one.rows[kept], labels=one.labels[kept], probs=one.probs[kept])

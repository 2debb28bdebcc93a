"""The control of chapter 15: the proposed model tested against itself, every two of its seeds."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from gcaf_lib.evaluation import folds, intervals, paired_tests
from gcaf_lib.findings import matched, p_values, words


def permuted(
    records: Sequence[Any], groups: np.ndarray, pictures: np.ndarray, n: int = intervals.PERMUTATIONS
) -> pd.DataFrame:
    """The control: the proposed model against itself, every two of its seeds: first, second, difference, p, picture,
    picture_p.

    The same permutations by patient as `p_values.tests` does with a row, of images and with each picture weighing 1 (pictures
    (N,): `units.pictures`). Two trainings of one method are not two methods, so how small p is here tells what a small p
    between rows is worth. records: taken are the seeds that have all folds.
    """
    runs, lines = p_values.method(folds.pool(matched.with_all_folds(records))), []
    for a, b in itertools.combinations(sorted(runs), 2):
        rows = runs[a].rows
        tests_ = [
            intervals.cluster_permutation(weight * runs[a].right, weight * runs[b].right, groups[rows], n)
            for weight in (np.ones(len(rows)), p_values.even_weights(rows, pictures))
        ]
        lines.append((a, b, *(value for test in tests_ for value in (test.difference, test.p))))
    return pd.DataFrame(lines, columns=["first", "second", "difference", "p", "picture", "picture_p"])


def permuted_said(frame: pd.DataFrame, sweep: Callable[[str], str]) -> str:
    """What the control says, whatever it finds; frame: of `permuted`, sweep: `Chapter.sweep`."""
    if frame.empty:
        return (
            "The proposed model has fewer than two seeds of all folds, so it can't be set beside itself, and how much of these differences is "
            f"another training's chance is not known: `{sweep('patients')} --seeds 2` trains a second."
        )
    pairs = "; ".join(
        f"seed {r.first} minus seed {r.second} {words.signed(100 * r.difference)} points, {_p(r.p)}, by picture {words.signed(100 * r.picture)}, {_p(r.picture_p)}"
        for r in frame.itertuples()
    )
    hits, copied = (int((frame[name] < paired_tests.ALPHA).sum()) for name in ("p", "picture_p"))
    told = (
        f"In {hits} of {len(frame)}, by picture in {copied}, that test calls the method different from itself. It speaks of two trained models "
        "and not of two methods: where a row was trained once, it can't show that one method is worse than another."
        if hits or copied
        else "The test does not call the method different from itself in these; it still speaks of trained models, and not of methods."
    )
    most = (f"{100 * frame[name].abs().max():.2f}" for name in ("difference", "picture"))
    return (
        f"**The control:** the proposed model beside itself, by the permutation by patient, without an adjustment: {pairs}. {told} Two of its seeds "
        f"differ by up to {' points, by picture '.join(most)}: an effect of one seed that is no larger is not told from the method's own spread. "
        "(Rows of Tables 4, 5 and 8 start from the same stage 0 as the proposed model of that seed, two seeds of one method do not: for those rows this is strict.)"
    )


def _p(value: float) -> str:
    """`p = 0.031`, or `p < 0.001`."""
    return f"p {'' if value < 0.0005 else '= '}{p_values.p_said(value)}"

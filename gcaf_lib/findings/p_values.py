"""p-values of each row against the proposed model, seed by seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from gcaf_lib.evaluation import intervals, paired_tests, units, worth
from gcaf_lib.findings import table_rows
from gcaf_lib.paper import published_gaps
from gcaf_lib.training import experiments

# what §5.7 may mean
TESTED = {place: name for place, name in table_rows.TABLES.items() if place != "Table 8"}
Tables = Mapping[str, Mapping[str, Sequence[Any]]]  # table ("Table 4") to row to its runs
ROUNDING = 1e-9  # of a difference of two means that are equal


def method(records: Sequence[Any]) -> dict[int, paired_tests.Run]:
    """Run records of one row as `paired_tests` takes them, by seed."""
    return {r.seed: paired_tests.Run(r.rows(), r.labels(), r.probabilities()) for r in records}


def rival_runs(experiment: str, found: Mapping[str, Sequence[Any]]) -> dict[str, dict[int, paired_tests.Run]]:
    """Rows of an experiment but the proposed model's own, trained or not, in the experiment's order."""
    own = table_rows.proposed_rows(experiment)
    rows = [row.label for row in experiments.experiment(experiment).rows if row.label not in own]
    return {row: method(found.get(row, ())) for row in rows}


def tests(
    found: Tables,
    reference: Sequence[Any],
    groups: np.ndarray,
    test_to_train: float,
    n: int = intervals.PERMUTATIONS,
    pictures: np.ndarray | None = None,
) -> pd.DataFrame:
    """`paired_tests.compare_all` of every rival of Tables 4, 5 and 6 with the proposed model, and what the paper prints.

    found: table ("Table 4") to `chapter.records` of its experiment; reference: records of the proposed model.
    Columns before those of `paired_tests.compare`: place, row, published (the paper's difference as a fraction,
    NaN for a row that it doesn't have), picture (the difference with each picture weighing 1, where pictures
    (N,) of `units.pictures` are given and the split is a grouped one). Holm's adjustment is over the rows of one table.
    """
    base, frames = method(reference), []
    for place, name in TESTED.items():
        records = found.get(place, {})
        frame = paired_tests.compare_all(base, rival_runs(name, records), groups, test_to_train, n)
        theirs = published_gaps.rival_gaps(place).set_index("row")["gap"]
        frame.insert(0, "place", place)
        frame.insert(2, "published", [-theirs.get(row, np.nan) for row in frame["row"]])
        copied = [_by_picture(records.get(row, ()), base, groups, pictures, n) for row in frame["row"]]
        frame.insert(3, "picture", [difference for difference, _ in copied])
        frame["picture_p"] = [p for _, p in copied]
        frame["picture_holm"] = intervals.holm(frame["picture_p"])
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def _by_picture(records, second, groups, pictures, n: int) -> tuple[float, float]:
    """Difference of records and the method `second` with each picture weighing 1, and the p of its permutation by patient;
    NaN where that is not asked."""
    first = method(records)
    seeds = paired_tests.common_seeds(first, second)
    if pictures is None or not seeds or not worth.grouped(records):
        return np.nan, np.nan
    rows = first[seeds[0]].rows
    weight = even_weights(rows, pictures)
    hits = (np.mean([one[s].right for s in seeds], axis=0) for one in (first, second))
    test = intervals.cluster_permutation(*(weight * hit for hit in hits), groups[rows], n)
    return test.difference, test.p


def even_weights(rows: np.ndarray, pictures: np.ndarray) -> np.ndarray:
    """Weights (n,) of tested rows, 1 in the mean, with which each picture weighs the same."""
    weight = units.picture_weights(rows, pictures)
    return weight / weight.mean()


def p_pair(p: float, adjusted: float) -> str:
    """`0.031 (0.094)`: a p-value, and Holm's."""
    return f"{p_said(p)} ({p_said(adjusted)})" if np.isfinite(p) else "–"


def p_said(p: float) -> str:
    """A p-value to three decimals, or `< 0.001`."""
    return "–" if not np.isfinite(p) else "< 0.001" if p < 0.0005 else f"{p:.3f}"

"""The contradiction registry: every check of the paper's own numbers in one table (`gcaf audit`).

    registry()     place, claim, check, verdict, default: one row a check
    impossible()   figures that the scorecard marks "can't be true"

`evaluation.dataset_audit` is another matter.
"""

from __future__ import annotations

import functools
import itertools
import textwrap

import pandas as pd

from gcaf_lib.paper import checks, claims
from gcaf_lib.paper import published as paper
from gcaf_lib.paper.checks import ERRORS, Finding

COLUMNS = list(Finding._fields)


@functools.cache
def _attained() -> tuple[list[paper.Figure], dict[str, dict]]:
    return checks.attained()


def registry() -> pd.DataFrame:
    """Every check, errors first within the paper's order: columns `COLUMNS`.

    Needs no images and no runs; the checks of the dataset read the committed tables and say so where
    these are missing.
    """
    found = itertools.chain(
        checks.report(_attained()),
        checks.highest_recall(),
        checks.averages(),
        claims.said(),
        claims.ranges(),
        claims.dataset(),
        claims.selection(),
        claims.accuracies(),
        claims.sampling(),
        checks.repeated(),
        checks.table_2(),
    )
    frame = pd.DataFrame(list(found), columns=COLUMNS)
    order = [*ERRORS, checks.RUNS, checks.INSIDE, checks.OPEN, checks.HOLDS]
    return frame.sort_values("verdict", key=lambda v: v.map(order.index), kind="stable", ignore_index=True)


def errors(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows that can't be, or that contradict each other or the data."""
    return frame[frame["verdict"].isin(ERRORS)].reset_index(drop=True)


def impossible() -> set[tuple[str, str, str]]:
    """(place, row, metric) of every published figure that no confusion matrix gives, wherever it stands."""
    figures, rows = _attained()
    wrong = {(f.metric, f.value) for f in figures if rows[f.metric]["attainable"] is False}
    ours = {paper.PROPOSED, *(f.row for f in paper.find("Table 7"))}
    return {
        (f.place, f.row, f.metric) for f in paper.FIGURES if f.row in ours and (f.metric, f.value) in wrong
    }


def common_runs() -> int | None:
    """Smallest number of runs that, used for every row of Tables 4, 5, 6 and 8, makes them attainable."""
    n = int(paper.published("§5.1", metric="testing"))
    found = [f for place in claims.TABLES for f in paper.find(place, metric="accuracy")]
    return claims.common_runs(found, n)


def text(frame: pd.DataFrame, width: int = 100) -> str:
    """The registry for a terminal: a line a claim with its check below, and the count of verdicts."""
    lines = []
    for verdict, rows in frame.groupby("verdict", sort=False):
        lines.append(f"{verdict.upper()} ({len(rows)})")
        for row in rows.itertuples():
            lines += textwrap.wrap(
                f"{row.place}: {row.claim}", width, initial_indent="  ", subsequent_indent="    "
            )
            lines += textwrap.wrap(row.check, width, initial_indent="    ", subsequent_indent="    ")
            if verdict in ERRORS and row.default:
                lines += textwrap.wrap(
                    f"here: {row.default}", width, initial_indent="    ", subsequent_indent="    "
                )
        lines.append("")
    return "\n".join([*lines, summary(frame)])


def summary(frame: pd.DataFrame) -> str:
    """One sentence: how many checks, how many of each verdict."""
    counts = frame["verdict"].value_counts(sort=False)
    return f"{len(frame)} checks: " + "; ".join(f"{verdict} {n}" for verdict, n in counts.items()) + "."


def readable(frame: pd.DataFrame) -> pd.DataFrame:
    """The registry with the heads that a reader sees."""
    return frame.set_axis(["Where", "The paper says", "Checked", "Verdict", "Here"], axis=1)

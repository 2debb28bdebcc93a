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
_attained = functools.cache(checks.attained)


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


def failed_checks(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows that can't be, or that contradict each other or the data."""
    return frame[frame["verdict"].isin(ERRORS)].reset_index(drop=True)


def impossible() -> set[tuple[str, str, str]]:
    """(place, row, metric) of every published figure that no confusion matrix gives, wherever it stands."""
    rows, ours = _attained(), checks.proposed_rows()
    wrong = {(f.metric, f.value) for f in paper.report() if rows[f.metric]["attainable"] is False}
    return {
        (f.place, f.row, f.metric) for f in paper.FIGURES if f.row in ours and (f.metric, f.value) in wrong
    }


def text(frame: pd.DataFrame, width: int = 100) -> str:
    """The registry for a terminal: a line a claim with its check below, and the count of verdicts."""
    lines = []

    def add(said: str, indent: str = "    ") -> None:
        lines.extend(textwrap.wrap(said, width, initial_indent=indent, subsequent_indent="    "))

    for verdict, rows in frame.groupby("verdict", sort=False):
        lines.append(f"{verdict.upper()} ({len(rows)})")
        for row in rows.itertuples():
            add(f"{row.place}: {row.claim}", "  ")
            add(row.check)
            if verdict in ERRORS and row.default:
                add(f"here: {row.default}")
        lines.append("")
    return "\n".join([*lines, summary_said(frame)])


def summary_said(frame: pd.DataFrame) -> str:
    """One sentence: how many checks, how many of each verdict."""
    counts = frame["verdict"].value_counts(sort=False)
    return f"{len(frame)} checks: " + "; ".join(f"{verdict} {n}" for verdict, n in counts.items()) + "."


def readable(frame: pd.DataFrame) -> pd.DataFrame:
    """The registry with the heads that a reader sees."""
    return frame.set_axis(["Where", "The paper says", "Checked", "Verdict", "Here"], axis=1)

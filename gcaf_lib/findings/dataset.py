"""Chapter 1: what the dataset holds, beside what the paper says it holds."""

from __future__ import annotations

import pandas as pd

from gcaf_lib.display.style import CLASS_NAMES
from gcaf_lib.findings import words


def counts_said(beside: pd.DataFrame) -> str:
    """How many counts differ from the paper's Table 2; beside: of `beside_published`."""
    differ = int(beside.map(lambda cell: "(" in cell).to_numpy().sum())
    if not differ:
        return (
            "No count differs. Of the classes' totals that says something. The counts of the parts agree by construction: how parts are "
            "rounded here was chosen to give them, and two stratified calls of scikit-learn's `train_test_split` (a fifth off, then halved) give them, too."
        )
    return f"{differ} of {beside.size} counts {words.verb(differ, 'differs', 'differ')}."


def beside_published(counts: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """Table 2: measured counts with totals, and the published ones in brackets where they differ."""
    mine = counts.assign(total=counts.sum(axis=1))
    mine.loc["total"] = mine.sum()
    theirs = published.set_index(published.columns[0])
    cells = [
        [f"{n:,}" if n == other else f"{n:,} ({int(other):,})" for n, other in zip(*both)]
        for both in zip(mine.to_numpy(), theirs.to_numpy())
    ]
    index = pd.Index([CLASS_NAMES.get(c, c.capitalize()) for c in mine.index], name="Class")
    return pd.DataFrame(cells, index, [c.capitalize() for c in mine.columns])

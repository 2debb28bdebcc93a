"""Chapter 1: what the dataset holds, beside what the paper says it holds."""

from __future__ import annotations

import pandas as pd

from gcaf_lib.findings import words


def counts_said(beside: pd.DataFrame) -> str:
    """How many counts differ from the paper's Table 2; beside: of `tables.beside_published`."""
    differ = int(beside.map(lambda cell: "(" in cell).to_numpy().sum())
    if not differ:
        return (
            "No count differs. Of the classes' totals that says something. The counts of the parts agree by construction: how parts are "
            "rounded here was chosen to give them, and two stratified calls of scikit-learn's `train_test_split` (a fifth off, then halved) give them, too."
        )
    return f"{differ} of {beside.size} counts {words.verb(differ, 'differs', 'differ')}."

"""What others report on the figshare slices (three tumour classes) with no patient in two parts.

The one place for these figures; chapters read them from here. Accuracies as fractions. Only what was read in the
source itself is listed.
"""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd


class Result(NamedTuple):
    """One reported accuracy, and the source in which it was read."""

    method: str
    accuracy: float
    given: str
    source: str
    doi: str


PATIENT_LEVEL = (
    Result(
        "Bag of words on the augmented tumour region, split into rings",
        0.9128,
        "image and tumour region",
        "Cheng et al. 2015, PLoS ONE 10(10), e0140381",
        "10.1371/journal.pone.0140381",
    ),
)


def table() -> pd.DataFrame:
    """Method, Sees, Accuracy (%), Source of every reported figure, in the order above."""
    rows = [(r.method, r.given, f"{100 * r.accuracy:.2f}", r.source) for r in PATIENT_LEVEL]
    return pd.DataFrame(rows, columns=["Method", "Sees", "Accuracy (%)", "Source"])

"""What others report on the figshare slices (three tumour classes) with no patient in two parts.

The one place for these figures; chapters read them from here. Accuracies as fractions.
"""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd


class Reported(NamedTuple):
    """One reported accuracy: `spread` as the source gives it (None: none given); `checked`: read in the source itself."""

    method: str
    accuracy: float
    spread: float | None
    given: str
    source: str
    doi: str
    checked: bool


PATIENT_LEVEL = (
    Reported(
        "Bag of words on the augmented tumour region",
        0.9128,
        None,
        "image and tumour region",
        "Cheng et al. 2015, PLoS ONE 10(10), e0140381",
        "10.1371/journal.pone.0140381",
        True,
    ),
    # The two figures below were handed to this project without a reference; none was found for them.
    Reported("ResNet-34", 0.932, 0.008, "image", "not traced", "", False),
    Reported(
        "Network with mask supervision", 0.952, 0.002, "image; masks in training", "not traced", "", False
    ),
)


def table() -> pd.DataFrame:
    """Method, Sees, Accuracy (%), Source of every reported figure, in the order above."""
    return pd.DataFrame(
        {
            "Method": [r.method for r in PATIENT_LEVEL],
            "Sees": [r.given for r in PATIENT_LEVEL],
            "Accuracy (%)": [percent(r) for r in PATIENT_LEVEL],
            "Source": [r.source for r in PATIENT_LEVEL],
        }
    )


def percent(entry: Reported) -> str:
    """`93.2 ± 0.8` with the decimals that were reported."""
    if entry.spread is None:
        return f"{100 * entry.accuracy:.2f}"
    return f"{100 * entry.accuracy:.1f} ± {100 * entry.spread:.1f}"

"""The gaps between the proposed model and its rivals as the paper prints them, and what they would need.

A gap is the proposed model's accuracy minus the row's, a fraction. One test set has one number of images: how
many gaps it can tell apart depends on how the two methods' errors overlap, which the paper does not give.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from gcaf_lib.evaluation import comparing, significance
from gcaf_lib.report import claims, paper

METRIC = "accuracy"
COLUMNS = ["place", "row", "gap", "images", "least", "independent", "most", "at_overlap"]


def headline() -> tuple[float, int, int]:
    """The proposed model's published accuracy (fraction), the test images, and those it has right."""
    top = paper.published("Abstract", paper.PROPOSED, METRIC) / 100
    n = int(paper.published("§5.1", metric="testing"))
    return top, n, round(top * n)


def published(place: str | None = None, overlap: float | None = None) -> pd.DataFrame:
    """Every rival row of Tables 4, 5, 6 and 8 (or of one place): place, row, gap, images, p-values (`COLUMNS`).

    least, independent, most: McNemar's mid-p where the two share as few errors as possible, as many as chance
    makes, as many as possible; at_overlap: where the rival makes this share of the proposed model's errors
    (NaN: none given). Counts are the whole numbers nearest to the printed accuracies.
    """
    top, n, right = headline()
    wrong, lines = n - right, []
    for where in claims.TABLES if place is None else (place,):
        for f in paper.find(where, metric=METRIC):
            if f.fraction == top:
                continue
            other = round(f.fraction * n)
            both = None if overlap is None else round(overlap * wrong)
            at = np.nan if both is None else comparing.mid_p(n - other - both, wrong - both)
            p = comparing.separable(right, other, n)
            lines.append((where, f.row, top - f.fraction, right - other, *p, at))
    return pd.DataFrame(lines, columns=COLUMNS)


def counts(frame: pd.DataFrame, alpha: float = comparing.ALPHA) -> pd.DataFrame:
    """Per table and in all: how many of the paper's gaps McNemar finds whatever the overlap, at chance's, at best.

    wilson: rows outside the 95 % Wilson interval of the headline accuracy alone.
    """
    top, n, right = headline()
    interval = significance.wilson(right, n)
    columns = {"least": "always", "independent": "independent", "at_overlap": "at_overlap", "most": "best"}
    lines = []
    for place, part in [*frame.groupby("place", sort=False), ("all", frame)]:
        line: dict[str, Any] = {"place": place, "gaps": len(part)}
        line["wilson"] = int((top - part["gap"] < interval.low).sum())
        line |= {name: int((part[column] < alpha).sum()) for column, name in columns.items()}
        lines.append(line)
    return pd.DataFrame(lines)


def counts_text(frame: pd.DataFrame, overlap: float | None = None) -> pd.DataFrame:
    """`counts` for readers."""
    heads = {
        "place": "Table",
        "gaps": "Rivals",
        "wilson": "Outside the headline's Wilson interval",
        "always": "p < 0.05 however errors overlap",
        "independent": "… if errors are independent",
        "at_overlap": f"… at {overlap:.0%} common errors" if overlap is not None else "",
        "best": "… at the most favourable overlap",
    }
    kept = [c for c in heads if heads[c]]
    return frame[kept].rename(columns=heads)


def needed(frame: pd.DataFrame, runs: Sequence[int], sd: float, test_to_train: float) -> pd.DataFrame:
    """What p < 0.05 asks of each published gap: the largest sd of differences for these numbers of runs (points),
    and, where an sd was measured, the runs that the paired and the corrected t-test need with it."""
    lines = []
    for r in frame.itertuples():
        line: dict[str, Any] = {"Table": r.place.removeprefix("Table "), "Row": r.row}
        line["Gap (points)"] = f"{100 * r.gap:.2f}"
        for n in runs:
            line[f"sd at most, {n} runs"] = f"{100 * comparing.largest_sd(r.gap, n):.2f}"
        if sd > 0:
            plain = comparing.runs_needed(r.gap, sd)
            corrected = comparing.runs_needed(r.gap, sd, test_to_train)
            line["Runs needed, paired t"] = plain or "> 10,000"
            line["Runs needed, corrected t"] = corrected or "no number is enough"
        lines.append(line)
    return pd.DataFrame(lines)

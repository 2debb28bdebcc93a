"""A table's levels and its differences to the proposed model as a reader sees them, with what stands over them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from gcaf_lib.data import splits
from gcaf_lib.display import names as naming
from gcaf_lib.display import tables
from gcaf_lib.findings import ablation, table_rows, words

# what tables call rows otherwise than their experiments do
ROW_NAMES = {"table-4": table_rows.FUSION_NAMES, "table-5": {"Proposed Model": "Mixup and EMA (proposed)"}}


def metric_format(metric: str) -> tuple[int, int, str]:
    """How a metric is shown: times what, with how many decimals, and its unit at the head of a column."""
    return (100, 2, " (%)") if metric in naming.SHARES else (1, 4, "")


def table(
    frame: pd.DataFrame,
    first: str = "Row",
    names: Mapping[str, str] | None = None,
    show_published: bool = True,
) -> pd.DataFrame:
    """Levels for readers: one line a row, n seeds, the paper's figure in square brackets where `show_published`.

    names: what to call rows. No verdict: that is on the differences (`difference_table`).
    """
    lines = []
    for row, part in frame.groupby("row", sort=False):
        line: dict[str, Any] = {first: (names or {}).get(row, row), "n": naming.runs_text(part.iloc[0])}
        for k, (_, r) in enumerate(part.iterrows()):
            scale, decimals, unit = metric_format(r["metric"])
            head = naming.metric_name(r["metric"]) + unit
            printed = (
                f" [{r['published'] * scale:.{r['decimals']:.0f}f}]"
                if r["decimals"] >= 0 and show_published
                else ""
            )
            level = words.mean_sd(r["mean"], r["sd"], decimals, scale)
            level = level if r["n"] else "–" if k else naming.ABSENT
            line[head] = words.beside(level + printed, scale * r["picture"], f"{{:.{decimals}f}}".format)
            if not k:
                copied = words.ends(r["picture_low"], r["picture_high"], decimals, scale)
                line["95% interval"] = words.ends(r["low"], r["high"], decimals, scale)
                line["95% interval"] += f", by picture {copied}" * (copied != "–")
        lines.append(line)
    return pd.DataFrame(lines)


def over_seeds(show_published: bool) -> str:
    """What the caption of `table` says of its seeds, and of the paper's figures where they stand in it (`show_published`)."""
    return (
        "over the n seeds that all trained rows have"
        + ", the paper's figure in square brackets" * show_published
    )


# what the caption of `table` says of its interval
ACCURACY_INTERVAL = f"the accuracy's 95% interval {words.OVER} ({words.BOOTSTRAP})."


def difference_table(
    frame: pd.DataFrame, first: str = "Row", names: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """One line a row but the proposed: in accuracy the paper's difference to the proposed, ours (on a grouped split by picture
    too), the verdict on it."""
    lines = [
        {
            first: (names or {}).get(r["row"], r["row"]),
            "The paper (points)": words.signed(100 * r["published_difference"]),
            "Measured": words.shift(ablation.worth_of(r, "difference"), 2, 100)
            if r["pairs"]
            else naming.ABSENT,
            "By picture": words.shift(ablation.worth_of(r, "picture_difference"), 2, 100),
            "sd over seeds": f"{100 * r['difference_sd']:.2f}" if r["pairs"] > 1 else "–",
            "n": naming.runs_text(r),
            "Verdict": r["verdict"],
        }
        for _, r in ablation.others(frame).iterrows()
    ]
    table_ = pd.DataFrame(lines)
    return table_ if frame["picture_difference"].notna().any() else table_.drop(columns="By picture")


def show_differences(
    frame: pd.DataFrame, name: str, first: str = "Row", names: Mapping[str, str] | None = None
) -> None:
    """Show `difference_table` under its caption; name: the label of the table on its page."""
    tables.show(difference_table(frame, first, names), name, difference_caption(frame), data=frame)


def difference_caption(frame: pd.DataFrame) -> str:
    """What stands over `difference_table`: minus what, of which images, what its verdict is on, and what is compared."""
    how = ", with its 95% interval; the verdict says where the published difference lies."
    if frame["folds"].any():
        how = f": over all {splits.FOLDS} patient-disjoint folds, with 95% intervals, and by picture (copies count as one); the verdict is on this split."
    return f"Accuracy minus that of {table_rows.called(frame)}, in points, on the same test images and seeds{how}{basis_said(frame)}"


def basis_said(frame: pd.DataFrame) -> str:
    """` Compared: 2 seeds of 5 folds, 7,023 images (…).`: what a table's differences rest on, behind its caption; "" where
    nothing is compared. frame: of `ablation.measure`, whose rows have the same seeds."""
    run = ablation.compared(frame)
    return f" Compared: {words.basis_said(run.iloc[0])}." if len(run) else ""

"""Which true differences the comparisons of each split and table could have shown, beside those that the paper prints."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from gcaf_lib.display import names
from gcaf_lib.evaluation import folds
from gcaf_lib.findings import ablation, difference_intervals, p_values, table_rows, words


def comparisons(
    chapter: Any, found: p_values.Tables, main: Sequence[Any], apart: p_values.Tables
) -> dict[str, dict[str, pd.DataFrame]]:
    """Split to table to `ablation.measure` in accuracy: on the page's split (found, with `main`) and on five folds (apart)."""
    own = folds.NAMES.get(chapter.profile_and_split[1], chapter.profile_and_split[1])
    metrics = ["accuracy"]
    return {
        own: {
            place: ablation.measure(
                name, found[place], chapter.dataset, main, metrics, chapter.profile_and_split
            )
            for place, name in table_rows.TABLES.items()
        },
        "five patient-disjoint folds": {
            place: ablation.measure_on_folds(chapter, name, apart[place], metrics)
            for place, name in table_rows.TABLES.items()
        },
    }


SEEN = ("least", "most", "picture_least", "picture_most")


def by_table(frames: Mapping[str, Mapping[str, pd.DataFrame]]) -> pd.DataFrame:
    """What the comparisons of each split and table rest on, and which true differences they could have shown.

    frames: split to table ("Table 4") to `ablation.measure`'s. split, place, pairs, folds, `ablation.SIZES`; least, most: the true
    difference from which on the narrowest and the widest row's interval excludes 0 with a power of 80% (`difference_intervals.detectable`), picture_…;
    gaps: the paper's differences of trained rows, as_large: those that are as large as their row's.
    """
    lines = []
    for (split, tables_), place in itertools.product(frames.items(), table_rows.TABLES):
        run = ablation.others(tables_[place])
        run = run[run["pairs"] > 0]
        line = {"split": split, "place": place, "pairs": 0}
        if len(run):
            line |= run.iloc[0][["pairs", "folds", *ablation.SIZES]].to_dict()
        seen, copied = (difference_intervals.detectable(run, name) for name, _ in ablation.WAYS.values())
        line |= dict(zip(SEEN, (seen.min(), seen.max(), copied.min(), copied.max())))
        gaps = run["published_difference"].abs()
        line |= {"gaps": int(gaps.notna().sum()), "as_large": int((gaps >= seen).sum())}
        lines.append(line)
    seen = [*SEEN, "gaps", "as_large"]
    return pd.DataFrame(lines).reindex(columns=["split", "place", "pairs", "folds", *ablation.SIZES, *seen])


def by_table_text(frame: pd.DataFrame) -> pd.DataFrame:
    """`by_table` for readers, in points."""
    return pd.DataFrame(
        {
            "Split": r.split,
            "Table": r.place.removeprefix("Table "),
            "Compared": words.basis_said(r._asdict()) if r.pairs else names.ABSENT,
            "Seen from (points)": words.extent((100 * r.least, 100 * r.most)),
            "By picture": words.extent((100 * r.picture_least, 100 * r.picture_most)),
            "The paper's as large": f"{r.as_large} of {r.gaps}",
        }
        for r in frame.itertuples()
    )


def by_table_said(frame: pd.DataFrame) -> str:
    """How many of the paper's gaps each split's comparisons could have shown; frame: of `by_table`."""
    known, once = frame[frame["pairs"] > 1], frame[frame["pairs"] == 1]
    if known.empty:
        return "No row but the proposed model's has been trained twice, so there is no interval over trainings to tell from."
    said = [
        f"{split} {part['as_large'].sum()} of {part['gaps'].sum()}"
        for split, part in known.groupby("split", sort=False)
    ]
    alone = "; ".join(
        f"{words.some(list(part['place']))} on {split}" for split, part in once.groupby("split", sort=False)
    )
    return (
        f"Of the paper's gaps, these are as large as what their row's comparison would have shown with a power of 80%: {'; '.join(said)}. Where a smaller one is not "
        "distinguishable from 0 here, that is no sign that it isn't there."
        + (
            f" Left out, because one seed knows nothing of another training's chance: {alone}."
            if alone
            else ""
        )
    )

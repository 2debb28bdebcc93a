"""A table's rows as a sentence lists them: by name, by difference, and by what is left of it after the adjustment for their number."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from gcaf_lib.findings import ablation, ablation_tables, difference_intervals, table_rows, words


def difference_said(line: pd.Series) -> str:
    """`−0.57 (−1.99 to +0.85)`: the difference to the reference with its interval; on a grouped split by picture too."""
    if not line["pairs"]:
        return "–"
    if line["reference"]:
        return table_rows.called(line)
    scale, decimals, _ = ablation_tables.metric_format(line["metric"])
    both = (words.shift(ablation.worth_of(line, name), decimals, scale) for name, _ in ablation.WAYS.values())
    return ", ".join(f"{word}{text}" for word, text in zip(ablation.WAYS, both) if text != "–")


def listed(part: pd.DataFrame, names: Mapping[str, str] | None = None, seeds: bool = False) -> str:
    """`concat −1.2 (…); gate …`: the rows of a part of `ablation.measure`'s frame with their differences, or `none`.

    seeds: whether to say behind a row that it is compared by one seed.
    """
    known = [
        f"{(names or {}).get(r['row'], r['row'])} {difference_said(r)}{' (one seed)' * (seeds and r['pairs'] == 1)}"
        for _, r in part.iterrows()
    ]
    return "; ".join(known) or "none"


def shifts(part: pd.DataFrame, name: str, names: Mapping[str, str] | None) -> str:
    """`concat −1.2 (−2.0 to −0.4); gate …`: one of the two differences of these rows with its interval, or `none`."""
    said = [
        f"{(names or {}).get(r['row'], r['row'])} {words.shift(ablation.worth_of(r, name), 2, 100)}"
        for _, r in part.iterrows()
    ]
    return "; ".join(said) or "none"


def named(part: pd.DataFrame, names: Mapping[str, str] | None) -> str:
    """`concat, gate`: these rows by name, or `none`."""
    return ", ".join((names or {}).get(row, row) for row in part["row"]) or "none"


def left(told: pd.DataFrame, name: str, wide: str, names: Mapping[str, str] | None = None) -> str:
    """`concat, gate (only before it: cross)`: rows whose interval excludes 0 after the adjustment for their number, and those
    whose does only before. name, wide: as in `ablation.COUNTED`."""
    gone = difference_intervals.lost(told, name, wide)
    before = f" (only before it: {named(told[gone], names)})" if gone.any() else ""
    return named(told[~gone], names) + before

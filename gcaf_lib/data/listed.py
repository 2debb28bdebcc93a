"""Lists that people give as CSV: cells by line, and which column is meant."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from gcaf_lib.data.dataset import DataError


def rows(text: str) -> list[tuple[int, list[str]]]:
    """(line number, cells) of each line that isn't blank, the first the head's; cells parted by comma, semicolon or tab.

    A first line `sep=;`, as Excel has it, is passed over. Raises `DataError` that names the line where it is no CSV.
    """
    reader = csv.reader(io.StringIO(text, newline=None), delimiter=mark(text))
    try:
        out = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise DataError(f"line {reader.line_num}: {error}") from None
    return out[1:] if out and out[0][1] == ["sep=", ""] else out


def mark(text: str) -> str:
    """What parts the cells: comma, semicolon or tab, by the first line that isn't blank."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    return max(",;\t", key=first.count)


def columns(head: Sequence[str], names: Sequence[str]) -> list[int]:
    """Where those of `names` that a head has stand in it, whatever their case, spaces and dashes."""
    plain = [re.sub(r"[\s\-]+", "_", cell.strip().lower()) for cell in head]
    return [plain.index(name) for name in names if name in plain]


def column(head: Sequence[str], names: Sequence[str]) -> int | None:
    """Where the first of `columns` stands."""
    return next(iter(columns(head, names)), None)


def demand_spared(out: str | Path, given: Iterable[str | Path]) -> None:
    """Raise `DataError` where writing `out` would lose what was given to be read: a list, or one of its images."""
    if os.path.realpath(out) in set(map(os.path.realpath, given)):
        raise DataError(f"{out} was given to be read and would be lost: write to another file")

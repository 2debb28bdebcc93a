"""Lists that people give as CSV: cells by line, and which column is meant."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from gcaf_lib.data.dataset import DataError


def plain(text: str) -> str:
    """A text without byte-order marks, and with a space for what Python takes for a blank and a browser doesn't."""
    return re.sub("[\x1c-\x1f\x85]", " ", text.replace("\ufeff", ""))


def rows(text: str) -> list[tuple[int, list[str]]]:
    """(line number, cells) of each line that isn't blank, the first the head's; cells parted by comma, semicolon or tab.

    A first line `sep=;`, as Excel has it, is passed over. Raises as `cells`.
    """
    out = [(line, row) for line, row in cells(text, mark(text)) if any(cell.strip() for cell in row)]
    return out[1:] if out and out[0][1] == ["sep=", ""] else out


def cells(text: str, mark: str) -> list[tuple[int, list[str]]]:
    """(number of the last line, cells) of each row of a CSV; quotes may hold line ends.

    Raises `DataError` that names the line where it is no CSV, or from which on a quote is open to the end: all that
    follows would be one cell, and its rows lost without a word.
    """
    end = "the end"  # a row of its own, unless a quote is open
    # a note may be as long as the text
    csv.field_size_limit(max(csv.field_size_limit(), len(text) + len(end) + 1))
    reader = csv.reader(io.StringIO(f"{text}\n{end}", newline=None), delimiter=mark)
    try:
        *out, last = [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise DataError(f"line {reader.line_num}: {error}") from None
    if last[1] != [end]:
        raise DataError(f"line {out[-1][0] + 1 if out else 1}: a quote opens here and is never closed")
    return out


def mark(text: str) -> str:
    """What parts the cells: comma, semicolon or tab, by the first line that isn't blank."""
    first = next((line for line in re.split("[\r\n]", text) if line.strip()), "")
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

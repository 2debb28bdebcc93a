"""A classification report as somebody printed it: pasted text, CSV or JSON, read into supports and figures.

    read("report.csv")         a file
    parse(text)                what was pasted

Understood are scikit-learn's `classification_report` (its text, its dictionary, a frame of it), a table with a row
a class and a column a metric, a list of metric and value, and JSON {"supports": {…}, "figures": {…}}. Every figure
keeps the decimals that it was printed with: 0.940 says more than 0.94.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

from gcaf_lib.data import listed
from gcaf_lib.machine import read_text
from gcaf_lib.paper import report_cells
from gcaf_lib.paper.confusions import Reported
from gcaf_lib.paper.report_cells import NOTHING, NUMBER, WHOLE, Cell, ReportError, digits

DECIMALS = 8  # more are a computer's own, not a paper's
LARGEST = 1_000_000  # bytes: a report is a page, not a book


@dataclass(frozen=True)
class Report:
    """supports: images of each class; figures: as printed; total: images as printed in the rows of averages, or
    None; ignored: columns and rows that the check does not know."""

    supports: dict[str, int]
    figures: list[Reported]
    total: int | None = None
    ignored: tuple[str, ...] = ()


def read(path: str | Path) -> Report:
    """The report in a file; raises `ReportError` for one that is no report, `OSError` where it can't be read."""
    text = read_text(path, LARGEST, ReportError, "give the report alone, as CSV, JSON or plain text in UTF-8")
    try:
        return parse(text)
    except ReportError as error:
        raise ReportError(f"{path}: {error}") from None


def parse(text: str) -> Report:
    """The report in a text; raises `ReportError`."""
    text = listed.plain(text)
    if not text.strip():
        raise ReportError(NOTHING)
    form = report_cells.from_json if text.lstrip()[0] in "{[" else report_cells.from_table
    return _report(*form(text))


def _report(cells: list[Cell], ignored: list[str]) -> Report:
    """Figures with their units. A column is in percent where any of its figures is above 1, or says so; then a
    figure of 1 or less has to say so itself."""
    seen = {}
    free = ("total", "accuracy")  # weighted recall and micro averages are the accuracy by other names
    for cell in cells:
        if seen.setdefault((cell.metric, cell.of), cell.text) != cell.text and cell.metric not in free:
            raise ReportError(
                f"{cell.place} stands there twice: {seen[cell.metric, cell.of]} and {cell.text}"
            )
    sizes = [c for c in cells if c.metric == "support"]
    told = [c for c in cells if c.metric not in ("support", "total")]
    mark = "," if any("," in c.text for c in told) else "."
    supports = {c.of: _count(c, mark) for c in sizes}
    if again := [c.of for k, c in enumerate(sizes) if c.of in [one.of for one in sizes[:k]]]:
        raise ReportError(
            f"class {again[0]} stands there twice: give each class one row, under a name of its own"
        )
    bare = [name for name in dict.fromkeys(c.of for c in told if c.of is not None) if name not in supports]
    if bare or len(supports) < 2:
        lack = f"of {', '.join(name or 'a row without a name' for name in bare)} " if bare else ""
        raise ReportError(f"the support {lack}is missing: the number of test images of every class is needed")
    if not told:
        raise ReportError("there are supports, but no figures to check")
    percent = {_column(c): c for c in told if "%" in c.text or abs(_number(c)[0]) > 1}
    figures = [_figure(c, _column(c) in percent) for c in told]
    for cell, f in zip(told, figures):
        other = percent.get(_column(cell))
        if other and "%" not in cell.text and 0 < abs(f.value) <= 1:
            raise ReportError(
                f"{cell.place}: {cell.text} reads as a fraction, but {other.text} ({other.place}) is in percent: "
                "write % behind every percent, or give fractions alone"
            )
    means = [c for c in cells if c.metric == "total" and _is_mean(c.text, supports)]
    ignored = [*ignored, *(f"support of {c.place}" for c in means)]
    totals = {_count(c, mark) for c in cells if c.metric == "total" and c not in means}
    if len(totals) > 1:
        raise ReportError(f"the rows of averages name different numbers of images: {sorted(totals)}")
    kept = list(dict.fromkeys(figures))
    return Report(supports, kept, next(iter(totals), None), tuple(dict.fromkeys(ignored)))


def _column(cell: Cell) -> str:
    """What shares a unit: a metric's class figures and averages."""
    return cell.metric.split("_")[-1]


def _number(cell: Cell) -> tuple[float, int]:
    """Value and decimals of a cell's text."""
    text = cell.text.replace("%", "").replace("−", "-").strip()
    if "," in text and "." not in text:
        text = text.replace(",", ".")
    if not NUMBER.fullmatch(text):
        raise ReportError(f"{cell.place}: {cell.text[:40]!r} is not a number")
    figures, _, power = text.lower().partition("e")
    decimals = len(figures.partition(".")[2]) - int(power or 0)
    decimals = min(max(decimals, 0), DECIMALS)
    return rounded(float(text), decimals), decimals


def rounded(value: float, decimals: int) -> float:
    """A figure to so many decimals, a tie away from 0, as people round and as the page's `toFixed` does."""
    if not abs(value) < 1e15:
        return value
    return float(Decimal(value).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP))


def _figure(cell: Cell, percent: bool) -> Reported:
    value, decimals = _number(cell)
    metric = cell.metric if cell.of is None else f"{cell.metric}_{cell.of}"
    top = 100 if percent else 1
    least = -top if cell.metric in ("kappa", "mcc") else 0
    if not least <= value <= top:
        raise ReportError(f"{cell.place}: {cell.text[:40]} is not between {least} and {top}")
    return Reported(metric, value, decimals, percent)


def _is_mean(text: str, supports: dict[str, int]) -> bool:
    """Whether a row of averages gives the mean of the supports too, where others give their sum."""
    mean, printed = sum(supports.values()) / len(supports), digits(text)
    return bool(NUMBER.fullmatch(printed)) and abs(float(printed) - mean) < 1


def _count(cell: Cell, mark: str) -> int:
    """Images in a support's cell; `mark`, the decimal mark of the report's figures, is no thousands mark."""
    if re.fullmatch(rf"\s*[0-9]{{1,3}}(?:[{mark}][0-9]{{3}})+\s*", cell.text):
        raise ReportError(
            f"{cell.place}: {cell.text[:40]!r} is no clear number of images: write it without a dot or comma"
        )
    text = digits(cell.text)
    if not WHOLE.fullmatch(text) or not 1 <= int(text) <= 10_000_000:
        raise ReportError(
            f"{cell.place}: {cell.text[:40]!r} is not a number of images (a whole number from 1)"
        )
    return int(text)

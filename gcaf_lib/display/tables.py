"""Frames as tables: numbered in the book, plain HTML in Colab, with the data to download."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from markdown_it import MarkdownIt

DOWNLOAD_LIMIT = 200_000  # bytes; more belongs in a file


def mean_sd_n(values: Sequence[float], decimals: int = 2, scale: float = 1) -> str:
    """`95.71 ± 0.31 (n = 5)`; one value has no ±, none is a dash."""
    kept = np.asarray([v for v in values if v is not None and np.isfinite(v)], float) * scale
    if not len(kept):
        return "–"
    spread = f" ± {kept.std(ddof=1):.{decimals}f}" if len(kept) > 1 else ""
    return f"{number(kept.mean(), decimals)}{spread} (n = {len(kept)})"


def number(value: Any, decimals: int | None = None) -> str:
    """A cell's text: thousands separated, missing as a dash, a true minus (none before what rounds to 0), floats at `decimals` or 4 digits."""
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return "–"
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if isinstance(value, (int, np.integer)):
        return f"{value:,}"
    if isinstance(value, (float, np.floating)):
        text = f"{value:.{decimals}f}" if decimals is not None else f"{value:.4g}"
        sign = "−" if text.startswith("-") and text.strip("-0.") else ""  # what rounds to 0 has none
        return sign + text.removeprefix("-")
    return str(value)


def markdown(frame: pd.DataFrame, *, decimals: int | None = None) -> str:
    """A Markdown table; numbers (and "12 ± 3" texts) to the right, words to the left."""
    frame = _whole(frame)
    cells = [[_escape(number(v, decimals)) for v in row] for row in frame.itertuples(index=False)]
    right = [all(_numeric(row[k]) for row in cells) and bool(cells) for k in range(frame.shape[1])]
    lines = ["| " + " | ".join(_escape(str(c)) for c in frame.columns) + " |"]
    lines.append("|" + "|".join("--:" if r else ":--" for r in right) + "|")
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in cells)])


def markup(frame: pd.DataFrame, caption: str = "", *, decimals: int | None = None) -> str:
    """The same as an HTML table, for Colab and Jupyter."""
    frame = _whole(frame)
    head = "".join(f'<th scope="col">{html.escape(str(c))}</th>' for c in frame.columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(number(v, decimals))}</td>" for v in row) + "</tr>"
        for row in frame.itertuples(index=False)
    )
    title = f"<caption>{inline(caption)}</caption>" if caption else ""
    return f'<table class="gcaf-table">{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def inline(text: str) -> str:
    """A caption's Markdown (emphasis, code) as HTML; what is HTML in it is shown as it stands."""
    return MarkdownIt("commonmark", {"html": False}).renderInline(text)


def download(frame: pd.DataFrame, name: str) -> str:
    """A link that holds the frame as CSV: it works offline, from file:// and in Colab."""
    text = frame.to_csv(index=not isinstance(frame.index, pd.RangeIndex), lineterminator="\n").encode()
    if len(text) > DOWNLOAD_LIMIT:
        raise ValueError(f"{name}: {len(text)} bytes of CSV are too many to hold in a page; write a file")
    data = base64.b64encode(text).decode()
    return f'<a class="gcaf-download" download="{name}.csv" href="data:text/csv;base64,{data}">{name}.csv</a>'


def numbered(frame: pd.DataFrame, name: str, caption: str, **options: Any) -> str:
    """MyST text of a numbered table that `{numref}` finds under `name`, with its download."""
    data = options.pop("data", frame)
    table = markdown(frame, **options)
    # tildes: a fence of backticks may not have one in its caption
    return f"~~~{{table}} {caption}\n:name: {name}\n:align: left\n\n{table}\n~~~\n\n{download(data, name)}\n"


def show(
    frame: pd.DataFrame, name: str, caption: str, *, data: pd.DataFrame | None = None, **options: Any
) -> None:
    """Show a numbered table with its caption; `data` is what the CSV holds (default: `frame`).

    The book takes the Markdown (numbered, cross-referenced), Colab and Jupyter take the HTML.
    """
    from IPython.display import display

    data = frame if data is None else data
    display(
        {
            "text/markdown": numbered(frame, name, caption, data=data, **options),
            "text/html": markup(frame, caption, **options) + download(data, name),
            "text/plain": frame.to_string(),
        },
        raw=True,
    )


def _whole(frame: pd.DataFrame) -> pd.DataFrame:
    """A table with its index as a column, unless that only numbers the rows; one of nothing has a row of dashes."""
    if not isinstance(frame.index, pd.RangeIndex):
        frame = frame.rename_axis(frame.index.name or "").reset_index()
    return frame if len(frame) else pd.DataFrame([["–"] * frame.shape[1]], columns=frame.columns)


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _numeric(text: str) -> bool:
    stripped = text.replace(",", "").replace("–", "0").lstrip("−-+")
    return bool(stripped) and (stripped[0].isdigit() or stripped[0] == ".")

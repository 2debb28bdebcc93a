"""Every figure and table of the executed chapters with the hash of what it shows, to compare two states of the book.

    python benchmarks/labels.py > before.csv
    python benchmarks/labels.py --against before.csv [--folder /tmp/chapters]

One line a label: `data` hashes a table's CSV or a figure's SVG, `shown` the table as readers see it or the figure's
caption and alt text. `words-NN` are a chapter's computed sentences in their order, however they are spread over
cells. With `--against` only differences are printed, and the exit status is 1 where there are any.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

COLUMNS = ["chapter", "label", "data", "shown"]
CSV = re.compile(r'href="data:text/csv;base64,([^"]*)"')
TABLE = re.compile(r"^~~~\{table\}.*?^:name: (\S+)$.*?^~~~$", re.DOTALL | re.MULTILINE)


def digest(*parts: str) -> str:
    """12 hexadecimal digits of texts, spaces at their ends apart."""
    return hashlib.sha256("\0".join(p.strip() for p in parts).encode()).hexdigest()[:12]


def chapter(page: Path) -> Iterator[tuple[str, str, str, str]]:
    """Rows (`COLUMNS`) of one executed notebook."""
    said = []
    for cell in json.loads(page.read_text(encoding="utf-8"))["cells"]:
        about = cell["metadata"].get("mystnb", {})
        figure = about.get("figure", {})
        for output in cell.get("outputs", []):
            data = {kind: "".join(text) for kind, text in output.get("data", {}).items()}
            words, markup = data.get("text/markdown", ""), data.get("text/html", "")
            if table := TABLE.search(words):
                held = base64.b64decode(CSV.search(words).group(1)).decode()
                yield page.stem, table.group(1), digest(held), digest(table.group(0))
            elif svg := data.get("image/svg+xml"):
                caption = digest(figure.get("caption", ""), about.get("image", {}).get("alt", ""))
                yield page.stem, figure.get("name", f"figure in {cell['id']}"), digest(svg), caption
            elif words:
                said += words.split("\n\n")
            elif markup and "gcaf-strip" not in markup:
                # the ids of a page's own elements are drawn anew
                name = figure.get("name") or f"html-{len(said)}"
                yield page.stem, name, digest(re.sub(r"\b[0-9a-f]{8,}\b", "", markup)), ""
    yield page.stem, "words-" + page.stem[:2], digest(*said), ""


def labels(folder: Path) -> pd.DataFrame:
    """Rows (`COLUMNS`) of every executed notebook of a folder, or of one notebook."""
    pages = [folder] if folder.is_file() else sorted(folder.glob("*.ipynb"))
    return pd.DataFrame([row for page in pages for row in chapter(page)], columns=COLUMNS)


def differences(before: pd.DataFrame, after: pd.DataFrame) -> list[str]:
    """A line for each label that is gone, new, or shows something else; chapters that `after` lacks are left out."""
    before = before[before["chapter"].isin(after["chapter"])]
    both = before.merge(after, on=["chapter", "label"], how="outer", indicator=True)
    lines = []
    for row in both.itertuples():
        name = f"{row.chapter}  {row.label}"
        if row._7 != "both":
            lines.append(f"{name}: {'gone' if row._7 == 'left_only' else 'new'}")
        lines += [
            f"{name}: other {what}"
            for what, old, new in (("data", row.data_x, row.data_y), ("form", row.shown_x, row.shown_y))
            if row._7 == "both" and old != new
        ]
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--folder", type=Path, default=Path("book/notebooks"), help="executed notebooks, or one"
    )
    parser.add_argument("--against", type=Path, help="an earlier list")
    args = parser.parse_args()
    found = labels(args.folder)
    if args.against is None:
        found.to_csv(sys.stdout, index=False, lineterminator="\n")
        return 0
    lines = differences(pd.read_csv(args.against, keep_default_na=False), found)
    print("\n".join(lines) or f"{len(found)} labels, all as before")
    return bool(lines)


if __name__ == "__main__":
    raise SystemExit(main())

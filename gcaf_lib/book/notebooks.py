"""The chapters' two forms: `notebooks/NN_name.py` is edited, its clean .ipynb is what Colab opens."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import jupytext
import nbformat

from gcaf_lib.book import repository
from gcaf_lib.machine import write_text

CHAPTER = re.compile(r"^\d\d_[a-z0-9_]+$")


class BookError(RuntimeError):
    """The book can't be made; the message says what to do."""


def sources(folder: Path) -> list[Path]:
    """The chapters' .py sources in reading order."""
    found = sorted(p for p in Path(folder).glob("*.py") if CHAPTER.match(p.stem))
    if not found:
        raise BookError(f"no chapters (NN_name.py) in {folder}: run this in a checkout of the project")
    return found


COLAB_TAG = "colab-set-up"
_COLAB = """\
# In Colab only: fetch this book's library and its published run records, and install what Colab lacks.
import sys

if "google.colab" in sys.modules:
    import subprocess
    from pathlib import Path

    home = Path.cwd() / "{name}"
    if not home.is_dir():
        subprocess.run(
            ["git", "clone", "-q", "--depth=1", "--branch={ref}", "{url}", str(home)], check=True
        )
    sys.path.insert(0, str(home))
    from gcaf_lib import colab

    colab.set_up({images})"""
_IMAGES = "need_images=True"


def clean_notebook(source: Path) -> nbformat.NotebookNode:
    """The clean pair of a .py source: `plain_notebook`, ready for Colab.

    Its second cell fetches the library there (nowhere else), at the branch or tag that `_config.yml`
    beside the chapters' folder publishes, and Colab is asked for a GPU. Below a figure stands its caption, which the site
    takes from the cell's metadata. The .py has none of it, so the two are no pair in Jupytext's sense: with the extension
    Jupyter would carry the cells into the .py by itself.
    """
    book = plain_notebook(source)
    book.cells = [one for cell in book.cells for one in (cell, *_caption(cell))]
    published = repository.read(Path(source).resolve().parent.parent)
    if published:
        text = _COLAB.format(
            url=published.url,
            ref=published.branch,
            name=published.name,
            images="images=True" if any(_IMAGES in c.source for c in book.cells) else "",
        )
        cell = nbformat.v4.new_code_cell(text, id=COLAB_TAG, metadata={"tags": [COLAB_TAG, "remove-cell"]})
        book.cells.insert(1, cell)
        book.metadata["accelerator"] = "GPU"
        book.metadata.setdefault("colab", {})["gpuType"] = "T4"
    nbformat.validate(book)
    return book


def _caption(cell: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    if not (figure := cell.metadata.get("mystnb", {}).get("figure")):
        return []
    text, name = f"**Figure.** {figure['caption']}", f"caption-{figure['name']}"
    return [nbformat.v4.new_markdown_cell(text, id=name, metadata={"tags": [COLAB_TAG]})]


def plain_notebook(source: Path) -> nbformat.NotebookNode:
    """The notebook of a .py source: no outputs, and cell ids that don't change between conversions.

    An id is the hash of its cell's text, so that inserting a cell leaves the others alone.
    """
    book = jupytext.read(source, fmt="py:percent")
    # saving the pair in Jupyter would carry Colab's cells into the .py
    book.cells = [c for c in book.cells if COLAB_TAG not in c.metadata.get("tags", [])]
    seen: dict[str, int] = {}
    for cell in book.cells:
        base = hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:8]
        seen[base] = seen.get(base, 0) + 1
        cell["id"] = base if seen[base] == 1 else f"{base}-{seen[base]}"
        if cell.cell_type == "code":
            cell["outputs"], cell["execution_count"] = [], None
    keep = {k: v for k, v in book.metadata.items() if k in ("accelerator", "colab", "kernelspec")}
    book.metadata = nbformat.from_dict(keep)
    book.nbformat, book.nbformat_minor = 4, 5
    nbformat.validate(book)
    return book


def dumps(book: nbformat.NotebookNode) -> str:
    """A notebook as text, the same for the same content."""
    return nbformat.writes(book, indent=1).rstrip("\n") + "\n"


def sync(folder: Path, check: bool = False) -> list[Path]:
    """Write each chapter's clean .ipynb beside its .py; returns those that had drifted.

    With `check` nothing is written.
    """
    changed = []
    for source in sources(folder):
        pair, text = source.with_suffix(".ipynb"), dumps(clean_notebook(source))
        if not pair.is_file() or pair.read_text(encoding="utf-8") != text:
            if not check:
                write_text(pair, text)
            changed.append(pair)
    return changed

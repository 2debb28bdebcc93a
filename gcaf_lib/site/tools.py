"""Sphinx extension: the scripts of *Check a report* and *Check a split*, and the groups as a script, which these pages load.

They stand in book/tools and not in book/_static, because Jupyter Book puts every script that it finds there into every page.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gcaf_lib.data import groups
from gcaf_lib.machine import write_text
from gcaf_lib.settings import CLASSES

FOLDER, GROUPS = "tools", "groups.js"


def script() -> str:
    """`gcafGroups`: a line a file (name, first 12 digits of its hash, class number, picture, patient, person if another)."""
    table = groups.load()
    name = table["file"].str.rsplit("/", n=1).str[-1]
    label = table["class"].map(CLASSES.index)
    person = table["person"].astype(str).where(table["person"] != table["patient"], "")
    columns = (name, table["sha256"].str[:12], label, table["picture"], table["patient"], person)
    lines = "\n".join(" ".join(map(str, row)).rstrip() for row in zip(*columns))
    return f"const gcafGroups = {json.dumps({'classes': list(CLASSES), 'files': lines})};\n"


def write(source: Path, static: Path) -> None:
    """Put the scripts of the book's folder `source` into the site's folder of static files."""
    for path in sorted((source / FOLDER).glob("*.js")):
        write_text(static / FOLDER / path.name, path.read_text(encoding="utf-8"))
    write_text(static / FOLDER / GROUPS, script())


def _finished(app: Any, error: Exception | None) -> None:
    if error is None and app.builder.format == "html":
        write(Path(app.srcdir), Path(app.outdir) / "_static")


def setup(app: Any) -> dict[str, bool]:
    """Register the extension."""
    app.connect("build-finished", _finished)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

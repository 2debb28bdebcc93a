"""Sphinx extension: the groups of the files as a script, for the page *Check a split*, which may fetch nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gcaf_lib.data import groups
from gcaf_lib.machine import write_text
from gcaf_lib.settings import CLASSES

NAME = "tools/groups.js"


def script() -> str:
    """`gcafGroups`: a line a file (name, first 12 digits of its hash, class number, picture, patient)."""
    table = groups.load()
    name = table["file"].str.rsplit("/", n=1).str[-1]
    label = table["class"].map(CLASSES.index)
    columns = (name, table["sha256"].str[:12], label, table["picture"], table["patient"])
    lines = "\n".join(" ".join(map(str, row)) for row in zip(*columns))
    return f"const gcafGroups = {json.dumps({'classes': list(CLASSES), 'files': lines})};\n"


def write(app: Any, error: Exception | None) -> None:
    """Put the script beside the page's other static files."""
    if error is None and app.builder.format == "html":
        write_text(Path(app.outdir) / "_static" / NAME, script())


def setup(app: Any) -> dict[str, bool]:
    """Register the extension."""
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

"""What commands share: the answer, what is said beside it, and the files that are written."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from gcaf_lib.machine import demand_place
from gcaf_lib.terminal import visible


def remark(text: str) -> None:
    """What is no answer: to standard error."""
    print(text, file=sys.stderr)


def demand_output(path: str | None, given: Sequence[str]) -> bool:
    """Whether a file stands where the answer will be written (None: it won't be).

    Raises, before minutes are spent, where none can be written, or one of `given` would be lost.
    """
    if path is None:
        return False
    from gcaf_lib.data import listed

    demand_place(path)
    listed.demand_spared(path, given)
    return os.path.exists(path)


def wrote(path: str | Path, replaced: bool) -> None:
    remark(f"wrote {visible(path)}{' (the file of that name was replaced)' if replaced else ''}")


def columns(rows: Sequence[Sequence[object]], header: Sequence[str]) -> str:
    """Plain columns, two spaces apart; numbers to the right."""
    cells = [list(header), *([visible(c) for c in row] for row in rows)]
    numeric = [all(isinstance(row[i], (int, float)) for row in rows) for i in range(len(header))]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    lines = (
        "  ".join(c.rjust(w) if n else c.ljust(w) for c, w, n in zip(row, widths, numeric)) for row in cells
    )
    return "\n".join(line.rstrip() for line in lines)

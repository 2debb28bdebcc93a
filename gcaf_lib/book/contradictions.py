"""The contradiction registry as files: results/audit.csv, and book/_generated/audit.md for the scorecard's page."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from gcaf_lib import settings
from gcaf_lib.machine import write_text
from gcaf_lib.paper import registry
from gcaf_lib.paper.checks import IMPOSSIBLE


def write(frame: pd.DataFrame, path: Path | None = None) -> list[Path]:
    """Write the registry as CSV, and in a checkout the scorecard's part of it; return the paths.

    `path` is for the CSV alone (default: results/audit.csv, and book/_generated/audit.md).
    """
    out = {path or settings.results_dir() / "audit.csv": frame.to_csv(index=False, lineterminator="\n")}
    if path is None:  # else `gcaf audit --out` needs no chapter, whose imports take longer than the audit
        from gcaf_lib.book.chapter import checkout

        root = checkout()
        # a results folder of one's own (a demo, a test) leaves the committed book alone
        if root and settings.results_dir().resolve() == root / "results":
            out[root / "book" / "_generated" / "audit.md"] = page(frame)
    for file, content in out.items():
        write_text(file, content)
    return list(out)


def page(frame: pd.DataFrame) -> str:
    """MyST text for the scorecard's page: the figures that can't be true, with the reason."""
    from gcaf_lib.display import tables

    wrong = frame[frame["verdict"] == IMPOSSIBLE].reset_index(drop=True)
    return tables.numbered(
        registry.readable(wrong).drop(columns=["Verdict", "Here"]),
        "tab-impossible",
        "Published figures that can't be true, given the published number of test images and the other figures.",
        data=wrong,
    )

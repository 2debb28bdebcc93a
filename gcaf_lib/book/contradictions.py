"""The contradiction registry's part of the scorecard's page, book/_generated/audit.md."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from gcaf_lib import settings
from gcaf_lib.book.chapter import checkout, write_computed
from gcaf_lib.display import tables
from gcaf_lib.paper import registry
from gcaf_lib.paper.checks import IMPOSSIBLE


def write(frame: pd.DataFrame) -> list[Path]:
    """Write the page's part; nothing where there is no checkout, or results are kept elsewhere (a demo, a test)."""
    root = checkout()
    own = root and settings.results_dir().resolve() == root / "results"
    return write_computed(lambda: {"audit": page(frame)}) if own else []


def page(frame: pd.DataFrame) -> str:
    """MyST text for the scorecard's page: the figures that can't be true, with the reason."""
    wrong = frame[frame["verdict"] == IMPOSSIBLE].reset_index(drop=True)
    return tables.numbered(
        registry.readable(wrong).drop(columns=["Verdict", "Here"]),
        "tab-impossible",
        "Published figures that can't be true, given the published number of test images and the other figures.",
        data=wrong,
    )

"""What the interval of a row's difference to the proposed model shows: on which side of 0 it lies, how near 0 it ends, which true difference it would have shown, and where the paper's lies beside it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from gcaf_lib.evaluation import intervals


def separated(lines: Any, name: str = "difference") -> Any:
    """Whether an interval of the difference to the reference excludes 0: of a line, or of each of a frame.

    name: of the interval's columns ("picture_difference", "adjusted", "picture_adjusted").
    """
    return (lines["pairs"] > 0) & ((lines[f"{name}_low"] > 0) | (lines[f"{name}_high"] < 0))


def below_above_undecided(
    frame: pd.DataFrame, name: str = "difference"
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Lines whose interval lies below 0, above it, and those that hold it; lines without a run are in none. name: as in `separated`."""
    run = frame[frame["pairs"] > 0]
    told, below = separated(run, name), run[f"{name}_high"] < 0
    return run[told & below], run[told & ~below], run[~told]


def lost(lines: Any, name: str, wide: str) -> Any:
    """Whether an interval, of a line or of each of a frame, excludes 0 only before the adjustment; name, wide: as in `ablation.COUNTED`."""
    return separated(lines, name) & (lines[f"{wide}_low"] <= 0) & (lines[f"{wide}_high"] >= 0)


def detectable(lines: Any, name: str = "difference") -> Any:
    """From which true difference on a row's is told from 0 with a power of 80%, by its interval (`intervals.detectable_by_interval`): of a
    line, or of each of a frame. name: as in `separated`."""
    seen = intervals.detectable_by_interval(
        *(lines[f"{name}_{one}"] for one in ("low", "high", "error", "freedom"))
    )
    return pd.Series(seen, lines.index) if isinstance(lines, pd.DataFrame) else seen


# Of an interval's width, from 0: a percentile limit of 2,000 draws of a normal has a standard error of 0.06 of its standard
# deviation, which is 0.016 of the width; twice that.
NEAR = 0.03


def near(low: Any, high: Any) -> Any:
    """Whether an end of an interval, or of each of several, is so near 0 that other draws might put it on the other side."""
    return np.minimum(np.abs(low), np.abs(high)) < NEAR * (high - low)


def warned(one: Any) -> str:
    """What stands behind a word that an end `near` 0 decides, and "" behind others."""
    return ", by an end so near 0 that other draws might tell otherwise" * bool(near(one.low, one.high))


def beside_paper(lines: pd.DataFrame, name: str = "difference") -> np.ndarray:
    """Where the paper's difference lies beside an interval of each line, its rounding allowed for: −1 below, 0 inside, 1 above.

    name: as in `separated`. −1: the proposed model's lead is smaller than the paper's.
    """
    theirs, step = lines["published_difference"], lines["step"]
    above = (theirs - step > lines[f"{name}_high"]).astype(int)
    return (above - (theirs + step < lines[f"{name}_low"])).to_numpy()

"""What a verdict may say: where a published figure lies beside an interval measured here.

"reproduced" belongs to the paper's own model on the paper's own split. Any other model, and any other split,
can only say that the published figure lies inside, above or below its interval.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

REPRODUCED, IMPOSSIBLE, OPEN = "reproduced", "can't be true", "not measured"
INSIDE, ABOVE, BELOW = "inside our interval", "above our interval", "below our interval"
APART, UNDECIDED = "distinguishable from 0", "not distinguishable from 0"
ONCE = " of one seed"  # behind a word: the interval does not know what another training would give
CHANCE = "undecided, within what chance adds"
_CLAIMED = ("paper", "paper")  # the profile and the protocol of which the paper speaks


def level(
    published: float,
    low: float,
    high: float,
    half_step: float = 0.0,
    made: Sequence[str] = (),
    lift: float = 0.0,
    seeds: int = 2,
) -> str:
    """Where a published figure, known to within `half_step`, lies beside the interval [low, high].

    made: (profile, protocol) of the interval. lift: by how much chance raises such a figure, a calibration error, above
    the truth that the interval is of (`worth.Worth`; on the split that the figure is of). It is taken off, and as the
    bootstrap finds some three fifths of it only (a simulation, `tests/test_coverage.py`), a figure outside by less than as
    much again is undecided (`CHANCE`). seeds: trainings behind the interval; of one alone the word says so. NaN ends: `OPEN`.
    """
    if not (np.isfinite(low) and np.isfinite(high)):
        return OPEN
    once = ONCE if seeds == 1 else ""
    if lift:
        published = max(0.0, published - lift)
    beyond = max(published - high, low - published) - half_step
    if beyond > 0:
        return CHANCE if beyond <= lift else (ABOVE if published > high else BELOW) + once
    return REPRODUCED if tuple(made) == _CLAIMED and not once else INSIDE + once


def difference(
    published: float,
    low: float,
    high: float,
    half_step: float = 0.0,
    made: Sequence[str] = (),
    seeds: int = 2,
) -> str:
    """The verdict on a difference between two rows: where the published one lies, and is ours distinguishable from 0?

    An interval that holds both 0 and the published difference decides nothing, so it reproduces nothing. NaN for
    `published` (the paper has no such row): only the second half. seeds: see `level`.
    """
    if not (np.isfinite(low) and np.isfinite(high)):
        return OPEN
    told = APART if low > 0 or high < 0 else UNDECIDED
    ours = f"ours{f',{ONCE},' if seeds == 1 else ''} is {told}"
    if not np.isfinite(published):
        return ours
    where = level(published, low, high, half_step, made)
    if where == REPRODUCED:
        if told == APART and seeds > 1:
            return REPRODUCED
        where = INSIDE
    return f"{where}; {ours}"


def style(word: str) -> str:
    """The verdict's class in the style sheet: inside, outside, impossible or open."""
    if word == IMPOSSIBLE:
        return "impossible"
    return (
        "open" if word in (OPEN, CHANCE) else "inside" if word.startswith((REPRODUCED, INSIDE)) else "outside"
    )

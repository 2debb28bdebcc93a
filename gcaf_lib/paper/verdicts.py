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
FEW = "too few answers differ to say"
_ROUNDING = 1e-9  # of a difference of two means
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
    bootstrap finds some three fifths of it only (a simulation, `tests/test_coverage.py`), as much again on either side
    decides nothing. seeds: trainings behind the interval; of one alone the word says so. NaN ends: `OPEN`.
    """
    if not (np.isfinite(low) and np.isfinite(high)):
        return OPEN
    once = ONCE if seeds == 1 else ""
    if lift:
        published, half_step = max(0.0, published - lift), half_step + lift
    if published > high + half_step:
        return ABOVE + once
    if published < low - half_step:
        return BELOW + once
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
    `published` (the paper has no such row): only the second half. An interval without a width, or that ends at 0
    itself, is of so few images answered otherwise that no resampling sees both signs: it decides nothing (`FEW`).
    """
    if not (np.isfinite(low) and np.isfinite(high)):
        return OPEN
    if high - low < _ROUNDING or min(abs(low), abs(high)) < _ROUNDING:
        return FEW
    told = APART if low > 0 or high < 0 else UNDECIDED
    if not np.isfinite(published):
        return f"ours is {told}"
    where = level(published, low, high, half_step, made, seeds=seeds)
    if where == REPRODUCED:
        return REPRODUCED if told == APART else f"{INSIDE}; ours is {told}"
    return f"{where}; ours is {told}"


def style(word: str) -> str:
    """The verdict's class in the style sheet: inside, outside, impossible or open."""
    if word == IMPOSSIBLE:
        return "impossible"
    return "open" if word in (OPEN, FEW) else "inside" if word.startswith((REPRODUCED, INSIDE)) else "outside"

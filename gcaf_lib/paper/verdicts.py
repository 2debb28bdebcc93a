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
_CLAIMED = ("paper", "paper")  # the profile and the protocol of which the paper speaks


def level(
    published: float,
    low: float,
    high: float,
    half_step: float = 0.0,
    made: Sequence[str] = (),
    lift: float = 0.0,
) -> str:
    """Where a published figure, known to within `half_step`, lies beside the interval [low, high].

    made: (profile, protocol) of the interval. lift: by how much chance raises such a figure above what the interval
    is of (`worth.Worth`), a calibration error, which is not below 0. NaN ends: `OPEN`.
    """
    if not (np.isfinite(low) and np.isfinite(high)):
        return OPEN
    if lift:
        published = max(0.0, published - lift)
    if published > high + half_step:
        return ABOVE
    if published < low - half_step:
        return BELOW
    return REPRODUCED if tuple(made) == _CLAIMED else INSIDE


def difference(
    published: float, low: float, high: float, half_step: float = 0.0, made: Sequence[str] = ()
) -> str:
    """The verdict on a difference between two rows: where the published one lies, and is ours distinguishable from 0?

    An interval that holds both 0 and the published difference decides nothing, so it reproduces nothing. NaN for
    `published` (the paper has no such row): only the second half.
    """
    if not (np.isfinite(low) and np.isfinite(high)):
        return OPEN
    told = APART if low > 0 or high < 0 else UNDECIDED
    if not np.isfinite(published):
        return f"ours is {told}"
    where = level(published, low, high, half_step, made)
    if where == REPRODUCED:
        return REPRODUCED if told == APART else f"{INSIDE}, {told}"
    return f"{where}, {told}"


def style(word: str) -> str:
    """The verdict's class in the style sheet: inside, outside, impossible or open."""
    if word == IMPOSSIBLE:
        return "impossible"
    return "open" if word == OPEN else "inside" if word.startswith((REPRODUCED, INSIDE)) else "outside"

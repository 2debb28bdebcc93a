"""Cluster bootstrap of plain means: whole patient groups are drawn, their rows go together.

`bootstrap.samples` does the same for metrics of labels and probabilities; here every row already has its value (a
localisation score, a correlation, right or wrong).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
from scipy import sparse

from gcaf_lib.evaluation.answers import level_of
from gcaf_lib.evaluation.intervals import Interval, wilson

DRAWS = 2000


def drawn(groups: int, n: int = DRAWS, seed: int = 0, block: int | None = None) -> Iterator[np.ndarray]:
    """How often each of so many groups is drawn, (B, groups) a block: the same n samples for a seed, whatever the block."""
    if not groups:
        raise ValueError("no groups: nothing to draw from")
    rng, block = np.random.default_rng(seed), block or n
    for start in range(0, n, block):
        yield rng.multinomial(groups, np.full(groups, 1 / groups), size=min(block, n - start))


@functools.lru_cache(maxsize=8)
def _times(groups: int, n: int, seed: int) -> np.ndarray:
    """`drawn` in one block, (n, groups): drawing is half of the work, and pages ask often of the same groups."""
    times = next(drawn(groups, n, seed))
    times.flags.writeable = False  # who asks next is given the same
    return times


def weights(groups, n: int = DRAWS, seed: int = 0) -> np.ndarray:
    """How often each row was drawn, (n, rows): the same groups and seed give the same draws."""
    code, names = pd.factorize(np.asarray(groups), use_na_sentinel=False)
    return _times(len(names), n, seed)[:, code]


def ratio(top, bottom, empty: float = np.nan) -> np.ndarray:
    """top / bottom where bottom is above 0, and `empty` elsewhere."""
    out = np.full(np.broadcast(top, bottom).shape, empty, float)
    return np.divide(top, bottom, out=out, where=bottom > 0)


def mean_draws(values, groups, n: int = DRAWS, seed: int = 0) -> np.ndarray:
    """Means of `values` (rows, m), or (rows,), on n bootstrap samples: (n, m), or (n,).

    NaN is left out of its column's mean; a draw without any value is NaN. Rows of one group need not
    stand together, and each group is drawn with all its rows, of whatever seed or fold.
    """
    values = np.asarray(values, np.float64)
    table = values[:, None] if values.ndim == 1 else values
    if len(groups) != len(table):
        raise ValueError(f"{len(groups)} groups for {len(table)} rows")
    code, names = pd.factorize(np.asarray(groups), use_na_sentinel=False)
    known = ~np.isnan(table)
    member = sparse.csr_array((np.ones(len(code)), (code, np.arange(len(code)))), (len(names), len(code)))
    times = _times(len(names), n, seed)
    top, bottom = (times @ (member @ part) for part in (np.where(known, table, 0), known.astype(float)))
    out = ratio(top, bottom)
    return out[:, 0] if values.ndim == 1 else out


def mean(values, groups, n: int = DRAWS, seed: int = 0, level: float = 0.95) -> Interval:
    """The mean of `values` (rows,) with its percentile interval; NaN where there is no value, or but one group's."""
    return means(np.asarray(values, np.float64)[:, None], groups, n, seed, level)[0]


def means(values, groups, n: int = DRAWS, seed: int = 0, level: float = 0.95) -> list[Interval]:
    """`mean` of each column of `values` (rows, m), on the same draws."""
    values = np.asarray(values, np.float64)
    if not len(values):
        return [Interval()] * values.shape[1]
    drawn = mean_draws(values, groups, n, seed)
    out = []
    for column, sample in zip(values.T, drawn.T):
        known = ~np.isnan(column)
        value = float(column[known].mean()) if known.any() else np.nan
        several = number_of(np.asarray(groups)[known]) > 1
        out.append(interval(value, sample, level) if several else Interval(value))
    return out


def number_of(groups) -> int:
    """How many different groups there are; NaN is one, too."""
    return pd.Series(np.asarray(groups)).nunique(dropna=False)


def share(right, groups) -> Interval:
    """Share of `right` (rows,), bool (NaN: not asked), with a 95% interval by drawing groups, all rows of one together.

    Nothing asked has no share (NaN); see `believed` for the interval.
    """
    right = np.asarray(right, float)
    asked = ~np.isnan(right)
    return believed(mean(right, groups), np.asarray(groups)[asked])


def believed(one: Interval, groups, level: float = 0.95) -> Interval:
    """A share with its bootstrap interval, or with Wilson's of as many trials as there are groups; of one group with none (NaN).

    Where all are right, none is, or all groups have the same share, every draw is the same and would claim certainty.
    groups: of the rows that were asked.
    """
    if (n := number_of(groups)) < 2:
        return Interval(one.value)
    if one.high - one.low > 1e-12:
        return one
    return Interval(one.value, *wilson(one.value * n, n, level)[1:])


def interval_or_none(one: Interval) -> Interval:
    """A mean with its bootstrap interval, or with none (NaN) where all draws are alike: nothing is known of its spread then."""
    return one if one.high - one.low > 1e-12 else Interval(one.value)


def interval(value: float, sample: np.ndarray, level: float = 0.95) -> Interval:
    """`value` with the percentile interval of a bootstrap sample (NaN draws left out)."""
    level = level_of(level, of_draws=True)
    if np.isnan(sample).all():
        return Interval(value)
    low, high = np.nanquantile(sample, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(low), float(high))


def basic(value: float, sample: np.ndarray, level: float = 0.95, least: float = -np.inf) -> Interval:
    """`value` with the basic (reverse percentile) interval: 2·value − the upper, and the lower, percentile.

    For estimators whose bootstrap is biased, such as calibration errors: each resampling adds to the bins' gaps
    what sampling has added to `value` already, so percentiles sit too high by the bias twice over. What the draws
    deviate from `value` is taken for what `value` deviates from the truth. Source: Davison & Hinkley 1997, eq. 5.6;
    for calibration errors Kumar, Liang & Ma 2019. least: no end is below it (0 for an error). The interval is of the
    truth, and of a well-calibrated model need not hold `value`, which is biased itself.
    """
    one = interval(value, sample, level)
    return Interval(value, max(least, 2 * value - one.high), max(least, 2 * value - one.low))


def by(
    frame: pd.DataFrame,
    keys: list[str],
    value: str,
    kind: Callable[..., Interval] = mean,
    **options,
) -> pd.DataFrame:
    """`mean` (or `share`) of a column in every cell of `keys`, over the column group: keys, mean, low, high, n (rows), groups (clusters)."""
    lines = []
    for key, part in frame.groupby(keys, sort=False, observed=True):
        part = part[part[value].notna()]
        one = kind(part[value], part["group"], **options)
        key = key if isinstance(key, tuple) else (key,)
        lines.append((*key, *one, len(part), number_of(part["group"])))
    return pd.DataFrame(lines, columns=[*keys, "mean", "low", "high", "n", "groups"])


def of(
    function: Callable[[np.ndarray], np.ndarray], groups, n: int = DRAWS, seed: int = 0, block: int = 500
) -> np.ndarray:
    """A function of row weights ((B, rows) to (B, …)) on n bootstrap samples, a block of draws at a time."""
    code, names = pd.factorize(np.asarray(groups), use_na_sentinel=False)
    return np.concatenate([function(times[:, code]) for times in drawn(len(names), n, seed, block)])

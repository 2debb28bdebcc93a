"""Intervals and tests: what a difference between two numbers of a table is worth.

SciPy and statsmodels do what they can do. Own code: the Nadeau-Bengio correction, McNemar's mid-p, MOVER and DeLong's
covariance, which neither has, and the permutation by groups, which takes SciPy ten times as long. The bootstrap over patients is `bootstrap`'s and `clustered`'s.

`groups` is (n,) numbers or texts: samples of one patient (or one group of twins) share a group and are swapped
together; NaN is a group too. Who holds images for independent says so: `IMAGES`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import optimize, special, stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from gcaf_lib.evaluation.answers import level_of, one_class, paired_values

IMAGES = "images"  # in place of groups: each sample is a group of its own
PERMUTATIONS = 99_999  # drawn: a p of 0.05 is then known to ± 0.0014
_BLOCK = 4096  # of them at a time
# differences that a power is worked out for, in standard deviations: any larger has the same power, of two runs too at an
# alpha of 0.01
LARGEST = 1e3


class Interval(NamedTuple):
    """A value with its confidence interval, where it has one."""

    value: float = np.nan
    low: float = np.nan
    high: float = np.nan


class Test(NamedTuple):
    """A two-sided test of `difference` (first minus second) being 0, with its 95% interval."""

    difference: float
    statistic: float
    p: float
    low: float
    high: float
    n: int

    __test__ = False  # not a test case, whatever its name suggests to pytest


def wilson(successes: float, n: int, level: float = 0.95) -> Interval:
    """Wilson's interval of a proportion: 673 of 703 gives 94.0 to 97.0%. successes: a share times n may be a fraction."""
    if not 0 <= successes <= n or n < 1:
        raise ValueError(f"{successes} of {n} is no proportion")
    low, high = proportion_confint(successes, n, 1 - level_of(level), method="wilson")
    return Interval(successes / n, float(low), float(high))


def minus(first: Interval, second: Interval) -> Interval:
    """first − second of two independent estimates, from their own intervals (l, u): MOVER, Zou and Donner (2008).

    $L = d - \\sqrt{(x - l_1)^2 + (u_2 - y)^2}$, $U = d + \\sqrt{(u_1 - x)^2 + (y - l_2)^2}$ with $d = x - y$. Of estimates that
    go up and down together (the same patients, the same images) it is wider than need be.
    """
    difference = first.value - second.value
    low = np.hypot(first.value - first.low, second.high - second.value)
    high = np.hypot(first.high - first.value, second.value - second.low)
    return Interval(difference, float(difference - low), float(difference + high))


def _groups(groups, n: int) -> tuple[np.ndarray, int]:
    if groups is None:
        raise ValueError("give the patient group of each sample, or intervals.IMAGES if they are independent")
    if isinstance(groups, str) and groups == IMAGES:
        return np.arange(n), n
    if len(groups) != n:
        raise ValueError(f"{len(groups)} groups for {n} samples")
    code, names = pd.factorize(np.asarray(groups), use_na_sentinel=False)
    return code, len(names)


def demand_pairs(runs: int) -> None:
    """Raise `ValueError` where so many pairs of runs are too few for a paired t-test."""
    if runs < 2:
        raise ValueError(f"a paired t-test needs at least two pairs of runs, not {runs}")


def nadeau_bengio(first: Sequence[float], second: Sequence[float], test_to_train: float) -> Test:
    """Corrected resampled t-test: t = d̄ / √((1/J + n_test/n_train) s²), J − 1 degrees of freedom.

    first, second: (J,) scores of runs on the same resamplings; test_to_train: size of the test part divided
    by that of the training part (703/5618 for the paper's split); 0 gives the plain paired t. Source: Nadeau
    & Bengio 2003. Where all differences are equal but not 0, a spread of 0 cannot be believed (accuracies are
    counts of images: three runs may each be one image apart), so p and the interval are NaN; p is 1 if all are 0.
    Raises `ValueError` for fewer than two pairs, or a ratio that is none.
    """
    if not 0 <= test_to_train < np.inf:
        raise ValueError(f"test_to_train={test_to_train}: give test images over training images, from 0")
    first, second = paired_values(first, second)
    d = first - second
    demand_pairs(len(d))
    j, mean = len(d), float(d.mean())
    se = float(np.sqrt((1 / j + test_to_train) * d.var(ddof=1)))
    # a difference carries the rounding of what it was taken of
    rounding = 8 * np.finfo(float).eps * max(np.abs(first).max(), np.abs(second).max())
    if se <= rounding:
        if abs(mean) <= rounding:
            return Test(0.0, np.nan, 1.0, 0.0, 0.0, j)
        return Test(mean, np.nan, np.nan, np.nan, np.nan, j)
    half = float(stats.t.ppf(0.975, j - 1)) * se
    return Test(mean, mean / se, float(2 * stats.t.sf(abs(mean / se), j - 1)), mean - half, mean + half, j)


class McNemar(NamedTuple):
    """Samples that only the first, or only the second, model has right; mid-p and exact p, two-sided."""

    only_first: int
    only_second: int
    p: float
    exact: float


def mcnemar(first_right, second_right) -> McNemar:
    """McNemar's mid-p test on the same samples: exact binomial p minus the probability of the value seen.

    first_right, second_right: (n,) bool. Samples must be independent; where they are not, use
    `cluster_permutation`. Source: Fagerland, Lydersen & Laake 2013.
    """
    both = paired_values(first_right, second_right)
    if not np.isin(both, (0, 1)).all():
        raise ValueError("a sample is right or wrong: give values of 0 and 1")
    a, b = (one.astype(bool) for one in both)
    return mcnemar_of(int((a & ~b).sum()), int((b & ~a).sum()))


def mcnemar_of(only_first: int, only_second: int) -> McNemar:
    """`mcnemar` from the two counts of samples that one model alone has right."""
    n, fewer = only_first + only_second, min(only_first, only_second)
    exact = min(1.0, 2 * float(stats.binom.cdf(fewer, n, 0.5)))
    middle = float(stats.binom.pmf(only_first, n, 0.5))
    # of equal counts the two tails overlap in the value seen: half of it counts
    p = 1.0 if not n else 1 - middle / 2 if only_first == only_second else exact - middle
    return McNemar(only_first, only_second, p, exact)


def cluster_permutation(first, second, groups=None, n: int = PERMUTATIONS, seed: int = 0) -> Test:
    """Permutation test of mean(first − second) that swaps the two models within whole groups.

    first, second: (n,) scores of each sample (say, right or wrong). Two-sided; exact where there are few groups, all swaps
    of which are tried; low and high are NaN: an interval is `worth.difference`'s.
    """
    first, second = paired_values(first, second)
    d = first - second
    code, g = _groups(groups, len(d))
    sums = np.bincount(code, weights=d, minlength=g)
    rounding = 1e-12 * np.abs(d).sum()
    sums = sums[np.abs(sums) > rounding]  # groups without a difference change nothing
    if not len(sums):
        return Test(0.0, 0.0, 1.0, np.nan, np.nan, g)
    if len(sums) == 1:  # swapped or not, the difference is as large
        return Test(float(d.mean()), float(sums[0] / len(d)), 1.0, np.nan, np.nan, g)
    total, rng = sums.sum(), np.random.default_rng(seed)
    if exact := 2 ** len(sums) <= n + 1:
        flips = [np.arange(2 ** len(sums))[:, None] >> np.arange(len(sums)) & 1]
    else:
        sizes = [min(_BLOCK, n - start) for start in range(0, n, _BLOCK)]
        flips = (rng.integers(0, 2, (size, len(sums)), np.int8) for size in sizes)
    # whichever groups are swapped, a sum as large but for its rounding counts
    hits = sum((abs(total - 2 * (swapped @ sums)) >= abs(total) - rounding).sum() for swapped in flips)
    p = hits / 2 ** len(sums) if exact else (hits + 1) / (n + 1)
    return Test(float(d.mean()), float(total / len(d)), float(p), np.nan, np.nan, g)


class DeLong(NamedTuple):
    """AUCs (m,), their covariance (m, m), and the test of the first against the second: NaN if m is 1, or if the two
    differ and their difference has no variance."""

    auc: np.ndarray
    covariance: np.ndarray
    z: float
    p: float


def delong(truth, *scores) -> DeLong:
    """DeLong's covariance of AUCs on the same samples, and the z-test of the first two.

    truth: (n,) bool; scores: one or more (n,) arrays. O(n log n) through midranks. Sources: DeLong et al.
    1988; Sun & Xu 2014. Raises `ValueError` with fewer than two positives or two negatives.
    """
    truth, scores = one_class(truth, scores)
    m, n = int(truth.sum()), int((~truth).sum())
    if min(m, n) < 2:
        raise ValueError(f"{m} positives and {n} negatives: DeLong's variance needs two of each")
    positive, negative = scores[:, truth], scores[:, ~truth]
    ranks = stats.rankdata(np.hstack([positive, negative]), axis=1)
    v10 = (ranks[:, :m] - stats.rankdata(positive, axis=1)) / n
    v01 = 1 - (ranks[:, m:] - stats.rankdata(negative, axis=1)) / m
    covariance = np.atleast_2d(np.cov(v10)) / m + np.atleast_2d(np.cov(v01)) / n
    auc, z, p = v10.mean(1), np.nan, np.nan
    if len(auc) > 1:
        variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
        if variance > 1e-18:
            z = float((auc[0] - auc[1]) / np.sqrt(variance))
            p = float(2 * stats.norm.sf(abs(z)))
        elif auc[0] == auc[1]:
            z, p = 0.0, 1.0
    return DeLong(auc, covariance, z, p)


def holm(p: Sequence[float]) -> np.ndarray:
    """Holm's adjusted p-values of one table, in the order given; NaN stays NaN and doesn't count."""
    p = np.asarray(p, np.float64)
    out, known = np.full(p.shape, np.nan), ~np.isnan(p)
    if known.any():
        out[known] = multipletests(p[known], method="holm")[1]
    return out


def power(differences, sd: float, seeds: int, alpha: float = 0.05) -> np.ndarray:
    """Power of the two-sided paired t-test to find each true difference; sd is that of the differences.

    Where sd is 0 it is the limit for a small one: 1, or alpha for a difference of 0. Raises as `detectable_by_t_test`.
    """
    _demand_runs(sd, seeds)
    sizes = np.abs(np.atleast_1d(np.asarray(differences, np.float64)))
    return _power(np.minimum(sizes / max(sd, 1e-200), LARGEST), seeds, alpha)


def _demand_runs(sd: float, seeds: int) -> None:
    if not sd >= 0:
        raise ValueError(f"sd={sd}: a standard deviation is at least 0")
    demand_pairs(seeds)


def _power(effect, seeds: int, alpha: float):
    centre = effect * np.sqrt(seeds)
    edge = stats.t.isf(alpha / 2, seeds - 1)
    # SciPy's far tail is NaN at some large arguments, where it is below 1e-16
    far = np.nan_to_num(stats.nct.cdf(-edge, seeds - 1, centre), nan=0.0)
    return np.clip(stats.nct.sf(edge, seeds - 1, centre) + far, 0, 1)


def detectable_by_interval(low, high, error, freedom=np.inf, power: float = 0.8):
    """From which true difference δ on such an interval excludes 0 with this power (numbers or arrays).

        P(T > half / error) = power,  T noncentral t with ν degrees of freedom and centre δ / error

    half: of the width of [low, high]; error: standard error of an estimate that scatters about the truth normally; freedom: ν
    of the scatter that the width was taken from, since another sample's interval is not as wide (infinite: it is, and δ =
    half + z_power · error). NaN where one of them is; without scatter half.
    """
    half, error = (np.asarray(one, float) for one in ((high - low) / 2, error))
    edge = np.divide(half, error, out=np.full(np.broadcast(half, error).shape, np.nan), where=error > 0)
    centre = error * special.nctdtrinc(np.minimum(freedom, 1e6), 1 - power, edge)
    return np.where(error == 0, half, centre)


def detectable_by_t_test(sd: float, seeds: int, power: float = 0.8, alpha: float = 0.05) -> float:
    """Smallest true difference that `seeds` paired runs find with this power; sd is of the differences.

    Raises `ValueError` for a power that every difference has (up to alpha), or none, for fewer than two runs and for an
    sd that is none.
    """
    _demand_runs(sd, seeds)
    if not alpha < power < 1:
        raise ValueError(f"power={power}: give a share between alpha ({alpha}) and 1")
    return sd * float(optimize.brentq(lambda d: _power(d, seeds, alpha) - power, 1e-9, LARGEST, xtol=1e-12))

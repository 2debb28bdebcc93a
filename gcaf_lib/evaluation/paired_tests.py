"""One method against another, run by run and image by image: every test of chapter 15 on one pair.

A method is {seed: Run}; two methods are paired by seed and by test image. Differences are first minus second,
in fractions. Tests that need two runs of each method give NaN where there is only one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from gcaf_lib.evaluation import intervals
from gcaf_lib.evaluation.answers import level_of
from gcaf_lib.evaluation.metrics import class_names

TESTS = ("t", "corrected", "mcnemar", "permutation")  # columns <test>_p and, over a table, <test>_holm
ALPHA = 0.05


class Run(NamedTuple):
    """Test predictions of one training: rows (n,) of the dataset, labels (n,), probs (n, K)."""

    rows: np.ndarray
    labels: np.ndarray
    probs: np.ndarray

    @property
    def right(self) -> np.ndarray:
        """Whether each image is classified rightly (n,)."""
        return self.probs.argmax(1) == self.labels


Method = Mapping[int, Run]


def common_seeds(first: Method, second: Method) -> list[int]:
    """Seeds that both methods were run with, ascending.

    Raises `ValueError` where runs of one seed were tested on different images.
    """
    seeds = sorted(set(first) & set(second))
    for seed in seeds:
        if not np.array_equal(first[seed].rows, second[seed].rows):
            raise ValueError(
                f"seed {seed}: the two runs have different test images; compare runs of one split"
            )
    return seeds


def compare(
    first: Method, second: Method, groups, test_to_train: float = 0.0, n: int = intervals.PERMUTATIONS
) -> dict:
    """All tests of first against second (see the module's first lines); without a common seed, only seeds = 0.

    Over seeds: difference, sd (of the paired differences), t_p and corrected_p with t_low … corrected_high. On
    the images of the lowest common seed: only_first, only_second, mcnemar_p. On the mean over seeds of each
    image, swapped within `groups` (N,) of the dataset's rows (or `intervals.IMAGES`): permutation_p. test_to_train: see
    `intervals.nadeau_bengio`.
    """
    seeds = common_seeds(first, second)
    empty = dict.fromkeys(
        ["accuracy_first", "accuracy_second", "difference", "sd", "seed", "only_first", "only_second"]
        + [f"{test}_p" for test in TESTS]
        + [f"{test}_{end}" for test in TESTS[:2] for end in ("low", "high")],
        np.nan,
    )
    if not seeds:
        return {"seeds": 0, "images": 0} | empty
    a, b = (np.array([method[s].right.mean() for s in seeds]) for method in (first, second))
    out = empty | {
        "seeds": len(seeds),
        "images": len(first[seeds[0]].rows),
        "accuracy_first": a.mean(),
        "accuracy_second": b.mean(),
        "difference": (a - b).mean(),
        "seed": seeds[0],
    }
    if len(seeds) > 1:
        out["sd"] = (a - b).std(ddof=1)
        for name, ratio in (("t", 0.0), ("corrected", test_to_train)):
            test = intervals.nadeau_bengio(a, b, ratio)
            out |= {f"{name}_p": test.p, f"{name}_low": test.low, f"{name}_high": test.high}
    single = intervals.mcnemar(first[seeds[0]].right, second[seeds[0]].right)
    out |= {"only_first": single.only_first, "only_second": single.only_second, "mcnemar_p": single.p}
    rows = first[seeds[0]].rows
    if any(not np.array_equal(first[s].rows, rows) for s in seeds):
        raise ValueError("the seeds have different test images; compare runs of one split")
    mean = [np.mean([method[s].right for s in seeds], axis=0) for method in (first, second)]
    own = groups if groups is None or isinstance(groups, str) else np.asarray(groups)[rows]
    out["permutation_p"] = intervals.cluster_permutation(*mean, own, n).p
    return out


def compare_all(
    reference: Method,
    rivals: Mapping[str, Method],
    groups,
    test_to_train: float = 0.0,
    n: int = intervals.PERMUTATIONS,
) -> pd.DataFrame:
    """`compare` of each rival (one or more) with the reference, one row each, and Holm's adjusted p-values over the rows."""
    rows = {name: compare(rival, reference, groups, test_to_train, n) for name, rival in rivals.items()}
    frame = pd.DataFrame([{"row": name, **found} for name, found in rows.items()])
    for test in TESTS:
        frame[f"{test}_holm"] = intervals.holm(frame[f"{test}_p"])
    return frame


def aucs(first: Run, second: Run, classes: Sequence[str] | None = None) -> pd.DataFrame:
    """DeLong's test of each class's one-vs-rest AUC of two runs on the same images: class, first, second, p.

    Raises `ValueError` where the images are others, or a class has fewer than two of them or all but one.
    """
    common_seeds({0: first}, {0: second})
    lines = []
    for c, name in enumerate(class_names(classes, first.probs.shape[1])):
        test = intervals.delong(first.labels == c, first.probs[:, c], second.probs[:, c])
        lines.append((name, *test.auc, test.p))
    return pd.DataFrame(lines, columns=["class", "first", "second", "p"])


# --- what a number of runs can show ---


def pooled_sd(sds: Sequence[float], runs: Sequence[int]) -> tuple[float, int]:
    """Root of the pooled variance of several samples, and its degrees of freedom; samples of one run are left out.

    (NaN, 0) where there is none. Samples that share a method are not independent, so the degrees of freedom
    are an upper bound.
    """
    kept = [(sd, n - 1) for sd, n in zip(sds, runs) if n > 1 and np.isfinite(sd)]
    df = sum(d for _, d in kept)
    return (float(np.sqrt(sum(d * sd**2 for sd, d in kept) / df)), df) if df else (float("nan"), 0)


def sd_interval(sd: float, df: int, level: float = 0.95) -> tuple[float, float]:
    """Interval of a standard deviation, normal theory: sd · √(df/χ²); NaN where df is 0."""
    level = level_of(level)
    low, high = stats.chi2.ppf([(1 + level) / 2, (1 - level) / 2], df)
    return sd * float(np.sqrt(df / low)), sd * float(np.sqrt(df / high))


def largest_sd(gap: float, runs: int) -> float:
    """Largest sd of the paired differences with which a mean gap over `runs` runs has p < `ALPHA` in a paired t."""
    intervals.demand_pairs(runs)
    return abs(gap) * float(np.sqrt(runs) / stats.t.ppf(1 - ALPHA / 2, runs - 1))


def runs_needed(gap: float, sd: float, test_to_train: float = 0.0) -> int | None:
    """Fewest runs with which a measured mean gap and this sd of differences have p < `ALPHA`; None: more than 10,000, or never.

    With test_to_train above 0 the corrected t-test is asked, which no number of runs satisfies where the gap
    is too small for the one test set.
    """
    n = np.arange(2, 10_001)
    t = abs(gap) / (sd * np.sqrt(1 / n + test_to_train))
    found = np.flatnonzero(t > stats.t.ppf(1 - ALPHA / 2, n - 1))
    return int(n[found[0]]) if len(found) else None


# --- what one set of images can show ---


def mid_p(only_first: int, only_second: int) -> float:
    """McNemar's mid-p from the two counts of images that one method alone has right."""
    return intervals.mcnemar_of(only_first, only_second).p


def common_errors(wrong_first: int, wrong_second: int, n: int) -> tuple[int, int, int]:
    """Images that two methods can both have wrong: fewest, as many as chance makes, most."""
    low, high = max(0, wrong_first + wrong_second - n), min(wrong_first, wrong_second)
    return low, round(wrong_first * wrong_second / n), high


def separable(right_first: int, right_second: int, n: int) -> tuple[float, float, float]:
    """McNemar's mid-p of two counts of right answers among n images, by how their errors overlap.

    Least favourable (as few common errors as can be), independent errors, most favourable (one method's errors
    all among the other's): what an accuracy alone leaves open.
    """
    wrong = n - right_first, n - right_second
    return tuple(mid_p(wrong[1] - both, wrong[0] - both) for both in common_errors(*wrong, n))


def smallest_gap(right_first: int, n: int, overlap: float | None = None) -> int | None:
    """Fewest images by which a rival must be worse for mid-p < `ALPHA`; None where even the worst is not.

    overlap: share of the first method's errors that the rival makes as well (None: independent errors); no fewer are common
    than n images leave room for.
    """
    wrong = n - right_first
    for gap in range(1, right_first + 1):
        least, chance, most = common_errors(wrong, wrong + gap, n)
        both = chance if overlap is None else min(max(round(overlap * wrong), least), most)
        if mid_p(wrong + gap - both, wrong - both) < ALPHA:
            return gap
    return None


def overlap(first: Method, second: Method) -> float:
    """Share of the first method's errors that the second makes as well, over all common seeds (NaN: no error)."""
    pairs = [(~first[s].right, ~second[s].right) for s in common_seeds(first, second)]
    errors = sum(int(a.sum()) for a, _ in pairs)
    return sum(int((a & b).sum()) for a, b in pairs) / errors if errors else float("nan")

"""Which figures of a classification report can be true together: the GRIM test for confusion matrices.

A published recall of 94.44% on 162 images is 153/162 and nothing else. Every figure of a report on N
images with support n_c of each class c is a function of integers only: the true positives t_c and the
times p_c that the class was predicted. `check` searches these integers (`confusions`). Rounding half up and
half to even are both accepted. The idea: Brown & Heathers 2017 (means of integers).

The module is pure: it knows no paper, takes supports and figures, and returns a table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from gcaf_lib.paper.confusions import JOINT, Problem, Reported, within

_EFFORTS = ((10_000, 15), (None, None))  # states listed and steps of a search: at a glance, then thoroughly
_ORDER = ("accuracy", "recall", "precision", "f1", "kappa", *JOINT)


class Proportion(NamedTuple):
    """Whether a proportion is attainable, and the attainable values around it, in the printed unit."""

    attainable: bool
    below: float
    above: float


def proportion(value: float, decimals: int, n: int, percent: bool = False, runs: int = 1) -> Proportion:
    """The plain GRIM test: can `value` be k/n, rounded, or the mean of `runs` such proportions?

    `below` and `above` are the nearest proportions not above and not below the printed value (unrounded; NaN
    where there is none).
    """
    total, unit = n * runs, 100 if percent else 1
    fits = counts(value, decimals, total, percent)
    k = value / unit * total
    below = min(int(np.floor(k + 1e-9)), total) / total * unit if k > -1e-9 else np.nan
    above = max(int(np.ceil(k - 1e-9)), 0) / total * unit if k < total + 1e-9 else np.nan
    return Proportion(bool(fits), below, above)


def fewest_runs(value: float, decimals: int, n: int, percent: bool = False, limit: int = 100) -> int | None:
    """Smallest number of runs on n samples whose mean can be `value`; None beyond `limit`."""
    fits = (r for r in range(1, limit + 1) if proportion(value, decimals, n, percent, r).attainable)
    return next(fits, None)


def counts(value: float, decimals: int, n: int, percent: bool = False) -> list[int]:
    """Every count k for which k/n rounds to `value`."""
    if n < 1:
        raise ValueError(f"a proportion of {n} samples: give at least one sample and one run")
    least, most = within(Reported("", value, decimals, percent).ends, n)
    return list(range(least, most + 1))


def decide(
    problem: Problem, figures: Sequence[Reported], near: np.ndarray | None = None
) -> tuple[bool | None, np.ndarray | None]:
    """Whether all figures can be true together (None: too many tables to decide in time), and a state (2K,) that shows it.

    near: a state that makes most of them true, to look around first.
    """
    for limit, steps in _EFFORTS:
        listed = problem.listing(figures, limit)
        if listed is not None and len(listed.t):
            return True, np.r_[listed.t[0], listed.p[0]]
        if listed is not None and listed.complete:
            return False, None
        found = problem.seek(figures, near, steps)
        if found is not None:
            return True, found
    linear = problem.linear(figures)
    sure, point = problem.solve(linear)
    if point is None:
        return (False if sure else None), None
    return (True, point[:-1]) if len(linear) == len(figures) else (None, None)


def refuted(problem: Problem, figures: Sequence[Reported]) -> bool:
    """Whether it is known that no matrix makes all figures true."""
    for limit, _ in _EFFORTS:
        listed = problem.listing(figures, limit)
        if listed is not None and (listed.complete or len(listed.t)):
            return not len(listed.t)
    sure, point = problem.solve(problem.linear(figures))
    return sure and point is None


def _true(problem: Problem, state: np.ndarray, f: Reported) -> bool:
    return problem.holds(f, state[None, : problem.k], state[None, problem.k :])[0]


def _complete(problem: Problem, figures: Sequence[Reported]):
    """Every state that makes the figures true, or None where they are too many to list."""
    listed = problem.listing(figures)
    return listed if listed is not None and listed.complete else None


def _around(problem: Problem, accepted: Sequence[Reported], f: Reported) -> tuple[float, float]:
    unit, value = (100 if f.percent else 1), f.value / (100 if f.percent else 1)
    listed = _complete(problem, accepted)
    if listed is not None:
        all_values = problem.value(f.metric, listed.t, listed.p)
        below, above = all_values[all_values <= value], all_values[all_values >= value]
        ends = below.max() if len(below) else np.nan, above.min() if len(above) else np.nan
    elif problem.kind(f.metric)[0] in JOINT:
        ends = np.nan, np.nan
    else:
        ends = tuple(problem.extreme(problem.linear(accepted), f.metric, sign, value) for sign in (-1, 1))
    return float(ends[0] * unit), float(ends[1] * unit)


def check(supports: Mapping[str, int], figures: Iterable[Reported]) -> pd.DataFrame:
    """Which published figures of one classification report can be true together.

    supports: images of each class; figures: what was published. Metrics: accuracy (or micro averages under
    that name), recall_<class>, precision_<class>, f1_<class>, kappa, mcc, macro_recall, macro_precision,
    macro_f1, weighted_precision, weighted_f1.

    One row a figure: metric, published, attainable (True, False, or None where it can't be decided), below
    and above (the nearest attainable values, in the printed unit; NaN if there is none on that side or none is
    known to be the nearest), alone
    (attainable with nothing but the supports given), conflicts (other figures, all true
    together, that rule it out; none of them can be left out as far as that can be decided). Figures are taken in the order accuracy, recalls, precisions, F1s, kappa,
    averages, MCC; each is judged beside those accepted before it. A report of a real confusion matrix, rounded,
    never gets a False. One that was cut off (`Reported.cut`) may: of its last unit the last thousandth is left out,
    so that no value that is cut to the next figure counts, and a true value there is called impossible.
    """
    problem, figures = Problem(supports), list(figures)
    for f in figures:
        problem.kind(f.metric)
    ranked = sorted(figures, key=lambda f: _ORDER.index(problem.kind(f.metric)[0]))
    whole, state = decide(problem, ranked)
    accepted: list[Reported] = []
    out = {}
    for f in ranked:
        verdict = whole or (state is not None and bool(_true(problem, state, f))) or None
        if not verdict:
            verdict, found = decide(problem, [*accepted, f], state)
            state = state if found is None else found
        line = dict(metric=f.metric, published=f.value, attainable=verdict, below=f.value, above=f.value)
        line |= {"alone": True, "conflicts": ""}
        if verdict is False:
            line["below"], line["above"] = _around(problem, accepted, f)
            core = list(accepted)
            for a in accepted:  # drop what isn't needed for the contradiction
                fewer = [b for b in core if b is not a]
                if refuted(problem, [*fewer, f]):
                    core = fewer
            line |= {"alone": bool(core), "conflicts": ", ".join(a.metric for a in core)}
        elif verdict:
            accepted.append(f)
        out[id(f)] = line
    frame = pd.DataFrame([out[id(f)] for f in figures])
    return frame.astype({"attainable": object})


def implied(supports: Mapping[str, int], figures: Iterable[Reported], metric: str) -> tuple[float, float]:
    """Smallest and largest value (a fraction) that `metric` can have where all figures are true.

    (NaN, NaN) where the figures can't be true together, or where too little is known to list the tables and
    the metric is an average or the MCC; NaN for an end that is not found in time. The paper's accuracy and three recalls imply the fourth recall.
    """
    problem, figures = Problem(supports), list(figures)
    kind = problem.kind(metric)[0]
    listed = _complete(problem, figures)
    if listed is not None:
        values = problem.value(metric, listed.t, listed.p)
        return (float(values.min()), float(values.max())) if len(values) else (float("nan"),) * 2
    if any(problem.kind(f.metric)[0] in JOINT for f in figures) or kind in JOINT:
        return float("nan"), float("nan")
    return problem.extreme(figures, metric, 1, -1.0), problem.extreme(figures, metric, -1, 1.0)


def errors(supports: Mapping[str, int], figures: Iterable[Reported]) -> pd.DataFrame:
    """How many images of each class, and of all, must have been answered wrongly for the figures to be true.

    Columns class (the last row is "all"), support, least, most. Exact where the tables can be listed; else what
    each class's own figures and the accuracy leave (never narrower than the truth). Empty where the figures
    can't be true together.
    """
    problem, figures = Problem(supports), list(figures)
    listed = _complete(problem, figures)
    if listed is not None:
        t = np.column_stack([listed.t, listed.t.sum(1)])
        low, high = (t.min(0), t.max(0)) if len(t) else (None, None)
    else:
        low, high = problem.right(figures)
    if low is None or (low > high).any():
        return pd.DataFrame(columns=["class", "support", "least", "most"])
    sizes = np.r_[problem.n, problem.total]
    return pd.DataFrame(
        {"class": [*problem.classes, "all"], "support": sizes, "least": sizes - high, "most": sizes - low}
    )


def example(supports: Mapping[str, int], figures: Iterable[Reported]) -> pd.DataFrame | None:
    """A confusion matrix (rows true, columns predicted) that makes all figures true; None where none is known."""
    problem = Problem(supports)
    state = decide(problem, list(figures))[1]
    if state is None:
        return None
    table = problem.matrix(state[: problem.k], state[problem.k :])
    return pd.DataFrame(table, index=problem.classes, columns=problem.classes)

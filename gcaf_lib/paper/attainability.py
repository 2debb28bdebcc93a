"""Which figures of a classification report can be true together: the GRIM test for confusion matrices.

A published recall of 94.44 % on 162 images is 153/162 and nothing else. Every figure of a report on N
images with support n_c of each class c is a function of integers only: the true positives t_c and the
times p_c that the class was predicted. A matrix with these margins exists if and only if

    0 ≤ t_c ≤ n_c,   t_c ≤ p_c,   Σ p_c = N,   (n_c − t_c) + (p_c − t_c) ≤ N − Σ t_c   for every class c

(the last line is Hall's condition for a table of errors with an empty diagonal). `check` searches these
integers: exactly, by listing them where that is possible, else by integer programming. Rounding half up
and half to even are both accepted. The idea: Brown & Heathers 2017 (means of integers).

The module is pure: it knows no paper, takes supports and figures, and returns a table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.optimize import Bounds, LinearConstraint, milp

LIMIT = 2_000_000  # pairs of states looked at in one step of a listing, before integer programming takes over
_JOINT = ("macro_recall", "macro_precision", "macro_f1", "weighted_precision", "weighted_f1", "mcc")
_ORDER = ("accuracy", "recall", "precision", "f1", "kappa", *_JOINT)


class Reported(NamedTuple):
    """A published figure: metric name (see `check`), value and decimals as printed, and whether in percent."""

    metric: str
    value: float
    decimals: int
    percent: bool = False

    @property
    def ends(self) -> tuple[int, int, int]:
        """(low, high, scale): the true value lies in [low/scale, high/scale], in integers."""
        shown = round(self.value * 10**self.decimals)
        return 2 * shown - 1, 2 * shown + 1, 2 * 10 ** (self.decimals + 2 * self.percent)


class Proportion(NamedTuple):
    """Whether a proportion is attainable, and the attainable values around it, in the printed unit."""

    attainable: bool
    below: float
    above: float


def proportion(value: float, decimals: int, n: int, percent: bool = False, runs: int = 1) -> Proportion:
    """The plain GRIM test: can `value` be k/n, rounded, or the mean of `runs` such proportions?

    `below` and `above` are the nearest proportions not above and not below the printed value (unrounded).
    """
    low, high, scale = Reported("", value, decimals, percent).ends
    total, unit = n * runs, 100 if percent else 1
    first = -(-low * total // scale)  # smallest k with k/total ≥ low/scale
    k = value / unit * total
    below, above = int(np.floor(k + 1e-9)), int(np.ceil(k - 1e-9))
    return Proportion(first <= high * total // scale, below / total * unit, min(above, total) / total * unit)


def fewest_runs(value: float, decimals: int, n: int, percent: bool = False, limit: int = 100) -> int | None:
    """Smallest number of runs on n samples whose mean can be `value`; None beyond `limit`."""
    return next((r for r in range(1, limit + 1) if proportion(value, decimals, n, percent, r)[0]), None)


def counts(value: float, decimals: int, n: int, percent: bool = False) -> list[int]:
    """Every count k for which k/n rounds to `value`."""
    low, high, scale = Reported("", value, decimals, percent).ends
    return list(range(max(0, -(-low * n // scale)), min(n, high * n // scale) + 1))


def kappa_range(supports: Sequence[int], right: Sequence[int]) -> tuple[float, float]:
    """Smallest and largest Cohen's kappa over every placement of the errors, given the true positives.

    κ = (N Σt − X)/(N² − X) with X = Σ n_c p_c falls as X grows, so the extremes put as many errors as
    Hall's condition allows on the largest, or on the smallest, classes. Closed form, no sampling.
    """
    n, t = np.asarray(supports, np.int64), np.asarray(right, np.int64)
    if n.shape != t.shape or len(n) < 2 or (n < 1).any() or (t < 0).any() or (t > n).any():
        raise ValueError(f"supports {list(n)} and true positives {list(t)} don't make a confusion matrix")
    total, errors = int(n.sum()), int((n - t).sum())
    out = []
    for order in (np.argsort(-n), np.argsort(n)):
        left, x = errors, int(n @ t)
        for c in order:
            put = min(left, errors - int(n[c] - t[c]))
            left, x = left - put, x + put * int(n[c])
        out.append((total * int(t.sum()) - x) / (total**2 - x))
    return out[0], out[1]


class _Problem:
    """The integers behind a report with these supports; variables are t_1..t_K, p_1..p_K."""

    def __init__(self, supports: Mapping[str, int]):
        self.classes, self.n = list(supports), np.array(list(supports.values()), np.int64)
        self.k, self.total = len(self.n), int(self.n.sum())
        if self.k < 2 or (self.n < 1).any():
            raise ValueError(f"supports {dict(supports)}: give at least two classes, each with samples")

    def kind(self, metric: str) -> tuple[str, int | None]:
        """("recall", class number), or (metric, None) for a figure of the whole report."""
        head, _, name = metric.partition("_")
        if head in ("recall", "precision", "f1") and name in self.classes:
            return head, self.classes.index(name)
        if metric in ("accuracy", "kappa", *_JOINT):
            return metric, None
        known = [f"{m}_<class>" for m in ("recall", "precision", "f1")]
        raise ValueError(
            f"metric {metric!r} is unknown; known: accuracy, kappa, {', '.join([*_JOINT, *known])} "
            f"with the classes {', '.join(self.classes)}"
        )

    # Listing -------------------------------------------------------------------------------------

    def _pairs(self, c: int, figures: Sequence[Reported]) -> np.ndarray | None:
        """Every (t, p) of class c that its own figures and the accuracy allow, (m, 2); None if too many."""
        n, most = int(self.n[c]), self.total  # most: errors in the whole report
        for f in figures:
            if f.metric == "accuracy":
                low, _, scale = f.ends
                most = self.total + (-low * self.total // scale)
        own = {kind: f.ends for f in figures for kind, i in [self.kind(f.metric)] if i == c}
        t = np.arange(max(0, n - most), n + 1)
        if "recall" in own:
            low, high, scale = own["recall"]
            t = t[(low * n <= scale * t) & (scale * t <= high * n)]
        first, last = t.copy(), np.minimum(t + self.total - n, 2 * t + most - n)
        for kind, times, offset in (("precision", 1, 0), ("f1", 2, n)):
            if kind in own:
                low, high, scale = own[kind]
                first = np.maximum(first, -(-times * scale * t // high) - offset)
                if low > 0:
                    last = np.where(t > 0, np.minimum(last, times * scale * t // low - offset), -1)
        width = np.maximum(last - first + 1, 0)
        if width.sum() > LIMIT:
            return None
        start = np.repeat(first - np.concatenate([[0], np.cumsum(width)[:-1]]), width) if len(t) else first
        return np.column_stack([np.repeat(t, width), start + np.arange(width.sum())])

    def listing(self, figures: Sequence[Reported]) -> tuple[np.ndarray, np.ndarray] | None:
        """Every (t, p), each (m, K), that makes all figures true; None where there are too many to list."""
        pairs = [self._pairs(c, figures) for c in range(self.k)]
        if any(x is not None and not len(x) for x in pairs):
            return np.zeros((0, self.k), np.int64), np.zeros((0, self.k), np.int64)
        if any(x is None for x in pairs):
            return None
        order = sorted(range(self.k), key=lambda c: len(pairs[c]))
        low_t, high_t = 0, self.total
        for low, high, scale in (f.ends for f in figures if f.metric == "accuracy"):
            low_t = max(low_t, -(-low * self.total // scale))
            high_t = min(high_t, high * self.total // scale)
        states = np.zeros((1, 2 * self.k), np.int64)
        sums = np.zeros((1, 2), np.int64)
        for step, c in enumerate(order):
            rest = [pairs[d] for d in order[step + 1 :]]
            least = sum((x.min(0) for x in rest), np.zeros(2, np.int64))
            greatest = sum((x.max(0) for x in rest), np.zeros(2, np.int64))
            # rows of this class sorted by p: each state joins with one run of them
            new = pairs[c][np.argsort(pairs[c][:, 1], kind="stable")]
            a = np.searchsorted(new[:, 1], self.total - greatest[1] - sums[:, 1], "left")
            b = np.searchsorted(new[:, 1], self.total - least[1] - sums[:, 1], "right")
            width = np.maximum(b - a, 0)
            if width.sum() > LIMIT:
                return None
            old = np.repeat(np.arange(len(states)), width)
            pick = np.arange(width.sum()) - np.repeat(np.cumsum(width) - width, width) + np.repeat(a, width)
            sums = sums[old] + new[pick]
            keep = (sums[:, 0] + greatest[0] >= low_t) & (sums[:, 0] + least[0] <= high_t)
            states, sums, pick = states[old[keep]], sums[keep], pick[keep]
            states[:, c], states[:, self.k + c] = new[pick, 0], new[pick, 1]
        t, p = states[:, : self.k], states[:, self.k :]
        keep = (self.n + p - 2 * t <= self.total - t.sum(1, keepdims=True)).all(1)
        t, p = t[keep], p[keep]
        for f in figures:
            if self.kind(f.metric)[0] in ("kappa", *_JOINT):
                keep = self._holds(f, t, p)
                t, p = t[keep], p[keep]
        return t, p

    def value(self, metric: str, t: np.ndarray, p: np.ndarray) -> np.ndarray:
        """The metric of each state, (m,) float; 0 where it is undefined, as scikit-learn has it."""
        kind, c = self.kind(metric)
        n, total = self.n, self.total
        precision = np.divide(t, p, out=np.zeros(t.shape), where=p > 0)
        recall, f1 = t / n, 2 * t / (n + p)
        if c is not None:
            return {"recall": recall, "precision": precision, "f1": f1}[kind][:, c]
        means = {"recall": recall, "precision": precision, "f1": f1}
        head, _, name = kind.partition("_")
        if head in ("macro", "weighted"):
            return means[name].mean(1) if head == "macro" else means[name] @ n / total
        right, chance = t.sum(1), p @ n
        if kind == "accuracy":
            return right / total
        if kind == "kappa":
            return (total * right - chance) / (total**2 - chance)
        spread = np.sqrt((total**2 - (p**2).sum(1)) * float(total**2 - (n**2).sum()))
        return np.divide(total * right - chance, spread, out=np.zeros(len(t)), where=spread > 0)

    def _holds(self, f: Reported, t: np.ndarray, p: np.ndarray) -> np.ndarray:
        low, high, scale = f.ends
        if f.metric == "kappa":  # in integers
            top, bottom = self.total * t.sum(1) - p @ self.n, self.total**2 - p @ self.n
            return (low * bottom <= scale * top) & (scale * top <= high * bottom)
        value = self.value(f.metric, t, p)
        return (value >= low / scale - 1e-12) & (value <= high / scale + 1e-12)

    # Integer programming: figures that are ratios of linear forms ---------------------------------

    def _ratio(self, metric: str) -> tuple[np.ndarray, np.ndarray]:
        """Numerator and denominator over (t, p, 1)."""
        (kind, c), k = self.kind(metric), self.k
        top, bottom = np.zeros(2 * k + 1), np.zeros(2 * k + 1)
        if kind in ("accuracy", "kappa"):
            top[:k], bottom[-1] = 1, self.total
            if kind == "kappa":
                top[:k], bottom[-1] = self.total, self.total**2
                top[k:-1] = bottom[k:-1] = -self.n
            return top, bottom
        top[c] = 2 if kind == "f1" else 1
        bottom[k + c] = kind != "recall"
        bottom[-1] = 0 if kind == "precision" else self.n[c]
        return top, bottom

    def _rows(self, figures: Sequence[Reported]) -> np.ndarray:
        """Rows r of r · (t, p, 1) ≥ 0, each scaled to a largest coefficient of 1."""
        k, eye = self.k, np.eye(2 * self.k + 1)
        rows = [eye[k + c] - eye[c] for c in range(k)]
        everything = np.r_[np.full(k, -1.0), np.zeros(k), self.total]
        rows += [everything - self.n[c] * eye[-1] - eye[k + c] + 2 * eye[c] for c in range(k)]
        for f in figures:
            (top, bottom), (low, high, scale) = self._ratio(f.metric), f.ends
            rows += [scale * top - low * bottom, high * bottom - scale * top]
            if low > 0:
                rows.append(top - 0.5 * eye[-1])  # 0/0 counts as 0
        return np.array([r / np.abs(r[:-1]).max() for r in rows])

    def solve(
        self, figures: Sequence[Reported], aim=None, extra: Sequence[np.ndarray] = ()
    ) -> np.ndarray | None:
        """A point (t, p, 1) that makes all figures true, the one with the least `aim`; None if there is none."""
        rows = np.vstack([self._rows(figures), *extra])
        k = self.k
        result = milp(
            np.zeros(2 * k) if aim is None else aim[:-1],
            integrality=np.ones(2 * k),
            bounds=Bounds(0, np.r_[self.n, np.full(k, self.total)]),
            constraints=[
                LinearConstraint(rows[:, :-1], lb=-rows[:, -1]),
                LinearConstraint(np.r_[np.zeros(k), np.ones(k)], self.total, self.total),
            ],
        )
        return None if result.x is None else np.r_[np.rint(result.x), 1]

    def extreme(self, figures: Sequence[Reported], metric: str, sign: int, beyond: float) -> float:
        """The metric's attainable value nearest to `beyond` on the side of `sign`; NaN if there is none.

        Dinkelbach's method: a linear-fractional aim as a few linear ones.
        """
        top, bottom = self._ratio(metric)
        side = sign * (top - beyond * bottom)
        side = (side / np.abs(side[:-1]).max())[None]
        x = self.solve(figures, None, side)
        while x is not None and bottom @ x > 0:
            ratio = (top @ x) / (bottom @ x)
            better = self.solve(figures, sign * (top - ratio * bottom), side)
            if better is None or sign * ((top - ratio * bottom) @ better) > -1e-6:
                return float(ratio)
            x = better
        return float("nan")


def _possible(problem: _Problem, figures: Sequence[Reported]) -> bool | None:
    """Whether all figures can be true together; None where that can't be decided."""
    listed = problem.listing(figures)
    if listed is not None:
        return bool(len(listed[0]))
    linear = [f for f in figures if problem.kind(f.metric)[0] not in _JOINT]
    if problem.solve(linear) is None:
        return False
    return True if len(linear) == len(figures) else None


def _around(problem: _Problem, accepted: Sequence[Reported], f: Reported) -> tuple[float, float]:
    unit, value = (100 if f.percent else 1), f.value / (100 if f.percent else 1)
    listed = problem.listing(accepted)
    if listed is not None:
        all_values = problem.value(f.metric, *listed)
        below, above = all_values[all_values <= value], all_values[all_values >= value]
        ends = below.max() if len(below) else np.nan, above.min() if len(above) else np.nan
    elif problem.kind(f.metric)[0] in _JOINT:
        ends = np.nan, np.nan
    else:
        linear = [a for a in accepted if problem.kind(a.metric)[0] not in _JOINT]
        ends = tuple(problem.extreme(linear, f.metric, sign, value) for sign in (-1, 1))
    return float(ends[0] * unit), float(ends[1] * unit)


def check(supports: Mapping[str, int], figures: Iterable[Reported]) -> pd.DataFrame:
    """Which published figures of one classification report can be true together.

    supports: images of each class; figures: what was published. Metrics: accuracy (or micro averages under
    that name), recall_<class>, precision_<class>, f1_<class>, kappa, mcc, macro_recall, macro_precision,
    macro_f1, weighted_precision, weighted_f1.

    One row a figure: metric, published, attainable (True, False, or None where it can't be decided), below
    and above (the nearest attainable values, in the printed unit; NaN if there is none on that side), alone
    (attainable with nothing but the supports given), conflicts (other figures, all true
    together, that rule it out; none of them can be left out as far as that can be decided). Figures are taken in the order accuracy, recalls, precisions, F1s, kappa,
    averages, MCC; each is judged beside those accepted before it. A report of a real confusion matrix never
    gets a False.
    """
    problem, figures = _Problem(supports), list(figures)
    for f in figures:
        problem.kind(f.metric)
    ranked = sorted(figures, key=lambda f: _ORDER.index(problem.kind(f.metric)[0]))
    whole = _possible(problem, ranked)
    accepted: list[Reported] = []
    out = {}
    for f in ranked:
        verdict = True if whole else _possible(problem, [*accepted, f])
        line = dict(metric=f.metric, published=f.value, attainable=verdict, below=f.value, above=f.value)
        line |= {"alone": True, "conflicts": ""}
        if verdict is False:
            line["below"], line["above"] = _around(problem, accepted, f)
            core = list(accepted)
            for a in accepted:  # drop what isn't needed for the contradiction
                fewer = [b for b in core if b is not a]
                if _possible(problem, [*fewer, f]) is False:
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
    the metric is an average or the MCC. The paper's accuracy and three recalls imply the fourth recall.
    """
    problem, figures = _Problem(supports), list(figures)
    kind = problem.kind(metric)[0]
    listed = problem.listing(figures)
    if listed is not None:
        values = problem.value(metric, *listed)
        return (float(values.min()), float(values.max())) if len(values) else (float("nan"),) * 2
    if any(problem.kind(f.metric)[0] in _JOINT for f in figures) or kind in _JOINT:
        return float("nan"), float("nan")
    return problem.extreme(figures, metric, 1, -1.0), problem.extreme(figures, metric, -1, 1.0)

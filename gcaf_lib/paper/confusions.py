"""Every confusion matrix that a report leaves possible, as whole numbers: listed, sought, or ruled out.

With supports n_c, a matrix is known by its true positives t_c and by the times p_c that each class was
predicted. A matrix with these margins exists if and only if

    0 ≤ t_c ≤ n_c,   t_c ≤ p_c,   Σ p_c = N,   (n_c − t_c) + (p_c − t_c) ≤ N − Σ t_c   for every class c

(the last is Hall's condition for a table of errors with an empty diagonal). Three ways to decide whether some
(t, p) makes all figures true, each sure of what it says:

    listing    class by class, a branch cut as soon as a sum can't be met any more: complete, or cut at LIMIT
    seek       the least disagreement by steps from a good guess: shows a matrix, can't rule one out
    solve      integer programming (`programming`) over figures that are ratios of linear forms: rules out, unless time is up

`paper.attainability` asks the questions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from gcaf_lib.paper.programming import PATIENCE, Programming

LIMIT = 100_000  # states kept in one step of a listing
STEPS = 60  # of a thorough search
PARTS = 1000  # of a figure's last unit, where decimals were cut off
SLACK = 1e-12  # floats: the end of an interval belongs to it
PER_CLASS = ("recall", "precision", "f1")
JOINT = ("macro_recall", "macro_precision", "macro_f1", "weighted_precision", "weighted_f1", "mcc")


class Reported(NamedTuple):
    """A published figure: metric name (see `check`), value and decimals as printed, and whether in percent.

    cut: further decimals were cut off, not rounded: 0.90 is 0.9 or more and less than 0.91, −0.48 is more than −0.49.
    """

    metric: str
    value: float
    decimals: int
    percent: bool = False
    cut: bool = False

    @property
    def ends(self) -> tuple[int, int, int]:
        """(low, high, scale): the true value lies in [low/scale, high/scale], in integers.

        Of what was cut off, all but the last of `PARTS` parts of a unit: what is cut to another figure is none of it.
        """
        shown, scale = round(self.value * 10**self.decimals), 10 ** (self.decimals + 2 * self.percent)
        if not self.cut:
            return 2 * shown - 1, 2 * shown + 1, 2 * scale
        signed = self.metric in ("kappa", "mcc")
        down, up = shown < 0 or (shown == 0 and signed), shown >= 0
        return PARTS * shown - (PARTS - 1) * down, PARTS * shown + (PARTS - 1) * up, PARTS * scale


def within(ends: tuple[int, int, int], n: int) -> tuple[int, int]:
    """Least and most k of n for which k/n lies between the `Reported.ends`; whole numbers of Python, which don't overflow."""
    low, high, scale = ends
    return max(0, -(-low * n // scale)), min(n, high * n // scale)


def _of_each(t: np.ndarray, p: np.ndarray, n: np.ndarray | int) -> dict[str, np.ndarray]:
    """`PER_CLASS` of classes of n images: t of them right, p times predicted (precision 0 where never)."""
    precision = np.divide(t, p, out=np.zeros(t.shape), where=p > 0)
    return {"recall": t / n, "precision": precision, "f1": 2 * t / (n + p)}


class Listing(NamedTuple):
    """States t, p (m,K) that make all figures true, and whether these are all there are."""

    t: np.ndarray
    p: np.ndarray
    complete: bool


class Problem(Programming):
    """The integers behind a report with these supports; variables are t_1..t_K, p_1..p_K."""

    def __init__(self, supports: Mapping[str, int]):
        self.classes, self.n = list(supports), np.array(list(supports.values()), np.int64)
        self.k, self.total = len(self.n), int(self.n.sum())
        self.left = PATIENCE
        if self.k < 2 or (self.n < 1).any():
            raise ValueError(f"supports {dict(supports)}: give at least two classes, each with samples")

    def kind(self, metric: str) -> tuple[str, int | None]:
        """("recall", class number), or (metric, None) for a figure of the whole report."""
        head, _, name = metric.partition("_")
        if head in PER_CLASS and name in self.classes:
            return head, self.classes.index(name)
        if metric in ("accuracy", "kappa", *JOINT):
            return metric, None
        known = [f"{m}_<class>" for m in PER_CLASS]
        raise ValueError(
            f"metric {metric!r} is unknown; known: accuracy, kappa, {', '.join([*JOINT, *known])} "
            f"with the classes {', '.join(self.classes)}"
        )

    def linear(self, figures: Sequence[Reported]) -> list[Reported]:
        """The figures that integer programming takes: ratios of linear forms of (t, p)."""
        return [f for f in figures if self.kind(f.metric)[0] not in JOINT]

    def value(self, metric: str, t: np.ndarray, p: np.ndarray) -> np.ndarray:
        """The metric of each state, (m,) float; 0 where it is undefined, as scikit-learn has it."""
        return self.values([metric], t, p)[0]

    def values(self, metrics: Sequence[str], t: np.ndarray, p: np.ndarray) -> list[np.ndarray]:
        """`value` of several metrics."""
        n, total, each = self.n, self.total, _of_each(t, p, self.n)
        right, chance = t.sum(1), p @ n
        out = []
        for kind, c in map(self.kind, metrics):
            head, _, name = kind.partition("_")
            if c is not None:
                out.append(each[kind][:, c])
            elif head in ("macro", "weighted"):
                out.append(each[name].mean(1) if head == "macro" else each[name] @ n / total)
            elif kind == "accuracy":
                out.append(right / total)
            elif kind == "kappa":
                out.append((total * right - chance) / (total**2 - chance))
            else:
                of_p, of_n = total**2 - (p.astype(float) ** 2).sum(1), float(total**2 - (n**2).sum())
                spread = np.sqrt(np.maximum(of_p, 0) * of_n)
                top = total * right - chance
                out.append(np.divide(top, spread, out=np.zeros(len(t)), where=spread > 0))
        return out

    def holds(self, f: Reported, t: np.ndarray, p: np.ndarray) -> np.ndarray:
        """Whether each state gives the figure as printed, (m,) bool."""
        (low, high, scale), value = f.ends, self.value(f.metric, t, p)
        return (value >= low / scale - SLACK) & (value <= high / scale + SLACK)

    # Listing -------------------------------------------------------------------------------------

    def _pairs(self, c: int, figures: Sequence[Reported], limit: int) -> np.ndarray | None:
        """Every (t, p) of class c that its own figures and the accuracy allow, (m, 2); None if over `limit`."""
        n, most = int(self.n[c]), self.total  # most: errors in the whole report
        for f in figures:
            if f.metric == "accuracy":
                most = self.total - within(f.ends, self.total)[0]
        own = [(kind, f.ends) for f in figures for kind, i in [self.kind(f.metric)] if i == c]
        spans = [(max(0, n - most), n), *(within(ends, n) for kind, ends in own if kind == "recall")]
        t = np.arange(max(a for a, _ in spans), min(b for _, b in spans) + 1)
        if any(2 * scale * n > 2**62 for _, (_, _, scale) in own):
            t = t.astype(object)  # whole numbers of Python: those of NumPy would overflow
        first, last = t.copy(), np.minimum(t + self.total - n, 2 * t + most - n)
        for kind, (low, high, scale) in own:
            if kind != "recall":
                times, offset = (1, 0) if kind == "precision" else (2, n)
                first = np.maximum(first, -(-times * scale * t // high) - offset)
                if low > 0:
                    last = np.where(t > 0, np.minimum(last, times * scale * t // low - offset), -1)
        t, last = t.astype(np.int64), last.astype(np.int64)
        first = np.minimum(first, self.total + 1).astype(np.int64)
        width = np.maximum(last - first + 1, 0)
        if width.sum() > limit:
            return None
        start = np.repeat(first - np.concatenate([[0], np.cumsum(width)[:-1]]), width) if len(t) else first
        return np.column_stack([np.repeat(t, width), start + np.arange(width.sum())])

    def _shares(self, c: int, pairs: np.ndarray, figures: Sequence[Reported]) -> np.ndarray:
        """What each pair of class c adds to the sums that have to end between `_limits`, (m, S) float."""
        t, p, n, total = pairs[:, 0].astype(float), pairs[:, 1].astype(float), int(self.n[c]), self.total
        each, out = _of_each(t, p, n), [p, t, total * t - n * p, p * p]
        for f in figures:
            head, _, name = f.metric.partition("_")
            low, high, scale = f.ends
            if f.metric == "accuracy":
                out.append(t / total)
            elif f.metric == "kappa":  # κ ≥ low and κ ≤ high, each as one linear form over N²
                out += [(total * t - n * p + end / scale * n * p) / total**2 for end in (low, high)]
            elif head in ("macro", "weighted") and self.kind(f.metric)[1] is None:
                out.append(each[name] * (1 / self.k if head == "macro" else n / total))
        return np.column_stack(out)

    def _limits(self, figures: Sequence[Reported]) -> tuple[np.ndarray, np.ndarray]:
        """Between what the sums of `_shares` have to end, two (S,)."""
        ends = [(self.total, self.total), (0, self.total), (-np.inf, np.inf), (0, np.inf)]
        for f in figures:
            a, b, scale = f.ends
            if f.metric == "kappa":
                ends += [(a / scale, np.inf), (-np.inf, b / scale)]
            elif self.kind(f.metric)[1] is None and f.metric != "mcc":
                ends.append((a / scale, b / scale))
        low, high = np.array(ends).T
        return low - 1e-9, high + 1e-9

    def _mcc_within(
        self, f: Reported, top: Sequence[np.ndarray], squares: Sequence[np.ndarray]
    ) -> np.ndarray:
        """Whether the MCC can still be as printed; top, squares: ends of N Σt − Σnp and of Σp²."""
        fixed, (low, high, scale) = float(self.total**2 - (self.n**2).sum()), f.ends
        wide, narrow = (np.sqrt(np.maximum((self.total**2 - s) * fixed, 1e-9)) for s in squares)
        least = np.where(top[0] >= 0, top[0] / wide, top[0] / narrow)
        greatest = np.where(top[1] >= 0, top[1] / narrow, top[1] / wide)
        return (greatest >= low / scale - 1e-9) & (least <= high / scale + 1e-9)

    def _kappa_fits(self, figures: Sequence[Reported]) -> bool:
        """Whether some number of right answers leaves room for kappa: an error moves Σ n_c p_c by max n − min n at most."""
        spans = [(0, self.total), *(within(f.ends, self.total) for f in figures if f.metric == "accuracy")]
        right = np.arange(max(a for a, _ in spans), min(b for _, b in spans) + 1)
        moved = float(self.n.max() - self.n.min()) * (self.total - right)
        ends = [np.minimum((self.n**2).sum() + sign * moved, self.n.max() * self.total) for sign in (1, -1)]
        least, most = ((self.total * right - x) / (self.total**2 - x) for x in ends)
        for f in figures:
            if f.metric == "kappa":
                low, high, scale = f.ends
                fits = (most >= low / scale - SLACK) & (least <= high / scale + SLACK)
                least, most = least[fits], most[fits]
        return len(least) > 0

    def listing(self, figures: Sequence[Reported], limit: int | None = None) -> Listing | None:
        """The (t, p) that make all figures true; None where there are too many for even one class.

        limit: states kept in one step, drawn at random where there are more (default: LIMIT).
        """
        limit = LIMIT if limit is None else min(limit, LIMIT)
        pairs = [self._pairs(c, figures, limit) for c in range(self.k)]
        none = np.zeros((0, self.k), np.int64)
        if not self._kappa_fits(figures) or any(x is not None and not len(x) for x in pairs):
            return Listing(none, none, True)
        if any(x is None for x in pairs):
            return None
        order = sorted(range(self.k), key=lambda c: len(pairs[c]))
        shares = [self._shares(c, pairs[c], figures) for c in range(self.k)]
        low, high = self._limits(figures)
        mcc = [f for f in figures if f.metric == "mcc"]
        states, sums = np.zeros((1, 2 * self.k), np.int32), np.zeros((1, len(low)))
        room, complete = np.full(1, np.inf), True  # room: what Hall's condition leaves for Σt
        rng = np.random.default_rng(0)
        for step, c in enumerate(order):
            rest = [shares[d] for d in order[step + 1 :]]
            least = sum((x.min(0) for x in rest), np.zeros(len(low)))
            greatest = sum((x.max(0) for x in rest), np.zeros(len(low)))
            # rows of this class sorted by p: each state joins with one run of them
            ranked = np.argsort(pairs[c][:, 1], kind="stable")
            new, share = pairs[c][ranked], shares[c][ranked]
            a = np.searchsorted(new[:, 1], self.total - greatest[0] - sums[:, 0] - 0.5, "left")
            b = np.searchsorted(new[:, 1], self.total - least[0] - sums[:, 0] + 0.5, "right")
            ends = np.cumsum(np.maximum(b - a, 0))
            few = ends[-1] <= limit
            joined = np.arange(ends[-1]) if few else np.sort(rng.integers(0, ends[-1], limit))
            complete &= bool(few)
            old = np.searchsorted(ends, joined, "right")
            pick = joined - np.r_[0, ends][old] + a[old]
            sums = sums[old] + share[pick]
            from_, to = sums + least, sums + greatest
            room = np.minimum(room[old], self.total - self.n[c] - new[pick, 1] + 2 * new[pick, 0])
            keep = (to >= low).all(1) & (from_ <= high).all(1) & (from_[:, 1] <= room + 0.5)
            for f in mcc:
                keep &= self._mcc_within(f, (from_[:, 2], to[:, 2]), (from_[:, 3], to[:, 3]))
            states, sums, room, pick = states[old[keep]], sums[keep], room[keep], pick[keep]
            states[:, c], states[:, self.k + c] = new[pick, 0], new[pick, 1]
            if not len(states):
                return Listing(none, none, complete)
        t, p = states[:, : self.k].astype(np.int64), states[:, self.k :].astype(np.int64)
        for f in figures:
            if self.kind(f.metric)[1] is None:
                keep = self.holds(f, t, p)
                t, p = t[keep], p[keep]
        return Listing(t, p, complete)

    def right(self, figures: Sequence[Reported]) -> tuple[np.ndarray, np.ndarray]:
        """Least and most true positives of each class, then of all (K+1,), by each class's own recalls and F1s and the accuracy.

        F1 = 2t/(n + p) with t ≤ p ≤ t + N − n, so it lies between 2t/(N + t) and 2t/(n + t).
        """
        low, high = np.zeros(self.k + 1, np.int64), np.r_[self.n, self.total]
        for f in figures:
            kind, c = self.kind(f.metric)
            at, (a, b, scale) = self.k if c is None else c, f.ends
            size = self.total if c is None else int(self.n[c])
            if kind in ("recall", "accuracy"):
                least, most = within(f.ends, size)
                low[at], high[at] = max(low[at], least), min(high[at], most)
            elif kind == "f1":
                low[at] = max(low[at], -(-a * size // (2 * scale - a)))
                high[at] = min(high[at], b * self.total // (2 * scale - b))
        for _ in range(2):  # what the others leave of the sum, and the sum of all
            rest_low, rest_high = low[:-1].sum() - low[:-1], high[:-1].sum() - high[:-1]
            low[:-1] = np.maximum(low[:-1], low[-1] - rest_high)
            high[:-1] = np.minimum(high[:-1], high[-1] - rest_low)
            low[-1], high[-1] = max(low[-1], low[:-1].sum()), min(high[-1], high[:-1].sum())
        return low, high

    # Search --------------------------------------------------------------------------------------

    def _guess(self, figures: Sequence[Reported]) -> np.ndarray:
        """(2K,) int, t and p as the figures alone would have them."""
        told = {f.metric: f.value / (100 if f.percent else 1) for f in figures}
        usual = told.get("accuracy", told.get("macro_recall", told.get("macro_f1", 0.5)))
        t = np.array([told.get(f"recall_{c}", told.get(f"f1_{c}", usual)) for c in self.classes]) * self.n
        p = self.n.astype(float)
        for c, name in enumerate(self.classes):
            if told.get(f"precision_{name}"):
                p[c] = t[c] / told[f"precision_{name}"]
            elif told.get(f"f1_{name}"):
                p[c] = 2 * t[c] / told[f"f1_{name}"] - self.n[c]
        return np.maximum(np.rint(np.r_[t, p]), 0).astype(np.int64)

    def _wrong(self, figures: Sequence[Reported], states: np.ndarray) -> np.ndarray:
        """By how much states (m,2K) miss the figures (in half units of their last places) and the margins, (m,)."""
        t, p = states[:, : self.k], states[:, self.k :]
        out = np.abs(p.sum(1) - self.total).astype(float)
        hall = self.n + p - 2 * t - (self.total - t.sum(1, keepdims=True))
        for over in (hall, t - self.n, t - p, -t):
            out += np.maximum(over, 0).sum(1)
        for f, value in zip(figures, self.values([f.metric for f in figures], t, p)):
            low, high, scale = f.ends
            out += np.maximum(np.maximum(low - value * scale, value * scale - high) - SLACK * scale, 0)
        return out

    def _moves(self) -> np.ndarray:
        """(m,2K) int: steps of one or two counts, in ones, twos, fours up to a tenth of all."""
        unit = np.eye(2 * self.k, dtype=np.int64)
        pairs = [a + sign * b for i, a in enumerate(unit) for b in unit[:i] for sign in (1, -1)]
        single = np.array([*unit, *pairs])
        sizes = 2 ** np.arange(max(1, int(np.log2(max(2, self.total / 10))) + 1))
        return np.concatenate([sign * size * single for size in sizes for sign in (1, -1)])

    def seek(
        self, figures: Sequence[Reported], start: np.ndarray | None = None, steps: int | None = None
    ) -> np.ndarray | None:
        """One state (2K,) that makes all figures true, found by steps downhill and, where stuck, a jump; or None.

        start: a state that may be near (default: what the figures suggest).
        """
        rng, moves = np.random.default_rng(0), self._moves()
        here = best = self._guess(figures) if start is None else start
        wrong = least = self._wrong(figures, here[None])[0]
        for _ in range(steps or STEPS):
            if least == 0:
                return best
            around = here + moves
            around = around[(around >= 0).all(1)]
            values = self._wrong(figures, around)
            at = values.argmin()
            if values[at] < wrong:
                here, wrong = around[at], values[at]
            else:
                here = np.maximum(best + moves[rng.integers(0, len(moves), 3)].sum(0), 0)
                wrong = self._wrong(figures, here[None])[0]
            if wrong < least:
                best, least = here, wrong
        return best if least == 0 else None

    def matrix(self, t: np.ndarray, p: np.ndarray) -> np.ndarray:
        """A confusion matrix (K,K), rows true, with these margins: each error goes where the most are still missing."""
        out = np.diag(np.asarray(t, np.int64))
        rows, columns = self.n - t, np.asarray(p, np.int64) - t
        for _ in range(int(rows.sum())):
            # the class with the most left to place, as row and column together, is served first (Hall)
            c = int(np.argmax(np.where(rows + columns > 0, rows + columns, -1)))
            others = np.arange(self.k) != c
            mine, theirs, table = (rows, columns, out) if rows[c] else (columns, rows, out.T)
            d = int(np.argmax(np.where(others, (rows + columns + 1) * (theirs > 0), 0)))
            table[c, d] += 1
            mine[c], theirs[d] = mine[c] - 1, theirs[d] - 1
        return out

"""Integer programming over figures that are ratios of linear forms of a confusion matrix's margins: rules out, and finds extremes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp


class Programming:
    """What `confusions.Problem` (classes, n, k, total, kind) can ask of HiGHS; variables are t_1..t_K, p_1..p_K."""

    n: np.ndarray
    k: int
    total: int
    kind: Any

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

    def _rows(self, figures: Sequence[Any]) -> np.ndarray:
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

    def solve(self, figures: Sequence[Any], aim=None, extra: Sequence[np.ndarray] = ()) -> np.ndarray | None:
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

    def extreme(self, figures: Sequence[Any], metric: str, sign: int, beyond: float) -> float:
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

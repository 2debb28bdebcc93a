"""Integer programming over figures that are ratios of linear forms of a confusion matrix's margins: rules out, and finds extremes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

PATIENCE = 30.0  # seconds of a problem's programs together: each gets a third of what is left
LEAST = 0.1  # seconds that each gets even then
OPTIMAL, INFEASIBLE = 0, 2  # SciPy's status


class Programming:
    """What `confusions.Problem` (classes, n, k, total, kind) can ask of HiGHS; variables are t_1..t_K, p_1..p_K."""

    n: np.ndarray
    k: int
    total: int
    kind: Any
    holds: Any
    left: float  # of `PATIENCE`

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

    def solve(
        self, figures: Sequence[Any], aim=None, extra: Sequence[np.ndarray] = ()
    ) -> tuple[bool, np.ndarray | None]:
        """Whether the answer is sure, and a point (t, p, 1) that makes all figures true, the one with the least `aim`.

        No point: none was found. Not sure: time was up (`PATIENCE`), or what was found makes the figures true within
        HiGHS's tolerance only.
        """
        rows, k, start = np.vstack([self._rows(figures), *extra]), self.k, time.monotonic()
        result = milp(
            np.zeros(2 * k) if aim is None else aim[:-1],
            integrality=np.ones(2 * k),
            bounds=Bounds(0, np.r_[self.n, np.full(k, self.total)]),
            constraints=[
                LinearConstraint(rows[:, :-1], lb=-rows[:, -1]),
                LinearConstraint(np.r_[np.zeros(k), np.ones(k)], self.total, self.total),
            ],
            options={"mip_rel_gap": 0, "time_limit": max(self.left / 3, LEAST)},
        )
        self.left -= time.monotonic() - start
        if result.x is None:
            return result.status == INFEASIBLE, None
        point = np.r_[np.rint(result.x), 1].astype(np.int64)
        true = all(self.holds(f, point[None, :k], point[None, k:-1])[0] for f in figures)
        return result.status == OPTIMAL and true, point if true else None

    def extreme(self, figures: Sequence[Any], metric: str, sign: int, beyond: float) -> float:
        """The metric's attainable value nearest to `beyond` on the side of `sign`.

        NaN if there is none, if a precision may be 0/0, or if time is up before it is shown that none is nearer.
        Dinkelbach's method: a linear-fractional aim as a few linear ones.
        """
        top, bottom = self._ratio(metric)
        side = sign * (top - beyond * bottom)
        side = (side / np.abs(side[:-1]).max())[None]
        nearest = sign * np.inf
        sure, x = self.solve(figures, None, side)
        while sure and x is not None and bottom @ x > 0:
            ratio = (top @ x) / (bottom @ x)
            if sign * (ratio - nearest) >= 0:  # HiGHS's tolerance may take it to the other side
                return float(nearest) if sign * (nearest - beyond) > -1e-12 else float("nan")
            nearest = ratio
            sure, x = self.solve(figures, sign * (top - ratio * bottom), side)
        return float("nan")

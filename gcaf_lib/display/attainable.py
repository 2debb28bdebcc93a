"""Pictures of the audit: values that whole numbers allow, and rows of tables beside one interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from gcaf_lib.display import style
from gcaf_lib.display.style import Drawing, drawing, legend_below, quiet, styled
from gcaf_lib.paper import attainability, checks, claims
from gcaf_lib.paper import published as paper


class Gap(NamedTuple):
    """One number line: title, values or intervals that can be (low, high, label), the published value ± half."""

    title: str
    spans: tuple[tuple[float, float, str], ...]
    published: float
    half: float


def gaps() -> list[Gap]:
    """The number lines of the main result's impossible figures: precision, F1 and Cohen's κ."""
    supports = paper.supports()
    total = sum(supports.values())

    def figure(metric: str) -> paper.Figure:
        return next(f for f in paper.report() if f.metric == metric)

    def count(metric: str, n: int) -> int:
        f = figure(metric)
        return attainability.counts(f.value, f.decimals, n, f.unit == "%")[0]

    out = []
    f, right = figure("precision_meningioma"), count("recall_meningioma", supports["meningioma"])
    near = round(right / f.fraction)
    spans = [(100 * right / p, 100 * right / p, f"{right}/{p}") for p in range(near - 2, near + 3)]
    out.append(Gap(f"Precision of meningioma, {right} found (%)", tuple(spans), f.value, 0.005))
    f, n = figure("f1_pituitary"), supports["pituitary"]
    recall = attainability.implied(supports, checks.known(), "recall_pituitary")[0]
    right = round(recall * n)
    near = round(2 * right / f.fraction) - n
    spans = [(200 * right / (n + p),) * 2 + (f"{2 * right}/{n + p}",) for p in range(near - 2, near + 3)]
    out.append(Gap(f"F1 of pituitary, {right} found (%)", tuple(spans), f.value, 0.005))
    f, right = figure("kappa"), count("accuracy", total)
    spans = []
    for k in range(right - 2, right + 2):
        like = attainability.Reported("accuracy", round(k / total, 6), 6)
        spans.append((*attainability.implied(supports, [like], "kappa"), f"{k} right"))
    out.append(Gap("Cohen's κ, errors anywhere", tuple(spans), f.value, 0.00005))
    return out


@styled
def number_lines(lines: Sequence[Gap]) -> Drawing:
    """Each gap on its own line: what can be (strokes, or bars for intervals), and what was published."""
    fig = drawing(height=0.95 * len(lines) + 0.5)
    for ax, line in zip(np.atleast_1d(fig.subplots(len(lines), 1)), lines):
        ax.axhline(0, color=style.GRID, lw=1)
        for low, high, label in line.spans:
            if low == high:
                ax.vlines(low, -0.4, 0.4, color=style.OURS, lw=2.4)
            else:
                ax.fill_between([low, high], -0.4, 0.4, color=style.OURS, lw=0.8, ec=style.OURS, zorder=3)
            ax.text((low + high) / 2, 0.6, label, ha="center", color=style.INK, fontsize=8)
        ax.plot(line.published, 0, "D", mfc="none", mec=style.PAPER, mew=1.8, ms=9, zorder=5)
        digits = 2 if line.half > 0.001 else 4
        ax.text(line.published, -0.62, f"{line.published:.{digits}f}", ha="center", va="top", color=style.PAPER,
                fontsize=8.5, fontweight="bold")  # fmt: skip
        ax.set_ylim(-1.25, 1.1)
        ax.set_yticks([])
        ax.spines["left"].set_visible(False)
        ax.set_title(line.title)
    legend_below(fig, [("|", style.OURS, style.OURS, "can be"), ("D", "none", style.PAPER, "published")])
    return fig


def rows() -> pd.DataFrame:
    """place, row, accuracy (%), runs (fewest whose mean it can be) of every rival row of Tables 4, 5, 6 and 8."""
    n, top = int(paper.published("§5.1", metric="testing")), checks.main().value
    out = [
        (f.place, f.row, f.value, attainability.fewest_runs(f.value, f.decimals, n, True))
        for place in claims.TABLES
        for f in paper.find(place, metric="accuracy")
        if f.value != top
    ]
    return pd.DataFrame(out, columns=["place", "row", "accuracy", "runs"])


@styled
def rivals(frame: pd.DataFrame, low: float, high: float) -> Drawing:
    """Accuracies of `rows` beside the interval (%) of the main result; hollow where one run can't give the value."""
    fig = drawing(height=0.21 * len(frame) + 1.4)
    ax = fig.subplots()
    y, labels, last = 0.0, [], None
    for row in frame.itertuples():
        y += 1.0 if row.place == last else 1.7
        one = row.runs == 1
        ax.plot(row.accuracy, y, "o", mfc=style.PAPER if one else "none", mec=style.PAPER, mew=1.6, ms=6.5)
        ax.annotate("one run can" if one else f"≥ {row.runs} runs", (row.accuracy, y), (-9, 0), va="center", ha="right",
                    textcoords="offset points", fontsize=7.5, color=style.MUTED)  # fmt: skip
        labels.append((y, f"{row.row}  ({row.place})"))
        last = row.place
    ax.axvspan(low, high, color=style.OURS, alpha=0.16, lw=0)
    ax.axvline(checks.main().value, color=style.OURS, lw=1.6)
    ax.set_ylim(y + 1, 0.5)
    ax.set_xlim(frame["accuracy"].min() - 1, high + 0.3)
    ax.set_yticks(*zip(*labels))
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel("published accuracy (%)")
    quiet(ax, "x")
    legend_below(
        fig,
        [
            ("s", style.OURS, style.OURS, "main result, 95 % interval"),
            ("o", style.PAPER, style.PAPER, "k of the test images"),
            ("o", "none", style.PAPER, "not k of the test images"),
        ],
    )
    return fig

"""Pictures of the audit: values that whole numbers allow, and rows of tables beside one interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from gcaf_lib.display import style
from gcaf_lib.display.style import Drawing, apart, grid, legend_below, panels, quiet, styled
from gcaf_lib.evaluation.intervals import Interval
from gcaf_lib.paper import checks


class NumberLine(NamedTuple):
    """One number line: title, values or intervals that can be (low, high, label), the published value ± half."""

    title: str
    spans: tuple[tuple[float, float, str], ...]
    published: float
    half: float


@styled
def number_lines(lines: Sequence[NumberLine]) -> Drawing:
    """Each on a line of its own: what can be (strokes, or bars for intervals), and what was published."""
    fig, axes = grid(len(lines), 1, 0.95 * len(lines) + 0.5)
    for ax, line in zip(axes[:, 0], lines):
        ax.axhline(0, color=style.GRID, lw=1)
        for low, high, label in line.spans:
            if low == high:
                ax.vlines(low, -0.4, 0.4, color=style.OURS, lw=2.4)
            else:
                ax.fill_between([low, high], -0.4, 0.4, color=style.OURS, lw=0.8, ec=style.OURS, zorder=3)
            ax.text((low + high) / 2, 0.6, label, ha="center", color=style.INK, fontsize=8)
        ax.plot(line.published, 0, "D", mfc="none", mec=style.PAPER, mew=1.8, ms=9, zorder=5)
        digits = 2 if line.half > 0.001 else 4
        ax.text(line.published, -0.62, f"{line.published:.{digits}f}", ha="center", va="top", color=style.letters(style.PAPER),
                fontsize=8.5, fontweight="bold")  # fmt: skip
        ax.set_ylim(-1.25, 1.1)
        ax.set_yticks([])
        ax.spines["left"].set_visible(False)
        ax.set_title(line.title)
    legend_below(fig, [("|", style.OURS, "can be"), ("D", style.PAPER, "published", "none")])
    return fig


@styled
def rival_accuracies(frame: pd.DataFrame, interval: Interval) -> Drawing:
    """Accuracies of `audit.rival_rows` beside the interval of the main result; hollow where one run can't give the value."""
    low, high = 100 * interval.low, 100 * interval.high
    fig, (ax,) = panels(1, 0.21 * len(frame) + 1.4)
    heights = apart(ax, frame["place"], frame["row"] + "  (" + frame["place"] + ")", 0.5)
    for y, row in zip(heights, frame.itertuples()):
        one = row.runs == 1
        ax.plot(row.accuracy, y, "o", mfc=style.PAPER if one else "none", mec=style.PAPER, mew=1.6, ms=6.5)
        ax.annotate("one run can" if one else f"≥ {row.runs} runs", (row.accuracy, y), (-9, 0), va="center", ha="right",
                    textcoords="offset points", fontsize=7.5, color=style.MUTED)  # fmt: skip
    ax.axvspan(low, high, color=style.OURS, alpha=0.16, lw=0)
    ax.axvline(checks.headline_accuracy().value, color=style.OURS, lw=1.6)
    ax.set(xlim=(frame["accuracy"].min() - 1, high + 0.3), xlabel="published accuracy (%)")
    quiet(ax, "x")
    marks = [("s", style.OURS, "main result, 95% interval"), ("o", style.PAPER, "k of the test images")]
    legend_below(fig, [*marks, ("o", style.PAPER, "not k of the test images", "none")])
    return fig

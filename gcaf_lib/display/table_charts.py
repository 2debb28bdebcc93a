"""The rows of a table as dots: levels, and differences from its reference."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.ticker import MaxNLocator

from gcaf_lib.display import names as naming
from gcaf_lib.display import style
from gcaf_lib.display.style import Drawing, down, legend_below, panels, percent_label, quiet, styled


@styled
def dots(
    frame: pd.DataFrame,
    metric: str = "accuracy",
    names: Mapping[str, str] | None = None,
    show_published: bool = True,
    reference: str = "proposed",
) -> Drawing:
    """Rows of `measure` down; left the metric, right its difference from that of the reference row on the same images.

    The paper's figures are open diamonds, ours dots with their intervals, and strokes where each picture weighs 1.
    Rows without a run say so.
    """
    part = frame[frame["metric"] == metric].reset_index(drop=True)
    show_published = show_published and bool(part["published"].notna().any())
    fig, (left, right) = panels(2, 1.15 + 0.36 * len(part), sharey=True, width_ratios=[1.15, 1])
    shift = 0.14 if show_published else 0
    levels = ("mean", "low", "high", "picture", "published")
    gaps = ("difference", "difference_low", "difference_high", "picture_difference", "published_difference")
    rivals = part[~part["reference"].astype(bool)]
    for ax, rows, (value, low, high, copied, theirs) in ((left, part, levels), (right, rivals, gaps)):
        scale = 100 if ax is right and metric in naming.SHARES else 1
        run = rows[rows[value].notna()]
        y = run.index + shift
        ax.hlines(y, scale * run[low], scale * run[high], color=style.OURS, lw=3, alpha=0.6)
        ax.plot(scale * run[value], y, "o", color=style.OURS, ms=6)
        ax.plot(scale * run[copied], y, "|", color=style.INK, ms=11, mew=1.4)
        if show_published:
            x, y = scale * rows[theirs], rows.index - shift
            ax.plot(x, y, "D", mfc="none", mec=style.PAPER, mew=1.4, ms=5.5)
        quiet(ax, "x")
    down(left, [(names or {}).get(row, row) for row in part["row"]])
    right.axvline(0, color=style.MUTED, lw=1)
    if not any(line.get_marker() != "None" and len(line.get_xdata()) for line in right.lines):
        right.set_xlim(-1, 1)  # nothing to compare yet
    for y, r in part.iterrows():
        text = naming.runs_text(r) if r["n"] else naming.ABSENT
        right.text(1.02, y, text, transform=right.get_yaxis_transform(), va="center", fontsize=7.5,
                   color=style.INK if r["n"] else style.MUTED)  # fmt: skip
        if r["reference"]:
            right.text(0.0, y, f" {reference} ", va="center", ha="center", fontsize=7.5, color=style.MUTED,
                       bbox={"boxstyle": "square,pad=0.1", "fc": style.SURFACE, "ec": "none"})  # fmt: skip
    name = naming.metric_name(metric)
    left.set_title(name)
    right.set_title(f"Minus the {reference}" + (", points" if metric in naming.SHARES else ""))
    if metric in naming.SHARES:
        left.xaxis.set_major_formatter(percent_label)
    for ax in (left, right):
        ax.xaxis.set_major_locator(MaxNLocator(5))
    marks = [("o", style.OURS, "measured, 95% interval")]
    marks += [("|", style.INK, "by picture")] if part["picture"].notna().any() else []
    legend_below(fig, marks + ([("D", style.PAPER, "the paper's figure", "none")] if show_published else []))
    return fig

"""The rows of a table as dots: levels, and differences to the proposed model."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.ticker import MaxNLocator

from gcaf_lib.display import names as naming
from gcaf_lib.display import style
from gcaf_lib.display.style import Drawing, down, drawing, legend_below, percent_label, quiet, styled


@styled
def dots(
    frame: pd.DataFrame,
    metric: str = "accuracy",
    names: Mapping[str, str] | None = None,
    published: bool = True,
) -> Drawing:
    """Rows of `measure` down; left the metric, right its difference to the proposed model on the same images.

    The paper's figures are open diamonds, ours dots with their intervals, and strokes where each picture weighs 1.
    Rows without a run say so.
    """
    part = frame[frame["metric"] == metric].reset_index(drop=True)
    published = published and bool(part["published"].notna().any())
    fig = drawing(height=1.15 + 0.36 * len(part))
    left, right = fig.subplots(1, 2, sharey=True, width_ratios=[1.15, 1])
    shift = 0.14 if published else 0
    for ax, value, theirs in ((left, "mean", "published"), (right, "difference", "published_difference")):
        head = "difference" if ax is right else ""
        copied = "picture_difference" if head else "picture"
        low, high = (f"{head}_{end}" if head else end for end in ("low", "high"))
        scale = 100 if head and metric in naming.SHARES else 1
        run = part[part[value].notna() & ~(part["reference"] & (ax is right))]
        ax.hlines(run.index + shift, scale * run[low], scale * run[high], color=style.OURS, lw=3, alpha=0.35)
        ax.plot(scale * run[value], run.index + shift, "o", color=style.OURS, ms=6)
        ax.plot(scale * run[copied], run.index + shift, "|", color=style.INK, ms=11, mew=1.4)
        if published:
            other = part[~(part["reference"] & (ax is right))]
            ax.plot(
                scale * other[theirs], other.index - shift, "D", mfc="none", mec=style.PAPER, mew=1.4, ms=5.5
            )
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
            right.text(0.0, y, " proposed ", va="center", ha="center", fontsize=7.5, color=style.MUTED,
                       bbox={"boxstyle": "square,pad=0.1", "fc": style.SURFACE, "ec": "none"})  # fmt: skip
    name = naming.metric_name(metric)
    left.set_title(name)
    right.set_title("Minus the proposed" + (", points" if metric in naming.SHARES else ""))
    if metric in naming.SHARES:
        left.xaxis.set_major_formatter(percent_label)
    for ax in (left, right):
        ax.xaxis.set_major_locator(MaxNLocator(5))
    marks = [("o", style.OURS, style.OURS, "measured, 95 % interval")]
    marks += [("|", style.INK, style.INK, "by picture")] if part["picture"].notna().any() else []
    legend_below(fig, marks + ([("D", "none", style.PAPER, "the paper's figure")] if published else []))
    return fig

"""Pictures of models that others have published: recall at home and elsewhere, sureness, and what a copy changes."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from gcaf_lib.display import style
from gcaf_lib.display.outside import NO_RUN, SET_NAMES
from gcaf_lib.display.style import Drawing, Note, down, drawing, legend_below, percent_label, quiet, styled
from gcaf_lib.evaluation.elsewhere import HOME

MARKS = ("o", "s", "^", "D", "v", "P")


@styled
def recall(found: pd.DataFrame) -> Drawing | Note:
    """A row a class and set, at home first: each model's recall (a mark of its own) with its 95 % interval.

    found: class, set, model, recall, low, high, in the order of the rows.
    """
    if found.empty:
        return NO_RUN
    names = list(dict.fromkeys(found["model"]))
    keys = list(dict.fromkeys(zip(found["class"], found["set"])))
    fig = drawing(height=1.0 + 0.17 * len(names) * len(keys))
    ax = fig.subplots()
    for row in found.to_dict("records"):
        n = names.index(row["model"])
        y = keys.index((row["class"], row["set"])) + 0.22 * (n - (len(names) - 1) / 2)
        colour = style.CLASS_COLOURS[row["class"]]
        ax.hlines(y, row["low"], row["high"], color=colour, lw=4, alpha=0.3)
        ax.plot(row["recall"], y, MARKS[n % len(MARKS)], color=colour, ms=5.5)
    for y, (_, where) in enumerate(keys):
        if where == HOME:
            ax.axhspan(y - 0.5, y + 0.5, color=style.GRID, alpha=0.45, lw=0, zorder=0)
    down(ax, [f"{style.CLASS_NAMES[c]}, {SET_NAMES.get(s, s)}" for c, s in keys])
    ax.set_xlim(-0.02, 1.02)
    ax.set_xlabel("recall: share of the images of a class that are told as this class")
    ax.xaxis.set_major_formatter(percent_label)
    quiet(ax, "x")
    legend_below(
        fig, [(MARKS[n % len(MARKS)], style.MUTED, style.MUTED, name) for n, name in enumerate(names)]
    )
    return fig


@styled
def sureness(found: pd.DataFrame) -> Drawing | Note:
    """How sure a model is (across) and how often it is right (up), a panel a model, a mark a class and set; filled: at home.

    found: class, set, model, recall, confidence. Below the diagonal (shaded) it claims more than it holds.
    """
    if found.empty:
        return NO_RUN
    groups = list(found.groupby("model", sort=False))
    fig = drawing(height=0.9 + 2.3 * -(-len(groups) // 2))
    axes = fig.subplots(-(-len(groups) // 2), 2, sharey=True, squeeze=False).ravel()
    for ax in axes[len(groups) :]:
        ax.set_axis_off()
    for ax, (name, part) in zip(axes, groups):
        ax.plot([0, 1], [0, 1], color=style.MUTED, lw=1, zorder=1)
        ax.fill_between([0, 1], [0, 1], -1, color=style.GRID, alpha=0.45, lw=0, zorder=0)
        ax.text(0.415, 0.02, "surer than right", color=style.MUTED, fontsize=8, zorder=1)
        for row in part.to_dict("records"):
            colour, home = style.CLASS_COLOURS[row["class"]], row["set"] == HOME
            ax.plot(
                row["confidence"],
                row["recall"],
                "o",
                mec=colour,
                mew=1.5,
                mfc=colour if home else style.SURFACE,
                ms=7,
            )
        ax.set_title(name, fontsize=9)
        ax.set_xlim(0.4, 1.02)
        ax.set_xticks([0.5, 0.75, 1])
        ax.set_ylim(-0.02, 1.04)
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_formatter(percent_label)
    for n, ax in enumerate(axes[: len(groups)]):
        ax.set_xlabel("mean probability of the answer" if n + 2 >= len(groups) else "")
        ax.set_ylabel("" if n % 2 else "recall")
    marks = [
        ("o", style.CLASS_COLOURS[c], style.CLASS_COLOURS[c], style.CLASS_NAMES[c])
        for c in dict.fromkeys(found["class"])
    ]
    legend_below(
        fig, [*marks, ("o", style.INK, style.INK, "at home"), ("o", style.SURFACE, style.INK, "elsewhere")]
    )
    return fig


@styled
def trap(levels: Mapping[str, pd.DataFrame], mixture: pd.DataFrame) -> Drawing | Note:
    """Left, the share right with (filled) and without (open) a copy in Training, of all and by class; right, what classes they are.

    levels: of each model class ("all" or a class), copied, value, low, high; mixture: images by copied and class.
    """
    if not levels:
        return NO_RUN
    fig = drawing(height=1.3 + 0.36 * sum(part["class"].nunique() for part in levels.values()))
    left, right = fig.subplots(1, 2, width_ratios=[2.1, 1])
    ticks = []
    for name, part in levels.items():
        for label, pair in part.groupby("class", sort=False):
            y, colour = len(ticks), style.CLASS_COLOURS.get(label, style.INK)
            left.plot(pair["value"], [y] * len(pair), color=style.GRID, lw=1.4, zorder=1)
            for row in pair.to_dict("records"):
                at, face = y + (-0.14 if row["copied"] else 0.14), colour if row["copied"] else style.SURFACE
                left.hlines(at, row["low"], row["high"], color=colour, lw=3, alpha=0.3)
                left.plot(row["value"], at, "o", mfc=face, mec=colour, mew=1.5, ms=6, zorder=3)
            ticks.append(f"{name}: all" if label == "all" else style.CLASS_NAMES[label])
    down(left, ticks)
    left.xaxis.set_major_formatter(percent_label)
    left.set_xlabel("share of the images that are told right")
    quiet(left, "x")
    _stacks(right, mixture)
    legend_below(fig, [("o", style.INK, style.INK, "a copy in Training"), ("o", style.SURFACE, style.INK, "none"),
                       *(("s", style.CLASS_COLOURS[c], style.CLASS_COLOURS[c], style.CLASS_NAMES[c]) for c in mixture)])  # fmt: skip
    return fig


def _stacks(ax, mixture: pd.DataFrame) -> None:
    """Two bars of the classes' shares: of the images with a copy in Training and of those without."""
    shares, start = mixture.div(mixture.sum(axis=1), axis=0), 0
    for label in shares:
        ax.bar([0, 1], shares[label], 0.7, bottom=start, color=style.CLASS_COLOURS[label])
        start = start + shares[label].to_numpy()
    ax.set_xticks(
        [0, 1], [f"{'a copy' if copied else 'none'}\n{n:,}" for copied, n in mixture.sum(axis=1).items()]
    )
    ax.yaxis.set_major_formatter(percent_label)
    ax.set_title("what these images are", fontsize=9)
    quiet(ax, "y")

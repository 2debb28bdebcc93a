"""Pictures of models that others have published: recall at home and elsewhere, sureness, and what a copy changes."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping

import pandas as pd

from gcaf_lib.display import style
from gcaf_lib.display.elsewhere_charts import NO_RUN, name_shares
from gcaf_lib.display.style import Drawing, Note, down, legend_below, panels, percent_label, quiet, styled
from gcaf_lib.evaluation.outside_sets import HOME


@styled
def recall(found: pd.DataFrame) -> Drawing | Note:
    """A row a class and set, at home first: each model's recall (a mark of its own) with its 95% interval.

    found: class, set, model, recall, low, high, in the order of the rows.
    """
    if found.empty:
        return NO_RUN
    marks = dict(zip(dict.fromkeys(found["model"]), itertools.cycle("os^DvP")))
    names = list(marks)
    keys = list(dict.fromkeys(zip(found["class"], found["set"])))
    fig, (ax,) = panels(1, 1.0 + 0.17 * len(names) * len(keys))
    for row in found.to_dict("records"):
        n = names.index(row["model"])
        y = keys.index((row["class"], row["set"])) + 0.22 * (n - (len(names) - 1) / 2)
        look = {"colour": style.CLASS_COLOURS[row["class"]], "width": 4, "ms": 5.5}
        style.estimates(ax, y, row, "recall", marks[row["model"]], across=True, **look)
    for y, (_, where) in enumerate(keys):
        if where == HOME:
            ax.axhspan(y - 0.5, y + 0.5, color=style.GRID, alpha=0.45, lw=0, zorder=0)
    name_shares(ax, keys, "recall: share of the images of a class that are classified as this class")
    legend_below(fig, [(mark, style.MUTED, name) for name, mark in marks.items()])
    return fig


@styled
def sureness(found: pd.DataFrame) -> Drawing | Note:
    """How sure a model is (across) and how often it is right (up), a panel a model, a mark a class and set; filled: at home.

    found: class, set, model, recall, confidence. Below the diagonal (shaded) it claims more than it holds.
    """
    if found.empty:
        return NO_RUN
    groups = list(found.groupby("model", sort=False))
    fig, axes = style.by_two(len(groups), 2.3, 0.9, sharey=True)
    for n, (ax, (name, part)) in enumerate(zip(axes.flat, groups)):
        ax.plot([0, 1], [0, 1], color=style.MUTED, lw=1, zorder=1)
        ax.fill_between([0, 1], [0, 1], -1, color=style.GRID, alpha=0.45, lw=0, zorder=0)
        ax.text(0.415, 0.02, "surer than right", color=style.MUTED, fontsize=8, zorder=1)
        for row in part.to_dict("records"):
            colour = style.CLASS_COLOURS[row["class"]]
            at, mark = (row["confidence"], row["recall"]), style.CLASS_MARKERS[row["class"]]
            face = colour if row["set"] == HOME else style.SURFACE
            ax.plot(*at, mark, mec=colour, mew=1.5, mfc=face, ms=7)
        ax.set_title(name, fontsize=9)
        ax.set(xlim=(0.4, 1.02), ylim=(-0.02, 1.04), xticks=[0.4, 0.6, 0.8, 1])
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_formatter(percent_label)
        ax.set_xlabel("mean probability of the answer" if n + 2 >= len(groups) else "")
        ax.set_ylabel("" if n % 2 else "recall")
    marks = [("o", style.INK, "at home"), ("o", style.INK, "elsewhere", style.SURFACE)]
    legend_below(fig, [*_classes(dict.fromkeys(found["class"]), style.CLASS_MARKERS), *marks])
    return fig


def _classes(found: Iterable[str], marks: Mapping[str, str] | None = None) -> list[tuple[str, str, str]]:
    """The classes in a legend: their marks (squares, where none are given), colours and names."""
    return [((marks or {}).get(c, "s"), style.CLASS_COLOURS[c], style.CLASS_NAMES[c]) for c in found]


@styled
def trap(levels: Mapping[str, pd.DataFrame], mixture: pd.DataFrame) -> Drawing | Note:
    """Left, the share right with (filled) and without (open) a copy in Training, of all and by class; right, what classes they are.

    levels: of each model class ("all" or a class), copied, value, low, high; mixture: images by copied and class.
    """
    if not levels:
        return NO_RUN
    height = 1.3 + 0.36 * sum(part["class"].nunique() for part in levels.values())
    fig, (left, right) = panels(2, height, width_ratios=[2.1, 1])
    ticks = []
    for name, part in levels.items():
        for label, pair in part.groupby("class", sort=False):
            y, colour = len(ticks), style.CLASS_COLOURS.get(label, style.INK)
            left.plot(pair["value"], [y] * len(pair), color=style.GRID, lw=1.4, zorder=1)
            for row in pair.to_dict("records"):
                at, face = y + (-0.14 if row["copied"] else 0.14), colour if row["copied"] else style.SURFACE
                left.hlines(at, row["low"], row["high"], color=colour, lw=3, alpha=0.6)
                left.plot(row["value"], at, "o", mfc=face, mec=colour, mew=1.5, ms=6, zorder=3)
            ticks.append(f"{name}: all" if label == "all" else style.CLASS_NAMES[label])
    down(left, ticks)
    left.xaxis.set_major_formatter(percent_label)
    left.set_xlabel("share of the images classified correctly")
    quiet(left, "x")
    _stacks(right, mixture)
    marks = [("o", style.INK, "a copy in Training"), ("o", style.INK, "none", style.SURFACE)]
    legend_below(fig, [*marks, *_classes(mixture)])
    return fig


def _stacks(ax, mixture: pd.DataFrame) -> None:
    """Two bars of the classes' shares: of the images with a copy in Training and of those without."""
    shares, start = mixture.div(mixture.sum(axis=1), axis=0), 0
    for label in shares:
        ax.bar([0, 1], shares[label], 0.7, bottom=start, color=style.CLASS_COLOURS[label])
        start = start + shares[label].to_numpy()
    sizes = mixture.sum(axis=1).items()
    ax.set_xticks([0, 1], [f"{'a copy' if copied else 'none'}\n{n:,}" for copied, n in sizes])
    ax.yaxis.set_major_formatter(percent_label)
    ax.set_title("what these images are", fontsize=9)
    quiet(ax, "y")

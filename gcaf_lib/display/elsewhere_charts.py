"""Pictures of models on images from elsewhere: recall there and at home, and how sure they are."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from gcaf_lib.display import style
from gcaf_lib.display.style import Drawing, Note, down, legend_below, panels, percent_label, quiet, styled
from gcaf_lib.evaluation.outside_sets import HOME

SET_NAMES = {
    "radiopaedia": "Radiopaedia",
    "rsna": "RSNA-BraTS",
    "medpix": "MedPix",
    "tiantan": "Tiantan",
    "ixi": "IXI",
    "pmram": "PMRAM",
    HOME: "at home",
}


def set_name(key: str) -> str:
    """A set's name for people."""
    return SET_NAMES.get(key, key)


NO_RUN = Note("No run has been scored on images from elsewhere yet.")


@styled
def recall(levels: pd.DataFrame) -> Drawing | Note:
    """Recall elsewhere (class colour, 95% interval over cases) and of the same class at home (open diamond, thin line).

    levels: class, set, recall, low, high, home, home_low, home_high, a row a set and class, of one model.
    """
    return _pairs(levels, "home", "recall: share of the images of a class that are classified as this class",
                  "elsewhere", "same class, at home")  # fmt: skip


@styled
def sureness(levels: pd.DataFrame) -> Drawing | Note:
    """How often the model is right (class colour, 95% interval) and how sure it is (open diamond), at home and elsewhere.

    levels: class, set, recall, low, high, confidence, a row a set and class, of one model; its home first in a class.
    """
    order, away = levels["class"].map(list(style.CLASS_NAMES).index), levels["set"] != HOME
    ordered = levels.assign(order=order, away=away).sort_values(["order", "away"], kind="stable")
    return _pairs(ordered, "confidence", "share of the images", "right", "mean probability of the answer")


def _pairs(levels: pd.DataFrame, other: str, label: str, one_name: str, other_name: str) -> Drawing | Note:
    """Rows of recall with its interval and, joined by a line, another value of the same row (with its own, if it has one)."""
    if levels.empty:
        return NO_RUN
    fig, (ax,) = panels(1, 0.9 + 0.34 * len(levels))
    for y, row in enumerate(levels.to_dict("records")):
        colour = style.CLASS_COLOURS[row["class"]]
        ax.plot([row["recall"], row[other]], [y, y], color=style.GRID, lw=1.4, zorder=1)
        ax.hlines(y, row["low"], row["high"], color=colour, lw=5, alpha=0.6)
        if f"{other}_low" in row:
            ax.hlines(y, row[f"{other}_low"], row[f"{other}_high"], color=style.INK, lw=1.1, zorder=2)
        ax.plot(row["recall"], y, "o", color=colour, ms=8)
        ax.plot(row[other], y, "D", mfc=style.SURFACE, mec=style.INK, mew=1.3, ms=6, zorder=3)
    name_shares(ax, zip(levels["class"], levels["set"]), label)
    legend_below(fig, [("o", style.MUTED, one_name), ("D", style.INK, other_name, style.SURFACE)])
    return fig


def name_shares(ax, keys: Iterable[tuple[str, str]], label: str) -> None:
    """Rows of (class, set) by their names down an axis, and shares across it."""
    down(ax, [f"{style.CLASS_NAMES[c]}, {set_name(s)}" for c, s in keys])
    ax.set(xlim=(-0.02, 1.02), xlabel=label)
    ax.xaxis.set_major_formatter(percent_label)
    quiet(ax, "x")

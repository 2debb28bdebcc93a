"""Pictures of models on images from elsewhere: recall there and at home, and how sure they are."""

from __future__ import annotations

import pandas as pd

from gcaf_lib.display.style import (
    CLASS_COLOURS,
    CLASS_MARKERS,
    CLASS_NAMES,
    GRID,
    INK,
    MUTED,
    SURFACE,
    Drawing,
    Note,
    drawing,
    legend_below,
    percent_label,
    quiet,
    styled,
)

SET_NAMES = {
    "radiopaedia": "Radiopaedia",
    "rsna": "RSNA-BraTS",
    "medpix": "MedPix",
    "tiantan": "Tiantan",
    "ixi": "IXI",
    "pmram": "PMRAM",
    "home": "at home",
}
NO_RUN = Note("No run has been scored on images from elsewhere yet.")


@styled
def recall(levels: pd.DataFrame) -> Drawing | Note:
    """Recall elsewhere (class colour, 95 % interval over cases) and of the same class at home (open diamond).

    levels: class, set, recall, low, high, home, a row a set and class, of one model.
    """
    if levels.empty:
        return NO_RUN
    fig = drawing(height=0.9 + 0.36 * len(levels))
    ax = fig.subplots()
    for y, row in enumerate(levels.itertuples()):
        colour = CLASS_COLOURS[row[levels.columns.get_loc("class") + 1]]
        ax.plot([row.recall, row.home], [y, y], color=GRID, lw=1.4, zorder=1)
        ax.hlines(y, row.low, row.high, color=colour, lw=5, alpha=0.3)
        ax.plot(row.recall, y, "o", color=colour, ms=8)
        ax.plot(row.home, y, "D", mfc=SURFACE, mec=INK, mew=1.3, ms=6, zorder=3)
    names = [f"{CLASS_NAMES[c]}, {SET_NAMES.get(s, s)}" for c, s in zip(levels["class"], levels["set"])]
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.set_xlim(-0.02, 1.02)
    ax.set_xlabel("recall: share of the images of a class that are told as this class")
    ax.xaxis.set_major_formatter(percent_label)
    quiet(ax, "x")
    legend_below(fig, [("o", MUTED, MUTED, "elsewhere"), ("D", SURFACE, INK, "same class, at home")])
    return fig


@styled
def sureness(levels: pd.DataFrame) -> Drawing | Note:
    """How sure the model says it is against how often it is right; below the line it is surer than right.

    levels: class, set, recall, confidence, of one model, its home too.
    """
    if levels.empty:
        return NO_RUN
    fig = drawing(width=5.2, height=4.6)
    ax = fig.subplots()
    ax.plot([0, 1], [0, 1], color=MUTED, lw=1, ls="--")
    ax.text(0.3, 0.33, "as sure as right", color=MUTED, fontsize=8, rotation=45, rotation_mode="anchor")
    for name, part in levels.groupby("class"):
        home = part["set"] == "home"
        style = {"color": CLASS_COLOURS[name], "marker": CLASS_MARKERS[name], "ls": ""}
        ax.plot(part["confidence"][~home], part["recall"][~home], ms=8, **style)
        ax.plot(part["confidence"][home], part["recall"][home], ms=8, mfc=SURFACE, mew=1.5, **style)
        for row in part[~home].itertuples():
            text = SET_NAMES.get(row.set, row.set)
            ax.annotate(text, (row.confidence, row.recall), (-7, 0), textcoords="offset points",
                        ha="right", va="center", fontsize=7.5, color=INK)  # fmt: skip
    ax.set_xlim(0, 1.02)
    ax.set_ylim(-0.03, 1.03)
    ax.set_xlabel("how sure: mean probability of the answer")
    ax.set_ylabel("how often right: recall")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(percent_label)
    quiet(ax, "both")
    marks = [(CLASS_MARKERS[c], CLASS_COLOURS[c], CLASS_COLOURS[c], CLASS_NAMES[c]) for c in CLASS_NAMES]
    legend_below(fig, [*marks, ("o", SURFACE, MUTED, "at home")])
    return fig

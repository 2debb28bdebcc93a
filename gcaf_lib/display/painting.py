"""Pictures of interventions: what was painted over, and what the answers did."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from gcaf_lib.display import style
from gcaf_lib.display.overlays import tile
from gcaf_lib.display.style import Drawing, Note, down, grid, panels, percent_label, quiet, styled
from gcaf_lib.evaluation.intervals import Interval


@styled
def examples(shown: Mapping[str, Mapping[str, np.ndarray]]) -> Drawing | Note:
    """A row a class, a column a kind: by class and kind a picture (S, S, 3) uint8."""
    if not shown:
        return Note("The pictures are not drawn: the tumours' borders (figshare data) are not at hand.")
    kinds = list(next(iter(shown.values())))
    fig, axes = grid(len(shown), len(kinds), style.WIDTH / len(kinds) * len(shown) + 0.3)
    for line, (name, row) in zip(axes, shown.items()):
        for ax, kind in zip(line, kinds):
            tile(ax, row.get(kind))
        line[0].set_ylabel(name, fontweight="bold", fontsize=8.5)
    for ax, kind in zip(axes[0], kinds):
        ax.set_title(kind.replace(" elsewhere", "\nelsewhere"), fontsize=8.5)
    return fig


@styled
def effect_panels(changed: pd.DataFrame, right: pd.DataFrame) -> Drawing | Note:
    """By class: answers changed by painting the tumour over, and right answers to the tumour alone; each beside elsewhere.

    changed, right: `findings.intervention_effects.effects_by_class`.
    """
    if changed.empty:
        return Note("Nothing was asked of these runs.")
    fig, axes = panels(2, 0.42 * len(changed) + 1.3, sharey=True)
    titles = ("painted over: answer changed", "all else painted: answer right")
    for ax, table, title in zip(axes, (changed, right), titles):
        y = np.arange(len(table))
        for name, label, colour, mark, shift in (
            ("tumour", "the tumour (the mark)", style.OURS, "o", -0.13),
            ("elsewhere", "as much elsewhere", style.MUTED, "s", 0.13),
        ):
            found = pd.DataFrame(table[name].tolist(), columns=Interval._fields)
            look = {"colour": colour, "pale": 0.5, "ms": 6, "label": label}
            style.estimates(ax, y + shift, found, "value", mark, across=True, **look)
        ax.set(title=title, xlim=(-0.02, 1.02))
        ax.xaxis.set_major_formatter(percent_label)
        quiet(ax, "x")
    down(axes[0], list(changed.index))
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return fig

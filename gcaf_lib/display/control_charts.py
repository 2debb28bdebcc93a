"""Charts of the control of explanations: maps of pictures on which one mark tells the class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from gcaf_lib.display.names import control_name, control_names
from gcaf_lib.display.overlays import gradcam_rows
from gcaf_lib.display.style import (
    ACCENT,
    INK,
    MUTED,
    OURS,
    Drawing,
    down,
    legend_below,
    panels,
    percent_label,
    quiet,
    styled,
)
from gcaf_lib.evaluation import control, tumours


@styled
def control_bars(judged: pd.DataFrame) -> Drawing:
    """Share of the pictures on which each map points at the mark, a panel with and one without LayerNorm."""
    sides = list(judged.groupby("projection_norm"))
    fig, axes = panels(len(sides), 0.24 * len(sides[0][1]) + 0.9, sharey=True)
    for ax, (norm, part) in zip(axes, sides):
        y = np.arange(len(part))
        colours = part["verdict"].map({control.PASSES: OURS, control.FAILS: ACCENT}).fillna(MUTED)
        colours[part["map"] == tumours.RANDOM] = MUTED
        ax.barh(y, part["pointing"], color=colours, height=0.7)
        ax.hlines(y, part["low"], part["high"], color=INK, lw=1)
        ax.axvline(part["chance"].mean(), color=MUTED, ls=":", lw=1)
        ax.axvline(control.ENOUGH, color=MUTED, ls="--", lw=0.8)
        down(ax, control_names(part), fontsize=7)
        ax.set(xlim=(0, 1), xlabel="points at the mark")
        ax.set_title("with LayerNorm" if norm else "as built")
        ax.xaxis.set_major_formatter(percent_label)
        quiet(ax, "x")
    legend_below(fig, [("s", OURS, "passes"), ("s", ACCENT, "fails"), ("s", MUTED, "not judged")])
    return fig


def control_maps(shown: Mapping[str, np.ndarray], keys: Sequence[tuple[str, str, str]]) -> Drawing:
    """The control's pictures with their marks outlined, and under them the maps of these (map, method, place)."""
    maps = {}
    for key in keys:
        label = control_name(*key).replace(", ", "\n").replace(" the norm", "")
        maps[label] = shown[" ".join(key).strip()].astype(np.float32)
    images = list(shown["images"])
    return gradcam_rows(images, maps, ["" for _ in images], [_circle(m) for m in shown["masks"]])


def _circle(mask: np.ndarray) -> np.ndarray:
    """Outline (m, 2) in fractions of the picture of a disc drawn as a mask."""
    y, x = (axis.mean() + 0.5 for axis in np.nonzero(mask))
    turn, radius = np.linspace(0, 2 * np.pi, 40), np.sqrt(mask.sum() / np.pi)
    return np.column_stack([x + radius * np.cos(turn), y + radius * np.sin(turn)]) / mask.shape[0]

"""Charts that compare settings, methods and protocols: sensitivity and the leakage ladder."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from gcaf_lib.report import style
from gcaf_lib.report.style import (
    INK,
    MUTED,
    OURS,
    PAPER,
    Drawing,
    drawing,
    legend_below,
    percent_label,
    quiet,
    styled,
)

_PALE = "#1b7f9e1f"  # OURS at the band's opacity
_FLOOR_MARKS = ("s", "^", "v", "D", "P")
_PLATE = {"boxstyle": "square,pad=0.12", "fc": style.SURFACE, "ec": "none", "alpha": 0.8}  # lines pass behind
PROTOCOL_NAMES = {
    "official": "Kaggle's own\nsplit",
    "paper": "random\n(the paper's)",
    "bytes": "no identical\nfiles shared",
    "twins": "no copies\nshared",
    "patients": "no patients\nshared",
}


@styled
def sensitivity(frame: pd.DataFrame, band: tuple[float, float] | None = None) -> Drawing:
    """Accuracy by hyperparameter value (Table 8 as a picture).

    `frame`: parameter, value, measured (NaN: no run), and optionally low, high (interval) and published,
    all accuracies in 0..1. One panel a parameter, one accuracy axis for all; `band`: the interval of the
    default setting, drawn behind every panel.
    """
    panels = list(dict.fromkeys(frame["parameter"]))
    fig = drawing(height=2.9)
    for k, (ax, name) in enumerate(zip(np.atleast_1d(fig.subplots(1, len(panels), sharey=True)), panels)):
        part = frame[frame["parameter"] == name].reset_index(drop=True)
        x = np.arange(len(part))
        if band is not None:
            ax.axhspan(*band, color=OURS, alpha=0.12, lw=0)
        run = part["measured"].notna()
        if {"low", "high"} <= set(part):
            ax.vlines(x[run], part["low"][run], part["high"][run], color=OURS, lw=3, alpha=0.35)
        ax.plot(x[run], part["measured"][run], "o-", color=OURS)
        if "published" in part and part["published"].notna().any():
            ax.plot(x, part["published"], "D:", color=PAPER, mfc="none", mew=1.3, lw=1)
        labels = [f"{v:g}" if isinstance(v, (int, float, np.number)) else str(v) for v in part["value"]]
        ax.set_xticks(x, [s.replace("inverse-frequency", "inv.\nfreq.") for s in labels])
        ax.set_xlim(-0.5, len(part) - 0.5)
        ax.set_title(name, fontsize=9.5 if len(panels) < 5 else 8.5)  # narrow panels: titles must not touch
        ax.yaxis.set_major_formatter(percent_label)
        if not k:
            ax.set_ylabel("accuracy")
        quiet(ax, "y")
    marks = [("o", OURS, OURS, "measured")]
    if "published" in frame and frame["published"].notna().any():
        marks.append(("D", "none", PAPER, "the paper's figure"))
    if band is not None:
        marks.append(("s", _PALE, _PALE, "interval of the default setting"))
    legend_below(fig, marks)
    return fig


@styled
def ladder(frame: pd.DataFrame, published: float | None = None, metric: str = "accuracy") -> Drawing:
    """The leakage ladder: what each method scores as the split forbids more sharing, left to right.

    `frame`: method, protocol, `metric`, low, high (0..1) and kind ("model" or "floor"). The model
    is drawn heavy, floors light; `published` is the paper's figure, where it was measured.
    """
    order = [p for p in PROTOCOL_NAMES if p in set(frame["protocol"])]
    place = {p: i for i, p in enumerate(order)}
    fig = drawing(height=4.0)
    ax = fig.subplots()
    ends = []
    floors = [m for m, part in frame.groupby("method", sort=False) if (part["kind"] == "floor").all()]
    for method, part in frame.groupby("method", sort=False):
        part = part.assign(x=part["protocol"].map(place)).dropna(subset=["x"]).sort_values("x")
        heavy = (part["kind"] == "model").any()
        shift = 0 if heavy else 0.035 * (floors.index(method) - (len(floors) - 1) / 2)
        colour, x = (OURS if heavy else MUTED), part["x"] + shift
        if {"low", "high"} <= set(part):
            ax.vlines(x, part["low"], part["high"], color=colour, lw=5 if heavy else 1.6, alpha=0.3)
        ax.plot(x, part[metric], "-", color=colour, lw=2.8 if heavy else 1.1, alpha=1 if heavy else 0.7)
        ax.plot(x, part[metric], "o" if heavy else _FLOOR_MARKS[len(ends) % 5], color=colour,
                ms=7 if heavy else 4.5)  # fmt: skip
        if heavy:
            for px, value in zip(x, part[metric]):
                ax.annotate(f"{value:.1%}", (px, value), (0, 10), textcoords="offset points", ha="center",
                            color=colour, fontweight="bold", fontsize=9, bbox=_PLATE, zorder=6)  # fmt: skip
        ends.append((float(part[metric].iloc[-1]), method, colour, heavy))
    if published is not None and "paper" in place:
        ax.plot(place["paper"], published, "D", mfc="none", mec=PAPER, mew=1.8, ms=9, zorder=5)
        ax.annotate(f"the paper: {published:.1%}", (place["paper"], published), (0, -19),
                    textcoords="offset points", ha="center", color=PAPER, fontsize=8, fontweight="bold",
                    bbox=_PLATE, zorder=6)  # fmt: skip
    low, high = ax.get_ylim()
    high = min(1.0, high) + 0.04
    for y, (_, method, colour, heavy) in zip(
        _apart([e[0] for e in ends], (high - low) * 0.062), sorted(ends, key=lambda e: e[0])
    ):
        ax.text(len(order) - 1 + 0.16, y, method, color=colour if heavy else INK, va="center",
                fontsize=9.5 if heavy else 8, fontweight="bold" if heavy else "normal")  # fmt: skip
    ax.set_xlim(-0.35, len(order) - 1 + 1.35)
    ax.set_ylim(low, high)
    ax.set_xticks(range(len(order)), [PROTOCOL_NAMES[p] for p in order])
    ax.tick_params(axis="x", length=0)
    ax.set_ylabel(metric.replace("_", "-"))
    ax.yaxis.set_major_formatter(percent_label)
    ax.set_title("Training and test share less and less  →", color=MUTED, fontweight="normal")
    quiet(ax, "y")
    return fig


def _apart(values: Sequence[float], gap: float) -> list[float]:
    """Sorted positions moved as little as needed to be `gap` apart: labels that don't overlap."""
    out: list[float] = []
    for value in sorted(values):
        out.append(value if not out else max(value, out[-1] + gap))
    shift = (sum(out) - sum(values)) / max(len(out), 1)
    return [v - shift for v in out]

"""A chart of Table 8: each setting's values against the default."""

from __future__ import annotations

import numpy as np
import pandas as pd

from gcaf_lib.display.style import (
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

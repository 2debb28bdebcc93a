"""Pictures of errors: how few patients hold them, and their rates by group."""

from __future__ import annotations

import numpy as np
import pandas as pd

from gcaf_lib.display import style
from gcaf_lib.display.style import Drawing, Note, panels, percent_label, quiet, styled


@styled
def concentration(shares: pd.DataFrame) -> Drawing | Note:
    """Share of all errors in the patient groups with most errors: columns groups, errors, low, high (of chance)."""
    if shares.empty:
        return Note("There is no error on these images, so nothing concentrates.")
    fig, (ax,) = panels(1, 3.1)
    x, chance = shares["groups"], "the same errors, dealt at random to images (95%)"
    ax.fill_between(x, shares["low"], shares["high"], color=style.MUTED, alpha=0.35, lw=0, label=chance)
    ax.plot(x, shares["errors"], color=style.OURS, label="measured")
    ax.set(xlabel="share of the patient groups, those with most errors first", ylabel="share of all errors")
    ax.set(xlim=(0, 1), ylim=(0, 1.02))
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(percent_label)
    ax.legend(loc="lower right")
    quiet(ax, "both")
    return fig


@styled
def error_rates(frame: pd.DataFrame, xlabel: str) -> Drawing:
    """Error rate by a category, a line of dots with intervals: columns label, mean, low, high, n."""
    fig, (ax,) = panels(1, 2.7)
    x = np.arange(len(frame))
    style.estimates(ax, x, frame, "mean", colour=style.OURS, width=4)
    ax.set_xticks(x, [f"{label}\nn = {n:,}" for label, n in zip(frame["label"], frame["n"])])
    ax.set(xlabel=xlabel, ylabel="wrong answers", xlim=(-0.5, len(frame) - 0.5))
    ax.set_ylim(0, max(0.01, 1.1 * np.nanmax(frame[["mean", "high"]].to_numpy())))
    ax.yaxis.set_major_formatter(percent_label)
    quiet(ax, "y")
    return fig

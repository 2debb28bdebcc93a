"""Pictures of probabilities put to use: bins, temperatures, selective prediction, decision curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.ticker import PercentFormatter

from gcaf_lib.display import style
from gcaf_lib.display.style import Drawing, drawing, legend_below, percent_label, quiet, styled


@styled
def bins_sweep(frame: pd.DataFrame) -> Drawing:
    """An estimator's value by its number of bins: columns kind, bins, value, low, high (of chance alone)."""
    fig = drawing(height=3.0)
    kinds = list(dict.fromkeys(frame["kind"]))
    for k, (ax, kind) in enumerate(zip(np.atleast_1d(fig.subplots(1, len(kinds), sharey=True)), kinds)):
        part = frame[frame["kind"] == kind]
        ax.fill_between(
            part["bins"],
            part["low"],
            part["high"],
            color=style.MUTED,
            alpha=0.25,
            label="perfect model, 95 %",
        )
        ax.plot(part["bins"], part["value"], "o-", color=style.OURS, label="measured")
        ax.set(title=kind, xlabel="bins", xscale="log")
        ax.set_xticks(part["bins"], [str(b) for b in part["bins"]])
        ax.minorticks_off()
        ax.set_ylim(bottom=0)
        if not k:
            ax.set_ylabel("calibration error")
            ax.legend(loc="upper left")
        quiet(ax, "y")
    return fig


@styled
def temperatures(
    t: np.ndarray, curves: Mapping[str, Sequence[np.ndarray]], fitted: Sequence[float]
) -> Drawing:
    """NLL over the temperature, a panel a part ("validation", "test"), a thin line a run; fitted T as ticks."""
    fig = drawing(height=2.9)
    for k, (ax, (part, values)) in enumerate(
        zip(np.atleast_1d(fig.subplots(1, len(curves))), curves.items())
    ):
        for one in values:
            ax.plot(t, one, color=style.OURS, lw=1.2, alpha=0.8)
            ax.plot(t[int(np.argmin(one))], np.min(one), "v", color=style.OURS, ms=5)
        for value in fitted:
            ax.axvline(value, color=style.ACCENT, lw=0.9, ls="--")
        ax.axvline(1, color=style.MUTED, lw=0.8, ls=":")
        ax.set(xscale="log", xlabel="temperature T", title=part)
        ax.set_xticks([0.25, 0.5, 1, 2, 4], ["¼", "½", "1", "2", "4"])
        ax.minorticks_off()
        ax.set_xlim(t[0], t[-1])
        if not k:
            ax.set_ylabel("negative log-likelihood")
        quiet(ax, "y")
    legend_below(
        fig,
        [
            ("v", style.OURS, style.OURS, "least on this part"),
            ("_", style.ACCENT, style.ACCENT, "fitted on validation"),
        ],
    )
    return fig


@styled
def selective(curves: Mapping[str, pd.DataFrame]) -> Drawing:
    """Accuracy by the share of cases answered: name to frame with coverage, value, low, high."""
    fig = drawing(height=3.3)
    ax = fig.subplots()
    for (name, frame), (colour, dash) in zip(curves.items(), style.LINES):
        ax.fill_between(frame["coverage"], frame["low"], frame["high"], color=colour, alpha=0.18, lw=0)
        ax.plot(frame["coverage"], frame["value"], dash, color=colour, label=name)
    ax.set(xlabel="share of the cases answered, surest first", ylabel="accuracy on these", xlim=(0, 1.005))
    ax.set_ylim(top=1.002)
    ax.xaxis.set_major_formatter(PercentFormatter(1, 0))
    ax.yaxis.set_major_formatter(percent_label)
    ax.legend(loc="lower left")
    quiet(ax, "both")
    return fig


@styled
def net_benefit(curves: Mapping[str, pd.DataFrame]) -> Drawing:
    """Decision curves, a panel each: title to `calibration.net_benefit`'s frame."""
    fig = drawing(height=2.5 * -(-len(curves) // 2))
    axes = fig.subplots(-(-len(curves) // 2), 2, squeeze=False, sharex=True).ravel()
    for ax, (title, frame) in zip(axes, curves.items()):
        top = max(frame["model"].max(), frame["all"].max())
        ax.plot(frame["threshold"], frame["all"], "--", color=style.MUTED, lw=1.3)
        ax.axhline(0, color=style.MUTED, lw=1.1, ls=":")
        ax.plot(frame["threshold"], frame["model"], color=style.OURS)
        ax.set(title=title, ylim=(-0.15 * top, 1.1 * top), xlim=(0, 1))
        quiet(ax, "y")
    for ax in axes[-2:]:
        ax.set_xlabel("probability from which one acts")
    for ax in axes[::2]:
        ax.set_ylabel("net benefit")
    for ax in axes[len(curves) :]:
        ax.set_axis_off()
    legend_below(
        fig,
        [
            ("_", style.OURS, style.OURS, "act on the model"),
            ("_", style.MUTED, style.MUTED, "act on all (dashed) or none (dotted)"),
        ],
    )
    return fig

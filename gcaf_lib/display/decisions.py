"""Pictures of probabilities put to use: bins, temperatures, selective prediction, decision curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from gcaf_lib.display import style
from gcaf_lib.display.style import Drawing, legend_below, panels, percent_label, quiet, styled


@styled
def bins_sweep(frame: pd.DataFrame) -> Drawing:
    """An estimator's value by its number of bins: columns kind, bins, value, low, high (of chance alone)."""
    fig, axes = panels(frame["kind"].nunique(), 3.0, sharey=True)
    for ax, (kind, part) in zip(axes, frame.groupby("kind", sort=False)):
        bins, chance = part["bins"], "perfect model, 95%"
        ax.fill_between(bins, part["low"], part["high"], color=style.MUTED, alpha=0.25, label=chance)
        ax.plot(bins, part["value"], "o-", color=style.OURS, label="measured")
        ax.set(title=kind, xlabel="bins", xscale="log")
        ax.set_xticks(bins, bins.astype(str))
        ax.minorticks_off()
        ax.set_ylim(bottom=0)
        quiet(ax, "y")
    axes[0].set_ylabel("calibration error")
    axes[0].legend(loc="upper left")
    return fig


@styled
def temperatures(
    t: np.ndarray, curves: Mapping[str, Sequence[np.ndarray]], fitted: Sequence[float]
) -> Drawing:
    """NLL over the temperature, a panel a part ("validation", "test"), a thin line a run; fitted T as ticks."""
    fig, axes = panels(len(curves), 2.9)
    for ax, (part, values) in zip(axes, curves.items()):
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
        quiet(ax, "y")
    axes[0].set_ylabel("negative log-likelihood")
    legend_below(fig, [("v", style.OURS, "least on this part"), ("_", style.ACCENT, "fitted on validation")])
    return fig


@styled
def coverage_curves(curves: Mapping[str, pd.DataFrame]) -> Drawing:
    """Accuracy by the share of cases answered: name to frame with coverage, value, low, high."""
    fig, (ax,) = panels(1, 3.3)
    for (name, frame), (colour, dash) in zip(curves.items(), style.LINES):
        ax.fill_between(frame["coverage"], frame["low"], frame["high"], color=colour, alpha=0.18, lw=0)
        ax.plot(frame["coverage"], frame["value"], dash, color=colour, label=name)
    ax.set(xlabel="share of the cases answered, surest first", ylabel="accuracy on these", xlim=(0, 1.005))
    ax.set_ylim(top=1.002)
    ax.xaxis.set_major_formatter(percent_label)
    ax.yaxis.set_major_formatter(percent_label)
    ax.legend(loc="lower left")
    quiet(ax, "both")
    return fig


@styled
def net_benefit(curves: Mapping[str, pd.DataFrame]) -> Drawing:
    """Decision curves, a panel each: title to `calibration_measures.net_benefit`'s frame."""
    fig, axes = style.by_two(len(curves), 2.5, sharex=True)
    for ax, (title, frame) in zip(axes.flat, curves.items()):
        top = max(frame["model"].max(), frame["all"].max())
        ax.plot(frame["threshold"], frame["all"], "--", color=style.MUTED, lw=1.3)
        ax.axhline(0, color=style.MUTED, lw=1.1, ls=":")
        ax.plot(frame["threshold"], frame["model"], color=style.OURS)
        ax.set(title=title, ylim=(-0.15 * top, 1.1 * top), xlim=(0, 1))
        quiet(ax, "y")
    for ax in axes[-1]:
        ax.set_xlabel("probability from which one acts")
    for ax in axes[:, 0]:
        ax.set_ylabel("net benefit")
    all_or_none = "act on all (dashed) or none (dotted)"
    legend_below(fig, [("_", style.OURS, "act on the model"), ("_", style.MUTED, all_or_none)])
    return fig

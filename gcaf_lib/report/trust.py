"""Pictures of the chapters on trust: calibration, selective prediction, decisions, maps against borders, failures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.ticker import PercentFormatter

from gcaf_lib.evaluation import sanity, tumours
from gcaf_lib.report import trust_tables
from gcaf_lib.report.style import (
    ACCENT,
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

LINES = ((OURS, "-"), (ACCENT, "--"), (PAPER, "-."), (MUTED, ":"))


@styled
def bins_sweep(frame: pd.DataFrame) -> Drawing:
    """An estimator's value by its number of bins: columns kind, bins, value, low, high (of chance alone)."""
    fig = drawing(height=3.0)
    kinds = list(dict.fromkeys(frame["kind"]))
    for k, (ax, kind) in enumerate(zip(np.atleast_1d(fig.subplots(1, len(kinds), sharey=True)), kinds)):
        part = frame[frame["kind"] == kind]
        ax.fill_between(
            part["bins"], part["low"], part["high"], color=MUTED, alpha=0.25, label="perfect model, 95 %"
        )
        ax.plot(part["bins"], part["value"], "o-", color=OURS, label="measured")
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
            ax.plot(t, one, color=OURS, lw=1.2, alpha=0.8)
            ax.plot(t[int(np.argmin(one))], np.min(one), "v", color=OURS, ms=5)
        for value in fitted:
            ax.axvline(value, color=ACCENT, lw=0.9, ls="--")
        ax.axvline(1, color=MUTED, lw=0.8, ls=":")
        ax.set(xscale="log", xlabel="temperature T", title=part)
        ax.set_xticks([0.25, 0.5, 1, 2, 4], ["¼", "½", "1", "2", "4"])
        ax.minorticks_off()
        ax.set_xlim(t[0], t[-1])
        if not k:
            ax.set_ylabel("negative log-likelihood")
        quiet(ax, "y")
    legend_below(
        fig, [("v", OURS, OURS, "least on this part"), ("_", ACCENT, ACCENT, "fitted on validation")]
    )
    return fig


@styled
def selective(curves: Mapping[str, pd.DataFrame]) -> Drawing:
    """Accuracy by the share of cases answered: name to frame with coverage, value, low, high."""
    fig = drawing(height=3.3)
    ax = fig.subplots()
    for (name, frame), (colour, dash) in zip(curves.items(), LINES):
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
def decisions(curves: Mapping[str, pd.DataFrame]) -> Drawing:
    """Decision curves, a panel each: title to `calibration.net_benefit`'s frame."""
    fig = drawing(height=2.5 * -(-len(curves) // 2))
    axes = fig.subplots(-(-len(curves) // 2), 2, squeeze=False, sharex=True).ravel()
    for ax, (title, frame) in zip(axes, curves.items()):
        top = max(frame["model"].max(), frame["all"].max())
        ax.plot(frame["threshold"], frame["all"], "--", color=MUTED, lw=1.3)
        ax.axhline(0, color=MUTED, lw=1.1, ls=":")
        ax.plot(frame["threshold"], frame["model"], color=OURS)
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
        [("_", OURS, OURS, "act on the model"), ("_", MUTED, MUTED, "act on all (dashed) or none (dotted)")],
    )
    return fig


@styled
def localisation(frame: pd.DataFrame, measures: Sequence[str] = tumours.MEASURES) -> Drawing:
    """Mean scores of each map with their intervals, a panel a measure: `trust_tables.localisation`."""
    maps = list(dict.fromkeys(frame["map"]))
    fig = drawing(height=0.32 * len(maps) + 1.0)
    for k, (ax, name) in enumerate(zip(fig.subplots(1, len(measures), sharey=True), measures)):
        part = frame[frame["measure"] == name].set_index("map").reindex(maps)
        y = np.arange(len(maps))
        colours = [OURS if _is_model(m) else MUTED for m in maps]
        ax.hlines(y, part["low"], part["high"], color=colours, lw=3, alpha=0.4)
        ax.scatter(part["mean"], y, c=colours, s=[46 if m == tumours.FUSED else 26 for m in maps], zorder=3)
        ax.set(title=trust_tables.MEASURE_NAMES[name].replace(", ", ",\n").replace(" at ", "\nat "))
        ax.set_yticks(y, [trust_tables.map_name(m) for m in maps])
        ax.set_ylim(len(maps) - 0.5, -0.5)
        ax.set_xlim(0, max(0.02, 1.12 * part["high"].fillna(part["mean"]).max()))
        ax.locator_params(axis="x", nbins=4)
        if not k:
            for label, m in zip(ax.get_yticklabels(), maps):
                label.set_fontweight("bold" if m == tumours.FUSED else "normal")
        quiet(ax, "x")
    return fig


def _is_model(name: str) -> bool:
    return name not in (tumours.PLACE, tumours.CENTRE, tumours.RANDOM, tumours.EDGE)


@styled
def by_group(
    frame: pd.DataFrame, column: str, measure: str = "energy", maps: Sequence[str] | None = None
) -> Drawing:
    """One measure by class or by size, side by side for some maps: `trust_tables.localisation(…, by)`."""
    maps = list(maps or (tumours.FUSED, tumours.PLACE, tumours.CENTRE))
    values = list(dict.fromkeys(frame[column]))
    fig = drawing(height=2.7)
    ax = fig.subplots()
    marks = "osD^"
    for k, (name, (colour, _)) in enumerate(zip(maps, LINES)):
        part = frame[(frame["map"] == name) & (frame["measure"] == measure)].set_index(column).reindex(values)
        x = np.arange(len(values)) + 0.16 * (k - (len(maps) - 1) / 2)
        ax.vlines(x, part["low"], part["high"], color=colour, lw=3, alpha=0.4)
        ax.plot(x, part["mean"], marks[k], color=colour, label=trust_tables.map_name(name), ms=6)
    ax.set_xticks(range(len(values)), [str(v) for v in values])
    ax.set_xlim(-0.5, len(values) - 0.5)
    ax.set_ylim(bottom=0)
    ax.set_ylabel(trust_tables.MEASURE_NAMES[measure].lower())
    fig.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=len(maps))
    quiet(ax, "y")
    return fig


@styled
def cascade(frame: pd.DataFrame) -> Drawing:
    """Agreement with the trained maps as weights are replaced from the top down: `evaluation.sanity`'s table.

    Beside each map, dotted, its own yardstick: trained maps of different patients.
    """
    steps, other = frame[frame["step"] >= 0], frame[frame["step"] == sanity.OTHER].set_index("map")
    words = steps.drop_duplicates("step").sort_values("step")["replaced"].tolist()
    fig = drawing(height=3.4)
    ax = fig.subplots()
    for (name, part), (colour, dash) in zip(steps.groupby("map", sort=False), LINES):
        part = part.sort_values("step")
        ax.vlines(part["step"], part["low"], part["high"], color=colour, lw=3, alpha=0.35)
        ax.plot(
            part["step"], part["correlation"], "o" + dash, color=colour, label=trust_tables.map_name(name)
        )
        if name in other.index:
            ax.axhline(other.loc[name, "correlation"], color=colour, lw=1.1, ls=":")
    ax.axhline(0, color=MUTED, lw=0.7)
    names = [
        w.replace("backbones: ", "")
        .replace("upper three quarters", "upper ¾")
        .replace("upper half", "upper ½")
        .replace("top quarter", "backbones:\ntop ¼")
        for w in words
    ]
    ax.set_xticks(range(len(words)), names, fontsize=8)
    ax.set(xlabel="replaced by untrained weights, cumulatively  →", ylabel="correlation with the trained map")
    ax.set_ylim(top=1.04)
    ax.legend(loc="upper right")
    quiet(ax, "y")
    return fig


@styled
def concentration(shares: pd.DataFrame) -> Drawing:
    """Share of all errors in the patient groups with most errors: columns groups, errors, low, high (of chance)."""
    fig = drawing(height=3.1)
    ax = fig.subplots()
    ax.fill_between(
        shares["groups"], shares["low"], shares["high"], color=MUTED, alpha=0.35, lw=0,
        label="the same errors, dealt at random to images (95 %)",
    )  # fmt: skip
    ax.plot(shares["groups"], shares["errors"], color=OURS, label="measured")
    ax.set(xlabel="share of the patient groups, those with most errors first", ylabel="share of all errors")
    ax.set(xlim=(0, 1), ylim=(0, 1.02))
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(PercentFormatter(1, 0))
    ax.legend(loc="lower right")
    quiet(ax, "both")
    return fig


@styled
def error_rates(frame: pd.DataFrame, xlabel: str) -> Drawing:
    """Error rate by a category, a line of dots with intervals: columns label, mean, low, high, n."""
    fig = drawing(height=2.7)
    ax = fig.subplots()
    x = np.arange(len(frame))
    ax.vlines(x, frame["low"], frame["high"], color=OURS, lw=4, alpha=0.35)
    ax.plot(x, frame["mean"], "o", color=OURS)
    ax.set_xticks(x, [f"{label}\nn = {n:,}" for label, n in zip(frame["label"], frame["n"])])
    ax.set(xlabel=xlabel, ylabel="wrong answers", xlim=(-0.5, len(frame) - 0.5))
    ax.set_ylim(0, max(0.01, 1.1 * np.nanmax(frame[["mean", "high"]].to_numpy())))
    ax.yaxis.set_major_formatter(percent_label)
    quiet(ax, "y")
    return fig

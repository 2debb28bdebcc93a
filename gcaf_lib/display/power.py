"""Pictures of chapter 15: what a number of runs can find, and what one set of test images can tell apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from gcaf_lib.display import style
from gcaf_lib.display.style import Drawing, down, grid, legend_below, panels, percent_label, quiet, styled
from gcaf_lib.evaluation import intervals, paired_tests

_LINES = ((style.MUTED, ":", "dotted"), (style.OURS, "-", "solid"), (style.ACCENT, "--", "dashed"))
GOOD = 0.8  # the power that studies are planned for


@styled
def power_curves(gaps: pd.DataFrame, runs: Sequence[int]) -> Drawing:
    """Power of the paired t-test over the true difference, one line a number of runs; below, the paper's gaps.

    gaps: place, row, gap, and the sd of the paired differences, one for all, with its interval (sd_low, sd_high), which shades
    the middle line (fractions). NaN where it was not measured: then differences are in multiples of the sd, and the gaps have
    no place.
    """
    sd, *interval = gaps[["sd", "sd_low", "sd_high"]].iloc[0]
    known = bool(sd > 0)
    top = max(1.05 * gaps["gap"].max(), 1e-9) if known else 4.0
    unit = sd if known else 1.0
    x = top * np.linspace(0, 1, 61)[1:] ** 2  # finer where the curves rise
    places = list(dict.fromkeys(gaps["place"])) if known else []
    ratios = [3, 0.28 * len(places)] if known else [1]
    fig, axes = grid(len(ratios), 1, 3.2 + 0.24 * len(places), sharex=True, height_ratios=ratios)
    ax, scale = axes[0, 0], 100 if known else 1
    middle = len(runs) // 2
    for k, (n, (colour, dash, _)) in enumerate(zip(runs, _LINES)):
        ax.plot(scale * x, intervals.power(x, unit, n), ls=dash, color=colour, lw=2.2)
        if k == middle and known:
            best, worst = (intervals.power(x, s, n) for s in interval)
            ax.fill_between(scale * x, worst, best, color=colour, alpha=0.15, lw=0)
    ax.axhline(GOOD, color=style.MUTED, lw=0.9)
    ax.annotate(f"{GOOD:.0%}", (1, GOOD), (-2, 3), xycoords=("axes fraction", "data"), ha="right",
                textcoords="offset points", fontsize=8, color=style.MUTED)  # fmt: skip
    ax.set(ylim=(0, 1.03), ylabel="power")
    ax.yaxis.set_major_formatter(percent_label)
    quiet(ax, "y")
    if known:
        below = axes[1, 0]
        for y, place in enumerate(places):
            values = 100 * gaps.loc[gaps["place"] == place, "gap"]
            below.plot(values, np.full(len(values), y), "D", mfc="none", mec=style.PAPER, mew=1.4, ms=5.5)
        down(below, places)
        below.tick_params(axis="y", length=0)
        quiet(below, "x")
    unit_name = "of accuracy (points)" if known else "(multiples of the sd of differences)"
    axes[-1, 0].set(xlim=(0, scale * top), xlabel=f"true difference {unit_name}")
    marks = [("_", c, f"{n} runs ({word})") for n, (c, _, word) in zip(runs, _LINES)]
    legend_below(fig, marks + ([("D", style.PAPER, "the paper's gaps", "none")] if known else []))
    return fig


@styled
def gap_ranges(gaps: pd.DataFrame) -> Drawing:
    """McNemar's p of each published gap (`published_gaps.rival_gaps`) from the least to the most favourable overlap of errors."""
    floor, alpha = 1e-6, paired_tests.ALPHA
    fig, (ax,) = panels(1, 0.22 * len(gaps) + 1.5)
    rows = [f"{r.row}  ({r.place}, {r.images} images)" for r in gaps.itertuples()]
    heights = style.apart(ax, gaps["place"], rows, 0.2)
    for y, r in zip(heights, gaps.itertuples()):
        ends = [max(v, floor) for v in (r.most, r.least)]
        ax.hlines(y, *ends, color=style.PAPER, lw=5, alpha=0.3)
        ax.plot(max(r.independent, floor), y, "o", color=style.PAPER, ms=5.5)
        if np.isfinite(r.at_overlap):
            ax.plot(max(r.at_overlap, floor), y, "|", color=style.OURS, ms=11, mew=2.2)
    ax.axvspan(floor / 2, alpha, color=style.OURS, alpha=0.1, lw=0)
    ax.axvline(alpha, color=style.INK, lw=1, ls="--")
    ax.annotate(f"p = {alpha:g}", (alpha, 1), (-4, -2), xycoords=("data", "axes fraction"), ha="right", va="top",
                textcoords="offset points", fontsize=8, color=style.INK)  # fmt: skip
    ax.set_xscale("log")
    ax.set_xlim(floor / 2, 1.3)
    ax.set_xticks([1e-6, 1e-4, 1e-2, 1], ["≤ 0.000001", "0.0001", "0.01", "1"])
    ax.minorticks_off()
    ax.set_xlabel("McNemar's mid-p on the test images")
    quiet(ax, "x")
    marks = [("s", style.PAPER, "any overlap of errors"), ("o", style.PAPER, "independent errors")]
    if gaps["at_overlap"].notna().any():
        marks.append(("|", style.OURS, "overlap measured here"))
    legend_below(fig, marks)
    return fig

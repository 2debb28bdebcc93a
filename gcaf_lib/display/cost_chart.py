"""Accuracy over what a model costs."""

from __future__ import annotations

import numpy as np
import pandas as pd

from gcaf_lib.display.style import OURS, PAPER, SURFACE, Drawing, legend_below, panels, quiet, styled
from gcaf_lib.paper.published import PROPOSED


def amount(value: float) -> str:
    """A count with its prefix, three digits: `51.8 M`, `14.6 G`."""
    for limit, prefix in ((1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= 0.9995 * limit:
            return f"{value / limit:.3g}{prefix}"
    return f"{value:,.0f}"


_MARKS = ("s", "^", "v", "D", "P", "X")


@styled
def over_costs(frame: pd.DataFrame, of_paper: bool = False) -> Drawing:
    """Accuracy (percent) over parameters and FLOPs of one image, log axes: columns row, parameters, flops, accuracy, low, high.

    NaN ends: no interval; NaN accuracy: left out. A mark a method; the proposed is a filled circle. of_paper: accuracies are the paper's,
    and in its colour.
    """
    colour = PAPER if of_paper else OURS
    others = [name for name in frame["row"] if name != PROPOSED]
    marks = {PROPOSED: "o"} | {name: _MARKS[k % len(_MARKS)] for k, name in enumerate(others)}
    known = frame[frame["accuracy"].notna()]
    face = {name: colour if name == PROPOSED else SURFACE for name in known["row"]}
    fig, axes = panels(2, 3.6, sharey=True)
    for ax, (cost, title) in zip(axes, (("parameters", "Parameters"), ("flops", "FLOPs of one image"))):
        for r in known.to_dict("records"):
            if np.isfinite(r["low"]):
                ax.vlines(r[cost], r["low"], r["high"], color=colour, lw=3, alpha=0.25)
            ax.plot(r[cost], r["accuracy"], marks[r["row"]], color=colour, mfc=face[r["row"]], mew=1.6, ms=8)
        ax.set_xscale("log")
        ax.margins(x=0.12)
        ax.xaxis.set_major_formatter(lambda v, _: amount(v))
        ax.xaxis.set_minor_formatter(lambda v, _: amount(v) if str(v)[0] in "25" else "")
        ax.tick_params(axis="x", which="both", labelsize=7.5, length=3, pad=3)
        ax.set_title(title)
        quiet(ax, "y")
    axes[0].set_ylabel("accuracy (%)")
    shown = [(marks[n], colour, n, face[n]) for n in known["row"]]
    if shown:
        legend_below(fig, shown, columns=min(len(shown), 3))
    return fig

"""A chart of two factors at once: a score without and with Mixup, for runs without EMA and with it."""

from __future__ import annotations

import pandas as pd

from gcaf_lib.display import style
from gcaf_lib.display.style import Drawing, legend_below, panels, quiet, styled

_LOOK = ((style.MUTED, "s", -0.12), (style.ACCENT, "^", 0.0), (style.OURS, "o", 0.12))
_TITLES = {"accuracy": "Accuracy (%)", "ece": "ECE (smaller is better)"}


@styled
def by_mixup(frame: pd.DataFrame) -> Drawing:
    """A panel a metric: columns series, mixup, metric, value, low, high, published; open marks are published."""
    fig, axes = panels(2, 3.3)
    names = list(dict.fromkeys(frame["series"]))
    for ax, (metric, title) in zip(axes, _TITLES.items()):
        for name, (colour, mark, shift) in zip(names, _LOOK):
            part = frame[(frame["metric"] == metric) & (frame["series"] == name)]
            run = part[part["value"].notna()]
            style.estimates(ax, run["mixup"] + shift, run, "value", mark + "-", colour=colour, lw=1.2, ms=6)
            if part["published"].notna().any():
                ax.plot(part["mixup"] + 1.6 * shift, part["published"], ":", color=style.PAPER, lw=1, marker=mark,
                        mfc="none", mec=style.PAPER, mew=1.4, ms=7)  # fmt: skip
        ax.set_xticks([0, 1], ["without Mixup", "with Mixup"])
        ax.set(title=title, xlim=(-0.5, 1.5))
        quiet(ax, "y")
    marks = [(mark, colour, name) for name, (colour, mark, _) in zip(names, _LOOK)]
    printed = set(frame.loc[frame["published"].notna(), "series"])
    marks += [
        (m, style.PAPER, f"the paper, {name}", "none")
        for name, (_, m, _) in zip(names, _LOOK)
        if name in printed
    ]
    legend_below(fig, marks)
    return fig

"""Charts of the leakage ladder, and of scores with and without a hint."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from gcaf_lib.data import splits
from gcaf_lib.display import style
from gcaf_lib.display.style import Drawing, Note, down, legend_below, panels, percent_label, quiet, styled
from gcaf_lib.evaluation import folds

NARROW = 5  # inches: below it the names of splits are broken at every word
_SLOT = 0.21  # of a split's width: from mark to mark where they stand side by side
_FLOOR_MARKS = ("s", "^", "v", "D", "P")

_PLATE = {"boxstyle": "square,pad=0.12", "fc": style.SURFACE, "ec": "none", "alpha": 0.8}  # lines pass behind

PROTOCOL_NAMES = {
    "official": "Kaggle's own\nsplit",
    "paper": "random\n(the paper's)",
    "bytes": "no identical\nfiles shared",
    "twins": "no copies\nshared",
    "patients": "no known\npatient shared",
}


@styled
def by_split(
    frame: pd.DataFrame,
    published: float | None = None,
    size: tuple[float, float] = (style.WIDTH, 4.0),
    named_inside: bool = False,
) -> Drawing:
    """The leakage ladder: what each method scores as the split forbids more sharing, left to right.

    `frame`: method, protocol, accuracy, low, high (0..1), kind ("model" or "floor") and, where known, picture (the
    accuracy that weighs each picture 1: dashes, on splits that keep copies together). Models are drawn heavy,
    floors light; `published` is the paper's figure, where it was measured; `size` is in inches. Methods are named beside
    their last point, or, where there are few and little room, in a corner that they leave free (`named_inside`): then their
    marks stand side by side, the paper's at the left, and floors have numbers on the paper's split and the last.
    """
    order = [p for p in PROTOCOL_NAMES if p in set(frame["protocol"])]
    place = {p: i for i, p in enumerate(order)}
    fig = style.drawing(*size)
    ax = fig.subplots()
    ends = []
    colours = _heavy(frame)
    floors = [m for m, part in frame.groupby("method", sort=False) if (part["kind"] == "floor").all()]
    beside = [*floors, *colours]
    # what stands above the paper's split
    stack = [] if published is None else [(published, "the paper", style.PAPER)]
    for method, part in frame.groupby("method", sort=False):
        part = part.assign(x=part["protocol"].map(place)).dropna(subset=["x"]).sort_values("x")
        heavy = (part["kind"] == "model").any()
        if named_inside:
            shift = _SLOT * (beside.index(method) - (len(beside) - 1) / 2)
        else:
            shift = 0 if heavy else 0.035 * (floors.index(method) - (len(floors) - 1) / 2)
        colour, x = colours.get(method, style.MUTED), part["x"] + shift
        width, strength = (2.8, 1) if heavy else (1.1, 0.7)
        ax.vlines(x, part["low"], part["high"], color=colour, lw=5 if heavy else 1.6, alpha=0.6)
        points = list(zip(part["x"], x, part["accuracy"]))
        for (rung, a, start), (after, b, end) in itertools.pairwise(points):
            dash = "-" if after - rung == 1 else (0, (1, 2))  # dots pass rungs that were not run
            ax.plot([a, b], [start, end], ls=dash, color=colour, lw=width, alpha=strength)
        ax.plot(x, part["accuracy"], "o" if heavy else _FLOOR_MARKS[floors.index(method)], color=colour,
                ms=7 if heavy else 4.5)  # fmt: skip
        if "picture" in part:
            copied = part["picture"].where(part["protocol"].isin(splits.GROUPED))
            long = (12 if named_inside else 16) if heavy else 10
            ax.plot(x, copied, "_", color=colour, ms=long, mew=1.5, zorder=5)
        strokes = copied if "picture" in part else [np.nan] * len(part)
        for px, value, top, protocol, stroke in zip(
            x, part["accuracy"], part["high"], part["protocol"], strokes
        ):
            rung = frame[frame["protocol"] == protocol]  # a number has no room below a mark that is near
            below = (
                value
                < rung["accuracy"].where(rung["kind"].eq("model") | (rung["accuracy"] < value + 0.06)).max()
            )
            if not (heavy or (named_inside and protocol in ("paper", order[-1]))):
                continue
            if named_inside and protocol == "paper" and not (heavy and below):
                stack.append((value, "" if heavy else method.split(",")[0], colour))
                continue
            said = {"color": style.letters(colour), "fontweight": "bold", "fontsize": 9 if heavy else 8}
            # below the stroke by picture it would be read as the stroke's
            if not heavy or (below and value - 0.07 < stroke < value):
                ax.annotate(f"{value:.1%}", (px, value), (-9 if named_inside else -11, -8), textcoords="offset points",
                            ha="right", va="center", bbox=_PLATE, zorder=6, **said)  # fmt: skip
                continue
            # over the bar, and not over the stroke
            foot = value if below else max(top, stroke) if value < stroke < value + 0.07 else top
            ax.annotate(f"{value:.1%}", (px, foot), (0, -17 if below else 6), textcoords="offset points",
                        ha="center", bbox=_PLATE, zorder=6, **said)  # fmt: skip
        ends.append((float(part["accuracy"].iloc[-1]), method, colour, heavy))
    if "paper" in place:
        rung = frame[frame["protocol"] == "paper"]
        if published is not None:
            x = place["paper"] - (_SLOT * (len(beside) + 1) / 2 if named_inside else 0)
            ax.plot(x, published, "D", mfc=style.SURFACE if named_inside else "none", mec=style.PAPER, mew=1.8,
                    ms=7 if named_inside else 9, zorder=5)  # fmt: skip
        # between two models' numbers there is no room: above both
        models = rung.loc[rung["kind"] == "model", "accuracy"]
        if named_inside:
            foot, shift = rung["high"].max(), 4
        else:
            foot, shift = (max(published or 0, *models), 23) if len(models) > 1 else (published, -19)
        for i, (value, name, colour) in enumerate(sorted(stack)):
            ax.annotate(f"{name}: {value:.1%}".removeprefix(": "), (place["paper"], foot), (0, shift + 11 * i),
                        textcoords="offset points", ha="center", color=style.letters(colour), fontsize=8, fontweight="bold",
                        bbox=_PLATE, zorder=6)  # fmt: skip
    low, high = ax.get_ylim()
    high = min(1.0, high) + (0.08 if len(colours) > 1 else 0.04)
    if named_inside and stack:  # 72 points an inch, of which the drawing has some three quarters
        high = max(high, 1.0 + (high - low) * (9 + 11 * len(stack)) / (54 * size[1]))
    if named_inside:
        lines = [Line2D([], [], color=c, lw=2.8 if heavy else 1.1) for *_, c, heavy in ends]
        inks = [style.letters(c) for *_, c, _ in ends]
        ax.legend(lines, [method for _, method, *_ in ends], loc="lower left", labelcolor=inks)
    named = [] if named_inside else sorted(ends, key=lambda e: e[0])
    heights = _apart([e[0] for e in named], (high - low) * 0.25 / size[1])
    for y, (_, method, colour, heavy) in zip(heights, named):
        ax.text(len(order) - 1 + 0.16, y, method, color=style.letters(colour) if heavy else style.INK, va="center",
                fontsize=9.5 if heavy else 8, fontweight="bold" if heavy else "normal")  # fmt: skip
    ax.set_xlim(-0.45, len(order) - 1 + (0.45 if named_inside else 1.35))
    ax.set_ylim(low, high)
    names = (PROTOCOL_NAMES[p].replace(" ", " " if size[0] > NARROW else "\n") for p in order)
    ax.set_xticks(range(len(order)), list(names))
    ax.tick_params(axis="x", length=0)
    ax.set_yticks([tick for tick in ax.get_yticks() if low <= tick <= 1.0001])
    ax.set_ylabel("accuracy")
    ax.yaxis.set_major_formatter(percent_label)
    # over the splits that forbid something: the first two forbid nothing
    ax.set_title("Less and less may be shared  →", color=style.MUTED, fontweight="normal", loc="right")
    quiet(ax, "y")
    return fig


def _heavy(frame: pd.DataFrame) -> dict[str, str]:
    """Model to its colour, in the frame's order."""
    return dict(zip(frame.loc[frame["kind"] == "model", "method"].unique(), (style.OURS, style.ACCENT)))


def _apart(values: Sequence[float], gap: float) -> list[float]:
    """Sorted positions moved as little as needed to be `gap` apart: labels that don't overlap."""
    out: list[float] = []
    for value in values:
        out.append(value if not out else max(value, out[-1] + gap))
    shift = (sum(out) - sum(values)) / max(len(out), 1)
    return [v - shift for v in out]


@styled
def ladder(frame: pd.DataFrame, published: float | None = None) -> Drawing:
    """`by_split` of the accuracy, and the macro-F1 of the model as open circles on a thin line."""
    fig = by_split(frame, published)
    ax = fig.axes[0]
    place = {p: i for i, p in enumerate(p for p in PROTOCOL_NAMES if p in set(frame["protocol"]))}
    for method, colour in _heavy(frame).items():
        part = frame[frame["method"] == method]
        part = part.assign(x=part["protocol"].map(place) + 0.09).sort_values("x")
        ax.plot(part["x"], part["macro_f1"], "o", color=colour, mfc=style.SURFACE, mew=1.3, ms=5, zorder=4)
        ax.vlines(part["x"], part["f1_low"], part["f1_high"], color=colour, lw=1, alpha=0.5)
    marks = [("", style.MUTED, "thin, grey: accuracy without a network"), ("_", style.INK, "by picture")]
    if (frame["kind"] == "model").any():
        model = [("o", style.OURS, "accuracy, 95% interval"), ("o", style.OURS, "macro-F1", style.SURFACE)]
        marks = model + marks
        for text in ax.texts:  # room for the open circle before the names at the right
            if text.get_position()[0] > len(place) - 1:
                text.set_x(text.get_position()[0] + 0.14)
        ax.set_xlim(right=ax.get_xlim()[1] + 0.14)
    legend_below(fig, marks)
    return fig


@styled
def with_without(
    frame: pd.DataFrame, labels: tuple[str, str] = ("as it is", "taken away"), score: str = "accuracy"
) -> Drawing | Note:
    """A score of two models, beside each other: name, protocol, label (one of `labels`), `score`, low, high, picture;
    one panel a protocol, strokes by picture where copies are kept together."""
    frame = frame.dropna(subset=[score])
    if frame.empty:
        return Note("No pair of runs to compare under this profile yet.")
    names = list(dict.fromkeys(frame["name"]))
    height = 0.9 + 0.36 * len(names) * 1.5
    fig, axes = panels(frame["protocol"].nunique(), height, sharey=True, sharex=True)
    for ax, (protocol, part) in zip(axes, frame.groupby("protocol", sort=False)):
        for label, colour, mark, shift in zip(labels, (style.MUTED, style.OURS), "so", (-0.14, 0.14)):
            chosen = part[part["label"] == label]
            y = np.array([names.index(n) for n in chosen["name"]]) + shift
            ax.hlines(y, chosen["low"], chosen["high"], color=colour, lw=3, alpha=0.6)
            ax.plot(chosen[score], y, mark, color=colour, ms=6)
            if protocol != folds.NAMES["paper"]:
                ax.plot(chosen["picture"], y, "|", color=style.INK, ms=11, mew=1.4)
        ax.set(title=protocol, xlabel=score)
        ax.xaxis.set_major_locator(MaxNLocator(5))
        ax.xaxis.set_major_formatter(percent_label)
        down(ax, names)
        quiet(ax, "x")
    sides = [("s", style.MUTED, labels[0]), ("o", style.OURS, labels[1])]
    legend_below(fig, [*sides, ("|", style.INK, "by picture")])
    return fig

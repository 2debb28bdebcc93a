"""Charts of the leakage ladder, and of scores with and without a hint."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
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


def _spaced(values: Sequence[float], room: float) -> list[float]:
    """Sorted positions moved as little as needed to be `room` apart: labels that don't overlap."""
    out: list[float] = []
    for value in values:
        out.append(value if not out else max(value, out[-1] + room))
    shift = (sum(out) - sum(values)) / max(len(out), 1)
    return [v - shift for v in out]


class _Line(NamedTuple):
    """A method as it is drawn: models heavy, floors light. points: its splits from left to right, with place, x (of the mark)
    and stroke (the accuracy by picture, on splits that keep copies together)."""

    method: str
    model: bool
    colour: str
    mark: str
    points: pd.DataFrame


def _order(frame: pd.DataFrame) -> list[str]:
    """The splits of a frame from left to right."""
    return [p for p in PROTOCOL_NAMES if p in set(frame["protocol"])]


def _methods(frame: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Models and floors, in the frame's order."""
    return tuple(list(frame.loc[frame["kind"] == kind, "method"].unique()) for kind in ("model", "floor"))


def _side_by_side(methods: Sequence[str], step: float) -> dict[str, float]:
    """How far from the place of a split the marks of methods stand."""
    return {method: step * (i - (len(methods) - 1) / 2) for i, method in enumerate(methods)}


def _lines(frame: pd.DataFrame, shifts: Mapping[str, float]) -> list[_Line]:
    """The methods of a frame of `findings.ladder.scores_by_split`, in its order; shifts: of `_side_by_side`."""
    models, floors = _methods(frame)
    looks = dict(zip(models, ((style.OURS, "o"), (style.ACCENT, "o"))))
    looks |= {method: (style.MUTED, mark) for method, mark in zip(floors, _FLOOR_MARKS)}
    place = frame["protocol"].map({protocol: i for i, protocol in enumerate(_order(frame))})
    stroke = frame["picture"].where(frame["protocol"].isin(splits.GROUPED))
    frame = frame.assign(place=place, x=place + frame["method"].map(shifts).fillna(0), stroke=stroke)
    return [
        _Line(method, method in models, *looks[method], points.sort_values("place"))
        for method, points in frame.groupby("method", sort=False)
    ]


def _draw(ax: Axes, lines: Sequence[_Line], stroke: float) -> None:
    """Lines with their intervals, marks, and strokes by picture; stroke: the length of a model's."""
    for _, model, colour, mark, points in lines:
        x = points["x"]
        ax.vlines(x, points["low"], points["high"], color=colour, lw=5 if model else 1.6, alpha=0.6)
        for one, after in itertools.pairwise(points.itertuples()):
            dash = "-" if after.place - one.place == 1 else (0, (1, 2))  # dots pass splits that were not run
            ends = [one.x, after.x], [one.accuracy, after.accuracy]
            ax.plot(*ends, ls=dash, color=colour, lw=2.8 if model else 1.1, alpha=1 if model else 0.7)
        ax.plot(x, points["accuracy"], mark, color=colour, ms=7 if model else 4.5)
        ax.plot(x, points["stroke"], "_", color=colour, ms=stroke if model else 10, mew=1.5, zorder=5)


def _limits(ax: Axes, lines: Sequence[_Line]) -> tuple[float, float]:
    """The lowest and the highest accuracy of the axes: with room for a number over the marks of one model, or of two."""
    low, high = ax.get_ylim()
    return low, min(1.0, high) + (0.08 if sum(line.model for line in lines) > 1 else 0.04)


def _finish(ax: Axes, places: Sequence[str], right: float, low: float, high: float) -> None:
    """Axes from `low` to `high` and `right` beyond the last place; places: names of splits."""
    ax.set_xlim(-0.45, len(places) - 1 + right)
    ax.set_ylim(low, high)
    ax.set_xticks(range(len(places)), places)
    ax.tick_params(axis="x", length=0)
    ax.set_yticks([tick for tick in ax.get_yticks() if low <= tick <= 1.0001])
    ax.set_ylabel("accuracy")
    ax.yaxis.set_major_formatter(percent_label)
    # over the splits that forbid something: the first two forbid nothing
    ax.set_title("Less and less may be shared  →", color=style.MUTED, fontweight="normal", loc="right")
    quiet(ax, "y")


def _say(ax: Axes, text: str, colour: str, fontsize: float = 8, ha: str = "center", **where: Any) -> None:
    ax.annotate(text, textcoords="offset points", ha=ha, color=style.letters(colour), fontsize=fontsize, fontweight="bold",
                bbox=_PLATE, zorder=6, **where)  # fmt: skip


def _lower(frame: pd.DataFrame, point: Any) -> bool:
    """Whether a model's number has its room below the mark: another model's is above it, or a floor's so near that it
    would be in the way."""
    split = frame[frame["protocol"] == point.protocol]
    near = split["kind"].eq("model") | (split["accuracy"] < point.accuracy + 0.06)
    return point.accuracy < split.loc[near, "accuracy"].max()


def _number(ax: Axes, line: _Line, point: Any, lower: bool, away: float) -> None:
    """A mark's accuracy: over a model's bar, or below its mark; `away` at the left where it would be read as the stroke's, and of
    a floor."""
    value, stroke = point.accuracy, point.stroke
    if not line.model or (lower and value - 0.07 < stroke < value):
        where = {"xy": (point.x, value), "xytext": (-away, -8), "ha": "right", "va": "center"}
    elif lower:
        where = {"xy": (point.x, value), "xytext": (0, -17)}
    else:  # not over the stroke
        foot = max(point.high, stroke) if value < stroke < value + 0.07 else point.high
        where = {"xy": (point.x, foot), "xytext": (0, 6)}
    _say(ax, f"{value:.1%}", line.colour, fontsize=9 if line.model else 8, **where)


@styled
def ladder(frame: pd.DataFrame, published: float | None = None) -> Drawing:
    """The leakage ladder: what each method scores as the split forbids more sharing, left to right.

    `frame`: of `findings.ladder.scores_by_split`. `published`: the paper's figure, where it was measured. Methods are named beside their
    last point. The macro-F1 of models: open circles on a thin line.
    """
    fig = style.drawing(style.WIDTH, 4.0)
    ax, order, (models, floors) = fig.subplots(), _order(frame), _methods(frame)
    lines = _lines(frame, _side_by_side(floors, 0.035))
    heavy = [line for line in lines if line.model]
    _draw(ax, lines, stroke=16)
    for line in heavy:
        for point in line.points.itertuples():
            _number(ax, line, point, _lower(frame, point), away=11)
    if published is not None:
        place = order.index("paper")
        ax.plot(place, published, "D", mfc="none", mec=style.PAPER, mew=1.8, ms=9, zorder=5)
        here = frame[frame["method"].isin(models) & (frame["protocol"] == "paper")]["accuracy"]
        # between two models' numbers there is no room: above both
        foot, shift = (max(published, here.max()), 23) if len(here) > 1 else (published, -19)
        _say(ax, f"the paper: {published:.1%}", style.PAPER, xy=(place, foot), xytext=(0, shift))
    room = 0.14 if models else 0  # for the open circle before the names
    low, high = _limits(ax, lines)
    _finish(ax, [PROTOCOL_NAMES[p] for p in order], 1.35 + room, low, high)
    last = sorted(((line.points["accuracy"].iloc[-1], line) for line in lines), key=lambda one: one[0])
    heights = _spaced([value for value, _ in last], (high - low) * 0.25 / 4.0)
    for y, (_, line) in zip(heights, last):
        ax.text(len(order) - 1 + 0.16 + room, y, line.method, color=style.letters(line.colour) if line.model else style.INK,
                va="center", fontsize=9.5 if line.model else 8, fontweight="bold" if line.model else "normal")  # fmt: skip
    for _, _, colour, _, points in heavy:
        x = points["place"] + 0.09
        ax.plot(x, points["macro_f1"], "o", color=colour, mfc=style.SURFACE, mew=1.3, ms=5, zorder=4)
        ax.vlines(x, points["f1_low"], points["f1_high"], color=colour, lw=1, alpha=0.5)
    marks = [("", style.MUTED, "thin, grey: accuracy without a network"), ("_", style.INK, "by picture")]
    if models:
        model = [("o", style.OURS, "accuracy, 95% interval"), ("o", style.OURS, "macro-F1", style.SURFACE)]
        marks = model + marks
    legend_below(fig, marks)
    return fig


@styled
def emblem(frame: pd.DataFrame, published: float, size: tuple[float, float]) -> Drawing:
    """The `ladder` of few methods in little room, `size` inches: they are named in the corner that they leave free, their marks stand
    side by side, the paper's at the left, and floors have numbers on the paper's split and the last."""
    fig = style.drawing(*size)
    ax, order, (models, floors) = fig.subplots(), _order(frame), _methods(frame)
    lines = _lines(frame, _side_by_side([*floors, *models], _SLOT))
    _draw(ax, lines, stroke=12)
    stack = [(published, "the paper: ", style.PAPER)]  # above the paper's split
    for line in lines:
        name = "" if line.model else f"{line.method.split(',')[0]}: "
        for point in line.points.itertuples():
            lower = line.model and _lower(frame, point)
            if point.protocol == "paper" and not lower:
                stack.append((point.accuracy, name, line.colour))
            elif line.model or point.protocol == order[-1]:
                _number(ax, line, point, lower, away=9)
    place = order.index("paper")
    x = place - _SLOT * (len(lines) + 1) / 2
    ax.plot(x, published, "D", mfc=style.SURFACE, mec=style.PAPER, mew=1.8, ms=7, zorder=5)
    foot = frame.loc[frame["protocol"] == "paper", "high"].max()
    for i, (value, name, colour) in enumerate(sorted(stack)):
        _say(ax, f"{name}{value:.1%}", colour, xy=(place, foot), xytext=(0, 4 + 11 * i))
    low, high = _limits(ax, lines)
    # 72 points an inch, of which the drawing has some three quarters
    high = max(high, 1.0 + (high - low) * (9 + 11 * len(stack)) / (54 * size[1]))
    handles = [Line2D([], [], color=line.colour, lw=2.8 if line.model else 1.1) for line in lines]
    inks = [style.letters(line.colour) for line in lines]
    ax.legend(handles, [line.method for line in lines], loc="lower left", labelcolor=inks)
    names = [PROTOCOL_NAMES[p] if size[0] > NARROW else PROTOCOL_NAMES[p].replace(" ", "\n") for p in order]
    _finish(ax, names, 0.45, low, high)
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

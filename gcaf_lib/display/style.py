"""The one visual language of every figure: colours, type, and SVG that follows the reader's theme.

A figure is an SVG whose text, axes and background are CSS variables with two values, light and
dark. The page sets `color-scheme` on the image, so the figure follows the site's theme switch; a
browser that ignores this still gets ink and paper of the *same* theme, because both sit in the
same media query: at worst a light card on a dark page, never dark text on a dark page.

Text becomes outlines: a figure looks the same on every machine, and a page needs no font of its own.
Data colours are the same in both themes: each has at least 3:1 contrast on either paper.
"""

from __future__ import annotations

import functools
import io
import re
from collections.abc import Callable, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from gcaf_lib.settings import CLASSES

# Okabe & Ito's vermilion, blue, green and purple: the closest two stay apart (CIE76 >= 17) under
# simulated protan-, deuter- and tritanopia. Marker and dash say the same a second time.
CLASS_COLOURS = dict(zip(CLASSES, ("#d55e00", "#0072b2", "#009e73", "#cc79a7")))
CLASS_MARKERS = dict(zip(CLASSES, ("o", "s", "^", "D")))
CLASS_DASHES = dict(zip(CLASSES, ("-", "--", "-.", (0, (1, 1.2)))))
CLASS_NAMES = dict(zip(CLASSES, ("Glioma", "Meningioma", "No tumour", "Pituitary")))

# What is not a class: our measurement, the paper's claim, training against validation.
OURS, PAPER = "#1b7f9e", "#b07d00"
ACCENT = "#d55e00"

# Stand-ins of the theme in the drawing, exchanged for CSS variables in the SVG.
INK, MUTED, GRID, SURFACE = "#1f2a38", "#5a6675", "#d9dee5", "#fefefe"
LINES = ((OURS, "-"), (ACCENT, "--"), (PAPER, "-."), (MUTED, ":"))  # series that are no classes
_THEMES = {
    "ink": (INK, "#e4e9f0"),
    "muted": (MUTED, "#9daab9"),
    "grid": (GRID, "#333d49"),
    "surface": (SURFACE, "#14181e"),
    "ours": ("#17657f", "#62b6d1"),
    "accent": ("#a84a00", "#f0914a"),
    "paper": ("#7d5900", "#d8a830"),
}
# Letters in a series' colour: what is enough for a line is too pale for them on a light page or too dark on a dark one.
_LETTERS = {
    colour: _THEMES[name][0] for name, colour in (("ours", OURS), ("accent", ACCENT), ("paper", PAPER))
}

# From the surface to deep blue; on a dark page the light end still reads as "none".
SEQUENTIAL = LinearSegmentedColormap.from_list("gcaf", ["#eef3f8", "#9cc3de", "#2f86ba", "#0b4a77"])
HEAT = "inferno"
RC: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlecolor": INK,
    "axes.labelsize": 9,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.facecolor": "none",
    "figure.facecolor": SURFACE,
    "savefig.facecolor": SURFACE,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.linewidth": 1.7,
    "lines.markersize": 4.5,
    "patch.linewidth": 0,
    "svg.fonttype": "path",
    "svg.hashsalt": "gcaf",
    "image.interpolation": "antialiased",
}
WIDTH = 7.2  # inches: the site's text column at 96 px an inch


class Drawing(Figure):
    """A matplotlib figure that shows itself in a notebook as themed SVG.

    It is never registered with pyplot: there is nothing to close, and nothing is shown twice.
    """

    def svg(self) -> str:
        """The figure as themed SVG, the same bytes for the same drawing."""
        with mpl.rc_context(RC):
            if not isinstance(self.canvas, FigureCanvasSVG):
                FigureCanvasSVG(self)
            stream = io.StringIO()
            self.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
        return themed(stream.getvalue())

    def _ipython_display_(self) -> None:
        from IPython.display import display

        text = self.svg()
        width, height = size(text)
        display(
            {"image/svg+xml": text, "text/plain": "<figure>"},
            metadata={"image/svg+xml": {"width": width, "height": height}},
            raw=True,
        )


def drawing(width: float, height: float) -> Drawing:
    """An empty figure, `width` by `height` inches, laid out so that nothing overlaps.

    Functions that draw wrap themselves in `mpl.rc_context(RC)` (decorator `styled`).
    """
    return Drawing(figsize=(width, height), layout="constrained")


def grid(rows: int, columns: int, height: float, **options: Any) -> tuple[Drawing, Any]:
    """An empty figure of the text column's width, `height` inches, and its axes (rows, columns)."""
    fig = drawing(WIDTH, height)
    return fig, fig.subplots(rows, columns, squeeze=False, **options)


def panels(count: int, height: float, **options: Any) -> tuple[Drawing, Any]:
    """`grid` of one row, its axes (count,)."""
    fig, axes = grid(1, count, height, **options)
    return fig, axes[0]


def by_two(count: int, height: float, extra: float = 0, **options: Any) -> tuple[Drawing, Any]:
    """`grid` of so many panels, two a line of `height` inches and `extra` for all; the last place stays empty where they are odd."""
    lines = -(-count // 2)
    fig, axes = grid(lines, 2, extra + height * lines, **options)
    for ax in axes.flat[count:]:
        ax.set_axis_off()
    return fig, axes


def styled(function: Callable[..., Drawing]) -> Callable[..., Drawing]:
    """Decorator: draw with the book's style, whatever the notebook has set."""

    @functools.wraps(function)
    def inner(*args, **kwargs):
        with mpl.rc_context(RC):
            return function(*args, **kwargs)

    return inner


def themed(svg: str) -> str:
    """Exchange the stand-in colours for CSS variables that have a light and a dark value."""
    for name, (light, _) in _THEMES.items():
        svg = re.sub(rf"(?<=[:\s\"]){light}", f"var(--g-{name})", svg, flags=re.IGNORECASE)
    # attributes can't hold var(): matplotlib writes colours in style="…" only, which can
    light, dark = (";".join(f"--g-{n}:{pair[k]}" for n, pair in _THEMES.items()) for k in (0, 1))
    css = f"<style>.gcaf-svg{{{light}}}@media (prefers-color-scheme: dark){{.gcaf-svg{{{dark}}}}}</style>"
    svg = re.sub(r"^.*?(?=<svg)", "", svg, flags=re.DOTALL)  # prolog and doctype: not needed inline
    return re.sub(r"<svg ([^>]*)>", rf'<svg class="gcaf-svg" \1>{css}', svg, count=1)


def size(svg: str) -> tuple[int, int]:
    """Width and height of an SVG in CSS pixels; `ValueError` where its first tag has none in points."""
    found = [re.search(rf'<svg[^>]*?\s{side}="([\d.]+)pt"', svg) for side in ("width", "height")]
    if not all(found):
        raise ValueError("the SVG has no width and height in points")
    width, height = (round(float(one[1]) * 96 / 72) for one in found)
    return width, height


class Note(str):
    """Words in the place of a picture where there is nothing to draw; a notebook shows them as Markdown."""

    def _repr_markdown_(self) -> str:
        return str(self)


NO_MAPS = Note(
    "This run keeps no heat maps: sweeps keep them of the proposed model on the splits whose maps the published book shows. `gcaf train` keeps those "
    "of any run that it trains (with GCAF_RESULTS set to another folder, where there is a record already)."
)


def quiet(ax, axis: str) -> None:
    """Grid lines along one axis only; ticks without marks where the grid reads them."""
    ax.grid(True, axis=axis, color=GRID)
    ax.tick_params(axis=axis, length=0)


def estimates(
    ax, at: Any, frame: Any, value: str, mark: str = "o", *,
    colour: str, across: bool = False, width: float = 3, pale: float = 0.6, **look: Any,
) -> None:  # fmt: skip
    """Values over places `at`, or with `across` beside heights, and behind each a pale bar of some width, its interval.

    frame: with columns `value`, low and high, or one row of it. look: of the marks.
    """
    (ax.hlines if across else ax.vlines)(at, frame["low"], frame["high"], color=colour, lw=width, alpha=pale)
    ax.plot(*((frame[value], at) if across else (at, frame[value])), mark, color=colour, **look)


def down(ax, names: Sequence[str], **options: Any) -> None:
    """Rows by their names down an axis, the first at the top."""
    ax.set_yticks(range(len(names)), names, **options)
    ax.set_ylim(len(names) - 0.4, -0.6)


def apart(ax, groups: pd.Series, names: Sequence[str], top: float) -> np.ndarray:
    """`down` an axis that begins at `top`, the rows one apart and more where another group begins: their heights."""
    heights = np.where(groups.eq(groups.shift()), 1.0, 1.7).cumsum()
    ax.set_yticks(heights, names)
    ax.set_ylim(heights[-1] + 1, top)
    ax.tick_params(axis="y", length=0)
    return heights


def class_legend(fig: Drawing, classes: Sequence[str]) -> None:
    """The classes' colours below the whole figure."""
    handles = [Patch(color=CLASS_COLOURS.get(c, OURS), label=CLASS_NAMES.get(c, c)) for c in classes]
    fig.legend(handles=handles, loc="outside lower center", ncols=len(handles))


def letters(colour: str) -> str:
    """The colour in which letters name a series of this colour: that of the theme, or itself where the theme has none."""
    return _LETTERS.get(colour, colour)


def readable_on(colour: Any) -> str:
    """Black or white, whichever has more contrast to a colour that is the same on light and dark pages; never `INK`,
    which is exchanged on a dark page while the colour below it stays.
    """
    import seaborn

    return (
        "#000000" if seaborn.utils.relative_luminance(colour) > 0.179 else "#ffffff"
    )  # equal: (L + 0.05)² = 0.05 · 1.05


def legend_below(fig: Drawing, marks: Sequence[tuple[str, ...]], columns: int | None = None) -> None:
    """A legend for the whole figure below it, in rows that fit its width or in `columns`.

    marks: (marker, colour, label), and a fourth, the colour of its face, where that is another.
    """
    letters = sum(len(t) + 7 for _, _, t, *_ in marks)  # a mark takes the room of seven; 16 of them an inch
    rows = -(-letters // int(16 * fig.get_figwidth()))
    handles = [
        Line2D([], [], marker=m, mfc=face[0] if face else c, mec=c, mew=1.4, ls="", ms=6, label=t)
        for m, c, t, *face in marks
    ]
    fig.legend(handles=handles, loc="outside lower center", ncols=columns or -(-len(handles) // rows))


def percent_label(value: float, _position: int = 0) -> str:
    """A tick's text for an axis of shares."""
    return f"{value:.0%}" if abs(value * 100 - round(value * 100)) < 1e-6 else f"{value:.1%}"

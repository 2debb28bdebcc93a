"""Charts of counts and scores: class counts, confusions, the report, a setting at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from gcaf_lib.display import style
from gcaf_lib.display.style import Drawing, drawing, legend_below, panels, percent_label, quiet, styled
from gcaf_lib.paper import published as paper
from gcaf_lib.settings import CLASSES

_PALE = "#1b7f9e1f"  # style.OURS at the band's opacity


@styled
def sensitivity(frame: pd.DataFrame, band: tuple[float, float] | None = None) -> Drawing:
    """Accuracy by hyperparameter value (Table 8 as a picture).

    `frame`: parameter, value, measured (NaN: no run), low, high (interval) and published, all accuracies in
    0..1. One panel a parameter, one accuracy axis for all; `band`: the interval of the default setting, drawn
    behind every panel.
    """
    fig, axes = panels(frame["parameter"].nunique(), 2.9, sharey=True)
    for ax, (name, part) in zip(axes, frame.groupby("parameter", sort=False)):
        x, run = np.arange(len(part)), part["measured"].notna()
        if band is not None:
            ax.axhspan(*band, color=style.OURS, alpha=0.12, lw=0)
        style.estimates(ax, x[run], part[run], "measured", "o-", colour=style.OURS)
        if part["published"].notna().any():
            ax.plot(x, part["published"], "D:", color=style.PAPER, mfc="none", mew=1.3, lw=1)
        labels = [f"{v:g}" if isinstance(v, (int, float, np.number)) else str(v) for v in part["value"]]
        ax.set_xticks(x, [s.replace("inverse-frequency", "inv.\nfreq.") for s in labels])
        ax.set_xlim(-0.5, len(part) - 0.5)
        ax.set_title(name, fontsize=9.5 if len(axes) < 5 else 8.5)  # narrow panels: titles must not touch
        ax.yaxis.set_major_formatter(percent_label)
        quiet(ax, "y")
    axes[0].set_ylabel("accuracy")
    marks = [("o", style.OURS, "measured")]
    if frame["published"].notna().any():
        marks.append(("D", style.PAPER, "the paper's figure", "none"))
    if band is not None:
        marks.append(("s", _PALE, "interval of the default setting"))
    legend_below(fig, marks)
    return fig


_SHADES = (1.0, 0.62, 0.34, 0.16)  # of a class's colour, from the first column to the last


def _stacked(ax, counts: pd.DataFrame, lengths: pd.DataFrame, least: float) -> np.ndarray:
    """A bar a class (row) with a paler piece a column, as long as `lengths`; its count in pieces longer than `least`.

    Returns the bars' whole lengths.
    """
    left, rows = np.zeros(len(counts)), np.arange(len(counts))
    colours = [style.CLASS_COLOURS.get(name, style.OURS) for name in counts.index]
    for shade, column in zip(_SHADES, counts):
        values = lengths[column].to_numpy()
        ax.barh(rows, values, 0.66, left, color=colours, alpha=shade, edgecolor=style.SURFACE, linewidth=1.2)
        for row, (value, start, count) in enumerate(zip(values, left, counts[column])):
            if value > least:
                ink = (
                    style.readable_on(colours[row]) if shade == 1 else style.INK
                )  # the pale let the page through
                ax.text(
                    start + value / 2, row, f"{count:,}", ha="center", va="center", fontsize=7.5, color=ink
                )
        left = left + values
    ax.set_yticks(rows, [style.CLASS_NAMES.get(name, str(name)) for name in counts.index])
    ax.invert_yaxis()
    quiet(ax, "x")
    return left


@styled
def class_counts(counts: pd.DataFrame) -> Drawing:
    """Stacked bars of images of each class (rows) in each part (columns); Table 2 as a picture."""
    fig, (ax,) = panels(1, 0.62 + 0.42 * len(counts))
    totals = _stacked(ax, counts, counts, 0.055 * counts.to_numpy().sum(1).max())
    for row, total in enumerate(totals):
        ax.text(
            total + 0.012 * totals.max(), row, f"{int(total):,}", va="center", fontweight="bold", fontsize=8
        )
    ax.set_xlim(0, totals.max() * 1.1)
    ax.set_xlabel(f"images; from full to pale: {', '.join(map(str, counts.columns))}; total at the right")
    return fig


@styled
def class_shares(table: pd.DataFrame, label: str) -> Drawing:
    """Stacked bars, one a class (index), shares of its total by column; counts inside, legend in `label`."""
    fig, (ax,) = panels(1, 0.7 + 0.42 * len(table))
    _stacked(ax, table, table.div(table.sum(axis=1), axis=0), 0.045)
    ax.set_xlim(0, 1)
    ax.xaxis.set_major_formatter(percent_label)
    ax.set_xlabel(label)
    return fig


@styled
def confusion(matrix: np.ndarray, classes: Sequence[str] = CLASSES) -> Drawing:
    """Confusion matrix (K, K) of counts, rows true (Figure 10b); shade is the share of the row."""
    import seaborn

    matrix = np.asarray(matrix)
    share = matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
    names = [style.CLASS_NAMES.get(c, c) for c in classes]
    fig = drawing(4.6, 3.7)
    ax = fig.subplots()
    seaborn.heatmap(share, ax=ax, cmap=style.SEQUENTIAL, vmin=0, vmax=1, square=True, cbar=False,
                    linewidths=2, linecolor=style.SURFACE, xticklabels=names, yticklabels=names)  # fmt: skip
    for (i, j), n in np.ndenumerate(matrix):
        colour = style.readable_on(style.SEQUENTIAL(share[i, j]))
        ax.text(j + 0.5, i + 0.44, f"{n:,}", ha="center", va="center", color=colour, fontsize=10.5)
        ax.text(j + 0.5, i + 0.7, f"{share[i, j]:.1%}", ha="center", va="center", color=colour, fontsize=7)
    ax.set(xlabel="predicted", ylabel="true")
    ax.tick_params(length=0, rotation=0)
    return fig


@styled
def classification_report(
    report: pd.DataFrame, published: Mapping[tuple[str, str], paper.Figure] | None = None
) -> Drawing:
    """Precision, recall and F1 of each class as points (Figure 10a).

    `report`: index class, columns precision, recall, f1 in 0..1 (other rows are ignored).
    `published`: figures by class and column, of which those of the report's classes are drawn as open diamonds.
    """
    kinds = {"precision": "Precision", "recall": "Recall", "f1": "F1"}
    rows = [c for c in report.index if c in style.CLASS_COLOURS]
    printed = {key: figure.fraction for key, figure in (published or {}).items() if key[0] in rows}
    values = report.loc[rows, list(kinds)].to_numpy(float)
    low = min([values.min(), *printed.values()])
    fig, axes = panels(3, 2.7, sharey=True)
    for ax, (kind, title) in zip(axes, kinds.items()):
        for y, name in enumerate(rows):
            value = report.loc[name, kind]
            ax.plot([0, value], [y, y], color=style.CLASS_COLOURS[name], lw=2.2, alpha=0.45)
            ax.plot(value, y, style.CLASS_MARKERS[name], color=style.CLASS_COLOURS[name], ms=7)
            ax.annotate(
                f"{value:.3f}", (value, y), (0, 8), textcoords="offset points", ha="center", fontsize=7.5
            )
            if (name, kind) in printed:
                ax.plot(printed[name, kind], y, "D", mfc="none", mec=style.PAPER, mew=1.4, ms=7)
        ax.set_title(title)
        ax.set_xlim(max(0, np.floor((low - 0.06) * 20) / 20), 1.02)
        ax.set_ylim(len(rows) - 0.5, -0.6)
        ax.set_yticks(range(len(rows)), [style.CLASS_NAMES[c] for c in rows])
        quiet(ax, "x")
    if printed:
        legend_below(fig, [("D", style.PAPER, "the paper's figure", "none")])
    return fig

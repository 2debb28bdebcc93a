"""Charts: each function takes arrays or frames and returns one figure in the book's style.

Pictures of images are in `pictures.py`, curves in `curves.py`, comparisons in
`comparisons.py`, drawings of the architecture in `diagrams.py`; all can be reached from here, so
that a chapter needs one import.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from gcaf_lib.display import style
from gcaf_lib.display.curves import loss_curves, loss_minimisers, pr_curves, reliability, roc_curves
from gcaf_lib.display.diagrams import architecture, fusion_module
from gcaf_lib.display.pictures import (
    augmentation_grid,
    gradcam_grid,
    intensities,
    mixup_grid,
    predictions,
    predictions_grid,
    preprocessing_steps,
    sample_grid,
)
from gcaf_lib.display.sensitivity import sensitivity
from gcaf_lib.display.split_ladder import by_split
from gcaf_lib.display.style import (
    ACCENT,
    CLASS_COLOURS,
    CLASS_NAMES,
    INK,
    MUTED,
    OURS,
    PAPER,
    SURFACE,
    Drawing,
    drawing,
    legend_below,
    quiet,
    styled,
)
from gcaf_lib.settings import CLASSES

__all__ = [
    "CLASS_COLOURS",
    "architecture",
    "augmentation_grid",
    "by_split",
    "class_counts",
    "classification_report",
    "confusion",
    "convergence",
    "fusion_module",
    "gradcam_grid",
    "intensities",
    "loss_curves",
    "loss_minimisers",
    "mixup_grid",
    "pr_curves",
    "predictions",
    "predictions_grid",
    "preprocessing_steps",
    "reliability",
    "roc_curves",
    "sample_grid",
    "sensitivity",
]
_SHADES = (1.0, 0.62, 0.34)  # training, validation, test: the class's colour, paler


@styled
def class_counts(counts: pd.DataFrame) -> Drawing:
    """Stacked bars of images of each class (rows) in each part (columns); Table 2 as a picture."""
    fig = drawing(height=0.62 + 0.42 * len(counts))
    ax = fig.subplots()
    left = np.zeros(len(counts))
    rows = np.arange(len(counts))
    for shade, part in zip(_SHADES, counts.columns, strict=False):
        values = counts[part].to_numpy()
        colours = [CLASS_COLOURS.get(c, OURS) for c in counts.index]
        bars = ax.barh(
            rows, values, left=left, height=0.66, color=colours, alpha=shade, edgecolor=SURFACE, linewidth=1.2
        )
        for bar, value, start in zip(bars, values, left):
            if value > 0.055 * counts.to_numpy().sum(1).max():
                ax.text(
                    start + value / 2,
                    bar.get_y() + bar.get_height() / 2,
                    f"{value:,}",
                    ha="center",
                    va="center",
                    fontsize=7.5,
                    color="#ffffff" if shade == 1 else INK,
                )
        left += values
    for row, total in zip(rows, left):
        ax.text(
            total + 0.012 * left.max(), row, f"{int(total):,}", va="center", fontweight="bold", fontsize=8
        )
    ax.set_yticks(rows, [CLASS_NAMES.get(c, str(c)) for c in counts.index])
    ax.invert_yaxis()
    ax.set_xlim(0, left.max() * 1.1)
    ax.set_xlabel(f"images; from full to pale: {', '.join(map(str, counts.columns))}; total at the right")
    quiet(ax, "x")
    return fig


@styled
def convergence(histories: Sequence[pd.DataFrame], stage: int | None = None) -> Drawing:
    """Accuracy and loss by epoch, training and validation (Figures 8 and 9).

    `histories`: one frame a seed with stage, epoch, accuracy, val_accuracy, loss, val_loss. The line
    is the mean over seeds, the band one standard deviation; `stage` keeps one stage only.
    """
    if not len(histories):
        raise ValueError("convergence: no histories; train a run first")
    frame = pd.concat(histories, keys=range(len(histories)), names=["seed", None]).reset_index("seed")
    if stage is not None:
        frame = frame[frame["stage"] == stage]
    if frame.empty:
        raise ValueError(f"convergence: no epochs of stage {stage}")
    fig = drawing(height=2.9)
    for ax, (name, label) in zip(fig.subplots(1, 2), (("accuracy", "Accuracy"), ("loss", "Loss"))):
        for column, colour, dash, word in (
            (name, OURS, "-", "training"),
            (f"val_{name}", ACCENT, "--", "validation"),
        ):
            by = frame.groupby("epoch")[column].agg(["mean", "std"]).sort_index()
            ax.plot(by.index, by["mean"], dash, color=colour, label=word, marker="o" if len(by) < 25 else "")
            spread = by["std"].fillna(0)
            ax.fill_between(
                by.index, by["mean"] - spread, by["mean"] + spread, color=colour, alpha=0.18, lw=0
            )
        if stage is None:
            last = frame[frame["stage"] == frame["stage"].min()]["epoch"].max()
            if last < frame["epoch"].max():
                ax.axvline(last + 0.5, color=MUTED, lw=0.9, ls=":")
                ax.annotate("stage 2", (last + 0.5, 1), (4, -2), xycoords=("data", "axes fraction"),
                            textcoords="offset points", va="top", fontsize=7.5, color=MUTED)  # fmt: skip
        ax.set_title(label)
        ax.set_xlabel("epoch")
        ax.xaxis.get_major_locator().set_params(integer=True)
        quiet(ax, "y")
        if name == "accuracy":
            ax.legend(loc="lower right")
    return fig


@styled
def confusion(matrix: np.ndarray, classes: Sequence[str] = CLASSES) -> Drawing:
    """Confusion matrix (K, K) of counts, rows true (Figure 10b); shade is the share of the row."""
    import seaborn

    matrix = np.asarray(matrix)
    share = matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
    names = [CLASS_NAMES.get(c, c) for c in classes]
    fig = drawing(4.6, 3.7)
    ax = fig.subplots()
    seaborn.heatmap(share, ax=ax, cmap=style.SEQUENTIAL, vmin=0, vmax=1, square=True, cbar=False,
                    linewidths=2, linecolor=SURFACE, xticklabels=names, yticklabels=names)  # fmt: skip
    for (i, j), n in np.ndenumerate(matrix):
        colour = "#ffffff" if share[i, j] > 0.5 else INK
        ax.text(j + 0.5, i + 0.44, f"{n:,}", ha="center", va="center", color=colour, fontsize=10.5)
        ax.text(j + 0.5, i + 0.7, f"{share[i, j]:.1%}", ha="center", va="center", color=colour, fontsize=7)
    ax.set_xlabel("predicted")
    ax.set_ylabel("true")
    ax.tick_params(length=0)
    ax.tick_params(axis="x", rotation=0)
    ax.tick_params(axis="y", rotation=0)
    return fig


@styled
def classification_report(
    report: pd.DataFrame, published: Mapping[tuple[str, str], float] | None = None
) -> Drawing:
    """Precision, recall and F1 of each class as points (Figure 10a).

    `report`: index class, columns precision, recall, f1 in 0..1 (other rows are ignored).
    `published`: {(class, column): value in 0..1}, drawn as open diamonds.
    """
    kinds = ["precision", "recall", "f1"]
    rows = [c for c in report.index if c in CLASS_COLOURS]
    values = report.loc[rows, kinds].to_numpy(float)
    low = min([values.min(), *(published or {}).values()])
    fig = drawing(height=2.7)
    for ax, kind in zip(fig.subplots(1, 3, sharey=True), kinds):
        for y, name in enumerate(rows):
            value = report.loc[name, kind]
            ax.plot([0, value], [y, y], color=CLASS_COLOURS[name], lw=2.2, alpha=0.45)
            ax.plot(value, y, style.CLASS_MARKERS[name], color=CLASS_COLOURS[name], ms=7)
            ax.annotate(
                f"{value:.3f}", (value, y), (0, 8), textcoords="offset points", ha="center", fontsize=7.5
            )
            if published and (name, kind) in published:
                ax.plot(published[name, kind], y, "D", mfc="none", mec=PAPER, mew=1.4, ms=7)
        ax.set_title({"precision": "Precision", "recall": "Recall", "f1": "F1"}[kind])
        ax.set_xlim(max(0, np.floor((low - 0.06) * 20) / 20), 1.02)
        ax.set_ylim(len(rows) - 0.5, -0.6)
        ax.set_yticks(range(len(rows)), [CLASS_NAMES[c] for c in rows])
        quiet(ax, "x")
    if published:
        legend_below(fig, [("D", "none", PAPER, "the paper's figure")])
    return fig

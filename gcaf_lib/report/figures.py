"""Charts: each function takes arrays or frames and returns one figure in the book's style.

Pictures of images are in `pictures.py`, drawings of the architecture in `diagrams.py`; both can be
reached from here, so that a chapter needs one import.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from gcaf_lib.report import style
from gcaf_lib.report.diagrams import architecture, fusion_module
from gcaf_lib.report.pictures import (
    augmentation_grid,
    gradcam_grid,
    intensities,
    mixup_grid,
    predictions_grid,
    preprocessing_steps,
    sample_grid,
)
from gcaf_lib.report.style import (
    ACCENT,
    CLASS_COLOURS,
    CLASS_DASHES,
    CLASS_NAMES,
    GRID,
    INK,
    MUTED,
    OURS,
    PAPER,
    SURFACE,
    Drawing,
    drawing,
    styled,
)
from gcaf_lib.settings import CLASSES

__all__ = [
    "CLASS_COLOURS",
    "architecture",
    "augmentation_grid",
    "class_counts",
    "classification_report",
    "confusion",
    "convergence",
    "fusion_module",
    "gradcam_grid",
    "intensities",
    "ladder",
    "loss_curves",
    "loss_minimisers",
    "mixup_grid",
    "pr_curves",
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
    _quiet(ax, "x")
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
        _quiet(ax, "y")
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
        _quiet(ax, "x")
    if published:
        _key(fig, [("D", "none", PAPER, "the paper's figure")])
    return fig


@styled
def roc_curves(curves: Mapping[str, Any], zoom: float = 0.2) -> Drawing:
    """One-vs-rest ROC curves (Figure 11a) whole, and their upper left corner enlarged.

    `curves`: name to an object with x (false positive rate), y (true positive rate) and area;
    names are classes, `micro` and `macro`.
    """
    fig = drawing(height=3.5)
    whole, corner = fig.subplots(1, 2)
    for ax in (whole, corner):
        _curves(ax, curves, "AUC")
        ax.set_xlabel("false positive rate")
        _quiet(ax, "both")
    whole.plot([0, 1], [0, 1], color=MUTED, lw=0.8, ls=":")
    whole.set(ylabel="true positive rate", xlim=(-0.01, 1.01), ylim=(-0.01, 1.02))
    whole.legend(loc="lower right")
    corner.set(xlim=(-0.002, zoom), ylim=(1 - zoom, 1.004))
    corner.set_title("enlarged corner")
    return fig


@styled
def pr_curves(curves: Mapping[str, Any], zoom: float = 0.3) -> Drawing:
    """One-vs-rest precision-recall curves (Figure 11b) whole, and their upper right corner enlarged."""
    fig = drawing(height=3.5)
    whole, corner = fig.subplots(1, 2)
    for ax in (whole, corner):
        _curves(ax, curves, "AP")
        ax.set_xlabel("recall")
        _quiet(ax, "both")
    whole.set(ylabel="precision", xlim=(-0.01, 1.01), ylim=(-0.01, 1.02))
    whole.legend(loc="lower left")
    corner.set(xlim=(1 - zoom, 1.003), ylim=(1 - zoom, 1.004))
    corner.set_title("enlarged corner")
    return fig


@styled
def reliability(
    bins: Mapping[str, pd.DataFrame] | pd.DataFrame, ece: Mapping[str, float] | None = None
) -> Drawing:
    """Reliability diagrams with the number of images in each bin below.

    `bins`: one frame, or title to frame, with low, high, count, confidence, accuracy and, where
    known, accuracy_low and accuracy_high.
    """
    bins = {"": bins} if isinstance(bins, pd.DataFrame) else dict(bins)
    fig = drawing(max(4.2, 3.6 * len(bins)) if len(bins) < 3 else style.WIDTH, 3.9)
    axes = fig.subplots(2, len(bins), height_ratios=[3.2, 1], sharex=True, squeeze=False)
    most = max(frame["count"].max() for frame in bins.values())
    for k, (title, frame) in enumerate(bins.items()):
        top, low = axes[:, k]
        used = frame[frame["count"] > 0]
        top.plot([0, 1], [0, 1], color=MUTED, lw=0.9, ls=":")
        top.vlines(used["confidence"], used["confidence"], used["accuracy"], color=ACCENT, lw=2.4, alpha=0.5)
        if {"accuracy_low", "accuracy_high"} <= set(used):
            top.vlines(used["confidence"], used["accuracy_low"], used["accuracy_high"], color=OURS, lw=0.9)
        top.plot(used["confidence"], used["accuracy"], "o", color=OURS, ms=5)
        value = (ece or {}).get(title)
        top.set_title(" · ".join(filter(None, (title, None if value is None else f"ECE {value:.4f}"))))
        top.set(xlim=(0, 1.01), ylim=(0, 1.02))
        low.bar(frame["low"], frame["count"], frame["high"] - frame["low"], align="edge", color=OURS,
                alpha=0.6, edgecolor=SURFACE, linewidth=0.8)  # fmt: skip
        low.set_yscale("symlog", linthresh=10)
        low.set_ylim(0, most * 1.6)
        low.set_xlabel("confidence")
        if not k:
            top.set_ylabel("accuracy")
            low.set_ylabel("images")
        _quiet(top, "both")
        _quiet(low, "y")
    return fig


@styled
def sensitivity(frame: pd.DataFrame) -> Drawing:
    """Accuracy by hyperparameter value (Table 8 as a picture).

    `frame`: parameter, value, measured, and optionally low, high (interval) and published, all
    accuracies in 0..1. One panel a parameter, one accuracy axis for all.
    """
    panels = list(dict.fromkeys(frame["parameter"]))
    fig = drawing(height=2.9)
    for k, (ax, name) in enumerate(zip(np.atleast_1d(fig.subplots(1, len(panels), sharey=True)), panels)):
        part = frame[frame["parameter"] == name].reset_index(drop=True)
        x = np.arange(len(part))
        if {"low", "high"} <= set(part):
            ax.vlines(x, part["low"], part["high"], color=OURS, lw=3, alpha=0.35)
        ax.plot(x, part["measured"], "o-", color=OURS)
        if "published" in part and part["published"].notna().any():
            ax.plot(x, part["published"], "D:", color=PAPER, mfc="none", mew=1.3, lw=1)
        labels = [f"{v:g}" if isinstance(v, (int, float, np.number)) else str(v) for v in part["value"]]
        ax.set_xticks(x, [s.replace("inverse-frequency", "inv.\nfreq.") for s in labels])
        ax.set_xlim(-0.5, len(part) - 0.5)
        ax.set_title(name)
        ax.yaxis.set_major_formatter(_percent)
        if not k:
            ax.set_ylabel("accuracy")
        _quiet(ax, "y")
    _key(fig, [("o", OURS, OURS, "measured"), ("D", "none", PAPER, "the paper's figure")])
    return fig


PROTOCOL_NAMES = {
    "official": "Kaggle's own\nsplit",
    "paper": "random\n(the paper's)",
    "bytes": "no identical\nfiles shared",
    "twins": "no near-twins\nshared",
    "patients": "no patients\nshared",
}


@styled
def ladder(frame: pd.DataFrame, published: float | None = None, metric: str = "accuracy") -> Drawing:
    """The leakage ladder: what each method scores as the split forbids more sharing, left to right.

    `frame`: method, protocol, `metric`, low, high (0..1) and kind ("model" or "floor"). The model
    is drawn heavy, floors light; `published` is the paper's figure, where it was measured.
    """
    order = [p for p in PROTOCOL_NAMES if p in set(frame["protocol"])]
    place = {p: i for i, p in enumerate(order)}
    fig = drawing(height=4.0)
    ax = fig.subplots()
    ends = []
    floors = [m for m, part in frame.groupby("method", sort=False) if (part["kind"] == "floor").all()]
    for method, part in frame.groupby("method", sort=False):
        part = part.assign(x=part["protocol"].map(place)).dropna(subset=["x"]).sort_values("x")
        heavy = (part["kind"] == "model").any()
        shift = 0 if heavy else 0.035 * (floors.index(method) - (len(floors) - 1) / 2)
        colour, x = (OURS if heavy else MUTED), part["x"] + shift
        if {"low", "high"} <= set(part):
            ax.vlines(x, part["low"], part["high"], color=colour, lw=5 if heavy else 1.6, alpha=0.3)
        ax.plot(x, part[metric], "-", color=colour, lw=2.8 if heavy else 1.1, alpha=1 if heavy else 0.7)
        ax.plot(x, part[metric], "o" if heavy else _FLOOR_MARKS[len(ends) % 5], color=colour,
                ms=7 if heavy else 4.5)  # fmt: skip
        if heavy:
            for px, value in zip(x, part[metric]):
                ax.annotate(f"{value:.1%}", (px, value), (0, 10), textcoords="offset points", ha="center",
                            color=colour, fontweight="bold", fontsize=9)  # fmt: skip
        ends.append((float(part[metric].iloc[-1]), method, colour, heavy))
    if published is not None and "paper" in place:
        ax.plot(place["paper"], published, "D", mfc="none", mec=PAPER, mew=1.8, ms=9, zorder=5)
        ax.annotate(f"the paper: {published:.1%}", (place["paper"], published), (12, -14),
                    textcoords="offset points", color=PAPER, fontsize=8, fontweight="bold")  # fmt: skip
    low, high = ax.get_ylim()
    high = min(1.0, high) + 0.04
    for y, (_, method, colour, heavy) in zip(
        _apart([e[0] for e in ends], (high - low) * 0.062), sorted(ends, key=lambda e: e[0])
    ):
        ax.text(len(order) - 1 + 0.16, y, method, color=colour if heavy else INK, va="center",
                fontsize=9.5 if heavy else 8, fontweight="bold" if heavy else "normal")  # fmt: skip
    ax.set_xlim(-0.35, len(order) - 1 + 1.35)
    ax.set_ylim(low, high)
    ax.set_xticks(range(len(order)), [PROTOCOL_NAMES[p] for p in order])
    ax.tick_params(axis="x", length=0)
    ax.set_ylabel(metric.replace("_", "-"))
    ax.yaxis.set_major_formatter(_percent)
    ax.set_title("Training and test share less and less  →", color=MUTED, fontweight="normal")
    _quiet(ax, "y")
    return fig


@styled
def loss_curves(
    p: np.ndarray, losses: Mapping[str, np.ndarray], minima: Mapping[str, float] | None = None
) -> Drawing:
    """Loss against the probability of the true class, one line a reading; minima marked."""
    fig = drawing(height=3.2)
    ax = fig.subplots()
    for (name, values), colour, dash in zip(
        losses.items(), (OURS, ACCENT, PAPER, MUTED), ("-", "--", "-.", ":")
    ):
        ax.plot(p, values, dash, color=colour, label=name)
        if minima and name in minima:
            at = minima[name]
            ax.plot(at, np.interp(at, p, values), "v", color=colour, ms=8)
    ax.set(xlabel="probability given to the true class", ylabel="loss", xlim=(0, 1.01))
    ax.set_ylim(0, np.nanpercentile(np.concatenate(list(losses.values())), 97))
    ax.legend()
    _quiet(ax, "both")
    return fig


@styled
def loss_minimisers(
    minima: Mapping[str, np.ndarray], target: np.ndarray, classes: Sequence[str] = CLASSES
) -> Drawing:
    """The probabilities (K,) that minimise each reading of the loss, beside the soft label (K,)."""
    fig = drawing(height=2.6)
    rows = {"soft label": np.asarray(target), **{k: np.asarray(v) for k, v in minima.items()}}
    for k, (ax, (name, values)) in enumerate(
        zip(np.atleast_1d(fig.subplots(1, len(rows), sharey=True)), rows.items())
    ):
        colours = [CLASS_COLOURS.get(c, OURS) for c in classes]
        ax.bar(range(len(values)), values, color=colours, width=0.7, alpha=0.45 if not k else 1)
        for i, v in enumerate(values):
            ax.text(i, v + 0.02, f"{v:.3f}", ha="center", fontsize=7.5)
        ax.set_xticks(range(len(values)), [CLASS_NAMES.get(c, c)[:6] for c in classes], fontsize=7)
        ax.set_ylim(0, 1.12)
        ax.set_title(name)
        _quiet(ax, "y")
    return fig


_FLOOR_MARKS = ("s", "^", "v", "D", "P")


def _percent(value: float, _position: int) -> str:
    return f"{value:.0%}" if abs(value * 100 - round(value * 100)) < 1e-6 else f"{value:.1%}"


def _curves(ax, curves: Mapping[str, Any], word: str) -> None:
    for name, curve in curves.items():
        mean = name in ("micro", "macro")
        ax.plot(
            curve.x,
            curve.y,
            color=CLASS_COLOURS.get(name, INK if name == "macro" else MUTED),
            ls=CLASS_DASHES.get(name, "-" if name == "macro" else ":"),
            lw=1.1 if mean else 1.8,
            label=f"{CLASS_NAMES.get(name, name)} ({word} {curve.area:.4f})",
            drawstyle="default" if mean or word == "AUC" else "steps-post",
        )


def _apart(values: Sequence[float], gap: float) -> list[float]:
    """Sorted positions moved as little as needed to be `gap` apart: labels that don't overlap."""
    out: list[float] = []
    for value in sorted(values):
        out.append(value if not out else max(value, out[-1] + gap))
    shift = (sum(out) - sum(values)) / max(len(out), 1)
    return [v - shift for v in out]


def _key(fig: Drawing, marks: Sequence[tuple[str, str, str, str]]) -> None:
    """A legend for the whole figure below it: (marker, face, edge, label)."""
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], marker=m, mfc=f, mec=e, mew=1.4, ls="", ms=6, label=t) for m, f, e, t in marks]
    fig.legend(handles=handles, loc="outside lower center", ncols=len(handles))


def _quiet(ax, axis: str) -> None:
    """Grid lines along one axis only; ticks without marks where the grid reads them."""
    ax.grid(True, axis=axis, color=GRID)
    ax.tick_params(axis=axis, length=0)

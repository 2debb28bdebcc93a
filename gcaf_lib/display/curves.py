"""Charts of curves: ROC, precision-recall, reliability, and the loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from gcaf_lib.display import style
from gcaf_lib.display.style import Drawing, Note, drawing, panels, percent_label, quiet, styled

_SHORT = ("Glioma", "Mening.", "None", "Pituit.")  # the classes, in their order


@styled
def roc_curves(curves: Mapping[str, Any]) -> Drawing:
    """One-vs-rest ROC curves (Figure 11a) whole, and their upper left corner enlarged.

    `curves`: name to an object with x (false positive rate), y (true positive rate) and area;
    names are classes, `micro` and `macro`.
    """
    fig = _enlarged(curves, "AUC", "false positive rate", (-0.002, 0.2), (0.8, 1.004))
    whole = fig.axes[0]
    whole.plot([0, 1], [0, 1], color=style.MUTED, lw=0.8, ls=":")
    whole.set_ylabel("true positive rate")
    whole.legend(loc="lower right")
    return fig


@styled
def pr_curves(curves: Mapping[str, Any]) -> Drawing:
    """One-vs-rest precision-recall curves (Figure 11b) whole, and their upper right corner enlarged."""
    fig = _enlarged(curves, "AP", "recall", (0.7, 1.003), (0.7, 1.004))
    fig.axes[0].set_ylabel("precision")
    fig.axes[0].legend(loc="lower left")
    return fig


def _enlarged(
    curves: Mapping[str, Any], word: str, xlabel: str, xlim: tuple[float, float], ylim: tuple[float, float]
) -> Drawing:
    """Curves whole, and beside them the corner `xlim` by `ylim`."""
    fig, (whole, corner) = panels(2, 3.5)
    for ax in (whole, corner):
        _curves(ax, curves, word)
        ax.set_xlabel(xlabel)
        quiet(ax, "both")
    whole.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.02))
    corner.set(xlim=xlim, ylim=ylim)
    corner.locator_params(nbins=5)
    corner.set_title("enlarged corner")
    return fig


@styled
def reliability(
    bins: Mapping[str, pd.DataFrame],
    ece: Mapping[str, float] | None = None,
    axes_names: tuple[str, str] = ("confidence", "accuracy"),
) -> Drawing:
    """Reliability diagrams with the number of images in each bin below, on a scale that is logarithmic above 10.

    `bins`: title to frame, with low, high, count, confidence, accuracy, accuracy_low and accuracy_high.
    """
    fig = drawing(max(4.2, 3.6 * len(bins)) if len(bins) < 3 else style.WIDTH, 3.9)
    axes = fig.subplots(2, len(bins), height_ratios=[3.2, 1], sharex=True, squeeze=False)
    most = max(frame["count"].max() for frame in bins.values())
    for top, low, (title, frame) in zip(*axes, bins.items()):
        used = frame[frame["count"] > 0]
        at = used["confidence"]
        top.plot([0, 1], [0, 1], color=style.MUTED, lw=0.9, ls=":")
        top.vlines(at, at, used["accuracy"], color=style.ACCENT, lw=2.4, alpha=0.5)
        top.vlines(at, used["accuracy_low"], used["accuracy_high"], color=style.OURS, lw=0.9)
        top.plot(at, used["accuracy"], "o", color=style.OURS, ms=5)
        value = (ece or {}).get(title)
        top.set_title(" · ".join(filter(None, (title, None if value is None else f"ECE {value:.4f}"))))
        top.set(xlim=(0, 1.01), ylim=(0, 1.02))
        low.bar(frame["low"], frame["count"], frame["high"] - frame["low"], align="edge", color=style.OURS,
                alpha=0.6, edgecolor=style.SURFACE, linewidth=0.8)  # fmt: skip
        low.set_yscale("symlog", linthresh=10)
        low.set(ylim=(0, most * 1.6), xlabel=axes_names[0])
        quiet(top, "both")
        quiet(low, "y")
    axes[0, 0].set_ylabel(axes_names[1])
    axes[1, 0].set_ylabel("images")
    return fig


@styled
def loss_curves(
    p: np.ndarray, losses: Mapping[str, np.ndarray], minima: Mapping[str, float] | None = None
) -> Drawing:
    """Loss against the probability of the true class, one line a reading; minima marked."""
    fig, (ax,) = panels(1, 3.2)
    for (name, values), (colour, dash) in zip(losses.items(), style.LINES):
        ax.plot(p, values, dash, color=colour, label=name)
        if minima and name in minima:
            at = minima[name]
            ax.plot(at, np.interp(at, p, values), "v", color=colour, ms=8)
    ax.set(xlabel="probability given to the true class", ylabel="loss", xlim=(0, 1.01))
    ax.set_ylim(0, np.nanpercentile(np.concatenate(list(losses.values())), 97))
    ax.legend()
    quiet(ax, "both")
    return fig


@styled
def loss_minimisers(minima: Mapping[str, np.ndarray], target: np.ndarray) -> Drawing:
    """The probabilities (K,) that minimise each reading of the loss, whose names lose what is in brackets, beside the soft
    label (K,)."""
    rows = {"soft label": target} | {name.split(" (")[0]: values for name, values in minima.items()}
    colours = list(style.CLASS_COLOURS.values())
    fig, axes = panels(len(rows), 2.6, sharey=True)
    for ax, (name, values) in zip(axes, rows.items()):
        ax.bar(range(len(values)), values, color=colours, width=0.7, alpha=0.45 if ax is axes[0] else 1)
        for i, v in enumerate(values):
            ax.text(i, v + 0.02, f"{v:.3f}", ha="center", fontsize=7.5)
        ax.set_xticks(range(len(values)), _SHORT, fontsize=7)
        ax.set(title=name, ylim=(0, 1.12))
        quiet(ax, "y")
    return fig


def _curves(ax, curves: Mapping[str, Any], word: str) -> None:
    for name, curve in curves.items():
        mean = name in ("micro", "macro")
        ax.plot(
            curve.x,
            curve.y,
            color=style.CLASS_COLOURS.get(name, style.INK if name == "macro" else style.MUTED),
            ls=style.CLASS_DASHES.get(name, "-" if name == "macro" else ":"),
            lw=1.1 if mean else 1.8,
            label=f"{style.CLASS_NAMES.get(name, name)} ({word} {curve.area:.4f})",
            drawstyle="default" if mean or word == "AUC" else "steps-post",
        )


@styled
def convergence(histories: Sequence[pd.DataFrame], stage: int) -> Drawing:
    """Accuracy and loss by epoch of a stage, training and validation (Figures 8 and 9).

    `histories`: one frame a seed with stage, epoch, accuracy, val_accuracy, loss, val_loss. The line
    is the mean over seeds, the band one standard deviation.
    """
    if not len(histories):
        raise ValueError("convergence: no histories; train a run first")
    frame = pd.concat(histories)
    frame = frame[frame["stage"] == stage]
    if frame.empty:
        raise ValueError(f"convergence: no epochs of stage {stage}")
    fig, axes = panels(2, 2.9)
    for ax, name in zip(axes, ("accuracy", "loss")):
        _by_epoch(ax, frame, {name: "training", f"val_{name}": "validation"})
        ax.set_title(name.capitalize())
    axes[0].legend(loc="lower right")
    return fig


def _by_epoch(ax, frame: pd.DataFrame, columns: Mapping[str, str]) -> None:
    """Two columns over the epochs, by their names for readers: means over seeds, and bands of one standard deviation."""
    by = frame.groupby("epoch")
    for (column, word), (colour, dash) in zip(columns.items(), style.LINES):
        mean, spread = by[column].mean(), by[column].std().fillna(0)
        ax.plot(mean.index, mean, dash, color=colour, label=word, marker="o" if len(mean) < 25 else "")
        ax.fill_between(mean.index, mean - spread, mean + spread, color=colour, alpha=0.18, lw=0)
    ax.set_xlabel("epoch")
    ax.xaxis.get_major_locator().set_params(integer=True)
    quiet(ax, "y")


@styled
def ema_curves(histories: Sequence[pd.DataFrame]) -> Drawing | Note:
    """Validation accuracy by epoch with raw and with averaged weights, one panel a stage.

    `histories`: one frame a seed with stage, epoch, val_accuracy_raw and val_accuracy. Lines are means over
    the seeds, bands one standard deviation.
    """
    if not len(histories):
        return Note("No run to draw under this profile yet.")
    frame = pd.concat(histories)
    fig, axes = panels(frame["stage"].nunique(), 2.8, sharey=True)
    words = {"val_accuracy_raw": "raw weights", "val_accuracy": "averaged weights"}
    for ax, (stage, part) in zip(axes, frame.groupby("stage")):
        _by_epoch(ax, part, words)
        ax.set_title(f"Stage {int(stage)}")
        ax.yaxis.set_major_formatter(percent_label)
    axes[-1].legend(loc="lower right")
    axes[0].set_ylabel("validation accuracy")
    return fig

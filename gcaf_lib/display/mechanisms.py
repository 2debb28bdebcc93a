"""Charts of how the method's parts work: normalisation, Mixup, dead weights, the loss's slopes and minima."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import beta

from gcaf_lib.display import style
from gcaf_lib.display.style import Drawing, grid, panels, percent_label, quiet, styled
from gcaf_lib.settings import CLASSES


class Panel(NamedTuple):
    """One panel of `lines`: what is drawn over `x`, and a reference line in grey (or None)."""

    title: str
    xlabel: str
    x: np.ndarray
    series: Mapping[str, np.ndarray]
    reference: np.ndarray | None = None


@styled
def input_ranges(explicit: np.ndarray, native: Mapping[str, np.ndarray]) -> Drawing:
    """Distributions of the values that each backbone (panel) is fed under Equation 2, and under the backbone's own normalisation
    (of any shape, by backbone).
    """
    fig, axes = panels(len(native), 2.5, sharey=True)
    every = np.concatenate([np.ravel(values) for values in (explicit, *native.values())])
    edges = np.linspace(every.min() - 0.05, every.max() + 0.05, 60)
    for ax, (name, own) in zip(axes, native.items()):
        for word, array, (colour, dash) in zip(("Equation 2", "native"), (explicit, own), style.LINES):
            share = np.histogram(np.ravel(array), edges)[0] / np.size(array)
            share = np.maximum(share, 1e-9)  # empty: off the axis
            ax.stairs(share, edges, color=colour, ls=dash, lw=1.8, label=word)
        ax.set(title=name, xlabel="value at the backbone's input", yscale="log", ylim=(1e-5, 1))
        quiet(ax, "y")
    axes[0].set_ylabel("share of values")
    axes[-1].legend(loc="upper right")
    return fig


@styled
def beta_densities(alphas: Sequence[float]) -> Drawing:
    """Density of λ ~ Beta(α, α), and the distribution function of the larger weight max(λ, 1-λ)."""
    fig, (left, right) = panels(2, 2.8)
    x, m = np.linspace(0.002, 0.998, 499), np.linspace(0.5, 1, 300)
    for alpha, (colour, dash) in zip(alphas, style.LINES):
        law = beta(alpha, alpha)
        left.plot(x, law.pdf(x), dash, color=colour, label=f"α = {alpha:g}")
        right.plot(m, law.cdf(m) - law.cdf(1 - m), dash, color=colour, label=f"α = {alpha:g}")
    left.set(title="How λ is spread", xlabel="λ", ylabel="density", xlim=(0, 1), ylim=(0, 3))
    right.set(title="How much one image dominates", xlabel="larger weight, max(λ, 1 − λ)")
    right.set(ylabel="share of pairs below", xlim=(0.5, 1), ylim=(0, 1.02))
    right.yaxis.set_major_formatter(percent_label)
    for ax in (left, right):
        quiet(ax, "both")
    left.legend(loc="upper center")
    return fig


@styled
def mixed_batch(images: Sequence[np.ndarray], labels: np.ndarray, weights: Sequence[float]) -> Drawing:
    """Mixed training samples (Eq 3): image (H, W, 3) in 0..255, its λ above, its soft label (K,) as a bar below."""
    columns = 6
    rows = -(-len(images) // columns)
    height = rows * (style.WIDTH / columns + 0.42) + 0.3
    fig, axes = grid(rows * 2, columns, height, height_ratios=[9, 1] * rows)
    for ax in axes.flat:
        ax.set_axis_off()
    for top, low, image, label, weight in zip(axes[::2].flat, axes[1::2].flat, images, labels, weights):
        top.imshow(np.clip(image, 0, 255).astype(np.uint8))
        top.set_title(f"λ = {weight:.2f}", fontsize=8)
        start = 0.0
        for name, share in zip(CLASSES, label):
            low.barh(0, share, left=start, color=style.CLASS_COLOURS[name])
            start += share
        low.set_xlim(0, 1)
    style.class_legend(fig, CLASSES)
    return fig


@styled
def dead_weights(frame: pd.DataFrame) -> Drawing:
    """Weights of each fusion variant that get a gradient, and those that get none.

    `frame`: index variant, columns parameters and dead.
    """
    fig, (ax,) = panels(1, 0.7 + 0.36 * len(frame))
    y, alive = np.arange(len(frame)), (frame["parameters"] - frame["dead"]).to_numpy()
    bars = {"height": 0.62, "edgecolor": style.SURFACE, "linewidth": 1.2}
    ax.barh(y, alive, color=style.OURS, label="gets a gradient", **bars)
    ax.barh(y, frame["dead"], left=alive, color=style.ACCENT, hatch="///", label="gradient is zero", **bars)
    widest = max(frame["parameters"].max(), 1)
    for row, (total, dead) in enumerate(zip(frame["parameters"], frame["dead"])):
        words = "no weights" if not total else f"{total:,}" + (f", {dead / total:.0%} dead" if dead else "")
        ax.text(total + 0.01 * widest, row, words, va="center", fontsize=7.5, color=style.INK)
    ax.set_yticks(y, [str(v) for v in frame.index])
    ax.invert_yaxis()
    ax.set(xlim=(0, widest * 1.24), xlabel="weights of the fusion layer")
    ax.xaxis.set_major_formatter(lambda v, _: f"{v:,.0f}")
    ax.legend(loc="upper right")
    quiet(ax, "x")
    return fig


@styled
def slopes(p: np.ndarray, gradients: Mapping[str, np.ndarray], limit: float) -> Drawing:
    """Slope of the loss along the probability of the true class, one line a reading; zeros marked.

    Below zero the loss asks for more confidence, above zero for less. `limit`: end of the axis.
    """
    fig, (ax,) = panels(1, 3.0)
    for (name, values), (colour, dash) in zip(gradients.items(), style.LINES):
        ax.plot(p, values, dash, color=colour, label=name)
        turns = np.flatnonzero((values[:-1] < 0) & (values[1:] >= 0))
        ax.plot(p[turns], np.zeros(len(turns)), "v", color=colour, ms=8)
    ax.axhline(0, color=style.MUTED, lw=0.9)
    ax.set(xlabel="probability given to the true class", ylabel="slope of the loss", xlim=(p[0], 1.005))
    ax.set_ylim(-limit, limit)
    ax.legend(loc="lower left")
    quiet(ax, "both")
    return fig


@styled
def lines(panels: Sequence[Panel], ylabel: str, steps: Sequence[str] = ()) -> Drawing:
    """Several series over x, one panel each, on one axis of probabilities 0..1; `steps` are drawn as stairs."""
    fig, axes = style.panels(len(panels), 3.0)
    for ax, (title, xlabel, x, series, reference) in zip(axes, panels):
        if reference is not None:
            ax.plot(x, reference, color=style.MUTED, lw=4, alpha=0.35, label="the soft label itself")
        for (name, values), (colour, dash) in zip(series.items(), style.LINES):
            where = "steps-mid" if name in steps else "default"
            ax.plot(x, values, dash, color=colour, label=name, drawstyle=where)
        ax.set(title=title, xlabel=xlabel, ylim=(-0.02, 1.05))
        quiet(ax, "both")
    axes[0].set_ylabel(ylabel)
    handles, words = axes[-1].get_legend_handles_labels()
    fig.legend(handles, words, loc="outside lower center", ncols=len(words))
    return fig

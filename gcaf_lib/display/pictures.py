"""Figures that show images: samples, preprocessing, augmentation, Mixup, predictions, Grad-CAM."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd

from gcaf_lib.display import style
from gcaf_lib.display.overlays import open_files, reduced, tile
from gcaf_lib.display.style import NO_MAPS, Drawing, Note, down, grid, panels, styled
from gcaf_lib.settings import CLASSES


@styled
def sample_grid(
    images: Sequence[np.ndarray], labels: np.ndarray, classes: Sequence[str] = CLASSES
) -> Drawing:
    """Samples (Figure 7): one row a class, in the order given. Images (H, W[, 3]) uint8, any sizes."""
    labels = np.asarray(labels)
    rows = [k for k in range(len(classes)) if (labels == k).any()]
    columns = max((labels == k).sum() for k in rows)
    fig, axes = grid(len(rows), columns, (style.WIDTH - 0.3) / columns * len(rows))
    for line, k in zip(axes, rows):
        chosen = [image for image, label in zip(images, labels) if label == k]
        for ax, image in itertools.zip_longest(line, chosen):
            tile(ax, image)
        _row_label(line[0], _name(classes, k))
    return fig


@styled
def preprocessing_steps(steps: dict[str, np.ndarray]) -> Drawing:
    """One image through the preprocessing (Figure 2): title to image, left to right."""
    fig, axes = panels(len(steps), style.WIDTH / len(steps) + 0.3)
    for ax, (title, image) in zip(axes, steps.items()):
        tile(ax, image)
        ax.set_title(title)
    return fig


@styled
def intensities(before: np.ndarray, after: np.ndarray) -> Drawing:
    """Histograms of an image's grey levels before and after CLAHE (Figure 3)."""
    fig, (ax,) = panels(1, 2.6)
    edges = np.arange(0, 257, 4)
    looks = {"before": (before, style.MUTED, "--"), "after": (after, style.OURS, "-")}
    for word, (image, colour, dash) in looks.items():
        values = np.asarray(image).ravel()
        share = np.histogram(values, edges)[0] / max(len(values), 1)
        ax.stairs(share, edges, color=colour, lw=1.8, ls=dash, label=word)
    ax.set(xlabel="grey level", ylabel="share of pixels", xlim=(0, 256))
    ax.legend()
    ax.grid(True, axis="y")
    return fig


@styled
def augmentation_grid(original: np.ndarray, views: Sequence[np.ndarray]) -> Drawing:
    """One image and its augmented views (Figure 4)."""
    tiles, columns = [original, *views], 6
    rows = -(-len(tiles) // columns)
    fig, axes = grid(rows, columns, rows * style.WIDTH / columns + 0.25)
    for ax, image in itertools.zip_longest(axes.ravel(), tiles):
        tile(ax, image)
    axes[0, 0].set_title("original", fontsize=8)
    axes[0, 1].set_title("augmented views", fontsize=8)
    return fig


@styled
def mixup_grid(
    first: np.ndarray, second: np.ndarray, weights: Sequence[float], labels: tuple[str, str]
) -> Drawing:
    """Two images (H, W, 3) uint8 mixed with several λ (Figure 5), the soft label as a bar below."""
    fig, axes = grid(2, len(weights), style.WIDTH / len(weights) + 0.62, height_ratios=[8, 1])
    for top, bar, weight in zip(*axes, weights):
        mixed = weight * first.astype(float) + (1 - weight) * second.astype(float)
        tile(top, np.clip(mixed.round(), 0, 255).astype(np.uint8))
        top.set_title(f"λ = {weight:g}", fontsize=8.5)
        bar.barh(0, weight, color=style.CLASS_COLOURS.get(labels[0], style.OURS))
        bar.barh(0, 1 - weight, left=weight, color=style.CLASS_COLOURS.get(labels[1], style.MUTED))
        bar.set_xlim(0, 1)
        bar.set_axis_off()
    style.class_legend(fig, list(dict.fromkeys(labels)))
    return fig


@styled
def predictions_grid(
    images: Sequence[np.ndarray],
    probabilities: np.ndarray,
    labels: np.ndarray,
    classes: Sequence[str] = CLASSES,
    against: str = "truth",
) -> Drawing:
    """Images with class-wise confidence (Figure 12); a wrong prediction says so in words.

    against: whose word the labels are; where it is not the truth, the answer and that word stand side by side.
    """
    probabilities, labels = np.asarray(probabilities), np.asarray(labels)
    columns = 4
    rows = -(-len(images) // columns)
    fig, axes = grid(rows * 2, columns, rows * (style.WIDTH / columns + 0.95), height_ratios=[3, 1] * rows)
    tops, lows = axes[::2].ravel(), axes[1::2].ravel()
    for ax in (*tops[len(images) :], *lows[len(images) :]):
        ax.set_axis_off()
    for k, (top, low, image) in enumerate(zip(tops, lows, images)):
        tile(top, image)
        guess, truth = int(probabilities[k].argmax()), int(labels[k])
        wrong = guess != truth
        head = "model: " if against != "truth" else "wrong: " if wrong else ""
        top.set_title(f"{head}{_name(classes, guess)}", fontsize=8)
        if wrong or against != "truth":
            top.set_xlabel(f"{against}: {_name(classes, truth)}", fontsize=7.5)
        y = np.arange(len(classes))
        colours = [style.CLASS_COLOURS.get(c, style.OURS) for c in classes]
        low.barh(y, probabilities[k], color=colours, height=0.72)
        for j, value in enumerate(probabilities[k]):
            inside = value > 0.6
            low.text(value - 0.03 if inside else value + 0.03, j, f"{value:.2f}", va="center", fontsize=6,
                     ha="right" if inside else "left", color=style.readable_on(colours[j]) if inside else style.INK)  # fmt: skip
        down(low, [_name(classes, j) if k % columns == 0 else "" for j in y], fontsize=6.5)
        low.set(xlim=(0, 1), xticks=[])
        low.spines[:].set_visible(False)
        low.tick_params(length=0)
    return fig


def predictions(
    frame: pd.DataFrame, root: Path, classes: Sequence[str] = CLASSES, against: str = "truth"
) -> Drawing | Note:
    """`predictions_grid` of a frame's rows: file (below `root`), label, and p_<class> of each class."""
    if frame.empty:
        return Note("There is no such image.")
    images = open_files(root, frame["file"])
    probabilities = frame[[f"p_{c}" for c in classes]].to_numpy()
    return predictions_grid(images, probabilities, frame["label"].to_numpy(), classes, against=against)


@styled
def gradcam_grid(
    images: Sequence[np.ndarray],
    maps: Sequence[np.ndarray] | None,
    titles: Sequence[str],
    borders: Sequence[np.ndarray | None] | None = None,
) -> Drawing:
    """Image, Grad-CAM map and overlay (Figure 13), one column an example.

    `maps` (h, w) in 0..1 of any size, None where the run keeps none; `borders` (m, 2) x, y in fractions of the image: the tumour's
    outline, drawn where it is known.
    """
    import cv2

    if maps is None:
        return NO_MAPS
    fig, axes = grid(3, len(images), 3 * style.WIDTH / len(images) + 0.5)
    # reduced first, so that image, map and outline share one pixel grid
    for k, (image, heat) in enumerate(zip(map(reduced, images), maps)):
        side = image.shape[1::-1]
        fine = cv2.resize(np.asarray(heat, np.float32), side, interpolation=cv2.INTER_CUBIC)
        fine = np.clip(fine, 0, 1)
        colour = mpl.colormaps[style.HEAT](fine)[..., :3]
        grey = (image.mean(axis=2) if image.ndim == 3 else image)[..., None] / 255
        # strong where the map is strong, the plain image where it is not
        alpha = 0.15 + 0.5 * fine[..., None]
        border = None if borders is None else borders[k]
        tile(axes[0, k], image, border, width=1.3)
        tile(axes[1, k], (colour * 255).astype(np.uint8))
        tile(axes[2, k], ((grey * (1 - alpha) + colour * alpha) * 255).astype(np.uint8), border, width=1.3)
        axes[0, k].set_title(titles[k], fontsize=8)
    for ax, word in zip(axes[:, 0], ("image", "map", "overlay")):
        _row_label(ax, word)
    return fig


def _name(classes: Sequence[str], k: int) -> str:
    return style.CLASS_NAMES.get(classes[k], str(classes[k]))


def _row_label(ax, text: str) -> None:
    ax.set_ylabel(text, fontweight="bold", fontsize=8.5)

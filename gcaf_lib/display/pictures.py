"""Figures that show images: samples, preprocessing, augmentation, Mixup, predictions, Grad-CAM."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd

from gcaf_lib.display import style
from gcaf_lib.display.overlays import open_files, reduced
from gcaf_lib.display.style import Drawing, Note, drawing, styled
from gcaf_lib.settings import CLASSES


@styled
def sample_grid(
    images: Sequence[np.ndarray], labels: np.ndarray, classes: Sequence[str] = CLASSES
) -> Drawing:
    """Samples (Figure 7): one row a class, in the order given. Images (H, W[, 3]) uint8, any sizes."""
    labels = np.asarray(labels)
    rows = [k for k in range(len(classes)) if (labels == k).any()]
    columns = max((labels == k).sum() for k in rows)
    side = (style.WIDTH - 0.3) / columns
    fig = drawing(height=side * len(rows))
    axes = fig.subplots(len(rows), columns, squeeze=False)
    for line, k in zip(axes, rows):
        chosen = [image for image, label in zip(images, labels) if label == k]
        for ax, image in zip(line, [*chosen, *[None] * (columns - len(chosen))]):
            _image(ax, image)
        _row_label(line[0], style.CLASS_NAMES.get(classes[k], classes[k]))
    return fig


@styled
def preprocessing_steps(steps: dict[str, np.ndarray]) -> Drawing:
    """One image through the preprocessing (Figure 2): title to image, left to right."""
    fig = drawing(height=style.WIDTH / len(steps) + 0.3)
    for ax, (title, image) in zip(np.atleast_1d(fig.subplots(1, len(steps))), steps.items()):
        _image(ax, image)
        ax.set_title(title)
    return fig


@styled
def intensities(before: np.ndarray, after: np.ndarray, ignore_zero: bool = True) -> Drawing:
    """Histograms of an image's grey levels before and after CLAHE (Figure 3)."""
    fig = drawing(height=2.6)
    ax = fig.subplots()
    edges = np.arange(0, 257, 4)
    for image, colour, dash, word in (
        (before, style.MUTED, "--", "before"),
        (after, style.OURS, "-", "after"),
    ):
        values = np.asarray(image).ravel()
        values = values[values > 0] if ignore_zero else values
        share = np.histogram(values, edges)[0] / max(len(values), 1)
        ax.stairs(share, edges, color=colour, lw=1.8, ls=dash, label=word)
    what = "share of non-black pixels" if ignore_zero else "share of pixels"
    ax.set(xlabel="grey level", ylabel=what, xlim=(0, 256))
    ax.legend()
    ax.grid(True, axis="y")
    return fig


@styled
def augmentation_grid(original: np.ndarray, views: Sequence[np.ndarray], columns: int = 6) -> Drawing:
    """One image and its augmented views (Figure 4)."""
    tiles = [original, *views]
    rows = -(-len(tiles) // columns)
    fig = drawing(height=rows * style.WIDTH / columns + 0.25)
    axes = fig.subplots(rows, columns, squeeze=False).ravel()
    for k, ax in enumerate(axes):
        _image(ax, tiles[k] if k < len(tiles) else None)
    axes[0].set_title("original", fontsize=8)
    axes[1].set_title("augmented views", fontsize=8)
    return fig


@styled
def mixup_grid(
    first: np.ndarray, second: np.ndarray, weights: Sequence[float], labels: tuple[str, str]
) -> Drawing:
    """Two images (H, W, 3) uint8 mixed with several λ (Figure 5), the soft label as a bar below."""
    fig = drawing(height=style.WIDTH / len(weights) + 0.62)
    axes = fig.subplots(2, len(weights), height_ratios=[8, 1], squeeze=False)
    for k, weight in enumerate(weights):
        mixed = weight * first.astype(float) + (1 - weight) * second.astype(float)
        _image(axes[0, k], np.clip(mixed.round(), 0, 255).astype(np.uint8))
        axes[0, k].set_title(f"λ = {weight:g}", fontsize=8.5)
        bar = axes[1, k]
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
    columns: int = 4,
) -> Drawing:
    """Images with class-wise confidence (Figure 12); a wrong prediction says so in words."""
    probabilities, labels = np.asarray(probabilities), np.asarray(labels)
    rows = -(-len(images) // columns)
    fig = drawing(height=rows * (style.WIDTH / columns + 0.95))
    axes = fig.subplots(rows * 2, columns, height_ratios=[3, 1] * rows, squeeze=False)
    for k in range(rows * columns):
        top, low = axes[2 * (k // columns), k % columns], axes[2 * (k // columns) + 1, k % columns]
        if k >= len(images):
            top.set_axis_off()
            low.set_axis_off()
            continue
        _image(top, images[k])
        guess, truth = int(probabilities[k].argmax()), int(labels[k])
        wrong = "" if guess == truth else "wrong: "
        top.set_title(f"{wrong}{_name(classes, guess)}", fontsize=8)
        if wrong:
            top.set_xlabel(f"truth: {_name(classes, truth)}", fontsize=7.5)
        y = np.arange(len(classes))
        low.barh(
            y, probabilities[k], color=[style.CLASS_COLOURS.get(c, style.OURS) for c in classes], height=0.72
        )
        for j, value in enumerate(probabilities[k]):
            inside = value > 0.6
            low.text(value - 0.03 if inside else value + 0.03, j, f"{value:.2f}", va="center", fontsize=6,
                     ha="right" if inside else "left", color="#ffffff" if inside else style.INK)  # fmt: skip
        low.set(xlim=(0, 1), ylim=(len(classes) - 0.4, -0.6))
        low.set_yticks(y, [_name(classes, j) for j in y] if k % columns == 0 else [""] * len(y), fontsize=6.5)
        low.set_xticks([])
        low.spines[:].set_visible(False)
        low.tick_params(length=0)
    return fig


def predictions(frame: pd.DataFrame, root: Path, classes: Sequence[str] = CLASSES) -> Drawing | Note:
    """`predictions_grid` of a frame's rows: file (below `root`), label, and p_<class> of each class."""
    if frame.empty:
        return Note("There is no such image.")
    images = open_files(root, frame["file"])
    probabilities = frame[[f"p_{c}" for c in classes]].to_numpy()
    return predictions_grid(images, probabilities, frame["label"].to_numpy(), classes)


@styled
def gradcam_grid(
    images: Sequence[np.ndarray],
    maps: Sequence[np.ndarray],
    titles: Sequence[str],
    borders: Sequence[np.ndarray | None] | None = None,
) -> Drawing:
    """Image, Grad-CAM map and overlay (Figure 13), one column an example.

    `maps` (h, w) in 0..1 of any size; `borders` (m, 2) x, y in fractions of the image: the tumour's
    outline, drawn where it is known.
    """
    import cv2

    n = len(images)
    fig = drawing(height=3 * style.WIDTH / n + 0.5)
    axes = fig.subplots(3, n, squeeze=False)
    # reduced first, so that image, map and outline share one pixel grid
    for k, (image, heat) in enumerate(zip(map(reduced, images), maps)):
        height, width = image.shape[:2]
        fine = cv2.resize(np.asarray(heat, np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
        fine = np.clip(fine, 0, 1)
        colour = mpl.colormaps[style.HEAT](fine)[..., :3]
        grey = np.repeat(_grey(image)[..., None] / 255, 3, axis=2)
        # strong where the map is strong, the plain image where it is not
        alpha = 0.15 + 0.5 * fine[..., None]
        _image(axes[0, k], image)
        _image(axes[1, k], (colour * 255).astype(np.uint8))
        _image(axes[2, k], ((grey * (1 - alpha) + colour * alpha) * 255).astype(np.uint8))
        axes[0, k].set_title(titles[k], fontsize=8)
        if borders is not None and borders[k] is not None and len(borders[k]):
            outline = np.vstack([borders[k], borders[k][:1]]) * [width, height] - 0.5
            for line in (axes[0, k], axes[2, k]):
                line.plot(*outline.T, color="#00d7ff", lw=1.3)
    for ax, word in zip(axes[:, 0], ("image", "map", "overlay")):
        _row_label(ax, word)
    return fig


def _name(classes: Sequence[str], k: int) -> str:
    return style.CLASS_NAMES.get(classes[k], str(classes[k]))


def _grey(image: np.ndarray) -> np.ndarray:
    return image.mean(axis=2) if image.ndim == 3 else image


def _image(ax, image: np.ndarray | None) -> None:
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)
    if image is None:
        return
    longest = max(image.shape[:2])
    step = max(1, longest // 256)  # a tile is never shown larger than about 250 CSS pixels
    ax.imshow(image[::step, ::step], cmap="gray", vmin=0, vmax=255)


def _row_label(ax, text: str) -> None:
    ax.set_ylabel(text, fontweight="bold", fontsize=8.5)

"""Grad-CAM maps beside one another, and the tumour outlines that are known for the images shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from gcaf_lib.data.preprocess import decode
from gcaf_lib.display import style
from gcaf_lib.display.style import INK, NO_MAPS, WIDTH, Drawing, Note, grid, styled
from gcaf_lib.evaluation import heatmaps

OUTLINE = "#00d7ff"
SHOWN = 256  # pixels of a tile's longer side: a column is never wider than that


def outlines(dataset: Any, rows: Sequence[int]) -> list[np.ndarray | None]:
    """Tumour outline (m, 2) of each of these rows in fractions of width and height, None where unknown.

    From the figshare data (GCAF_FIGSHARE or the cache) for the real images, from their masks for
    phantoms. Nothing is raised where there is no figshare data or no image: nothing is known then.
    """
    from gcaf_lib.data import figshare, thumbnails
    from gcaf_lib.data.dataset import DataError

    files = dataset.frame["file"].to_numpy()[np.asarray(rows, int)]
    if dataset.root is None:
        return [None] * len(files)
    root = Path(dataset.root)
    if dataset.banner:
        return [_of_mask(root / "masks" / f"{Path(file).stem}.png") for file in files]
    try:
        slices = figshare.read(progress=False)
        matches = slices.files
        if matches is None:  # only the images shown are looked up: matching all takes minutes of reading
            part = dataset.frame.iloc[np.unique(np.asarray(rows, int))]
            thumbs = np.stack([thumbnails.shrink(thumbnails.grey(root / file)) for file in part["file"]])
            matches = figshare.match(part, thumbs, slices)
        known = figshare.borders(matches[matches["file"].isin(files)], slices)
    except DataError:
        return [None] * len(files)
    return [known.get(file) for file in files]


def _of_mask(path: Path) -> np.ndarray | None:
    mask = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) if path.is_file() else None
    found = [] if mask is None else cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0]
    if not len(found):
        return None
    points = max(found, key=cv2.contourArea).reshape(-1, 2)
    return (points + 0.5) / (mask.shape[1], mask.shape[0])


@styled
def gradcam_rows(
    images: Sequence[np.ndarray],
    maps: Mapping[str, Sequence[np.ndarray]],
    titles: Sequence[str],
    borders: Sequence[np.ndarray | None] | None = None,
) -> Drawing:
    """One column an example: the image, then it under each kind of map (a row a kind).

    images: (H, W[, 3]) uint8; maps: row name to (h, w) maps in 0..1, one an image; borders: (m, 2) x, y in
    fractions of the image, drawn on the image and on every overlay where known.
    """
    n, rows = len(images), len(maps) + 1
    if not n:
        return Note("There is none to show.")
    if not maps:
        return NO_MAPS
    fig, axes = grid(rows, n, rows * WIDTH / n + 0.35)
    for k, image in enumerate(map(reduced, images)):
        pictures = [image, *(heatmaps.overlay(image, kind[k], colours=style.HEAT) for kind in maps.values())]
        for line, picture in enumerate(pictures):
            tile(axes[line, k], picture, None if borders is None else borders[k])
        axes[0, k].set_title(titles[k], fontsize=8)
    for ax, word in zip(axes[:, 0], ("image", *maps)):
        ax.set_ylabel(word, color=INK, fontweight="bold", fontsize=8)
    return fig


def open_files(folder: Path, files: Iterable[str]) -> list[np.ndarray]:
    """Images (H, W, 3) of files below a folder, no larger than they are shown."""
    return [reduced(decode(folder / file)) for file in files]


def reduced(image: np.ndarray) -> np.ndarray:
    """The image (H, W[, 3]) no larger than it is shown: its longer side at most `SHOWN` pixels."""
    factor = SHOWN / max(image.shape[:2])
    if factor >= 1:
        return image
    size = (max(1, round(image.shape[1] * factor)), max(1, round(image.shape[0] * factor)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def tile(ax, picture: np.ndarray | None, border: np.ndarray | None = None, width: float = 1.2) -> None:
    """A picture (H, W[, 3]) without axes, or an empty place; `border` (m, 2) in fractions of it is drawn on it, where known."""
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    if picture is not None:
        step = max(1, max(picture.shape[:2]) // SHOWN)
        ax.imshow(picture[::step, ::step], cmap="gray", vmin=0, vmax=255)
    if border is not None and len(border):
        line = np.vstack([border, border[:1]]) * picture.shape[1::-1] - 0.5
        ax.plot(*line.T, color=OUTLINE, lw=width)

"""Chapter 2: what contrast, normalisation and augmentation do to images, measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import pandas as pd

from gcaf_lib.data.preprocess import clahe, decode, preprocess, resize
from gcaf_lib.display.style import CLASS_NAMES
from gcaf_lib.findings import words
from gcaf_lib.settings import CLASSES, DataSettings


def brightness(rgb: np.ndarray) -> np.ndarray:
    """The value channel of an RGB image (H, W, 3)."""
    return cv2.cvtColor(rgb, cv2.COLOR_RGB2HSV)[..., 2]


def bright_mask(grey: np.ndarray) -> np.ndarray:
    """Pixels of the head, bool as `grey` (H, W): brighter than half of Otsu's threshold."""
    threshold, _ = cv2.threshold(grey, 0, 255, cv2.THRESH_OTSU)
    return grey > threshold / 2


def same_pixels_said(by_hand: np.ndarray, path: Any, data: DataSettings) -> str:
    """Whether the steps written out, down to a file's equalised image, give the pixels that training reads."""
    height, width = by_hand.shape[:2]
    same = np.array_equal(resize(by_hand, data.image_size), preprocess(path, data))
    return (
        f"Clip limit {data.clahe_clip:g}, {data.clahe_tiles} × {data.clahe_tiles} tiles, {width} × {height} pixels to "
        f"{data.image_size} × {data.image_size}; the same pixels as `preprocess`: **{'yes' if same else 'no'}**."
    )


def clips_said(rgb: np.ndarray, limits: Sequence[float], tiles: int) -> str:
    """How far CLAHE moves the grey levels of an image's head at each clip limit, from the least on."""
    value = brightness(rgb)
    inside, before = bright_mask(value), value.astype(int)
    moved = [
        np.abs(brightness(clahe(rgb, limit, tiles)).astype(int) - before)[inside].mean() for limit in limits
    ]
    listed = ", ".join(f"{size:.1f} at {limit:g}" for limit, size in zip(limits, moved))
    return (
        f"How far CLAHE moves a pixel of this slice's head, on average, of 255 levels, by clip limit: {listed}. "
        f"Of what the highest limit moves, the lowest moves {moved[0] / moved[-1]:.0%}."
    )


def contrast(rgb: np.ndarray) -> tuple[float, float, float]:
    """Mean, global and local standard deviation of the value channel at 256 pixels."""
    grey = resize(rgb.max(axis=2), 256).astype(float)
    tiles = grey.reshape(8, 32, 8, 32).swapaxes(1, 2).reshape(64, -1)
    return grey.mean(), grey.std(), tiles.std(axis=1).mean()


def contrasts(dataset: Any, data: DataSettings, per_class: int) -> pd.DataFrame:
    """`contrast` before and after CLAHE over `per_class` images of each class, and the ratio of the local one."""
    lines = []
    for label, part in dataset.frame.groupby("label"):
        images = [decode(dataset.root / f) for f in part.sample(per_class, random_state=0)["file"]]
        before = np.array([contrast(p) for p in images])
        after = np.array([contrast(clahe(p, data.clahe_clip, data.clahe_tiles)) for p in images])
        cells = [f"{b:.0f} → {a:.0f}" for b, a in zip(before.mean(0), after.mean(0))]
        gain = after[:, 2] / before[:, 2]
        lines.append([CLASS_NAMES[CLASSES[label]], *cells, f"× {gain.mean():.2f} ± {gain.std(ddof=1):.2f}"])
    heads = ["Class", "Mean grey level", "Global contrast", "Local contrast", "Local contrast, ratio"]
    return pd.DataFrame(lines, columns=heads)


def normalisations_said(explicit: np.ndarray, native: Mapping[str, np.ndarray]) -> str:
    """How Equation 2's inputs differ from each backbone's native ones, as a list."""
    lines = []
    for name, own in native.items():
        gap, ratio = np.abs(explicit - own).max(), explicit.std() / own.std()
        lines.append(
            f"- **{name}**: Equation 2 is its native normalisation; the largest difference is {gap:.1g}."
            if gap < 1e-4
            else f"- **{name}**: natively from {words.number(own.min())} to {words.number(own.max())}; under Equation 2 from {words.number(explicit.min())} to "
            f"{words.number(explicit.max())}, with {ratio:.2f} times the standard deviation."
        )
    return "\n".join(lines)


def augmentations(layers: Sequence[Any]) -> pd.DataFrame:
    """Each layer, the library's class behind it, and what it was seen to do to 2,000 images."""
    texture = np.random.default_rng(0).integers(100, 156, (2000, 8, 8, 3)).astype("float32")  # never clips
    lines = []
    for layer in layers:
        kind = next(c for c in type(layer).__mro__ if c.__module__.split(".")[0] in ("keras_cv", "keras"))
        behind = f"{kind.__module__.split('.')[0]} {kind.__name__}"
        lines.append((layer.name, behind, _effect(layer, texture)))
    return pd.DataFrame(lines, columns=["Layer", "Class", "Measured on 2,000 images"])


def _effect(layer: Any, texture: np.ndarray) -> str:
    out = np.asarray(layer(texture, training=True))
    if layer.name.startswith("flip"):
        return f"{(out != texture).any(axis=(1, 2, 3)).mean():.1%} of the images flipped"
    if layer.name == "brightness":
        shift = (out - texture).mean(axis=(1, 2, 3)) / 255
        return f"shifted by {words.signed(shift.min(), 3)} to {words.signed(shift.max(), 3)} of the range"
    ratio = out.std(axis=(1, 2)).mean(1) / texture.std(axis=(1, 2)).mean(1)
    return f"contrast times {ratio.min():.3f} to {ratio.max():.3f}"


def clipping_said(layers: Sequence[Any], images: np.ndarray) -> str:
    """How much clipping at black and white touches, and where, when brightness and contrast change; images (B, S, S, 3)."""
    before = images.astype("float32")
    after = before
    for layer in layers:
        if not layer.name.startswith("flip"):
            after = layer(after, training=True)
    ends = (np.asarray(after) <= 0) | (np.asarray(after) >= 255)
    dark = (before[ends] < 32).mean() if ends.any() else 0.0
    return (
        f"After brightness and contrast changed, {ends.mean():.1%} of the values of {len(images)} images are exactly 0 or 255. Of these, "
        f"{dark:.0%} were darker than 32 before: "
    ) + (
        "clipping is mostly a matter of the background."
        if dark > 0.8
        else "clipping touches the head as well."
    )

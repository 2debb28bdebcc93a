"""A synthetic healthy head: skull, folded cortex, white matter and ventricles in three views.

Drawn with soft implicit shapes on one grid of coordinates from -1 to 1 (x right, y down), bent a
little for each person. It should look like a T1-weighted slice; it is no atlas.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

SIDE = 192  # pixels of the canvas
VIEWS = ("axial", "low-axial", "coronal", "sagittal")
_Y, _X = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j].astype(np.float32)


@dataclass(frozen=True)
class Person:
    """What all slices of one simulated person share. Fields are float32 (SIDE,SIDE), unit variance."""

    view: str
    shape: tuple[float, ...]  # width, height, egg, scalp, skull
    warp: np.ndarray  # (2,SIDE,SIDE)
    folds: np.ndarray  # (2,SIDE,SIDE) two fields, mixed by the slice's depth
    mottle: np.ndarray
    tones: dict[str, float]
    ventricle: float
    atrophy: float


@dataclass
class Head:
    """A drawn slice. image: float32 0..1; inside: signed distance from the brain's surface, > 0 inside;
    x, y: the bent coordinates; base: where the pituitary gland is; midline: whether there is a falx."""

    image: np.ndarray
    inside: np.ndarray
    x: np.ndarray
    y: np.ndarray
    base: tuple[float, float]
    midline: bool


def field(rng: np.random.Generator, grain: float) -> np.ndarray:
    """Smooth random field float32 (SIDE,SIDE), zero mean, unit variance; grain: size of a blob in pixels."""
    cells = max(int(SIDE / grain), 2) + 3
    coarse = rng.standard_normal((cells, cells), dtype=np.float32)
    out = cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    return (out - out.mean()) / out.std()


def _folding(rng: np.random.Generator, width: float) -> np.ndarray:
    """Labyrinth of gyri: noise between two scales."""
    noise = rng.standard_normal((SIDE, SIDE), dtype=np.float32)
    out = cv2.GaussianBlur(noise, (0, 0), width) - cv2.GaussianBlur(noise, (0, 0), 2 * width)
    return out / out.std()


def person(rng: np.random.Generator, view: str) -> Person:
    """A person's random anatomy."""
    shape = {
        "axial": (0.70, 0.87),
        "low-axial": (0.70, 0.86),
        "coronal": (0.70, 0.80),
        "sagittal": (0.86, 0.78),
    }[view]
    width, height = (side * rng.uniform(0.93, 1.06) for side in shape)
    tones = {
        "fat": 0.82,
        "skull": 0.07,
        "csf": 0.17,
        "grey": 0.46,
        "white": 0.62,
        "muscle": 0.36,
        "air": 0.03,
    }
    tones = {name: float(tone * rng.uniform(0.88, 1.12)) for name, tone in tones.items()}
    return Person(
        view,
        (width, height, rng.uniform(0.02, 0.14), rng.uniform(0.035, 0.075), rng.uniform(0.04, 0.065)),
        np.stack([field(rng, 60), field(rng, 60)]) * rng.uniform(0.012, 0.028),
        np.stack([_folding(rng, w) for w in rng.uniform(2.6, 3.4, 2)]),
        field(rng, 9),
        tones,
        float(rng.uniform(0.5, 1.3)),
        float(rng.uniform(0.0, 1.0)),
    )


def soft(signed: np.ndarray, width: float = 0.02) -> np.ndarray:
    """Membership 0..1 of a signed distance, with an edge of `width`."""
    return np.clip(signed * (1 / width) + 0.5, 0, 1)


def paint(image: np.ndarray, cover: np.ndarray, tone: float | np.ndarray) -> None:
    """Blend a tone over the image where `cover` (0..1) says so, in place."""
    image += cover * (tone - image)


def ellipse(
    x: np.ndarray, y: np.ndarray, cx: float, cy: float, a: float, b: float, tilt: float = 0
) -> np.ndarray:
    """Approximate signed distance from an ellipse, > 0 inside."""
    c, s = math.cos(tilt), math.sin(tilt)
    x, y = x - cx, y - cy
    u, v = (x, y) if tilt == 0 else (x * c + y * s, y * c - x * s)
    return min(a, b) - np.sqrt((u * u) * (min(a, b) / a) ** 2 + (v * v) * (min(a, b) / b) ** 2)


def draw(who: Person, depth: float) -> Head:
    """One slice of a person; depth: -1..1, how far the slice is from the middle of the series."""
    x, y = _X + who.warp[0] * (1 + 0.3 * depth), _Y + who.warp[1] * (1 - 0.3 * depth)
    angle = 0.5 * depth
    fold = math.cos(angle) * who.folds[0] + math.sin(angle) * who.folds[1]
    # plain floats throughout: NumPy's float64 scalars would widen every array
    width, height, egg, scalp, skull = who.shape
    shrink = 1 - 0.05 * depth
    view = {"axial": _axial, "low-axial": _low_axial, "coronal": _coronal, "sagittal": _sagittal}[who.view]
    outer = ellipse(x / (1 + egg * y), y, 0, 0, width * shrink, height * shrink)
    return view(who, x, y, outer, scalp, skull, fold, depth)


def _shell(who: Person, outer: np.ndarray, scalp: float, skull: float) -> np.ndarray:
    """Background, scalp and skull (its marrow shines a little)."""
    tone = who.tones
    image = np.full_like(outer, 0.012)
    paint(image, soft(outer), tone["fat"] * (0.9 + 0.07 * who.mottle))
    paint(image, soft(outer - scalp * (1 + 0.1 * who.mottle)), tone["skull"])
    middle = np.abs(outer - scalp - 0.5 * skull) - 0.18 * skull
    paint(image, 0.5 * soft(-middle), tone["muscle"])
    return image


def _tissue(who: Person, image: np.ndarray, inside: np.ndarray, fold: np.ndarray) -> None:
    """Cerebrospinal fluid, folded cortex and white matter wherever `inside` (signed distance) is positive."""
    tone = who.tones
    line = np.abs(fold)  # gyri lie between the zero lines of the field, along which the cortex folds inwards
    sulcus = np.minimum((0.1 + 0.14 * who.atrophy - line) * 0.06, 0.13 - inside)
    ribbon = np.minimum((0.62 - line) * 0.06, 0.19 - inside)
    paint(image, soft(inside + 0.02), tone["csf"])
    paint(image, soft(inside - 0.006 - 0.02 * who.atrophy), tone["grey"])
    paint(image, soft(np.minimum(inside - 0.055, -ribbon), 0.025), tone["white"])
    paint(image, soft(np.minimum(sulcus, inside), 0.012), tone["csf"])
    image += soft(inside) * 0.012 * who.mottle


def _axial(who, x, y, outer, scalp, skull, fold, depth) -> Head:
    image, tone = _shell(who, outer, scalp, skull), who.tones
    inside = outer - scalp - skull - 0.012 - 0.015 * who.atrophy
    _tissue(who, image, inside, fold)
    fissure = 0.012 + 0.01 * who.atrophy + 0.006 * fold
    paint(image, 0.8 * soft(np.minimum(fissure - np.abs(x), np.abs(y) - 0.25)) * soft(inside), tone["csf"])
    mirror, size = np.abs(x), who.ventricle * (1 + 0.25 * depth)
    # deep grey nuclei beside the ventricles, then the ventricles: front horn, body and back horn
    paint(image, 0.8 * soft(ellipse(mirror, y, 0.2, 0.0, 0.11, 0.2, 0.25), 0.04), tone["grey"])
    for cx, cy, a, b, tilt in (
        (0.085, -0.2, 0.05, 0.14, 0.35),
        (0.05, 0.0, 0.022, 0.2, 0),
        (0.13, 0.23, 0.045, 0.17, -0.4),
    ):
        paint(image, soft(ellipse(mirror, y, cx, cy, a * size, b * math.sqrt(size), -tilt)), tone["csf"])
    # bright choroid plexus and venous sinus, as after contrast
    paint(image, 0.6 * soft(ellipse(mirror, y, 0.13, 0.22, 0.018, 0.05, 0.4)), tone["fat"])
    paint(image, 0.7 * soft(ellipse(x, y, 0, 0.87 * who.shape[1] - scalp - skull, 0.03, 0.03)), tone["fat"])
    return Head(image, inside, x, y, (0.0, -0.12), True)


def _low_axial(who, x, y, outer, scalp, skull, fold, depth) -> Head:
    image, tone, mirror = _shell(who, outer, scalp, skull), who.tones, np.abs(x)
    within = outer - scalp - skull - 0.012
    # the skull base is fat, muscle and air; temporal lobes, frontal base and hind brain lie in it
    paint(image, soft(within), tone["muscle"] * (0.75 + 0.25 * who.mottle))
    lobes = ellipse(mirror, y, 0.33, -0.08, 0.25, 0.25)
    front = ellipse(mirror, y, 0.16, -0.36 - 0.1 * depth, 0.2, 0.2)
    hind = ellipse(x, y, 0, 0.42, 0.47, 0.32)
    stem = ellipse(x, y, 0, 0.12, 0.15, 0.15)
    inside = np.minimum(np.maximum(np.maximum(lobes, front), hind), within)
    _tissue(who, image, inside, fold)
    stripes = np.sin(46 * np.hypot(x, y - 0.2) + 2 * fold)
    paint(image, soft(np.minimum(hind, within) - 0.03), tone["grey"] * (1 + 0.13 * stripes))
    star = ellipse(x, y, 0, -0.1, 0.13, 0.11) + 0.02 * fold
    paint(image, soft(star, 0.04), tone["csf"])
    paint(image, soft(stem, 0.03), tone["white"] * 0.95)
    paint(image, soft(ellipse(x, y, 0, 0.29, 0.05 * who.ventricle, 0.035)), tone["csf"])
    # eyes: dark vitreous in bright fat; air cells between them
    paint(image, soft(ellipse(mirror, y, 0.31, -0.58, 0.17, 0.16, 0.3), 0.04), tone["fat"] * 0.9)
    paint(image, soft(ellipse(mirror, y, 0.32, -0.64, 0.115, 0.12)), tone["csf"] * 0.9)
    paint(image, 0.85 * soft(ellipse(x, y, 0, -0.62, 0.09, 0.16) + 0.015 * fold), tone["air"])
    paint(image, 0.8 * soft(ellipse(mirror, y, 0.46, 0.18, 0.13, 0.05, -0.4) + 0.012 * fold), tone["skull"])
    return Head(image, np.maximum(inside, np.minimum(star, within)), x, y, (0.0, -0.12), False)


def _coronal(who, x, y, outer, scalp, skull, fold, depth) -> Head:
    tone, mirror = who.tones, np.abs(x)
    neck = np.minimum(0.5 - mirror, y)
    outer = np.maximum(outer, np.minimum(neck, 0.25))
    image = _shell(who, outer, scalp, skull)
    within = outer - scalp - skull - 0.012
    paint(image, soft(np.minimum(within, y - 0.3)), tone["muscle"] * (0.95 + 0.16 * who.mottle))
    cerebrum = ellipse(x, y, 0, -0.2, 0.9, 0.6)
    temporal = ellipse(mirror, y, 0.36, 0.2, 0.24, 0.2, 0.2)
    inside = np.minimum(np.maximum(np.minimum(cerebrum, 0.18 - y), temporal), within - 0.015 * who.atrophy)
    _tissue(who, image, inside, fold)
    paint(image, 0.85 * soft(np.minimum(0.012 + 0.006 * fold - mirror, -0.3 - y)) * soft(inside), tone["csf"])
    sylvian = ellipse(mirror, y, 0.5, 0.02, 0.16, 0.018 + 0.012 * who.atrophy, 0.35) + 0.008 * fold
    paint(image, soft(np.minimum(sylvian, inside + 0.02)), tone["csf"])
    paint(image, 0.8 * soft(ellipse(mirror, y, 0.2, -0.05, 0.11, 0.12), 0.04), tone["grey"])
    size = who.ventricle * (1 + 0.25 * depth)
    paint(image, soft(ellipse(mirror, y, 0.1, -0.21, 0.1 * size, 0.04 * size, 0.5)), tone["csf"])
    paint(image, soft(ellipse(x, y, 0, -0.02, 0.016 * size, 0.1)), tone["csf"])
    stem = np.minimum(0.13 - mirror - 0.1 * np.maximum(y - 0.3, 0), np.minimum(y - 0.15, 0.62 - y))
    if depth > 0:  # further back the section meets the brain stem
        paint(image, soft(stem, 0.04), tone["white"] * 0.93)
    paint(image, soft(ellipse(x, y, 0, 0.27, 0.13, 0.06) + 0.01 * fold, 0.03), tone["csf"])
    paint(image, 0.9 * soft(ellipse(x, y, 0, 0.47, 0.15, 0.08) + 0.02 * fold), tone["air"])
    paint(image, 0.8 * soft(ellipse(mirror, y, 0.33, 0.62, 0.1, 0.14) + 0.02 * fold), tone["air"])
    paint(image, 0.6 * soft(ellipse(mirror, y, 0.13, 0.34, 0.03, 0.03)), tone["fat"])
    return Head(image, inside, x, y, (0.0, 0.33), True)


def _sagittal(who, x, y, outer, scalp, skull, fold, depth) -> Head:
    tone = who.tones
    cranium = ellipse(x, y, 0.03, -0.15, 0.8 * (who.shape[0] / 0.86), 0.68)
    face = np.minimum(np.minimum(x + 0.68 - 0.18 * np.sin(5 * y + 0.4), 0.25 - x), y + 0.15)
    neck = np.minimum(np.minimum(x + 0.15, 0.55 - x), y)
    body = np.maximum(cranium, np.minimum(np.maximum(face, neck), 0.2))
    image = _shell(who, body, scalp, skull)
    paint(image, soft(np.minimum(body - scalp, y - 0.2)), tone["muscle"] * (0.95 + 0.18 * who.mottle))
    within = cranium - scalp - skull - 0.012 - 0.012 * who.atrophy
    floor = 0.1 - 0.25 * (x + 0.2) * (x < -0.2) - 0.1 * x
    cerebrum = np.minimum(within, floor - y)
    cerebellum = np.minimum(ellipse(x, y, 0.4, 0.24, 0.25, 0.17, -0.3), within + 0.03)
    inside = np.maximum(cerebrum, cerebellum)
    _tissue(who, image, cerebrum, fold)
    stripes = np.sin(60 * np.hypot(x - 0.2, y - 0.22) + 2 * fold)
    paint(image, soft(cerebellum + 0.02), tone["csf"])
    paint(image, soft(cerebellum), tone["grey"] * (1.05 + 0.16 * stripes))
    # corpus callosum over the lateral ventricle, thalamus below, then brain stem and fourth ventricle
    arch = ellipse(x, y, 0.02, -0.06, 0.36, 0.22, 0.05)
    paint(image, soft(np.minimum(arch, 0.02 - y)), tone["grey"] * 0.95)
    paint(image, soft(np.minimum(np.minimum(arch, 0.055 - arch), -y), 0.03), tone["white"] * 1.12)
    hollow = np.minimum(np.minimum(arch - 0.055, 0.06 * who.ventricle - (arch - 0.055)), -0.02 - y)
    paint(image, soft(hollow), tone["csf"])
    paint(image, soft(ellipse(x, y, 0.08, -0.02, 0.14, 0.09)), tone["grey"] * 1.1)
    stem = 0.085 - np.abs(x - 0.13 - 0.12 * (y - 0.1)) + 0.035 * np.exp(-(((y - 0.24) / 0.09) ** 2))
    paint(image, soft(np.minimum(np.minimum(stem, y - 0.02), 0.95 - y), 0.03), tone["white"] * 0.95)
    paint(image, soft(ellipse(x, y, 0.235, 0.22, 0.025 * who.ventricle, 0.06, -0.3)), tone["csf"])
    paint(image, soft(ellipse(x, y, -0.02, 0.16, 0.1, 0.05) + 0.008 * fold, 0.03), tone["csf"])
    # sphenoid sinus and nasal cavity are air; the clivus is marrow
    paint(image, soft(ellipse(x, y, -0.2, 0.35, 0.11, 0.07) + 0.01 * fold), tone["air"])
    paint(image, 0.9 * soft(ellipse(x, y, -0.38, 0.5, 0.2, 0.06, 0.2) + 0.02 * fold), tone["air"])
    paint(image, 0.8 * soft(ellipse(x, y, -0.03, 0.36, 0.035, 0.12, -0.5)), tone["fat"] * 0.8)
    return Head(image, inside, x, y, (-0.11, 0.25), False)

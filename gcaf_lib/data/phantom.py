"""Phantoms: seeded synthetic slices of the four classes, with lesion masks, patients and copies.

They let every chapter run without a download, and have the real dataset's faults: slices of one patient
in both folders, mirrored copies, identical files, and image sizes that hint at the class. They
are no model of disease: the place, shape and enhancement of a lesion follow textbook cartoons.
"""

from __future__ import annotations

import io
import math
import os
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from PIL import Image

from gcaf_lib.data.anatomy import SIDE, VIEWS, Head, Person, draw, ellipse, field, paint, person, soft
from gcaf_lib.machine import cores
from gcaf_lib.settings import CLASSES

VERSION = 1  # raise it when pixels change: cached phantoms are keyed by it
MIRRORED = 0.12  # share of files that are mirrored copies of another file, re-encoded at another size
IDENTICAL = 0.03  # share of files that are byte for byte another file
TESTING = 0.19  # share of files in Testing/, as in the real dataset
QUALITY = 95
# how often each view is seen, in the order of anatomy.VIEWS
_VIEWS = {
    "glioma": (0.5, 0.14, 0.18, 0.18),
    "meningioma": (0.46, 0.16, 0.2, 0.18),
    "notumor": (0.46, 0.2, 0.17, 0.17),
    "pituitary": (0.0, 0.4, 0.3, 0.3),
}


@dataclass(frozen=True)
class Lesion:
    """A lesion in the bent coordinates of `anatomy`; radius and oedema in half image widths."""

    kind: str
    centre: tuple[float, float]
    radius: float
    waves: np.ndarray  # (4,2) amplitude and phase of the outline's harmonics 2..5
    stretch: tuple[float, float]  # ratio and direction
    tone: float  # enhancement of the solid part
    core: float  # share of the radius that is necrotic
    oedema: float
    texture: np.ndarray


@dataclass(frozen=True)
class Patient:
    """A simulated patient: anatomy, lesion (None for notumor) and how the scanner sees them."""

    who: Person
    lesion: Lesion | None
    bias: np.ndarray
    tilt: float
    gamma: float


def _patient(class_name: str, rng: np.random.Generator) -> Patient:
    who = person(rng, str(rng.choice(VIEWS, p=_VIEWS[class_name])))
    lesion = None if class_name == "notumor" else _lesion(class_name, draw(who, 0.0), rng)
    bias = field(rng, 110) * rng.uniform(0.04, 0.15)
    return Patient(who, lesion, bias, rng.normal(0, 3), rng.uniform(0.8, 1.25))


def _lesion(kind: str, head: Head, rng: np.random.Generator) -> Lesion:
    """A random lesion of a class; the classes overlap in size, outline, tone and place."""
    rough = {"glioma": 0.16, "meningioma": 0.05, "pituitary": 0.06}[kind] * rng.uniform(0.4, 1.5)
    waves = np.column_stack([rng.normal(0, rough, 4) / np.arange(1, 5), rng.uniform(0, 2 * np.pi, 4)])
    core, oedema = 0.0, 0.0
    if kind == "glioma":
        radius = rng.uniform(0.14, 0.28)
        tone, core, oedema = rng.uniform(0.75, 1.05), rng.uniform(0.5, 0.85), rng.uniform(0.3, 0.9)
        if rng.random() < 0.12:  # low grade: no ring, hardly any enhancement
            tone, core = rng.uniform(0.24, 0.36), 0.0
        elif rng.random() < 0.12:  # solid
            core = 0.0
        centre = _somewhere(head, rng, np.abs(head.inside - rng.uniform(0.12, 0.36)) < 0.03)
    elif kind == "meningioma":
        radius = rng.uniform(0.10, 0.22)
        tone, oedema = rng.uniform(0.8, 1.05), float(rng.choice([0, 0, rng.uniform(0.2, 0.6)]))
        if rng.random() < 0.1:
            core = rng.uniform(0.3, 0.5)
        if head.midline and rng.random() < 0.25:
            place = (np.abs(head.x) < 0.03) & (np.abs(head.y + 0.1) > 0.3) & (head.inside > 0.03)
        else:
            place = np.abs(head.inside - 0.6 * radius) < 0.012
        centre = _somewhere(head, rng, place)
    else:
        radius = rng.uniform(0.075, 0.15)
        tone = rng.uniform(0.78, 1.05)
        if rng.random() < 0.2:
            core = rng.uniform(0.2, 0.45)
        centre = (
            head.base[0] + rng.normal(0, 0.02),
            head.base[1] + rng.normal(0, 0.025) - 0.3 * (radius - 0.05),
        )
    stretch = (1 + min(abs(rng.normal(0, 0.08 if kind != "glioma" else 0.14)), 0.25), rng.uniform(0, np.pi))
    return Lesion(kind, centre, radius, waves, stretch, float(tone), core, float(oedema), field(rng, 7))


def _somewhere(head: Head, rng: np.random.Generator, allowed: np.ndarray) -> tuple[float, float]:
    """Bent coordinates of a random allowed pixel (of the brain, if nothing is allowed)."""
    pixels = np.flatnonzero(allowed if allowed.any() else head.inside > 0.1)
    pick = pixels[rng.integers(len(pixels))]
    return float(head.x.flat[pick]), float(head.y.flat[pick])


def _grow(head: Head, lesion: Lesion, depth: float) -> np.ndarray:
    """Paint the lesion into the head; return its soft mask 0..1."""
    image, radius = head.image, lesion.radius * (1 - 0.3 * depth**2)
    u, v = head.x - lesion.centre[0], head.y - lesion.centre[1]
    c, s = math.cos(lesion.stretch[1]), math.sin(lesion.stretch[1])
    u, v = (u * c + v * s) / lesion.stretch[0], (v * c - u * s) * lesion.stretch[0]
    # the outline's radius at 512 angles, looked up for every pixel
    angles = np.linspace(-np.pi, np.pi, 512)
    outline = 1 + sum(a * np.cos(k * angles + p) for k, (a, p) in enumerate(lesion.waves, 2))
    outline = np.maximum(outline, 0.4).astype(np.float32)
    ratio = np.hypot(u, v) / (radius * outline[((np.arctan2(v, u) / np.pi + 1) * 255.5).astype(np.int32)])
    if lesion.kind == "glioma":
        ratio = ratio * (1 + 0.05 * lesion.texture)
    edge = {"glioma": 0.05, "meningioma": 0.025, "pituitary": 0.03}[lesion.kind]
    body = soft((1 - ratio) * radius, edge)
    body *= soft(head.inside + (0.25 if lesion.kind == "pituitary" else 0.015))
    if lesion.oedema:
        reach = 1 + lesion.oedema + 0.15 * lesion.texture
        paint(image, 0.75 * soft((reach - ratio) * radius, 0.08) * soft(head.inside - 0.03, 0.05), 0.36)
    if lesion.kind == "meningioma":  # a dark cleft, and a bright tail along the dura
        paint(image, 0.7 * soft((1.12 - ratio) * radius, 0.02) * soft(head.inside), 0.2)
        tail = np.minimum(0.018 - np.abs(head.inside - 0.004), (1.9 - ratio) * radius)
        paint(image, 0.8 * soft(tail), lesion.tone)
    paint(image, body, lesion.tone * (1 + (0.08 if lesion.kind == "glioma" else 0.03) * lesion.texture))
    if lesion.core:
        paint(image, body * soft((lesion.core - ratio + 0.06 * lesion.texture) * radius, 0.035), 0.22)
    return body


def _distractors(head: Head, rng: np.random.Generator) -> None:
    """Bright vessels and dark spots that any class may have, so that a bright dot alone proves nothing."""
    for _ in range(rng.poisson(0.8)):
        cx, cy = _somewhere(head, rng, head.inside > 0.04)
        a, b = rng.uniform(0.01, 0.025), rng.uniform(0.02, 0.06)
        cover = soft(ellipse(head.x, head.y, cx, cy, a, b, rng.uniform(0, np.pi))) * soft(head.inside)
        paint(head.image, rng.uniform(0.3, 0.8) * cover, float(rng.choice([0.2, 0.75, 0.85])))


def _scan(patient: Patient, depth: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """One slice, uint8 (SIDE,SIDE), and its lesion mask, bool (SIDE,SIDE)."""
    head = draw(patient.who, depth)
    _distractors(head, rng)
    mask = np.zeros_like(head.image) if patient.lesion is None else _grow(head, patient.lesion, depth)
    # the patient lies a little differently in each slice
    tilt = patient.tilt + rng.normal(0, 2.5)
    turn = cv2.getRotationMatrix2D((SIDE / 2, SIDE / 2), tilt, rng.uniform(0.93, 1.07))
    turn[:, 2] += rng.normal(0, 0.02 * SIDE, 2)
    image = cv2.warpAffine(head.image, turn, (SIDE, SIDE), borderValue=0.012)
    mask = cv2.warpAffine(mask, turn, (SIDE, SIDE)) > 0.5
    image = np.clip(image, 0, None) ** patient.gamma * np.exp(patient.bias)
    image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.5, 0.9))
    # magnitude images have Rician noise: the length of a vector with Gaussian noise in both parts
    sigma = rng.uniform(0.01, 0.028)
    noise = rng.standard_normal((2, SIDE, SIDE), dtype=np.float32) * sigma
    image = np.hypot(image + noise[0], noise[1]) * rng.uniform(0.85, 1.1)
    return np.clip(image * 235, 0, 255).astype(np.uint8), mask


def _fit(image: np.ndarray, shape: tuple[int, int], mask: bool = False) -> np.ndarray:
    """Resize to (height, width)."""
    if image.shape[:2] == shape:
        return image
    shrinks = shape[0] <= image.shape[0] and shape[1] <= image.shape[1]
    how = cv2.INTER_NEAREST if mask else cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return cv2.resize(image, shape[::-1], interpolation=how)


@dataclass(frozen=True)
class _File:
    """An encoded image with its mask (None: no lesion) and its patient."""

    data: bytes
    mask: np.ndarray | None
    patient: str


def _shape(class_name: str, rng: np.random.Generator) -> tuple[tuple[int, int], bool]:
    """(height, width) of a file, and whether it is cropped to the head: as in the real data a mild hint at notumor."""
    plain = 0.45 if class_name == "notumor" else 0.75
    if rng.random() < plain:
        return (256, 256), False
    height = int(rng.integers(150, 260))
    return (height, int(height * rng.uniform(0.82, 1.0))), bool(rng.random() < 0.5)


def _encode(
    image: np.ndarray, mask: np.ndarray, class_name: str, rng: np.random.Generator, patient: str
) -> _File:
    """Crop, resize and encode: mostly grey or RGB JPEG, now and then (as in the real data) a PNG."""
    shape, crop = _shape(class_name, rng)
    if crop:
        rows, columns = (np.flatnonzero((image > 40).mean(axis) > 0.02) for axis in (1, 0))
        window = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        image, mask = image[window], mask[window]
    image, mask = _fit(image, shape), _fit(mask.astype(np.uint8) * 255, shape, mask=True)
    mode = str(rng.choice(["L", "RGB", "RGBA", "P"], p=[0.44, 0.545, 0.01, 0.005]))
    if mode in ("RGBA", "P"):
        buffer = io.BytesIO()
        Image.fromarray(image).convert(mode).save(buffer, "PNG")
        data = buffer.getvalue()
    else:
        pixels = image if mode == "L" else cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
        data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()
    return _File(data, mask if mask.any() else None, patient)


def _series(class_name: str, number: int, seed: int) -> list[tuple[np.ndarray, np.ndarray, str]]:
    """The 3 to 6 slices of one patient; a function of its arguments alone, so threads change nothing."""
    rng = np.random.default_rng([seed, CLASSES.index(class_name), number])
    patient = _patient(class_name, rng)
    depths = np.linspace(-1, 1, rng.integers(3, 7)) + rng.uniform(-0.1, 0.1)
    name = f"{class_name}-{number:04d}"
    return [(*_scan(patient, depth, rng), name) for depth in depths.tolist()]


def _files(class_name: str, count: int, seed: int, pool: ThreadPoolExecutor) -> list[_File]:
    """`count` files of a class in random order: slices, mirrored copies and identical copies."""
    rng = np.random.default_rng([seed, CLASSES.index(class_name), 1 << 20])
    mirrored, identical = round(MIRRORED * count), max(round(IDENTICAL * count), 1)
    wanted, slices, number = count - mirrored - identical, [], 0
    while len(slices) < wanted:
        batch = range(number, number + max((wanted - len(slices)) // 4, 1))
        slices += [s for series in pool.map(lambda n: _series(class_name, n, seed), batch) for s in series]
        number = batch.stop
    slices = slices[:wanted]
    files = [_encode(image, mask, class_name, rng, name) for image, mask, name in slices]
    for source in rng.choice(wanted, mirrored, replace=mirrored > wanted):
        image, mask, name = slices[source]
        files.append(_encode(image[:, ::-1].copy(), mask[:, ::-1], class_name, rng, name))
    files += [files[source] for source in rng.choice(wanted, identical, replace=False)]
    return [files[i] for i in rng.permutation(count)]


def write(root: str | Path, per_class: int, seed: int = 0) -> Path:
    """Write per_class files of each class below the new folder `root`, whole or not at all.

    Laid out as the real dataset (Training/glioma/Tr-gl_0000.jpg, Testing/…), and patients.csv
    (file, patient) and masks/<stem>.png (0 or 255, of the file's size, for files with a
    lesion). The same seed gives the same bytes. If another process wrote `root` meanwhile, that one stays.
    Raises `ValueError` for fewer than 10 per class, `OSError` if the folder cannot be written.
    """
    root = Path(root)
    if per_class < 10:
        raise ValueError(f"per_class={per_class}: at least 10 phantoms per class are needed")
    root.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{root.name}.", dir=root.parent))
    try:
        (part / "masks").mkdir()
        rows = []
        with ThreadPoolExecutor(cores()) as pool:
            for class_name in CLASSES:
                files = _files(class_name, per_class, seed, pool)
                testing = round(TESTING * per_class)
                for place, some in (("Testing", files[:testing]), ("Training", files[testing:])):
                    (part / place / class_name).mkdir(parents=True)
                    for number, file in enumerate(some):
                        stem = f"{place[:2]}-{class_name[:2]}_{number:04d}"
                        name = f"{place}/{class_name}/{stem}.jpg"
                        (part / name).write_bytes(file.data)
                        rows.append((name, file.patient))
                        if file.mask is not None:
                            (part / "masks" / f"{stem}.png").write_bytes(cv2.imencode(".png", file.mask)[1])
        pd.DataFrame(sorted(rows), columns=["file", "patient"]).to_csv(part / "patients.csv", index=False)
        part.chmod(0o755)  # mkdtemp's folders are private
        if not root.is_dir():
            os.replace(part, root)
    except OSError:
        if not root.is_dir():
            raise
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return root

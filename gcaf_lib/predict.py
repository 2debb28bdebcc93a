"""Classify single images with a trained run: probabilities, and pictures of where the model looked."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gcaf_lib.machine import whole
from gcaf_lib.training import environment, remaking, runs
from gcaf_lib.training.shipped import Shipped

PHANTOM_NOTE = "PHANTOM DATA: this model was trained on synthetic phantoms; its answers mean nothing."


@dataclass(frozen=True)
class Classified:
    """What the model said: probabilities (n, K) in the order of `images` and `classes`."""

    run: str
    weights: str
    images: tuple[str, ...]
    classes: tuple[str, ...]
    probabilities: np.ndarray
    banner: str | None = None
    overlays: tuple[Path, ...] = field(default=())
    replaced: tuple[Path, ...] = field(default=())  # overlays in whose place a file stood
    blank: tuple[str, ...] = field(default=())  # images of one brightness, whose answer means nothing

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON: the run, one entry an image, and the files of `overlays`, in the order of the images."""
        answers = [
            {
                "image": name,
                "class": self.classes[int(p.argmax())],
                "probabilities": {c: round(float(v), 6) for c, v in zip(self.classes, p)},
            }
            for name, p in zip(self.images, self.probabilities)
        ]
        about = {"run": self.run, "weights": self.weights, "note": self.banner, "blank": list(self.blank)}
        return {**about, "images": answers, "overlays": [str(path) for path in self.overlays]}


def classify(
    record: runs.Record | Shipped,
    files: Sequence[str | Path],
    which: str = "ema",
    cam: str | Path | None = None,
    loading: Callable[[], object] = lambda: None,
) -> Classified:
    """Class probabilities of image files, prepared as the run's own images were (Eqs 1, 2).

    record: a main run, or the model that travels with the package; files: image paths, or views of medical files
    (`data.medical.View`); which: `ema` or `raw` weights; cam: a folder for one Grad-CAM picture an image: the map of
    each backbone, and of both, for the class predicted; loading: called before the backend and the model are loaded, which
    takes seconds, once images and weights are known to be there.
    Raises `DataError` naming the files that are no images (of very many the first), `RunError` where the run has no classifier
    or its weights are not on this machine, `NotADirectoryError` where cam is a file, `ValueError` where no file is given.
    """
    if not len(files):
        raise ValueError("no image is given: give one path or more")
    if not isinstance(record, Shipped):
        record.demand_classifier()
    elif which != "ema":
        raise runs.RunError(
            "the model of this package has EMA weights alone: for raw ones name a run (gcaf runs)"
        )
    from gcaf_lib.data import files as image_files
    from gcaf_lib.data import listed, medical

    # Read the images first: a wrong path is said before seconds are spent on the model.
    settings = record.settings
    images = np.stack(image_files.readable(lambda f: medical.prepared(_there(f), settings.data), files))
    folder = None if cam is None else Path(cam)  # made with the first picture: what fails leaves none behind
    if folder is not None and folder.exists() and not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
    pictures = [] if folder is None else _names(folder, files)
    for path in pictures:
        listed.demand_spared(path, files)
    if isinstance(record, runs.Record):
        remaking.demand_weights(record, which)
    loading()
    environment.open_backend()
    from gcaf_lib.training import loop, train

    model = record.model() if isinstance(record, Shipped) else train.load_model(record, which)
    rows = np.arange(len(images))
    probabilities = loop.probabilities(model, images, rows, batch_size=min(32, len(images)))
    if not np.isfinite(probabilities).all():
        raise runs.RunError(
            f"the {which} weights of run {record.key} answer with values that are no numbers: train the run again"
        )
    replaced = tuple(path for path in pictures if path.exists())
    if folder is not None:
        from gcaf_lib.evaluation import heatmaps
        from gcaf_lib.model import gradcam

        cams, target, _ = gradcam.maps(model, images, rows)
        if len(cams) > 1:
            cams["both"] = heatmaps.fused(cams, images.shape[1])
        for i, path in enumerate(pictures):
            label = f"{settings.data.classes[int(target[i])]}, p = {probabilities[i, target[i]]:.2f}"
            _draw(path, images[i], {name: maps[i] for name, maps in cams.items()}, label)
    return Classified(
        run=record.key,
        weights=which,
        images=tuple(map(str, files)),
        classes=settings.data.classes,
        probabilities=probabilities,
        banner=PHANTOM_NOTE if settings.data.source == "phantom" else None,
        overlays=tuple(pictures),
        replaced=replaced,
        blank=tuple(str(f) for f, image in zip(files, images) if image.min() == image.max()),
    )


def _there(file: Any) -> Any:
    """The file, or `DataError`: to fetch the dataset, as `dataset.read_bytes` says, is no cure for somebody's own image."""
    from gcaf_lib.data.dataset import DataError

    if not os.path.exists(file):
        raise DataError(f"{file} does not exist: check the path")
    if os.path.isdir(file):
        raise DataError(f"{file} is a folder: give the images in it, one by one or as {Path(file) / '*.jpg'}")
    return file


def _names(folder: Path, files: Sequence[str | Path]) -> list[Path]:
    """One file name an image, numbered where two images are called alike (or but for upper and lower case)."""
    out: dict[str, Path] = {}
    for file in files:
        # whose name fits into 255 bytes, fits with its number too; a letter that is cut in two is left out
        stem = os.fsencode(Path(file).stem)[:180].decode(errors="ignore")
        names = (f"{stem}{number}-cam.png" for number in ("", *(f"-{n}" for n in range(2, len(files) + 2))))
        name = next(name for name in names if name.casefold() not in out)
        out[name.casefold()] = folder / name
    return list(out.values())


def _draw(path: Path, image: np.ndarray, maps: dict[str, np.ndarray], title: str) -> None:
    """The prepared image, then each map over it; written whole or not at all."""
    from matplotlib.figure import Figure

    from gcaf_lib.evaluation import heatmaps

    panels = {"image": image, **{name: heatmaps.overlay(image, heat) for name, heat in maps.items()}}
    figure = Figure(figsize=(3 * len(panels), 3.4), layout="constrained")
    for axis, (name, picture) in zip(figure.subplots(1, len(panels)), panels.items()):
        axis.imshow(picture)
        axis.set_title(name, fontsize=10)
        axis.set_axis_off()
    figure.suptitle(title, fontsize=11)
    with whole(path) as part:
        figure.savefig(part, dpi=150)

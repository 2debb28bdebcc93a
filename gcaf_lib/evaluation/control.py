"""Do the maps point at what decided? A control in which that is known (`gcaf_lib.data.marks`).

Nothing but one small mark tells the class, so a model that is right has looked at it, and a map that does
not point there is not accepted as evidence. The model is trained in the order of every run, but briefly
(`TRAINING`): stage 0 of each backbone alone as long as it needs, then the fused model on them, without
stage 2. Every method and layer is scored against the mark, beside a random map. A backbone's map is judged
where that backbone alone is right nearly always (`RIGHT`): a map of one that has learnt nothing shows
nothing of the method. The negative control is an untrained model, whose maps must not point at the mark. (A
model trained on shuffled labels is none here: it has nothing else to go by than the mark, and may well look
at it.) Neither a pass nor a failure carries over by itself to grey tumours or to larger networks.

The scores are committed as `results/control.csv`; make them again (trains miniatures, about an hour on two
cores; needs no data):

    python -m gcaf_lib.evaluation.control
"""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from gcaf_lib import machine
from gcaf_lib.data import committed, marks
from gcaf_lib.evaluation import heatmaps, localisation, tumours
from gcaf_lib.settings import Settings, digest, load, results_dir
from gcaf_lib.terminal import arguments
from gcaf_lib.training import reproduce
from gcaf_lib.training.task import Task

MODULE = "gcaf_lib.evaluation.control"  # run by itself it makes what is committed
SIZES = {"train": 1500, "validation": 200, "test": 200}
STAGE0 = {"efficientnetv2-s": 2, "convnext-tiny": 10}  # epochs until a backbone alone knows the marks
TRAINING = {
    "batch_size": 16,
    "stage0_batch_size": 8,
    "stage1_epochs": 2,
    "stage1_rate": 3e-3,
    "stage2_epochs": 0,
}
SEEDS = (0, 1, 2)
OCCLUDED = 50  # pictures that occlusion is scored on: it takes 64 answers each
RIGHT = 0.95  # share of right answers from which maps can be judged
ENOUGH = 0.5  # share of pictures on which a map that passes points at the mark, with every seed
LEAK = 0.1  # and a model that has learnt nothing at most on this share
PASSES, FAILS, SILENT = "passes", "fails", "says nothing"
PAPER = (
    "grad-cam",
    "after",
)  # method and place: the usual reading of the paper's figure, which names neither
WHOLE = "whole"  # the map of a method that needs no layer
TRAINED, UNTRAINED = "trained", "untrained"
KINDS = ((TRAINED, False), (TRAINED, True), (UNTRAINED, False))  # kind, LayerNorm behind the projection
KEY = ["map", "method", "place"]  # what names a map
SCORES = ("pointing", "tolerant", "energy")
COLUMNS = (
    "kind",
    "projection_norm",
    "seed",
    "accuracy",
    "map",
    "alone",
    "method",
    "place",
    "n",
    "chance",
    *SCORES,
)


@dataclass(frozen=True)
class Work(Task):
    """The marks as a run's data, with `pictures` for images."""

    pictures: marks.Marks

    @cached_property
    def images(self) -> np.ndarray:
        return self.pictures.images

    @cached_property
    def split_hash(self) -> str:
        return self.dataset.hash


def work(settings: Settings, seed: int, sizes: dict[str, int] | None = None) -> Work:
    """Training, validation and test pictures of their own for each seed."""
    sizes = sizes or SIZES
    pictures = marks.make(sum(sizes.values()), seed)
    part = np.repeat(list(sizes), list(sizes.values()))
    frame = pd.DataFrame({"label": pictures.labels})
    dataset: Any = SimpleNamespace(hash=digest(["marks", seed, sizes]), frame=frame, root=None)
    return Work(settings, dataset, pd.DataFrame({"part": part}), pictures)


def explain(
    model: Any, images: np.ndarray, occluded: int = OCCLUDED
) -> dict[tuple[str, str, str], np.ndarray]:
    """(map, method, place) to maps (n, h, w) of the class that the model names; of occlusion the first few only.

    The fused map is the mean over backbones of one method and place; a random map stands for no method.
    """
    from gcaf_lib.model import gradcam as cam

    found = {}
    for method in cam.METHODS:
        for place in cam.PLACES:
            cams = cam.maps(model, images, method=method, place=place)[0]
            if len(cams) > 1:
                cams[tumours.FUSED] = heatmaps.fused(cams, marks.SIDE)
            found |= {(name, method, place): maps for name, maps in cams.items()}
    for method, count in ((cam.SENSITIVITY, None), (cam.OCCLUSION, occluded)):
        found[WHOLE, method, ""] = cam.maps(model, images[:count], batch=16, method=method)[0][method]
    found[tumours.RANDOM, "", ""] = localisation.random_maps(len(images), marks.SIDE, cam.CELLS)
    return found


def scores(found: Mapping[tuple[str, str, str], np.ndarray], masks: np.ndarray) -> pd.DataFrame:
    """One row a map of `explain`: map, method, place, n, chance, and means of what it scores against the marks.

    chance: the mark's share of the picture.
    """
    lines = []
    for key, maps in found.items():
        each = localisation.scores(maps, masks[: len(maps)])
        lines.append((*key, len(each), *each[["area", *SCORES]].mean()))
    return pd.DataFrame(lines, columns=[*KEY, "n", "chance", *SCORES])


class Outcome(NamedTuple):
    """One model's scores (`COLUMNS`), and of a picture of each class what to show: images, masks, maps."""

    table: pd.DataFrame
    shown: dict[str, np.ndarray]


def run(kind: str, norm: bool, seed: int, sizes: dict[str, int] | None = None) -> Outcome:
    """A model trained on the marks, or untrained, and what its maps score.

    accuracy: of the model on the test pictures; alone: of the backbone after its stage 0. Models are the
    demo profile's miniatures. What is trained lands in the store in use.
    """
    from gcaf_lib.training import loop

    model, alone, unseen = trained(kind, norm, seed, sizes)
    answers = loop.probabilities(model, unseen.images, np.arange(len(unseen.images))).argmax(1)
    found = explain(model, unseen.images)
    about = dict(
        kind=kind, projection_norm=norm, seed=seed, accuracy=float((answers == unseen.labels).mean())
    )
    table = scores(found, unseen.masks)
    table = table.assign(**about, alone=table["map"].map(alone))[list(COLUMNS)]
    first = [int(np.flatnonzero(unseen.labels == k)[0]) for k in range(marks.CLASSES)]
    shown = {
        " ".join(key).strip(): maps[first].astype(np.float16)
        for key, maps in found.items()
        if key[0] not in (tumours.FUSED, tumours.RANDOM)
    }
    return Outcome(table, {"images": unseen.images[first], "masks": unseen.masks[first], **shown})


def trained(
    kind: str, norm: bool, seed: int, sizes: dict[str, int] | None = None
) -> tuple[Any, dict[str, float], marks.Marks]:
    """A model trained on the marks, or untrained; of each of its backbones alone the share of right answers; and the
    test pictures, which it has not seen.

    What is trained lands in the store in use.
    """
    from gcaf_lib.model import classifier
    from gcaf_lib.training import train

    changes = {f"training.{name}": value for name, value in TRAINING.items()}
    s = load("demo", {**changes, "model.projection_norm": norm})
    data, alone = work(s, seed, sizes), {}
    if kind == UNTRAINED:
        model = classifier.build(s.model, marks.SIDE, marks.CLASSES, seed=seed)
    else:
        with tempfile.TemporaryDirectory() as folder:
            alone = _stage0(s, seed, data, Path(folder))
            s = s.replace({"model.weights": folder})
            model = train.load_model(train.get(s, seed, work=data, progress=False))
    test = data.part("test").rows
    return model, alone, marks.Marks(*(part[test] for part in data.pictures))


def _stage0(settings: Settings, seed: int, data: Work, folder: Path) -> dict[str, float]:
    """Train each backbone alone, as long as it needs; its weights into `folder`, its share of right answers back."""
    from gcaf_lib.training import runs, train

    alone = {}
    for key, epochs in STAGE0.items():
        longer = settings.replace({"training.stage0_epochs": epochs})
        path = train.stage0(longer, seed, key, data, progress=False)
        shutil.copy(path, folder / f"{key}.weights.h5")
        record = runs.find(path.parent.name)
        alone[key] = float(record.right(which="raw").mean())
    return alone


def map_verdicts(table: pd.DataFrame) -> pd.DataFrame:
    """One row a map, method, place and projection_norm of the trained models: means over seeds, and a verdict.

    low, high: pointing with the worst and the best seed; blind: how often the same map of untrained models
    points at the mark (mean over seeds), whatever the projection. verdict: `says nothing` where a model,
    or the backbone alone whose map it is, is not right on `RIGHT`, or no untrained model was measured; else `passes`
    where low is at least `ENOUGH` and blind at most `LEAK`; else `fails`.
    """
    trained = table["kind"] == TRAINED
    blind = table[~trained].groupby(KEY)["pointing"].mean()
    lines = []
    for (norm, *key), part in table[trained].groupby(["projection_norm", *KEY], sort=False):
        able = part[["accuracy", "alone"]].min(axis=None)
        low, high, leak = part["pointing"].min(), part["pointing"].max(), float(blind.get(tuple(key), np.nan))
        found = low >= ENOUGH and leak <= LEAK
        means = part[["accuracy", "alone", "chance", *SCORES]].mean()
        verdict = SILENT if able < RIGHT or np.isnan(leak) else PASSES if found else FAILS
        lines.append((norm, *key, *means, low, high, leak, len(part), int(part["n"].sum()), verdict))
    columns = ["accuracy", "alone", "chance", *SCORES, "low", "high", "blind", "seeds", "n", "verdict"]
    return pd.DataFrame(lines, columns=["projection_norm", *KEY, *columns])


def paper_map(verdicts: pd.DataFrame) -> pd.DataFrame:
    """The paper's reading among some maps of `map_verdicts`: Grad-CAM on the last maps, both backbones."""
    return verdicts[(verdicts[KEY] == [tumours.FUSED, *PAPER]).all(axis=1)]


def read(place: Path | None = None) -> pd.DataFrame:
    """The committed scores (`COLUMNS`). Raises `DataError` with the cure where there are none."""
    return committed.read("control.csv", MODULE, place).fillna({"method": "", "place": ""})


def read_pictures(place: Path | None = None) -> dict[str, np.ndarray]:
    """The committed pictures and maps of `Outcome.shown`."""
    with np.load(committed.find("control.npz", MODULE, place)) as stored:
        return dict(stored)


def write_pictures(pictures: Mapping[str, np.ndarray]) -> None:
    """Write what `read_pictures` reads, whole or not at all."""
    with machine.whole(results_dir() / "control.npz") as part:
        np.savez_compressed(part, **pictures)


if __name__ == "__main__":
    arguments(__doc__)
    done = []
    with reproduce.beside_store(own_stage0=True):
        for (kind, norm), seed in itertools.product(KINDS, SEEDS):
            done.append(run(kind, norm, seed))
            print(done[-1].table.to_string(index=False), flush=True)
    write_pictures(done[0].shown)
    table = pd.concat([one.table for one in done], ignore_index=True)
    print(committed.write("control.csv", table, "%.3g"))

"""Do the maps point at what decided? A control in which that is known (`gcaf_lib.data.marks`).

Nothing but one small mark tells the class, so a model that is right has looked at it, and a map that does
not point there is no evidence about anything. The model is trained as every run is: stage 0 of each
backbone alone, then the fused model on them. Every method and layer is scored against the mark, beside a
random map. A backbone's map is judged where that backbone alone is right nearly always (`RIGHT`): a map of
one that has learnt nothing shows nothing of the method. Two negative controls, an untrained model and one
trained on shuffled labels, must point no better than chance.

The scores are committed as `results/control.csv`; make them again (trains miniatures, about an hour on two
cores; needs no data):

    python -m gcaf_lib.evaluation.control
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from gcaf_lib.data import marks
from gcaf_lib.evaluation import gradcam, localisation, tumours
from gcaf_lib.settings import Settings, digest, load, results_dir
from gcaf_lib.training.task import Task

SIZES = {"train": 1500, "validation": 200, "test": 300}
EPOCHS = {
    "training.stage0_epochs": 4,
    "training.stage0_batch_size": 16,
    "training.stage1_epochs": 1,
    "training.stage2_epochs": 1,
}
SEEDS = (0, 1, 2)
OCCLUDED = 60  # pictures that occlusion is scored on: it takes 64 answers each
RIGHT = 0.95  # share of right answers from which maps can be judged
TRAINED, SHUFFLED, UNTRAINED = "trained", "shuffled labels", "untrained"
KINDS = (
    (TRAINED, False, SEEDS),
    (TRAINED, True, SEEDS),
    (UNTRAINED, False, SEEDS),
    (SHUFFLED, False, SEEDS[:1]),
)  # kind, LayerNorm behind the projection, seeds
COLUMNS = ("kind", "projection_norm", "seed", "accuracy", "map", "alone", "method", "place", "n", "chance",
           "pointing", "tolerant", "energy")  # fmt: skip


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


def work(settings: Settings, seed: int, shuffled: bool = False, sizes: dict[str, int] | None = None) -> Work:
    """Training, validation and test pictures of their own for each seed; `shuffled`: but the test part's labels."""
    sizes = sizes or SIZES
    pictures = marks.make(sum(sizes.values()), seed)
    part = np.repeat(list(sizes), list(sizes.values()))
    label = pictures.labels.copy()
    if shuffled:
        learnt = np.flatnonzero(part != "test")
        label[learnt] = np.random.default_rng(seed).permutation(label[learnt])
    known = digest(["marks", seed, shuffled, sizes, label.tolist()])
    dataset: Any = SimpleNamespace(hash=known, frame=pd.DataFrame({"label": label}), root=None)
    return Work(settings, dataset, pd.DataFrame({"part": part}), pictures)


def scores(model: Any, pictures: marks.Marks, occluded: int = OCCLUDED) -> pd.DataFrame:
    """One row a map: map, method, place, n, chance, and means over the pictures of what it scores.

    Maps are of the class that the model names. chance: the mark's share of the picture. The fused map is
    the mean over backbones of one method and place; a random map stands for no method at all.
    """
    from gcaf_lib.model import gradcam as cam

    found: dict[tuple[str, str, str], np.ndarray] = {}
    for method in cam.METHODS:
        for place in cam.PLACES:
            cams = cam.maps(model, pictures.images, method=method, place=place)[0]
            if len(cams) > 1:
                cams[tumours.FUSED] = gradcam.fused(cams, marks.SIDE)
            found |= {(name, method, place): maps for name, maps in cams.items()}
    for method, count in ((cam.SENSITIVITY, None), (cam.OCCLUSION, occluded)):
        found[tumours.WHOLE, method, ""] = cam.maps(model, pictures.images[:count], method=method)[0][method]
    found[tumours.RANDOM, "", ""] = localisation.random_maps(len(pictures.images), marks.SIDE, cam.CELLS)
    lines = []
    for key, maps in found.items():
        each = localisation.scores(maps, pictures.masks[: len(maps)])
        means = each[["pointing", "pointing_tolerant", "energy"]].mean()
        lines.append((*key, len(each), each["area"].mean(), *means))
    return pd.DataFrame(
        lines, columns=["map", "method", "place", "n", "chance", "pointing", "tolerant", "energy"]
    )


def run(
    kind: str, norm: bool, seed: int, sizes: dict[str, int] | None = None, **changes: Any
) -> pd.DataFrame:
    """`COLUMNS` of one model: trained on the marks, trained on shuffled labels, or untrained.

    accuracy: of the model on the test pictures; alone: of the backbone after its stage 0. A model is the
    demo profile's miniature but for `changes` (settings). What is trained lands in the store in use.
    """
    from gcaf_lib.model import classifier
    from gcaf_lib.training import loop, runs, train

    s = load("demo", {**EPOCHS, "model.projection_norm": norm, **changes})
    data = work(s, seed, kind == SHUFFLED, sizes)
    test = data.part("test")
    alone = {}
    if kind == UNTRAINED:
        model = classifier.build(s.model, marks.SIDE, marks.CLASSES, seed=seed)
    else:
        model = train.load_model(train.get(s, seed, work=data, progress=False))
        for key in s.model.backbones:
            path = train.stage0(s, seed, key, data, progress=False)
            first = runs.find(path.parent.name)
            alone[key] = float((first.probabilities(which="raw").argmax(1) == first.labels()).mean())
    right = loop.probabilities(model, data.images, test.rows).argmax(1) == test.labels
    unseen = marks.Marks(*(part[test.rows] for part in data.pictures))
    table = scores(model, unseen)
    about = dict(kind=kind, projection_norm=norm, seed=seed, accuracy=float(right.mean()))
    return table.assign(**about, alone=table["map"].map(alone))[list(COLUMNS)]


def read(place: Path | None = None) -> pd.DataFrame:
    """The committed scores (`COLUMNS`)."""
    return pd.read_csv((place or results_dir()) / "control.csv", keep_default_na=False, na_values=["nan"])


def _main() -> None:
    from gcaf_lib.training import reproduce

    path, done = results_dir() / "control.csv", []
    with reproduce.beside_store(own_stage0=True):
        for kind, norm, seeds in KINDS:
            for seed in seeds:
                done.append(run(kind, norm, seed))
                print(done[-1].to_string(index=False), flush=True)
    print(tumours.write(pd.concat(done, ignore_index=True), path))


if __name__ == "__main__":
    _main()

"""Do the maps point at what decided? A control in which that is known (`gcaf_lib.data.marks`).

Nothing but one small mark tells the class, so a model that is right has looked at it, and a map that does
not point there is no evidence about anything. Every method and layer is scored against the mark, beside a
random map. Where the model isn't right nearly always (`RIGHT`), its maps prove nothing either way. Two
negative controls, an untrained model and one trained on shuffled labels, must point no better than chance.

The scores are committed as `results/control.csv`; make them again (trains miniatures, about an hour on two
cores; needs no data):

    python -m gcaf_lib.evaluation.control
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from gcaf_lib.data import marks
from gcaf_lib.evaluation import gradcam, localisation, tumours
from gcaf_lib.model import backend, classifier, losses
from gcaf_lib.model import gradcam as cam
from gcaf_lib.settings import Settings, load, results_dir
from gcaf_lib.training.loop import Stage, probabilities
from gcaf_lib.training.task import Part

TRAIN, TEST, EPOCHS, SEEDS = 3000, 500, 2, (0, 1, 2)
OCCLUDED = 100  # pictures that occlusion is scored on: it takes 64 answers each
RIGHT = 0.95  # share of right answers from which a model's maps can be judged
COLUMNS = ("kind", "backbones", "projection_norm", "seed", "accuracy", "map", "method", "place", "n", "chance",
           "pointing", "tolerant", "energy")  # fmt: skip
TRAINED, SHUFFLED, UNTRAINED = "trained", "shuffled labels", "untrained"


def scores(model: keras.Model, pictures: marks.Marks) -> pd.DataFrame:
    """One row a map: map, method, place, n, chance, and means over the pictures of what it scores.

    Maps are of the class that the model names. chance: the mark's share of the picture. The fused map is
    the mean over backbones of one method and place; a random map stands for no method at all.
    """
    found = {}
    for method in cam.METHODS:
        for place in cam.PLACES:
            cams = cam.maps(model, pictures.images, method=method, place=place)[0]
            found |= {(name, method, place): maps for name, maps in cams.items()}
            if len(cams) > 1:
                found[tumours.FUSED, method, place] = gradcam.fused(cams, marks.SIDE)
    for method, count in ((cam.INPUT, None), (cam.OCCLUSION, OCCLUDED)):
        cams = cam.maps(model, pictures.images[:count], method=method)[0]
        found |= {(name, method, ""): maps for name, maps in cams.items()}
    found[tumours.RANDOM, "", ""] = localisation.random_maps(len(pictures.images), marks.SIDE, cam.CELLS)
    lines = []
    for key, maps in found.items():
        each = localisation.scores(maps, pictures.masks[: len(maps)])
        means = each[["pointing", "pointing_tolerant", "energy"]].mean()
        lines.append((*key, len(each), each["area"].mean(), *means))
    return pd.DataFrame(lines, columns=list(COLUMNS[5:]))


def trained(settings: Settings, pictures: marks.Marks, seed: int, epochs: int) -> keras.Model:
    """A classifier trained on these pictures as stage 0 trains (all of it, from nothing); a tenth validates."""
    keras.utils.set_random_seed(seed)
    backend.deterministic()
    s, count = settings, len(pictures.images)
    model = classifier.build(s.model, marks.SIDE, marks.CLASSES, seed=seed)
    classifier.thaw(model)
    rows, first = np.arange(count), count - count // 10
    parts = [Part(part, pictures.labels[part]) for part in np.split(rows, [first])]

    def rate(steps: int):
        return keras.optimizers.schedules.CosineDecay(
            0.0, steps - steps // 10, warmup_target=s.training.stage0_rate, warmup_steps=max(1, steps // 10)
        )

    with tempfile.TemporaryDirectory() as folder:
        stage = Stage(
            model, pictures.images, *parts, number=0, epochs=epochs, rate=rate, seed=seed,
            loss=losses.FocalLoss("per-class", 0.0, 0.0, np.ones(marks.CLASSES)),
            settings=s.training, checkpoint=Path(folder) / "stage.npz",
        ).run()  # fmt: skip
    stage.assign("raw")
    return model


def run(
    kind: str, overrides: dict, seed: int, train: int = TRAIN, test: int = TEST, epochs: int = EPOCHS
) -> pd.DataFrame:
    """`COLUMNS` of one model: trained on the marks, trained on shuffled labels, or untrained.

    overrides: settings in which the model differs from the demo profile's miniatures.
    """
    s = load("demo", {**overrides, "training.mixup": 0})
    # seeds of training and test pictures never meet
    pictures, unseen = marks.make(train, 2 * seed), marks.make(test, 2 * seed + 1)
    if kind == SHUFFLED:
        pictures = pictures._replace(labels=np.random.default_rng(seed).permutation(pictures.labels))
    if kind == UNTRAINED:
        model = classifier.build(s.model, marks.SIDE, marks.CLASSES, seed=seed)
    else:
        model = trained(s, pictures, seed, epochs)
    answers = probabilities(model, unseen.images, np.arange(test)).argmax(1)
    about = dict(
        kind=kind,
        backbones=" + ".join(s.model.backbones),
        projection_norm=s.model.projection_norm,
        seed=seed,
        accuracy=float((answers == unseen.labels).mean()),
    )
    return scores(model, unseen).assign(**about)[list(COLUMNS)]


GRID = [
    *((TRAINED, {"model.projection_norm": norm}, seed) for seed in SEEDS for norm in (False, True)),
    *(
        (TRAINED, {"model.backbones": key, "model.fusion": "none"}, seed)
        for seed in SEEDS
        for key in load("demo").model.backbones
    ),
    *((UNTRAINED, {}, seed) for seed in SEEDS),
    (SHUFFLED, {}, 0),
]


def _main() -> None:
    path, done = results_dir() / "control.csv", []
    for one in GRID:
        done.append(run(*one))
        tumours.write(pd.concat(done, ignore_index=True), path)
        print(done[-1].to_string(), flush=True)


if __name__ == "__main__":
    _main()

"""Sanity checks of explanations: do the maps depend on what the model has learnt? (Adebayo et al. 2018)

Weights: they are replaced by untrained ones from the top down, cumulatively: logits, fusion, projections,
then the backbones' layers quarter by quarter. Labels: the same model is trained from nothing, stage 0
included, on training and validation labels that were shuffled among their images. A map that stays the
same in either case shows the picture and not what was learnt. The table of one trained model is
committed as `results/sanity.csv`, so that the chapter needs no weights. Make it again (needs images, and
the run's weights in the cache; trains one model, minutes):

    python -m gcaf_lib.evaluation.sanity RUN
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from gcaf_lib.data import committed, files, preprocess, splits
from gcaf_lib.data.dataset import Dataset, open_dataset
from gcaf_lib.evaluation import clustered, heatmaps, localisation, tumours
from gcaf_lib.settings import digest
from gcaf_lib.terminal import arguments
from gcaf_lib.training import reproduce, runs

IMAGES = 240  # of the test part
PHANTOMS = 16  # whose check a page computes while it is made
QUARTERS = ("top quarter", "upper half", "upper three quarters", "all")
COLUMNS = ("run", "step", "replaced", "map", "correlation", "low", "high", "rank", "empty", "n", "accuracy")
OTHER, SHUFFLED = -1, -2  # steps that are none of the cascade's
WORDS = {
    OTHER: "nothing; the map of another patient's image",
    SHUFFLED: "the labels, shuffled before training",
}


def steps(model) -> list[tuple[str, list[str]]]:
    """What each step replaces, from the top: (words, names of its layers with weights); the first is nothing."""
    from gcaf_lib.model import classifier

    parts = classifier.parts(model)
    head = [la.name for la in parts["head"] if la.weights]
    tops = [n for n in head if n == "logits"]
    lower = [n for n in head if n.startswith(("project_", "norm_"))]
    out = [("nothing", []), ("logits", tops)]
    out.append(("fusion", [n for n in head if n not in tops and n not in lower]))
    out.append(("projections", lower))
    quarters: list[list[str]] = [[] for _ in QUARTERS]
    for layers in parts["backbones"].values():
        names = [la.name for la in layers if la.weights][::-1]
        for k, name in enumerate(names):
            quarters[k * len(QUARTERS) // len(names)].append(name)
    out += [(f"backbones: {word}", names) for word, names in zip(QUARTERS, quarters)]
    return [(word, names) for word, names in out if names or word == "nothing"]


def cascade(
    model, untrained, images, targets, batch: int = 64
) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """(words, {name: maps (n, h, w)}) after each step; `model` is left with untrained weights.

    untrained: the same graph with other initial weights. Maps are of the classes `targets` (n,)
    throughout: the question is whether the map for one class survives, not which class is named.
    """
    for word, names in steps(model):
        for name in names:
            model.get_layer(name).set_weights(untrained.get_layer(name).get_weights())
        yield word, _maps(model, images, targets, batch)


def _maps(model, images, targets, batch: int = 64) -> dict[str, np.ndarray]:
    """The maps that records keep: each backbone's, their mean (`fused`), and the whole model's."""
    from gcaf_lib.model import gradcam as cam

    cams = cam.maps(model, images, targets=targets, batch=batch)[0]
    whole = cam.maps(model, images, targets=targets, batch=min(batch, 16), method=cam.LAYERLESS)[0]
    return {**cams, tumours.FUSED: heatmaps.fused(cams, next(iter(cams.values())).shape[1:]), **whole}


def shuffled_labels(work: Any, seed: int = 0) -> Any:
    """The same task with the labels of training and of validation permuted, each part among its own images.

    Class counts stay as they are, the test part is left alone. The split's hash changes, and with it the
    keys of everything trained on it.
    """
    from gcaf_lib.training.task import Part, Task

    class Shuffled(Task):
        @property
        def split_hash(self) -> str:
            return digest([work.split_hash, "shuffled labels", seed])

        def part(self, name: str) -> Part:
            known = work.part(name)
            if name == "test":
                return known
            rng = np.random.default_rng((seed, name == "validation"))
            return Part(known.rows, rng.permutation(known.labels))

    return Shuffled(work.settings, work.dataset, work.split)


def rank_correlation(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Spearman correlation of each pair of maps (n, h, w), (n,); NaN where a map is constant."""
    return localisation.correlation(_ranked(first), _ranked(second))


def _ranked(maps: np.ndarray) -> np.ndarray:
    return rankdata(np.reshape(maps, (len(maps), -1)), axis=1).reshape(np.shape(maps))


class _Sample(NamedTuple):
    """Some of a run's test images: pixels, the classes the run named, true labels, patient groups."""

    images: np.ndarray
    named: np.ndarray
    labels: np.ndarray
    groups: np.ndarray


def _sample(record: Any, dataset: Dataset, count: int, seed: int) -> _Sample:
    files.paths(dataset, "the check needs")
    at = np.sort(np.random.default_rng(seed).permutation(len(record.rows()))[:count])
    rows = record.rows()[at]
    return _Sample(
        np.asarray(preprocess.images(dataset, record.settings.data)[rows]),
        record.answers()[at],
        record.labels()[at],
        splits.clusters(dataset)[rows],
    )


def compute(
    record: Any, dataset: Dataset, count: int = IMAGES, seed: int = 0, shuffled: bool = False
) -> pd.DataFrame:
    """The checks on a run with weights in the cache (`COLUMNS`), on `count` test images drawn by `seed`.

    correlation, low, high: mean over images of the Pearson correlation with the trained maps, and its
    cluster-bootstrap interval; rank: the same of Spearman's; empty: share of all-zero maps (which count
    in no mean); accuracy: of the model that drew the maps, on these images. Step -1 is the yardstick,
    the trained maps of different patients' images (`localisation.unlike`); step -2 (`shuffled`: trains a model, minutes) those of a model
    whose labels were shuffled. Raises `RunError` where the weights are not on this machine, `DataError`
    where the images are not.
    """
    from gcaf_lib.training.train import classifier_of, load_model

    sample, s = _sample(record, dataset, count, seed), record.settings
    model = load_model(record)
    untrained = classifier_of(s, record.seed + 1000)
    lines, first = [], {}
    for number, (word, named) in enumerate(cascade(model, untrained, sample.images, sample.named)):
        first = first or named
        right = _accuracy(model, sample)
        for name, maps in named.items():
            agreement = _agreement(first[name], maps, sample.groups)
            lines.append((record.key, number, word, name, *agreement, right))
    for name, maps in first.items():
        lines.append((record.key, OTHER, WORDS[OTHER], name, *_yardstick(maps, sample.groups), np.nan))
    if shuffled:
        now, right = _trained_on_shuffled(record, sample)
        for name, maps in now.items():
            agreement = _agreement(first[name], maps, sample.groups)
            lines.append((record.key, SHUFFLED, WORDS[SHUFFLED], name, *agreement, right))
    return pd.DataFrame(lines, columns=list(COLUMNS))


def _trained_on_shuffled(record: Any, sample: _Sample) -> tuple[dict[str, np.ndarray], float]:
    """Maps and accuracy of this run's settings trained on shuffled labels, in a store of its own."""
    from gcaf_lib.training import train

    work = shuffled_labels(train.task(record.settings))
    with reproduce.beside_store():
        model = train.load_model(train.get(record.settings, record.seed, work=work))
    return _maps(model, sample.images, sample.named), _accuracy(model, sample)


def _accuracy(model, sample: _Sample) -> float:
    from gcaf_lib.training.loop import probabilities

    answers = probabilities(model, sample.images, np.arange(len(sample.images))).argmax(1)
    return float((answers == sample.labels).mean())


def _yardstick(maps: np.ndarray, groups: np.ndarray) -> tuple:
    """What `_agreement` says, of maps of images of different patients."""
    rank = localisation.unlike(_ranked(maps), _ranked(maps), groups)
    return (*localisation.unlike(maps, maps, groups), rank.value, *_emptiness(maps))


def _agreement(first: np.ndarray, now: np.ndarray, groups: np.ndarray) -> tuple:
    plain, rank = localisation.correlation(first, now), rank_correlation(first, now)
    value = clustered.mean(plain, groups)
    spearman = float(np.nanmean(rank)) if not np.isnan(rank).all() else np.nan
    return (*value, spearman, *_emptiness(now))


def _emptiness(maps: np.ndarray) -> tuple[float, int]:
    return float((maps.max((1, 2)) <= 0).mean()), len(maps)


def read(records: Sequence[Any], dataset: Dataset, place: Path | None = None) -> pd.DataFrame | None:
    """The stored check of one of these runs, else a fresh one of the first that has weights here, else the
    stored check of whatever run (its `run` tells), else None.
    """
    path = (place or splits.folder().parent) / "sanity.csv"
    stored = pd.read_csv(path, dtype={"run": str}) if not dataset.banner and path.is_file() else None
    if stored is not None and stored["run"].isin([r.key for r in records]).any():
        return stored
    for record in records:
        if runs.weights_path(record.key, "ema").is_file() and dataset.root is not None:
            return compute(record, dataset, PHANTOMS if dataset.banner else IMAGES)
    return stored


if __name__ == "__main__":
    record = runs.resolve(*arguments(__doc__, "RUN"))
    dataset = open_dataset(record.settings.data)
    print(committed.write("sanity.csv", compute(record, dataset, shuffled=True), "%.3g"))

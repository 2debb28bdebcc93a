"""Sanity checks of explanations: do the maps depend on what the model has learnt? (Adebayo et al. 2018)

Weights: they are replaced by untrained ones from the top down, cumulatively: logits, fusion, projections,
then the backbones' layers quarter by quarter. Labels: the same model is trained from nothing, stage 0
included, on training and validation labels that were shuffled among their images. A map that stays the
same in either case shows the picture and not what was learnt. The table of several seeds is committed as
`results/sanity.csv`, so that the chapter needs no weights. Make it again (needs images, and the runs' weights
in the cache; trains a model for each run, minutes):

    python -m gcaf_lib.evaluation.sanity RUN [RUN ...]
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
from gcaf_lib.evaluation import bootstrap, clustered, heatmaps, localisation, tumours, units, weighted, worth
from gcaf_lib.settings import digest
from gcaf_lib.terminal import arguments
from gcaf_lib.training import reproduce, runs

IMAGES = 240  # of the test part
PHANTOMS = 16  # whose check a page computes while it is made
QUARTERS = ("top quarter", "upper half", "upper three quarters", "all")
COLUMNS = (
    "runs", "step", "replaced", "map", "correlation", "sd", "low", "high", "rank", "empty", "accuracy",
    "difference", "difference_low", "difference_high", "n", "images", "pictures", "groups",
)  # fmt: skip
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
    """Some of a run's test images: their rows, pixels, the classes the run named, true labels, patient groups."""

    rows: np.ndarray
    images: np.ndarray
    named: np.ndarray
    labels: np.ndarray
    groups: np.ndarray


def _sample(record: Any, dataset: Dataset, count: int, seed: int) -> _Sample:
    files.paths(dataset, "the check needs")
    at = np.sort(np.random.default_rng(seed).permutation(len(record.rows()))[:count])
    rows = record.rows()[at]
    return _Sample(
        rows,
        np.asarray(preprocess.images(dataset, record.settings.data)[rows]),
        record.answers()[at],
        record.labels()[at],
        splits.clusters(dataset)[rows],
    )


class _Line(NamedTuple):
    """How alike one run's maps after a step are to its trained ones: mean correlation and its bootstrap draws, of ranks, …"""

    step: int
    replaced: str
    map: str
    value: float
    draws: np.ndarray
    rank: float
    empty: float
    accuracy: float


def compute(
    records: Sequence[Any], dataset: Dataset, count: int = IMAGES, seed: int = 0, shuffled: bool = False
) -> pd.DataFrame:
    """The checks (`COLUMNS`) on seeds of one setting with weights in the cache, on `count` test images drawn by `seed`.

    correlation: mean over runs and images of the Pearson correlation with the run's own trained maps; sd: over runs;
    low, high: 95% interval over patients and, of several runs, trainings (`worth.of_sample`); rank: the same of Spearman's;
    empty: share of all-zero maps (which count in no mean); accuracy: of the models that drew the maps, on these images;
    difference: correlation minus that of the yardstick, paired: of the same runs and the same draws of patients; n: runs.
    Step -1 is the yardstick, the trained maps of different patients' images (`localisation.unlike`); step -2
    (`shuffled`: trains a model for each run, minutes) those of a model whose labels were shuffled. Raises `RunError`
    where weights are not on this machine, `DataError` where the images are not, `ValueError` where runs differ in more
    than the seed.
    """
    if len({(r.settings, tuple(r.rows())) for r in records}) != 1:
        raise ValueError(
            f"runs of one setting are wanted: {', '.join(r.key for r in records) or 'none given'}"
        )
    samples = [_sample(record, dataset, count, seed) for record in records]
    both = zip(records, samples)
    lines = pd.DataFrame([line for record, sample in both for line in _of_run(record, sample, shuffled)])
    sizes = units.counts(samples[0].rows, splits.clusters(dataset), units.pictures(dataset))
    parts = dict(list(lines.groupby(["step", "replaced", "map"], sort=False)))
    found = {key: _sample_of(part) for key, part in parts.items()}
    rows = []
    for key, part in parts.items():
        one = worth.of_sample("correlation", found[key])
        apart = worth.of_sample(
            "correlation", found[key] - found[OTHER, WORDS[OTHER], key[-1]], least=-np.inf
        )
        means = part[["rank", "empty", "accuracy"]].mean()
        ends = (one.value, one.sd, one.low, one.high)
        rows.append((*key, *ends, *means, apart.value, apart.low, apart.high, len(part)))
    keys = " ".join(record.key for record in records)
    return pd.DataFrame([(keys, *row, *sizes.values()) for row in rows], columns=list(COLUMNS))


def _sample_of(part: pd.DataFrame) -> bootstrap.Sample:
    """A step's mean correlations, a value a run, with the draws of their mean."""
    return bootstrap.Sample(part["value"].to_numpy(), weighted.mean_of_known(np.stack(part["draws"], axis=1)))


def _of_run(record: Any, sample: _Sample, shuffled: bool) -> Iterator[_Line]:
    from gcaf_lib.training.train import classifier_of, load_model

    model = load_model(record)
    untrained = classifier_of(record.settings, record.seed + 1000)
    first: dict[str, np.ndarray] = {}
    for number, (word, named) in enumerate(cascade(model, untrained, sample.images, sample.named)):
        first = first or named
        yield from _lines(number, word, first, named, sample.groups, _accuracy(model, sample))
    for name, maps in first.items():
        value, draws = localisation.unlike_draws(maps, maps, sample.groups)
        rank, _ = localisation.unlike_draws(_ranked(maps), _ranked(maps), sample.groups)
        yield _Line(OTHER, WORDS[OTHER], name, value, draws, rank, _empty(maps), np.nan)
    if shuffled:
        named, right = _trained_on_shuffled(record, sample)
        yield from _lines(SHUFFLED, WORDS[SHUFFLED], first, named, sample.groups, right)


def _lines(
    step: int,
    word: str,
    first: dict[str, np.ndarray],
    now: dict[str, np.ndarray],
    groups: np.ndarray,
    right: float,
) -> Iterator[_Line]:
    for name, maps in now.items():
        plain, rank = (of(first[name], maps) for of in (localisation.correlation, rank_correlation))
        value, spearman = weighted.mean_of_known(np.stack([plain, rank]))
        several = clustered.number_of(groups[~np.isnan(plain)]) > 1
        draws = clustered.mean_draws(plain if several else np.full(len(plain), np.nan), groups)
        yield _Line(step, word, name, value, draws, spearman, _empty(maps), right)


def _empty(maps: np.ndarray) -> float:
    return float((maps.max((1, 2)) <= 0).mean())


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


def read(records: Sequence[Any], dataset: Dataset, place: Path | None = None) -> pd.DataFrame | None:
    """The stored check where it is of some of these runs, else a fresh one of the first that has weights here, else the
    stored check of whatever runs (`runs` tells), else None.
    """
    path = (place or splits.folder().parent) / "sanity.csv"
    stored = pd.read_csv(path, dtype={"runs": str}) if not dataset.banner and path.is_file() else None
    if stored is not None and set(stored["runs"].iloc[0].split()) & {r.key for r in records}:
        return stored
    for record in records:
        if runs.weights_path(record.key, "ema").is_file() and dataset.root is not None:
            return compute([record], dataset, PHANTOMS if dataset.banner else IMAGES)
    return stored


if __name__ == "__main__":
    records = [runs.resolve(name) for name in arguments(__doc__, "RUN...")[0]]
    dataset = open_dataset(records[0].settings.data)
    print(committed.write("sanity.csv", compute(records, dataset, shuffled=True), "%.3g"))

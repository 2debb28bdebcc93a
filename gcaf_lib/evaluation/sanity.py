"""Sanity check of explanations: do the maps depend on what the model has learnt? (Adebayo et al. 2018)

Weights are replaced by untrained ones from the top down, cumulatively: logits, fusion, projections, then
the backbones' layers quarter by quarter. A map that stays the same when the weights are gone shows the
picture and not the model. The table of one trained model is committed as `results/sanity.csv`, so that
the chapter needs no weights. Make it again (needs images, and weights in the cache):

    python -m gcaf_lib.evaluation.sanity RUN
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from gcaf_lib.data import preprocess, splits
from gcaf_lib.data.dataset import DataError, Dataset, open_dataset
from gcaf_lib.evaluation import clustered, gradcam, localisation, tumours
from gcaf_lib.settings import results_dir

IMAGES = 240
QUARTERS = ("top quarter", "upper half", "upper three quarters", "all")
COLUMNS = ("run", "step", "replaced", "map", "correlation", "low", "high", "rank", "empty", "n")
OTHER = "nothing; the map of another image"


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
    """(words, {backbone: maps (n, h, w)}) after each step; `model` is left with untrained weights.

    untrained: the same graph with other initial weights. Maps are of the classes `targets` (n,)
    throughout: the question is whether the map for one class survives, not which class is named.
    """
    from gcaf_lib.model import gradcam as cam

    for word, names in steps(model):
        for name in names:
            model.get_layer(name).set_weights(untrained.get_layer(name).get_weights())
        yield word, cam.maps(model, images, targets=targets, batch=batch)[0]


def rank_correlation(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Spearman correlation of each pair of maps (n, h, w), (n,); NaN where a map is constant."""
    a, b = (
        rankdata(np.asarray(m, np.float64).reshape(len(m), -1), axis=1).reshape(np.shape(m))
        for m in (first, second)
    )
    return localisation.correlation(a, b)


def compute(record: Any, dataset: Dataset, count: int = IMAGES, seed: int = 0) -> pd.DataFrame:
    """The check on a run with weights in the cache (`COLUMNS`), on `count` test images drawn by `seed`.

    correlation, low, high: mean over images of the Pearson correlation with the trained maps, and its
    cluster-bootstrap interval; rank: the same of Spearman's; empty: share of all-zero maps (which count
    in no mean). A last row correlates the trained maps of different images. Raises `RunError` where the
    weights are not on this machine, `DataError` where the images are not.
    """
    from gcaf_lib.model import classifier
    from gcaf_lib.training.train import load_model

    if dataset.root is None:
        raise DataError("weights are replaced on images: `gcaf data fetch`, --data or GCAF_DATA")
    model, s = load_model(record), record.settings
    untrained = classifier.build(s.model, s.data.image_size, len(s.data.classes), seed=record.seed + 1000)
    rng = np.random.default_rng(seed)
    at = np.sort(rng.permutation(len(record.rows()))[:count])
    rows, targets = record.rows()[at], record.probabilities()[at].argmax(1)
    groups = splits.clusters(dataset)[rows]
    images = np.asarray(preprocess.images(dataset, s.data)[rows])
    lines, first = [], {}
    for number, (word, cams) in enumerate(cascade(model, untrained, images, targets)):
        named = {**cams, tumours.FUSED: gradcam.fused(cams, next(iter(cams.values())).shape[1:])}
        first = first or named
        for name, maps in named.items():
            lines.append((record.key, number, word, name, *_agreement(first[name], maps, groups)))
    turn = np.roll(np.arange(len(rows)), 1)
    for name, maps in first.items():
        lines.append((record.key, -1, OTHER, name, *_agreement(maps, maps[turn], groups)))
    return pd.DataFrame(lines, columns=list(COLUMNS))


def _agreement(first: np.ndarray, now: np.ndarray, groups: np.ndarray) -> tuple:
    plain, rank = localisation.correlation(first, now), rank_correlation(first, now)
    value = clustered.mean(plain, groups)
    spearman = float(np.nanmean(rank)) if not np.isnan(rank).all() else np.nan
    return (*value, spearman, float((now.max((1, 2)) <= 0).mean()), len(now))


def read(records: Sequence[Any], dataset: Dataset, place: Path | None = None) -> pd.DataFrame | None:
    """The stored check of one of these runs, else a fresh one of the first that has weights here, else the
    stored check of whatever run (its `run` tells), else None.
    """
    from gcaf_lib.training import runs

    path = (place or splits.folder().parent) / "sanity.csv"
    stored = pd.read_csv(path) if not dataset.banner and path.is_file() else None
    if stored is not None and stored["run"].isin([r.key for r in records]).any():
        return stored
    for record in records:
        if runs.weights_path(record.key, "ema").is_file() and dataset.root is not None:
            return compute(record, dataset)
    return stored


def _main(argv: Sequence[str]) -> None:
    from gcaf_lib.training import runs

    if len(argv) != 1:
        raise SystemExit("usage: python -m gcaf_lib.evaluation.sanity RUN  (`gcaf runs` lists them)")
    record = runs.resolve(argv[0])
    dataset = open_dataset(record.settings.data)
    print(tumours.write(compute(record, dataset), results_dir() / "sanity.csv"))


if __name__ == "__main__":
    _main(sys.argv[1:])

"""Table 5 as a two-by-two design: Mixup on or off, EMA on or off, and what each factor does.

Every run holds its predictions with raw and with averaged weights. A run without EMA has raw weights only. The
average never feeds back into training, so a run with EMA is also, by its raw weights, a run without: up to the
first reduction of the rate and the epoch that is kept, which follow the weights that are reported.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import numpy as np
import pandas as pd

from gcaf_lib.data import splits
from gcaf_lib.display import names
from gcaf_lib.evaluation import bootstrap, folds, units, worth
from gcaf_lib.findings import ablation, ablation_tables, matched, words
from gcaf_lib.paper import published as paper
from gcaf_lib.training import experiments

PLACE, EXPERIMENT = "Table 5", "table-5"
METRICS = ("accuracy", "macro_f1", "ece", "nll")
COLUMNS = [
    "contrast",
    "metric",
    "value",
    "sd",
    "low",
    "high",
    "n",
    "lift",
    *ablation.PICTURE[:3],
    "published",
    "step",
]
Cell = tuple[bool, bool]  # (Mixup, EMA)


@functools.cache
def design_cells() -> dict[Cell, str]:
    """(Mixup, EMA) to the row's label in Table 5."""
    rows = experiments.experiment(EXPERIMENT).settings("paper")
    return {(s.training.mixup > 0, s.training.ema > 0): label for label, s in rows}


Part = tuple[float, Cell, str]  # weight, cell, weights of the network
OFF, MIXUP, EMA, BOTH = (False, False), (True, False), (False, True), (True, True)
# each is a difference, or the mean of two differences; the last two compare two weights of the same runs
CONTRASTS: dict[str, tuple[Part, ...]] = {
    "Mixup, without EMA": ((1, MIXUP, "ema"), (-1, OFF, "ema")),
    "Mixup, with EMA": ((1, BOTH, "ema"), (-1, EMA, "ema")),
    "Mixup, mean of both": ((0.5, MIXUP, "ema"), (-0.5, OFF, "ema"), (0.5, BOTH, "ema"), (-0.5, EMA, "ema")),
    "EMA, without Mixup": ((1, EMA, "ema"), (-1, OFF, "ema")),
    "EMA, with Mixup": ((1, BOTH, "ema"), (-1, MIXUP, "ema")),
    "EMA, mean of both": ((0.5, EMA, "ema"), (-0.5, OFF, "ema"), (0.5, BOTH, "ema"), (-0.5, MIXUP, "ema")),
    "Interaction": ((1, BOTH, "ema"), (-1, MIXUP, "ema"), (-1, EMA, "ema"), (1, OFF, "ema")),
    "Averaged − raw weights, same runs, without Mixup": ((1, EMA, "ema"), (-1, EMA, "raw")),
    "Averaged − raw weights, same runs, with Mixup": ((1, BOTH, "ema"), (-1, BOTH, "raw")),
}


def weighted_sum(
    metric: str, parts: Sequence[tuple[float, Mapping[str, bootstrap.Sample]]], answer: float
) -> worth.Worth:
    """The weighted sum of a metric's samples over the same seeds and the same draws; nothing where none was drawn.

    answer: by how much one answer moves it.
    """
    if metric not in parts[0][1]:
        return ablation.NONE
    both = (np.sum([weight * drawn[metric][k] for weight, drawn in parts], axis=0) for k in range(2))
    return worth.of_sample(metric, bootstrap.Sample(*both), least=-np.inf, answer=answer)


def _published(parts: Sequence[Part], metric: str) -> dict[str, float]:
    """The paper's own contrast, of averaged weights, and by how much its rounding can move it (step); NaN where it has no
    such figure."""
    figures = [paper.find(PLACE, design_cells()[cell], metric) for _, cell, _ in parts]
    if not all(figures) or any(which == "raw" for *_, which in parts):
        return {"published": np.nan, "step": np.nan}
    weighed = [(weight, figure[0]) for (weight, *_), figure in zip(parts, figures)]
    return {
        "published": sum(weight * figure.fraction for weight, figure in weighed),
        "step": sum(abs(weight) * figure.half_step for weight, figure in weighed),
    }


def printed_contrast(contrast: float, scale: float) -> str:
    """The paper's contrast in the digits of its figures. A mean of two differences may end in a half of the last one: that
    goes away from 0, whichever side of it a float lies."""
    decimals = 2 if scale == 100 else 3
    exact = Decimal(str(round(scale * contrast, 9)))
    return words.signed(float(exact.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)), decimals)


def effects(
    found: Mapping[str, Sequence[Any]],
    dataset: Any,
    metrics: Sequence[str] = METRICS,
    show_published: bool = True,
) -> pd.DataFrame:
    """Every contrast of the design (`COLUMNS`; fractions), over the seeds that all its cells have, with all their folds.

    Reported weights: averaged where EMA is on. Intervals: `evaluation.worth`'s, of the mean over seeds, the same
    images drawn for all cells. picture…: the same with each picture weighing 1, where copies are kept together.
    Lines that lack a run have n = 0. Two more contrasts compare averaged and raw weights of the same runs. show_published: whether
    the paper's contrasts stand beside ours (else NaN).
    """
    groups, lines = splits.clusters(dataset), []
    # a lift is of this split's test parts, and the paper's figures are of the random one
    lifted = {} if not any(map(worth.grouped, found.values())) else {"lift": 0.0}
    by = {
        cell: folds.by_seed(matched.with_all_folds(found.get(label, ())))
        for cell, label in design_cells().items()
    }

    def runs(cell: Cell, seeds: Sequence[int]) -> list[Any]:
        return [record for seed in seeds for record in by[cell][seed]]

    def drawn(cell: Cell, seeds: Sequence[int], which: str, copied: bool) -> dict[str, bootstrap.Sample]:
        """Metric to sample of a cell's runs; copied: each picture weighing 1, where that is asked of a split."""
        records = runs(cell, seeds)
        if not records or (copied and not worth.grouped(records)):
            return {}
        chosen = [m for m in metrics if not (copied and bootstrap.per_fold(m))]
        answers = worth.answers_by_seed(records, which=which)
        return bootstrap.samples(
            answers, groups, chosen, pictures=units.pictures(dataset) if copied else None
        )

    for contrast, parts in CONTRASTS.items():
        seeds = sorted(set.intersection(*(set(by[cell]) for _, cell, _ in parts)))
        plain, by_picture = (
            [(weight, drawn(cell, seeds, which, copied)) for weight, cell, which in parts]
            for copied in (False, True)
        )
        first = worth.answers_by_seed(runs(parts[0][1], seeds[:1])) if seeds else []
        copies = units.pictures(dataset) if lifted else None
        lines += [
            {"contrast": contrast, "metric": metric}
            | (_published(parts, metric) if show_published else {"published": np.nan, "step": np.nan})
            | weighted_sum(metric, plain, worth.one_answer_moves(first, metric=metric))._asdict()
            | lifted
            | ablation.as_columns(
                weighted_sum(metric, by_picture, worth.one_answer_moves(first, copies, metric)), "picture"
            )
            for metric in metrics
        ]
    return pd.DataFrame(lines, columns=COLUMNS)


def effects_caption(rows: pd.DataFrame, show_published: bool = True) -> str:
    """What stands over `effects_text`; rows: `ablation.measure`'s of the same runs, show_published: whether the paper's contrasts are in it."""
    apart = bool(rows["folds"].any())
    where = f" over all {splits.FOLDS} patient-disjoint folds" * apart
    split = ", which are of its random split" * apart
    brackets = f"; in square brackets the same difference of the paper's figures{split}" * show_published
    return (
        f"Effect of Mixup and of EMA{where}, with 95% cluster-bootstrap intervals {words.OVER}{brackets}. n: seeds that all combinations of the "
        f"line have. The ECE's intervals are corrected for its upward bias on a finite test part.{ablation_tables.basis_said(rows)}"
    )


def effects_text(frame: pd.DataFrame) -> pd.DataFrame:
    """`effects` for readers: one line a contrast, `value (low to high), by picture … [the paper's]` for each metric."""
    lines = []
    for contrast, part in frame.groupby("contrast", sort=False):
        line: dict[str, Any] = {"Effect of": contrast, "n": int(part["n"].iloc[0])}
        for _, r in part.iterrows():
            scale, decimals, _ = ablation_tables.metric_format(r["metric"])
            text = words.shift(r, decimals, scale) if r["n"] else "–"
            if r["n"] and np.isfinite(r["picture"]):
                text += f", by picture {words.shift(ablation.worth_of(r, 'picture'), decimals, scale)}"
            if np.isfinite(r["published"]):
                text += f" [{printed_contrast(r['published'], scale)}]"
            line[names.metric_name(r["metric"]) + (" (points)" if scale == 100 else "")] = text
        lines.append(line)
    return pd.DataFrame(lines)


def design(found: Mapping[str, Sequence[Any]], dataset: Any, show_published: bool = True) -> pd.DataFrame:
    """series, mixup, metric, value, low, high, published: accuracy (percent) and ECE of the four combinations, those with
    EMA by raw weights as well. NaN: not run, or (also without `show_published`) no figure of the paper."""
    groups, names = splits.clusters(dataset), design_cells()
    series = (
        ("without EMA", False, "raw"),
        ("EMA, raw weights", True, "raw"),
        ("EMA, averaged weights", True, "ema"),
    )
    lines = []
    for metric, (word, ema, which), mixup in itertools.product(("accuracy", "ece"), series, (False, True)):
        records, (scale, *_) = found.get(names[mixup, ema], ()), ablation_tables.metric_format(metric)
        one = worth.of_runs(records, groups, [metric], which=which)[metric] if records else ablation.NONE
        shown = show_published and (which == "ema" or not ema)
        theirs = paper.find(PLACE, names[mixup, ema], metric)[0].fraction if shown else np.nan
        values = (scale * value for value in (one.value, one.low, one.high, theirs))
        lines.append((word, mixup, metric, *values))
    return pd.DataFrame(lines, columns=["series", "mixup", "metric", "value", "low", "high", "published"])

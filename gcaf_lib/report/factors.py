"""Table 5 as a two-by-two design: Mixup on or off, EMA on or off, and what each factor does.

Every run holds its predictions with raw and with averaged weights. A run without EMA has raw weights only. The
average never feeds back into training, so a run with EMA is also, by its raw weights, a run without: up to the
epoch that is kept, which is chosen by the weights that are reported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from gcaf_lib.evaluation import significance
from gcaf_lib.report import ablation, paper, result_tables, scorecard
from gcaf_lib.report.style import ACCENT, MUTED, OURS, PAPER, Drawing, drawing, legend_below, quiet, styled
from gcaf_lib.training import experiments

PLACE, EXPERIMENT = "Table 5", "table-5"
METRICS = ("accuracy", "macro_f1", "ece", "nll")
COLUMNS = ["contrast", "metric", "value", "sd", "low", "high", "n", "published"]


def cells() -> dict[tuple[bool, bool], str]:
    """(Mixup, EMA) to the row's label in Table 5."""
    rows = experiments.experiment(EXPERIMENT).settings("paper")
    return {(s.training.mixup > 0, s.training.ema > 0): label for label, s in rows}


# contrast to weights of the cells (Mixup, EMA): each is a difference, or the mean of two differences
CONTRASTS: dict[str, dict[tuple[bool, bool], float]] = {
    "Mixup, without EMA": {(True, False): 1, (False, False): -1},
    "Mixup, with EMA": {(True, True): 1, (False, True): -1},
    "Mixup, mean of both": {
        (True, False): 0.5,
        (False, False): -0.5,
        (True, True): 0.5,
        (False, True): -0.5,
    },
    "EMA, without Mixup": {(False, True): 1, (False, False): -1},
    "EMA, with Mixup": {(True, True): 1, (True, False): -1},
    "EMA, mean of both": {
        (False, True): 0.5,
        (False, False): -0.5,
        (True, True): 0.5,
        (True, False): -0.5,
    },
    "Interaction": {(True, True): 1, (True, False): -1, (False, True): -1, (False, False): 1},
}


class _Draws:
    """A metric of a run's test part and its bootstrap draws, each computed once."""

    def __init__(self, dataset: Any, draws: int):
        self.groups, self.count = scorecard.clusters(dataset), draws
        self.known: dict[tuple[str, str, str], tuple[float, np.ndarray]] = {}

    def __call__(self, record: Any, metric: str, which: str) -> tuple[float, np.ndarray]:
        name = record.key, metric, which
        if name not in self.known:
            y, p, classes = record.labels(), record.probabilities("test", which), record.settings.data.classes
            p = p / p.sum(axis=1, keepdims=True)
            own = None if self.groups is None else self.groups[record.rows()]
            value = significance.bootstrap(y, p, metric, own, 1, classes=classes).value
            self.known[name] = value, significance.draws(y, p, metric, own, self.count, classes=classes)
        return self.known[name]


def _line(contrast: str, metric: str, pairs: Sequence[tuple[float, np.ndarray]], published: float) -> tuple:
    if not pairs:
        return contrast, metric, np.nan, np.nan, np.nan, np.nan, 0, published
    values = np.array([v for v, _ in pairs])
    low, high = np.nanquantile(np.mean([d for _, d in pairs], axis=0), [0.025, 0.975])
    sd = values.std(ddof=1) if len(values) > 1 else np.nan
    return contrast, metric, values.mean(), sd, low, high, len(values), published


def _published(weights: Mapping[tuple[bool, bool], float], metric: str) -> float:
    total = 0.0
    for cell, weight in weights.items():
        figure = paper.find(PLACE, cells()[cell], metric)
        if not figure:
            return np.nan
        total += weight * figure[0].fraction
    return total


def effects(
    found: Mapping[str, Sequence[Any]],
    dataset: Any,
    metrics: Sequence[str] = METRICS,
    draws: int = scorecard.DRAWS,
) -> pd.DataFrame:
    """Every contrast of the design (`COLUMNS`; fractions), over the seeds that all its cells have.

    Reported weights: averaged where EMA is on. Intervals: 95 % of the mean over seeds by cluster bootstrap, the
    same images drawn for all cells. Lines that lack a run have n = 0. Two more contrasts compare averaged and
    raw weights of the same runs.
    """
    take, names, lines = _Draws(dataset, draws), cells(), []
    by = {cell: {r.seed: r for r in found.get(label, ())} for cell, label in names.items()}
    for contrast, weights in CONTRASTS.items():
        seeds = sorted(set.intersection(*(set(by[cell]) for cell in weights)))
        for metric in metrics:
            pairs = [
                tuple(
                    sum(w * take(by[cell][seed], metric, "ema")[k] for cell, w in weights.items())
                    for k in (0, 1)
                )
                for seed in seeds
            ]
            lines.append(_line(contrast, metric, pairs, _published(weights, metric)))
    for mixup in (False, True):
        contrast = f"Averaged − raw weights, same runs, {'with' if mixup else 'without'} Mixup"
        for metric in metrics:
            pairs = [
                tuple(take(r, metric, "ema")[k] - take(r, metric, "raw")[k] for k in (0, 1))
                for r in by[mixup, True].values()
            ]
            lines.append(_line(contrast, metric, pairs, np.nan))
    return pd.DataFrame(lines, columns=COLUMNS)


def effects_text(frame: pd.DataFrame) -> pd.DataFrame:
    """`effects` for readers: one line a contrast, `value (low to high) [the paper's]` for each metric."""
    lines = []
    for contrast, part in frame.groupby("contrast", sort=False):
        line: dict[str, Any] = {"Effect of": contrast, "n": int(part["n"].iloc[0])}
        for r in part.itertuples():
            scale, decimals = (100, 2) if r.metric == "accuracy" else (1, 4)
            text = "–"
            if r.n:
                value, low, high = (ablation.signed(v * scale, decimals) for v in (r.value, r.low, r.high))
                text = f"{value} ({low} to {high})"
            if np.isfinite(r.published):
                text += f" [{ablation.signed(r.published * scale, 2 if scale == 100 else 3)}]"
            line[result_tables.metric_name(r.metric) + (" (points)" if scale == 100 else "")] = text
        lines.append(line)
    return pd.DataFrame(lines)


def weights(found: Mapping[str, Sequence[Any]], metrics: Sequence[str] = METRICS) -> pd.DataFrame:
    """One line a row and kind of weights, mean ± sd over seeds: raw everywhere, averaged where EMA is on."""
    lines = []
    for (_, ema), label in cells().items():
        records = found.get(label, ())
        for which in ("raw", "ema") if ema else ("raw",):
            line: dict[str, Any] = {
                "Row": label,
                "Weights": {"raw": "raw", "ema": "averaged"}[which],
                "n": len(records),
            }
            for metric in metrics:
                scale, decimals = (100, 2) if metric == "accuracy" else (1, 4)
                values = [
                    significance.bootstrap(r.labels(), r.probabilities("test", which), metric, None, 1).value
                    for r in records
                ]
                head = result_tables.metric_name(metric) + (" (%)" if scale == 100 else "")
                spread = f" ± {scale * np.std(values, ddof=1):.{decimals}f}" if len(values) > 1 else ""
                line[head] = f"{scale * np.mean(values):.{decimals}f}{spread}" if values else ablation.ABSENT
            lines.append(line)
    return pd.DataFrame(lines)


def same_course(found: Mapping[str, Sequence[Any]]) -> pd.DataFrame:
    """Raw weights of a run with EMA beside the run without, same Mixup and seed: how far their test answers differ.

    mixup, seed, images, answers (that differ), largest (difference of a probability), kept (the same epochs kept).
    """
    names, lines = cells(), []
    for mixup in (False, True):
        pair = [{r.seed: r for r in found.get(names[mixup, ema], ())} for ema in (False, True)]
        for seed in sorted(set(pair[0]) & set(pair[1])):
            p, q = (side[seed].probabilities("test", "raw") for side in pair)
            kept = [[s["best_epoch"] for s in side[seed].info["stages"]] for side in pair]
            lines.append(
                (mixup, seed, len(p), int((p.argmax(1) != q.argmax(1)).sum()), float(np.abs(p - q).max()),
                 kept[0] == kept[1])
            )  # fmt: skip
    return pd.DataFrame(lines, columns=["mixup", "seed", "images", "answers", "largest", "kept"])


@styled
def design(found: Mapping[str, Sequence[Any]], dataset: Any, draws: int = scorecard.DRAWS) -> Drawing:
    """Accuracy and ECE without and with Mixup: no EMA, averaged weights, raw weights of the runs with EMA.

    Bars are 95 % intervals over patients; open marks are the paper's figures.
    """
    take, names = _Draws(dataset, draws), cells()
    series = (
        ("without EMA", False, "raw", MUTED, "s", -0.12),
        ("EMA, raw weights", True, "raw", ACCENT, "^", 0.0),
        ("EMA, averaged weights", True, "ema", OURS, "o", 0.12),
    )
    fig = drawing(height=3.3)
    for ax, metric in zip(fig.subplots(1, 2), ("accuracy", "ece")):
        scale = 100 if metric == "accuracy" else 1
        for _, ema, which, colour, mark, shift in series:
            x, y = [], []
            for mixup in (False, True):
                records = found.get(names[mixup, ema], ())
                if records:
                    both = [take(r, metric, which) for r in records]
                    value = np.mean([v for v, _ in both])
                    low, high = np.nanquantile(np.mean([d for _, d in both], axis=0), [0.025, 0.975])
                    ax.vlines(mixup + shift, scale * low, scale * high, color=colour, lw=3, alpha=0.35)
                    x.append(mixup + shift)
                    y.append(scale * value)
            ax.plot(x, y, marker=mark, ls="-", lw=1.2, color=colour, ms=6)
            if which == "ema" or not ema:
                theirs = [paper.find(PLACE, names[mixup, ema], metric)[0].fraction for mixup in (False, True)]
                ax.plot(np.arange(2) + shift * 2.4, scale * np.array(theirs), ":", color=PAPER, lw=1, marker=mark,
                        mfc="none", mec=PAPER, mew=1.4, ms=7)  # fmt: skip
        ax.set_xticks([0, 1], ["without Mixup", "with Mixup"])
        ax.set_xlim(-0.5, 1.5)
        ax.set_title("Accuracy (%)" if metric == "accuracy" else "ECE (smaller is better)")
        quiet(ax, "y")
    marks = [(mark, colour, colour, name) for name, _, _, colour, mark, _ in series]
    legend_below(fig, [*marks, ("D", "none", PAPER, "the paper's (open)")])
    return fig

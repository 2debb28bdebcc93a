"""Rows of an ablation: the paper's figure, ours over seeds, and the difference to the proposed model.

Intervals are 95 % percentiles of the cluster bootstrap over patient groups, of the mean over seeds: the same
draws as the scorecard's (`report.scorecard`), so that the pages agree to the last digit. They say what other test
images could have given; what other seeds could have given is the sd over seeds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from gcaf_lib import settings
from gcaf_lib.evaluation import significance
from gcaf_lib.report import paper, result_tables, scorecard
from gcaf_lib.report.style import (
    INK,
    MUTED,
    OURS,
    PAPER,
    SURFACE,
    Drawing,
    drawing,
    legend_below,
    percent_label,
    quiet,
    styled,
)
from gcaf_lib.training import experiments

METRICS = ("accuracy", "macro_f1", "macro_auc", "ece")
COLUMNS = [
    "row", "metric", "published", "decimals", "unit", "mean", "sd", "n", "low", "high", "difference",
    "difference_sd", "difference_low", "difference_high", "pairs", "reference", "published_difference",
]  # fmt: skip
ABSENT = "not trained yet"
_SHARES = ("accuracy",)  # shown in percent, their differences in points
_PLACES = {name: place for place, name in scorecard.TABLES.items()}


def published(experiment: str, row: str) -> dict[str, paper.Figure]:
    """The paper's figures of one row of an experiment, by metric; empty where the paper has no such row."""
    place = _PLACES.get(experiment)
    found = paper.find(place, row.replace(" = ", " ")) if place else []
    return {figure.metric: figure for figure in found}


def proposed(experiment: str) -> list[str]:
    """The rows of an experiment that are the paper's proposed setting (Table 8 has one a hyper-parameter)."""
    default = settings.load("paper")
    return [
        label for label, chosen in experiments.experiment(experiment).settings("paper") if chosen == default
    ]


def measure(
    experiment: str,
    found: Mapping[str, Sequence[Any]],
    dataset: Any,
    reference: Sequence[Any] = (),
    metrics: Sequence[str] = METRICS,
    which: str = "ema",
) -> pd.DataFrame:
    """One line (`COLUMNS`) for each row of an experiment and metric, rows without a record included (n = 0).

    experiment: its name ("table-4"); found: `chapter.records(experiment)`; reference: run records of the
    proposed model (`chapter.records("main")[paper.PROPOSED]`), with which each row is compared over the
    seeds both have, on the same test images; which: "ema" or "raw" weights of the rows and of the reference.

    All values are fractions. mean, sd, n: over seeds. difference: row minus reference, its mean over the
    `pairs` shared seeds, with the sd over them and the interval of bootstrap samples that both share.
    reference: whether the row is the proposed model itself. published_difference: the paper's figure minus its own
    for the proposed setting in the same table. Raises `ValueError` where a row and the reference
    were judged on different test images.
    """
    groups, cache = scorecard.clusters(dataset), {}

    def draws(record: Any, metric: str) -> tuple[float, np.ndarray]:
        """The metric of one run and its bootstrap draws: runs that two rows share are drawn once."""
        name = id(record) if getattr(record, "key", None) is None else record.key, metric
        if name not in cache:
            y, p, classes = record.labels(), record.probabilities("test", which), record.settings.data.classes
            p = p / p.sum(axis=1, keepdims=True)
            own = None if groups is None else groups[record.rows()]
            one = significance.bootstrap(y, p, metric, own, 1, classes=classes).value
            cache[name] = one, significance.draws(y, p, metric, own, scorecard.DRAWS, classes=classes)
        return cache[name]

    base = {record.seed: record for record in reference}
    own_row = proposed(experiment)
    theirs = published(experiment, own_row[0]) if own_row else {}
    lines = []
    for row in experiments.experiment(experiment).rows:
        records = list(found.get(row.label, ()))
        figures = published(experiment, row.label)
        pairs = [(record, base[record.seed]) for record in records if record.seed in base]
        for one, other in pairs:
            if not np.array_equal(one.rows(), other.rows()):
                raise ValueError(
                    f"{row.label}: run {one.key} was tested on other images than the proposed model's {other.key}; "
                    "compare runs of one split only"
                )
        for metric in metrics:
            own = [draws(record, metric) for record in records]
            both = [(draws(one, metric), draws(other, metric)) for one, other in pairs]
            gaps = [(a[0] - b[0], a[1] - b[1]) for a, b in both]
            figure = figures.get(metric)
            lines.append(
                {
                    "row": row.label,
                    "metric": metric,
                    "published": figure.fraction if figure else np.nan,
                    "decimals": figure.decimals if figure else np.nan,
                    "unit": figure.unit if figure else "",
                    **dict(zip(("mean", "sd", "low", "high"), _spread(own))),
                    "n": len(own),
                    **{
                        f"difference{tail}": v for tail, v in zip(("", "_sd", "_low", "_high"), _spread(gaps))
                    },
                    "pairs": len(gaps),
                    "reference": all(one.key == other.key for one, other in pairs)
                    if pairs
                    else row.label in own_row,
                    "published_difference": figure.fraction - theirs[metric].fraction
                    if figure and metric in theirs
                    else np.nan,
                }
            )
    return pd.DataFrame(lines, columns=COLUMNS)


def _spread(values: Sequence[tuple[float, np.ndarray]]) -> tuple[float, float, float, float]:
    """Mean and sd of the values, and the 95 % percentiles of the mean of their draws."""
    if not values:
        return (np.nan,) * 4
    one = np.array([v for v, _ in values])
    mean = np.mean([d for _, d in values], axis=0)
    low, high = (np.nan, np.nan) if np.isnan(mean).all() else np.nanquantile(mean, [0.025, 0.975])
    return float(one.mean()), float(one.std(ddof=1)) if len(one) > 1 else np.nan, float(low), float(high)


def table(
    frame: pd.DataFrame,
    first: str = "Row",
    names: Mapping[str, str] | None = None,
    differences: Sequence[str] = ("accuracy",),
    to: str = "proposed",
) -> pd.DataFrame:
    """`measure`'s frame for readers: one line a row, the paper's figure in square brackets beside ours.

    names: what to call rows; differences: metrics whose difference to the proposed model gets a column, headed `to`.
    """
    lines = []
    for row, part in frame.groupby("row", sort=False):
        part = part.set_index("metric")
        n = int(part["n"].iloc[0])
        line: dict[str, Any] = {first: (names or {}).get(row, row), "n": n}
        for metric, r in part.iterrows():
            scale, decimals, unit = _scale(metric)
            head = result_tables.metric_name(metric) + unit
            theirs = f" [{r['published'] * scale:.{r['decimals']:.0f}f}]" if r["decimals"] >= 0 else ""
            line[head] = (_mean_sd(r, scale, decimals) if n else "–") + theirs
            if metric == frame["metric"].iloc[0]:
                line[head] = line[head] if n else ABSENT + theirs
                line["95 % interval"] = _interval(r["low"], r["high"], scale, decimals)
        for metric in differences:
            scale, decimals, unit = _scale(metric)
            head = f"{result_tables.metric_name(metric)} − {to}{' (points)' if unit else ''}"
            line[head] = difference_text(part.loc[metric])
        lines.append(line)
    return pd.DataFrame(lines)


def difference_text(line: pd.Series) -> str:
    """`−0.57 (−1.99 to +0.85)`: the difference to the proposed model with its interval."""
    if not line["pairs"]:
        return "–"
    if line["reference"]:
        return "the same runs"
    scale, decimals, _ = _scale(line["metric"] if "metric" in line else line.name)
    values = [line[f"difference{tail}"] for tail in ("", "_low", "_high")]
    value, low, high = (signed(v * scale, decimals) for v in values)
    return f"{value} ({low} to {high})"


def gaps(
    frame: pd.DataFrame, metric: str = "accuracy", first: str = "Row", names: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """One line a row but the proposed: the paper's gap to the proposed, ours, and what our interval says of both."""
    scale, decimals, unit = _scale(metric)
    part = frame[(frame["metric"] == metric) & ~frame["reference"].astype(bool)]
    lines = []
    for _, r in part.iterrows():
        theirs = r["published_difference"]
        sd = f"{r['difference_sd'] * scale:.{decimals}f}" if r["pairs"] > 1 else "–"
        lines.append(
            {
                first: (names or {}).get(r["row"], r["row"]),
                "The paper" + (" (points)" if unit else ""): signed(theirs * scale, decimals)
                if np.isfinite(theirs)
                else "–",
                "Measured": difference_text(r) if r["pairs"] else ABSENT,
                "sd over seeds": sd,
                "Seeds": int(r["pairs"]),
                "Our interval": says(r),
            }
        )
    return pd.DataFrame(lines)


def says(line: pd.Series) -> str:
    """What the interval of a difference says of 0, and of the paper's difference where there is one."""
    if not line["pairs"]:
        return "–"
    word = "holds 0" if not separated(line) else "is above 0" if line["difference_low"] > 0 else "is below 0"
    theirs = line["published_difference"]
    if not np.isfinite(theirs):
        return word
    inside = line["difference_low"] <= theirs <= line["difference_high"]
    return f"{word}; the paper's gap lies {'inside' if inside else 'outside'}"


def signed(value: float, decimals: int = 2) -> str:
    """A number with its sign, a true minus, and no sign for what rounds to 0."""
    text = f"{value:+.{decimals}f}".replace("-", "−")
    return text.lstrip("+−") if not text.strip("+−0.") else text


def separated(line: pd.Series) -> bool:
    """Whether the interval of the difference to the proposed model leaves 0 out."""
    return bool(line["pairs"] and (line["difference_low"] > 0 or line["difference_high"] < 0))


def sides(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Lines whose interval lies below 0, above it, and those that hold it; lines without a run are in none."""
    run = frame[frame["pairs"] > 0]
    apart = np.array([separated(line) for _, line in run.iterrows()], dtype=bool)
    below = (run["difference"] < 0).to_numpy()
    return run[apart & below], run[apart & ~below], run[~apart]


def _scale(metric: str) -> tuple[int, int, str]:
    return (100, 2, " (%)") if metric in _SHARES else (1, 4, "")


def _mean_sd(line: pd.Series, scale: int, decimals: int) -> str:
    spread = f" ± {line['sd'] * scale:.{decimals}f}" if line["n"] > 1 else ""
    return f"{line['mean'] * scale:.{decimals}f}{spread}"


def _interval(low: float, high: float, scale: int, decimals: int) -> str:
    return f"{low * scale:.{decimals}f} to {high * scale:.{decimals}f}" if np.isfinite(low) else "–"


@styled
def dots(
    frame: pd.DataFrame,
    metric: str = "accuracy",
    names: Mapping[str, str] | None = None,
    published: bool = True,
) -> Drawing:
    """Rows of `measure` down; left the metric, right its difference to the proposed model on the same images.

    The paper's figures are open diamonds, ours dots with their intervals. Rows without a run say so.
    """
    part = frame[frame["metric"] == metric].reset_index(drop=True)
    published = published and bool(part["published"].notna().any())
    fig = drawing(height=1.15 + 0.36 * len(part))
    left, right = fig.subplots(1, 2, sharey=True, width_ratios=[1.15, 1])
    shift = 0.14 if published else 0
    for ax, value, theirs in ((left, "mean", "published"), (right, "difference", "published_difference")):
        head = "difference" if ax is right else ""
        low, high = (f"{head}_{end}" if head else end for end in ("low", "high"))
        scale = 100 if head and metric in _SHARES else 1
        run = part[part[value].notna() & ~(part["reference"] & (ax is right))]
        ax.hlines(run.index + shift, scale * run[low], scale * run[high], color=OURS, lw=3, alpha=0.35)
        ax.plot(scale * run[value], run.index + shift, "o", color=OURS, ms=6)
        if published:
            other = part[~(part["reference"] & (ax is right))]
            ax.plot(scale * other[theirs], other.index - shift, "D", mfc="none", mec=PAPER, mew=1.4, ms=5.5)
        quiet(ax, "x")
    left.set_ylim(len(part) - 0.4, -0.6)
    left.set_yticks(range(len(part)), [(names or {}).get(row, row) for row in part["row"]])
    right.axvline(0, color=MUTED, lw=1)
    if not any(line.get_marker() != "None" and len(line.get_xdata()) for line in right.lines):
        right.set_xlim(-1, 1)  # nothing to compare yet
    for y, r in part.iterrows():
        text = f"n = {r['n']}" if r["n"] else ABSENT
        right.text(1.02, y, text, transform=right.get_yaxis_transform(), va="center", fontsize=7.5,
                   color=INK if r["n"] else MUTED)  # fmt: skip
        if r["reference"]:
            right.text(0.0, y, " proposed ", va="center", ha="center", fontsize=7.5, color=MUTED,
                       bbox={"boxstyle": "square,pad=0.1", "fc": SURFACE, "ec": "none"})  # fmt: skip
    name = result_tables.metric_name(metric)
    left.set_title(name)
    right.set_title("Minus the proposed" + (", points" if metric in _SHARES else ""))
    if metric in _SHARES:
        left.xaxis.set_major_formatter(percent_label)
    for ax in (left, right):
        ax.xaxis.set_major_locator(MaxNLocator(5))
    marks = [("o", OURS, OURS, "measured, 95 % interval")]
    legend_below(fig, marks + ([("D", "none", PAPER, "the paper's figure")] if published else []))
    return fig

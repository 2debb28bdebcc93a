"""Two recipes for the proposed model on the same test images: each one's scores, and the difference with its interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from operator import attrgetter
from typing import Any

import numpy as np
import pandas as pd

from gcaf_lib.data import splits
from gcaf_lib.display import names
from gcaf_lib.evaluation import folds, units, worth
from gcaf_lib.findings import ablation, matched, words
from gcaf_lib.settings import CLASSES, Settings
from gcaf_lib.settings import names as setting_names

SIDES = ("miniatures", "ImageNet")
METRICS = ("accuracy", "macro_f1", "macro_auc", "ece", "nll")
RECALLS = tuple(f"recall_{name}" for name in CLASSES)
SCORE = ("value", "low", "high", "picture")
SHARE = "accuracy or recall"
CHANGE = [
    *(f"{name}{end}" for name in ("difference", "picture") for end in ablation.ENDS),
    "seeds",
    "folds",
    *ablation.SIZES,
]


def compare(
    small: Mapping[str, Sequence[Any]],
    large: Mapping[str, Sequence[Any]],
    dataset: Any,
    sides: tuple[str, str] = SIDES,
) -> pd.DataFrame:
    """One line a split and metric: both sides' levels, and large minus small on the same images.

    small, large: records of the proposed model by protocol (`split_records.ladder_records`); sides: what they are called, in
    the columns `<side>_value`, `_low`, `_high`, `_picture` too, which `CHANGE` follows. Compared are the seeds that both
    have, with all folds of the split; where there is none, seeds is 0. folds, and images, pictures,
    groups: tested (`units.counts`; of a recall, of its class). Fractions; picture…:
    each picture weighing 1, where copies are kept together.
    """
    groups, pictures, lines = splits.clusters(dataset), units.pictures(dataset), []
    wanted = [*METRICS, *RECALLS]
    for protocol in folds.NAMES:
        first, second = worth.paired(
            *(matched.with_all_folds(side.get(protocol, ())) for side in (large, small))
        )
        changes = worth.difference(first, second, groups, wanted) if first else {}
        copied = worth.by_picture(first, groups, pictures, wanted, against=second)
        levels = {}
        for side, records in zip(sides, (second, first)):
            found = worth.of_runs(records, groups, wanted) if records else {}
            levels[side] = found, worth.by_picture(records, groups, pictures, wanted)
        tested = pd.Series(dict(pair for r in first for pair in zip(r.rows(), _classes(r))), dtype=object)
        for metric in wanted:
            rows = (tested[tested == metric.removeprefix("recall_")] if metric in RECALLS else tested).index
            sizes = {"folds": matched.folds_known(first), **units.counts(rows, groups, pictures)}
            change, picture = (some.get(metric, ablation.NONE) for some in (changes, copied))
            line = {"protocol": protocol, "metric": metric, "seeds": change.n, **sizes}
            line |= ablation.as_columns(change, "difference") | ablation.as_columns(picture, "picture")
            for side, (found, beside) in levels.items():
                level, own = (some.get(metric, ablation.NONE) for some in (found, beside))
                three = (level.value, level.low, level.high)
                line |= dict(zip((f"{side}_{name}" for name in SCORE), (*three, own.value)))
            lines.append(line)
    levels = [f"{side}_{one}" for side in sides for one in SCORE]
    return pd.DataFrame(lines, columns=["protocol", "metric", *levels, *CHANGE])


def _classes(record: Any) -> np.ndarray:
    """The name of each tested image's class."""
    return np.array(record.settings.data.classes)[record.labels()]


def compared_text(frame: pd.DataFrame, sides: tuple[str, str] = SIDES) -> pd.DataFrame:
    """`compare` for readers: one line a split and metric; shares in percent, their differences in points."""
    lines = []
    for r in frame.to_dict("records"):
        scale, decimals, unit = (100, 1, " (%)") if _share(r["metric"]) else (1, 4, "")
        number, signed = (partial(one, decimals=decimals) for one in (words.number, words.signed))
        line = {"Split": folds.NAMES[r["protocol"]], "Metric": names.metric_name(r["metric"]) + unit}
        for side in sides:
            *three, picture = (scale * r[f"{side}_{one}"] for one in SCORE)
            text = words.span(*three, decimals) if r["seeds"] else "no pair of runs"
            line[side_title(side)] = words.beside(text, picture, number)
        change = words.shift(ablation.worth_of(r, "difference"), decimals, scale) if r["seeds"] else "–"
        line["Difference"] = words.beside(change, scale * r["picture"], signed)
        lines.append(line | {"Compared": words.basis_said(r | {"n": r["seeds"]}) if r["seeds"] else "none"})
    return pd.DataFrame(lines)


def once(frame: pd.DataFrame) -> str:
    """Why a table of `compare` has one run a side, where it has."""
    return f" {words.ONE_RUN} {words.SAME_SEED}" if frame["seeds"].max() == 1 else ""


def by_class(frame: pd.DataFrame) -> pd.DataFrame:
    """`compare`'s accuracy and recalls as `split_ladder.with_without` draws them: one line a score and side."""
    lines = []
    for r in frame[(frame["seeds"] > 0) & frame["metric"].map(_share)].to_dict("records"):
        name = names.metric_name(r["metric"])
        for side in SIDES:
            scores = dict(zip((SHARE, *SCORE[1:]), (r[f"{side}_{one}"] for one in SCORE)))
            lines.append({"protocol": folds.NAMES[r["protocol"]], "name": name, "label": side, **scores})
    return pd.DataFrame(lines, columns=["protocol", "name", "label", SHARE, *SCORE[1:]])


def accuracy_change(line: pd.Series) -> worth.Change:
    """A line's difference in accuracy, by picture too where copies are kept together."""
    file, picture = (
        ablation.worth_of(line, name)._replace(n=int(line["seeds"])) for name in ("difference", "picture")
    )
    return worth.Change(file, picture if np.isfinite(picture.value) else None)


def change_said(change: worth.Change) -> str:
    """A difference, by picture too where it has that, and which of three words it is."""
    return words.outcome(change, "a loss", "a gain")


def side_title(side: str) -> str:
    """A side's name at the head of a column or row."""
    return side[0].upper() + side[1:]


def _share(metric: str) -> bool:
    return metric == "accuracy" or metric.startswith("recall_")


def differing(sides: Mapping[str, Settings]) -> pd.DataFrame:
    """Setting, and its value on each of two sides, where they differ; those of stage 0 only where both have one."""
    both = {side.model.weights for side in sides.values()} == {"in-domain"}
    asked = [name for name in setting_names() if both or ".stage0_" not in name]
    values = [(name, *(words.setting(attrgetter(name)(one)) for one in sides.values())) for name in asked]
    frame = pd.DataFrame(values, columns=["Setting", *sides])
    return frame[frame[list(sides)].nunique(axis=1) > 1].reset_index(drop=True)

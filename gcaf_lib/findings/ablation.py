"""The frame behind Tables 4, 5, 6 and 8: each row's level and its difference to the proposed model, every number `evaluation.worth`'s, as on all pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from gcaf_lib.data import splits
from gcaf_lib.evaluation import paired_tests, units, worth
from gcaf_lib.findings import matched, table_rows
from gcaf_lib.paper import verdicts
from gcaf_lib.training import experiments

METRICS = ("accuracy", "macro_f1", "macro_auc", "ece")
ENDS = ("", "_low", "_high")  # behind a name: its value, and the ends of its interval
PICTURE = [f"{name}{end}" for name in ("picture", "picture_difference") for end in ENDS]
ADJUSTED = [f"{name}{end}" for name in ("adjusted", "picture_adjusted") for end in ENDS[1:]]
# two ways to count: columns of the difference, and of the ends of its adjusted interval
COUNTED = {
    "Counting each image": ("difference", "adjusted"),
    "Counting each picture once": ("picture_difference", "picture_adjusted"),
}
WAYS = dict(zip(("", "by picture "), COUNTED.values()))  # the same inside a sentence
SIZES = ("images", "pictures", "groups")
# of what the intervals allow for: standard errors, and the degrees of freedom that tell them
ERRORS = ("difference_error", "difference_freedom", "picture_difference_error", "picture_difference_freedom")
COLUMNS = [
    "row", "metric", "published", "decimals", "unit", "mean", "sd", "n", "folds", "low", "high", "difference",
    "difference_sd", "difference_low", "difference_high", "pairs", *SIZES, *PICTURE, *ADJUSTED, *ERRORS, "reference",
    "published_difference", "step", "verdict",
]  # fmt: skip
ADJUSTMENT = "the adjustment for the number of rows"  # by Bonferroni (`adjusted_level`)


def measure(
    experiment: str,
    found: Mapping[str, Sequence[Any]],
    dataset: Any,
    reference: Sequence[Any] = (),
    metrics: Sequence[str] = METRICS,
    made: Sequence[str] = (),
) -> pd.DataFrame:
    """One line (`COLUMNS`) for each row of an experiment and metric, rows without a record included (n = 0).

    experiment: its name ("table-4"); found: `matched.table_records`, every row of the same seeds; reference: run records of the
    proposed model, with which each row is compared, seed by seed and fold by fold, on the same test images;
    made: (profile, protocol), for the verdict. On a split with folds only seeds that have all of them count.

    All values are fractions. mean, sd, n: over seeds; folds: on record for the seed that has most, 0 on a split
    without. difference: row minus reference, over the `pairs` seeds that both have. reference: whether the row is
    the proposed model itself. published_difference: the paper's figure minus its own for the proposed setting in
    the same table, known to within `step`. picture…: level and difference with each picture weighing 1
    (`worth.by_picture`). images, pictures, groups: what the pairs are compared on (`units.counts`). adjusted…, picture_adjusted…: ends of the difference's interval, adjusted by Bonferroni for the
    rows that are compared (`adjusted_level`). verdict: on the difference. Raises `ValueError` where rows are of
    different seeds, or a row and the reference were judged on different test images.
    """
    seeds = matched.seeds_known(found)
    if len(set(map(frozenset, seeds.values()))) > 1:
        raise ValueError(f"{experiment}: rows of different seeds ({seeds}): give equal_seeds(found)")
    groups, pictures = splits.clusters(dataset), units.pictures(dataset)
    base, own_rows = matched.with_all_folds(reference), table_rows.proposed_rows(experiment)
    pairs = [worth.paired(matched.with_all_folds(group), base) for group in found.values()]
    strict = adjusted_level(sum(bool(ours) and not matched.among(ours, base) for ours, _ in pairs))
    theirs = table_rows.published_figures(experiment, own_rows[0]) if own_rows else {}
    lines = []
    for label in dict.fromkeys(row.label for row in experiments.experiment(experiment).rows):
        known = list(found.get(label, ()))
        records, figures = matched.with_all_folds(known), table_rows.published_figures(experiment, label)
        own = matched.among(records, base) if records and base else label in own_rows
        tested = [r.rows() for r in worth.paired(records, base)[0]]
        sizes = units.counts(np.concatenate(tested) if tested else [], groups, pictures)
        levels = worth.of_runs(records, groups, metrics) if records else {}
        copies = worth.by_picture(records, groups, pictures, metrics)
        differences, wide = (
            worth.difference(records, base, groups, metrics, level=one) for one in (0.95, strict)
        )
        changes, wider = (
            worth.by_picture(records, groups, pictures, metrics, against=base, level=one)
            for one in (0.95, strict)
        )
        for metric in metrics:
            level, gap, copied, change, *adjusted = (
                one.get(metric, NONE) for one in (levels, differences, copies, changes, wide, wider)
            )
            figure, other = figures.get(metric), theirs.get(metric)
            both = figure and other
            line = {
                "row": label,
                "metric": metric,
                "published": figure.fraction if figure else np.nan,
                "decimals": figure.decimals if figure else np.nan,
                "unit": figure.unit if figure else "",
                **dict(zip(("mean", "sd", "n", "low", "high"), level)),
                "folds": matched.folds_known(known),
                **as_columns(gap, "difference"),
                "difference_sd": gap.sd,
                "pairs": gap.n,
                **sizes,
                **as_columns(copied, "picture"),
                **as_columns(change, "picture_difference"),
                **dict(zip(ERRORS, (gap.error, gap.freedom, change.error, change.freedom))),
                **dict(zip(ADJUSTED, (end for one in adjusted for end in (one.low, one.high)))),
                "reference": own,
                "published_difference": figure.fraction - other.fraction if both else np.nan,
                "step": figure.half_step + other.half_step if both else np.nan,
            }
            lines.append(line | {"verdict": _verdict(line, gap.lift, made)})
    return pd.DataFrame(lines, columns=COLUMNS)


NONE = worth.Worth(np.nan, np.nan, 0, np.nan, np.nan)


def adjusted_level(rows: int) -> float:
    """Level of each row's interval with which all rows together are at 95%, by Bonferroni."""
    return 1 - paired_tests.ALPHA / max(1, rows)


def worth_of(line: Mapping[str, Any], name: str) -> worth.Worth:
    """The value and interval that a table's line holds as `name`, `name_low` and `name_high`."""
    return NONE._replace(value=line[name], low=line[f"{name}_low"], high=line[f"{name}_high"])


def as_columns(one: worth.Worth, name: str) -> dict[str, float]:
    """The value and interval as a table's line holds them: what `worth_of` reads."""
    return dict(zip((f"{name}{end}" for end in ENDS), (one.value, one.low, one.high)))


def measure_on_split(
    chapter: Any, experiment: str, found: Mapping[str, Sequence[Any]], metrics: Sequence[str] = METRICS
) -> pd.DataFrame:
    """`measure` of a table on the chapter's own split, beside all runs of the proposed model there. found: of `matched.table_records`."""
    return measure(
        experiment, found, chapter.dataset, chapter.proposed_runs(), metrics, chapter.profile_and_split
    )


def measure_on_folds(
    chapter: Any, experiment: str, found: Mapping[str, Sequence[Any]], metrics: Sequence[str] = METRICS
) -> pd.DataFrame:
    """`measure` of a table on patient-disjoint folds: over all five folds, which together test every image once.

    found: of `matched.fold_records`. Rows that the experiment "<name>-patients" doesn't have are left out.
    """
    reference = found.get(table_rows.proposed_rows(experiment)[0], ())
    frame = measure(
        experiment, found, chapter.dataset, reference, metrics, made=(chapter.profile, "patients")
    )
    rows = {row.label for row in experiments.experiment(f"{experiment}-patients").rows}
    return frame[frame["row"].isin(rows)].reset_index(drop=True)


def _verdict(line: Mapping[str, Any], lift: float, made: Sequence[str]) -> str:
    if line["reference"]:
        return "–"
    # the lift is of this split's test parts, and the paper's figures are of the random one
    lift = lift if tuple(made)[1:] == ("paper",) else 0.0
    theirs, step = line["published_difference"] - lift, line["step"]
    ends = line["difference_low"], line["difference_high"]
    return verdicts.difference(theirs, *ends, step, made, seeds=line["pairs"])


def others(frame: pd.DataFrame, metric: str = "accuracy") -> pd.DataFrame:
    """The lines of one metric that are not the proposed model's own."""
    return frame[(frame["metric"] == metric) & ~frame["reference"].astype(bool)]


def compared(frame: pd.DataFrame, metric: str = "accuracy") -> pd.DataFrame:
    """Those of `others` that are compared by a seed or more."""
    part = others(frame, metric)
    return part[part["pairs"] > 0]

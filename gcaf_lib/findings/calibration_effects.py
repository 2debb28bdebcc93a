"""Chapter 19: what Mixup, averaging, smoothing and the loss change of calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from gcaf_lib.evaluation import worth
from gcaf_lib.findings import matched, temperature_scaling, words
from gcaf_lib.paper import verdicts
from gcaf_lib.training import experiments

_LABELS = {"target-probability": "Loss: target-probability", "per-class": "Loss: per-class"}
_TESTED = {"table-5": "", "loss": "", "table-8": ("Mixup", "Focal γ", "Label")}  # to its rows' beginnings


def records_by_setting(chapter: Any) -> dict[str, list[Any]]:
    """Records by setting of Mixup, EMA, loss and smoothing, in the experiments' order; none for what wasn't run.

    At equal n experiment by experiment, as in their own chapters: a table with fewer seeds takes none from the others.
    """
    found: dict[str, list[Any]] = {}
    for name, starts in _TESTED.items():
        records = chapter.records(name)
        rows = [row.label for row in experiments.experiment(name).rows if row.label.startswith(starts)]
        equal = matched.equal_seeds({row: records.get(row, []) for row in rows})
        found |= {_LABELS.get(row, row): equal[row] for row in rows}
    return found


EFFECTS = ("ece", "classwise", "brier", "nll")


def differences(
    rows: Mapping[str, Sequence[Any]], runs: Sequence[Any], clusters: np.ndarray
) -> dict[str, dict[str, worth.Worth]]:
    """Setting to its differences (`EFFECTS`) from `runs`, on the seeds (and folds) that both have, both drawn on the same samples.

    rows: label to records. A setting without a record, or whose records are among `runs`, is left out.
    """
    own = {r.key for r in runs}
    return {
        label: worth.difference(records, runs, clusters, EFFECTS)
        for label, records in rows.items()
        if not {r.key for r in records} <= own
    }


def effects_table(
    rows: Mapping[str, Sequence[Any]],
    clusters: np.ndarray,
    found: Mapping[str, Mapping[str, worth.Worth]],
) -> pd.DataFrame:
    """One row a setting: seeds, T, accuracy, and measures as value with the difference's interval; found: `differences` of the rows.

    A setting without a record says so.
    """
    lines = []
    for label, records in rows.items():
        if not records:
            lines.append({"Setting": label, "Seeds": "no run yet"})
            continue
        mine = worth.of_runs(records, clusters, ("accuracy", "excess", *EFFECTS))
        line = {
            "Setting": label,
            "Seeds": str(mine["accuracy"].n),
            "T": f"{np.mean(temperature_scaling.fitted(records)):.2f}",
            "Accuracy": f"{mine['accuracy'].value:.4f}",
            "Conf. − acc.": words.signed(mine["excess"].value, 4),
        }
        for name in EFFECTS:
            text = f"{mine[name].value:.4f}" + (" (reference)" if label not in found else "")
            if found.get(label):
                text += f", {words.shift(found[label][name])}"
            line[NAMES[name].replace(", equal width", "")] = text
        lines.append(line)
    return pd.DataFrame(lines).fillna("–")


def ingredients_said(
    rows: Mapping[str, Sequence[Any]],
    runs: Sequence[Any],
    clusters: np.ndarray,
    found: Mapping[str, Mapping[str, worth.Worth]],
) -> str:
    """What averaging, Mixup, the loss's reading and smoothing change by themselves, and how many intervals `effects_table` and this
    show, each contrast counted once. Each pair is compared on the seeds that both have.

    found: `differences` of the rows to these runs.
    """
    asked = ("ece", "nll")
    averaged = worth.difference(runs, runs, clusters, asked, which=("ema", "raw"))
    told, more = {"Averaged instead of raw weights, same runs": averaged}, [averaged]
    for what, first, second in (
        ("Mixup, with averaging", "Proposed Model", "With EMA Only"),
        ("Mixup, without averaging", "With Mixup Only", "Without Mixup & EMA"),
        ("The per-class reading instead of the literal one", "Loss: per-class", "Loss: target-probability"),
        ("Label smoothing 0.1 for 0.01", "Label Smoothing ε = 0.1", "Label Smoothing ε = 0.01"),
    ):
        told[what] = worth.difference(rows[first], rows[second], clusters, asked)
        # a pair with the proposed setting is a row of the table, maybe with the other sign
        if first in found and second in found:
            more.append(told[what])
    counted = words.by_chance(pair for one in (*found.values(), *more) for pair in one.items())
    lines = [ingredient(what, one) for what, one in told.items()]
    return "\n".join(lines) + (f"\n\nThe table and this list show {counted}" if counted else "")


def ingredient(what: str, gaps: Mapping[str, worth.Worth]) -> str:
    """One line of a list: what an ingredient does to calibration errors, from `worth.difference` with and without it."""
    if not gaps:
        return f"- **{what}**: no pair of runs on this split shows it yet."
    said = [
        f"{name.upper()} {words.shift(one)[:-1]}; {words.by_side(one, 'better', 'worse', verdicts.UNDECIDED)})"
        for name, one in gaps.items()
    ]
    return f"- **{what}**, {words.plural(next(iter(gaps.values())).n, 'seed')}: " + ", ".join(said) + "."


NAMES = {
    "accuracy": "Accuracy",
    "picture_accuracy": "Accuracy, by picture",
    "excess": "Confidence − accuracy",
    "picture_excess": "Confidence − accuracy, by picture",
    "ece": "ECE, equal width",
    "mass": "ECE, equal mass",
    "classwise": "Class-wise ECE, equal width",
    "classwise_mass": "Class-wise ECE, equal mass",
    "brier": "Brier score",
    "picture_brier": "Brier score, by picture",
    "nll": "Negative log-likelihood",
    "picture_nll": "Negative log-likelihood, by picture",
}

"""Chapter 12: what the runs say of the paper's claims about Mixup and EMA, and the proposed model beside itself as their control."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from gcaf_lib.data import splits
from gcaf_lib.display import names
from gcaf_lib.evaluation import bootstrap, folds, units, worth
from gcaf_lib.findings import (
    ablation,
    ablation_tables,
    difference_intervals,
    factorial_effects,
    first_place,
    matched,
    words,
)
from gcaf_lib.paper import verdicts

CAVEAT = {  # by profile: what its page can't say of the paper's networks (`words.of_profile`)
    "demo": "These are phantoms and miniature networks, with a moving average that forgets faster than the paper's: they show the "
    "mechanism, not its size in patients.",
    "cpu": "These are miniature networks whose stages are shorter than the paper's and start from backbones that already know these "
    "classes: there is less to regularise, and the average has less to smooth and more of its start in it.",
}


def verdict_said(effects_: pd.DataFrame, rows: pd.DataFrame, control: pd.DataFrame | None = None) -> str:
    """What the runs say of the paper's three claims about Table 5, as a list; claims without runs say so.

    effects_: of `factorial_effects.effects`; rows: of `ablation.measure("table-5", …)`; control: of `seed_against_seed`, where that is asked.
    """
    known, out = effects_.set_index(["contrast", "metric"]), []
    measures = (("accuracy", "accuracy", 1), ("ece", "the ECE", -1), ("nll", "the NLL", -1))
    for factor, contrast in (
        ("Mixup alone", "Mixup, without EMA"),
        ("EMA alone", "EMA, without Mixup"),
        ("Mixup added to EMA", "Mixup, with EMA"),
        ("EMA added to Mixup", "EMA, with Mixup"),
    ):
        said = [_word(known.loc[contrast, metric], name, good) for metric, name, good in measures]
        none = not known.loc[contrast, "accuracy"]["n"]
        out.append(
            f"{factor}: "
            + ("not both trained on this split under this profile." if none else "; ".join(said) + ".")
        )
    copied = effects_.assign(low=effects_["picture_low"], high=effects_["picture_high"])
    if counted := words.by_chance((r.metric, r) for part in (effects_, copied) for r in part.itertuples()):
        out.append(
            f"The table of effects shows {counted} Chapter 15 sets each row beside the proposed model by a permutation over "
            "patients, adjusted by Holm; that knows nothing of other trainings, so it may find what these intervals leave open."
        )
    trained = rows[rows["n"] > 0]
    if trained["row"].nunique() > 1:
        own = factorial_effects.design_cells()[True, True]
        for metric, name, best in (("accuracy", "accuracy", "max"), ("ece", "ECE", "min")):
            part = trained[trained["metric"] == metric].set_index("row")
            tops = [_top(part[column], best) for column in ("mean", "picture") if part[column].notna().all()]
            said = ", by picture ".join(
                dict.fromkeys(
                    " and ".join(top) + ", equal to the digits printed" * (len(top) > 1) for top in tops
                )
            )
            theirs = ", as the paper has it" if tops.count([own]) == len(tops) else f"; the paper has {own}"
            out.append(
                f"Best {name} of the {len(part)} trained rows, distinguishable or not: {said} ({names.repeats(part.iloc[0])})"
                f"{theirs * bool(effects_['published'].notna().any())}."
            )
    if control is not None:
        out.append(seed_against_seed_said(control, rows))
    return "\n".join(f"- {line}" for line in out)


def _top(values: pd.Series, best: str) -> list[str]:
    """The rows with the best value as the tables print it: those that are equal there share the place. best: max or min."""
    printed = values.round(4)
    return list(printed.index[printed == getattr(printed, best)()])


def _told(one: Any, good: int) -> str:
    """Whether a difference is to the better; good: 1 where more is, −1 where less is."""
    lower, higher = (f"{word}, the interval excludes 0" for word in ("worse", "better")[::good])
    return words.by_side(one, lower, higher, verdicts.UNDECIDED) + difference_intervals.warned(one)


def _word(line: pd.Series, name: str, good: int) -> str:
    if not line["n"]:
        return f"{name}: no runs"
    scale, decimals, _ = ablation_tables.metric_format(name)
    value, *interval = words.shift(line, decimals, scale).split(" ", 1)
    text = f"{' '.join([name, value, *['points'] * (scale == 100), *interval])}, {_told(line, good)}"
    once = " (one seed)" if line["n"] == 1 else ""
    if np.isfinite(line["published"]):
        theirs = factorial_effects.printed_contrast(line["published"], scale)
        place = verdicts.level(line["published"] - line["lift"], line["low"], line["high"], line["step"])
        text += f" ({'one seed; ' if once else ''}the paper's {theirs} lies {place})"
    else:
        text += once
    if np.isfinite(line["picture"]):
        copied = ablation.worth_of(line, "picture")
        text += f", by picture {words.shift(copied, decimals, scale)}, {_told(copied, good)}"
        text += once
    return text


def seed_against_seed(records: Sequence[Any], dataset: Any) -> pd.DataFrame:
    """metric, by_picture, value, low, high: the proposed model beside itself on the folds, every two of its seeds, with the
    intervals over patients that `factorial_effects.effects` has for one seed.

    Chapter 15 does the same by a permutation, for the accuracy. records: all its runs over the folds.
    """
    groups, pictures = splits.clusters(dataset), units.pictures(dataset)
    by, lines = folds.by_seed(matched.with_all_folds(records)), []
    for copied, metric in itertools.product((False, True), ("accuracy", "nll")):
        weighed = pictures if copied else None
        drawn = {
            seed: bootstrap.samples(
                worth.answers_by_seed(part), groups, ("accuracy", "nll"), pictures=weighed
            )
            for seed, part in by.items()
        }
        for a, b in itertools.combinations(by, 2):
            answer = worth.one_answer_moves(worth.answers_by_seed(by[a]), weighed, metric)
            one = factorial_effects.weighted_sum(metric, [(1, drawn[a]), (-1, drawn[b])], answer)
            lines.append((metric, copied, one.value, one.low, one.high))
    return pd.DataFrame(lines, columns=["metric", "by_picture", "value", "low", "high"])


def seed_against_seed_said(frame: pd.DataFrame, rows: pd.DataFrame) -> str:
    """How much two seeds of one method differ, and how often an interval of one seed takes that for more than 0.

    frame: of `seed_against_seed`; rows: of `ablation.measure`, whose effects stand above.
    """
    if frame.empty:
        return "No two seeds of the proposed model on all folds: how much of this is another training's chance is not known."
    apart = int(((frame["low"] > 0) | (frame["high"] < 0)).sum())
    most = frame["value"].abs().groupby([frame["metric"], frame["by_picture"]]).max()
    single = (
        "An effect of one seed that is no larger is not told from the method's own spread, whatever its interval. (Rows of one seed start from the "
        "same stage 0, two seeds do not: for the rows this is strict. Chapter 15 has the same by another test.)"
        if (ablation.others(rows)["pairs"] == 1).any()
        else "This is of single seeds; the effects above are means over more, and their intervals allow for another training."
    )
    return (
        f"The control: the proposed model beside itself, every two of its seeds, by the same intervals: {apart} of {len(frame)} of accuracy and NLL "
        f"{words.verb(apart, 'excludes', 'exclude')} 0, for differences of up to {100 * most['accuracy', False]:.2f} points (by picture "
        f"{100 * most['accuracy', True]:.2f}) and of {most['nll', False]:.3f} of NLL ({most['nll', True]:.3f}). {single}"
    )


def beside_no_mixup_said(frame: pd.DataFrame, show_published: bool = True) -> str:
    """Whether Mixup is better than none where no known patient is shared, EMA on both times; frame: of `ablation.measure_on_folds`."""
    question = "Is Mixup better than none where no known patient is shared (both with EMA)?"
    row = factorial_effects.design_cells()[factorial_effects.EMA]
    answer = first_place.answer(frame, row, question, show_published=show_published)
    return f"{answer} What Mixup changes without EMA stands among the effects below."

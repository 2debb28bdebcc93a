"""Chapter 20: both controls of the interventions: models of marks, which removal must make guess, and images without a tumour."""

from __future__ import annotations

import pandas as pd

from gcaf_lib.data import marks
from gcaf_lib.evaluation import control
from gcaf_lib.evaluation.intervals import Interval
from gcaf_lib.evaluation.interventions import ALONE, FLAT, PAINTED, elsewhere_kind
from gcaf_lib.findings.intervention_effects import CONTROL, HEALTHY, Effects
from gcaf_lib.findings.words import by_side, percent, plural, points


def passed(found: Effects) -> bool | None:
    """Whether models of the marks guess without the mark, by either fill, and not without as much elsewhere; None: not asked."""
    both = [found[kind, "right"] for kind in (PAINTED, FLAT)]
    if any(CONTROL not in one.index for one in both):
        return None
    return all(guesses(one.loc[CONTROL, "tumour"]) and knows(one.loc[CONTROL, "elsewhere"]) for one in both)


def guesses(right: Interval) -> bool:
    return right.value <= 1 / marks.CLASSES + control.LEAK


def knows(right: Interval) -> bool:
    return right.value >= control.RIGHT


def instrument(found: Effects, asked: pd.DataFrame) -> str:
    verdict = passed(found)
    if verdict is None:
        return "**No positive control is on record: nothing is concluded.**"
    shares = [
        percent(found[kind, "right"].loc[CONTROL, name].value)
        for kind in (PAINTED, FLAT)
        for name in ("tumour", "elsewhere")
    ]
    marked = asked[asked["class"] == CONTROL].pivot(index=["run", "row"], columns="kind", values="right")
    models = marked.index.get_level_values("run").nunique()
    alike = marked[[PAINTED, FLAT, elsewhere_kind(ALONE)]].nunique(axis=1) == 1
    return (
        f"{plural(models, 'model')} of the marks: without the mark {shares[0]}% of their answers are right (flat: {shares[2]}%; "
        f"guessing: {percent(1 / marks.CLASSES)}%), without as much elsewhere {shares[1]}% (flat: {shares[3]}%): "
        + (
            "the removal works, on coloured marks in smooth texture. Both fills, and *alone* below, are asked of the same models and "
            f"pictures (without the mark right or wrong alike in {percent(alike.mean())}% of them): this is one control, not three."
            if verdict
            else "**the removal does not work, and nothing is concluded**."
        )
    )


def negative_control(table: pd.DataFrame) -> str:
    """What images without a tumour show at a borrowed border, and whether that is off the 0 that a control should have."""
    one = table.loc[HEALTHY, "difference"]
    return f"{points(one)}, {by_side(one, 'not nil', 'not nil', 'not told from 0')}"

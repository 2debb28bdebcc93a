"""Chapter 20: table and words of the tumour alone, in a head of one colour, beside as much elsewhere."""

from __future__ import annotations

import pandas as pd

from gcaf_lib.evaluation.interventions import ALONE
from gcaf_lib.findings.intervention_control import guesses, knows, negative_control
from gcaf_lib.findings.intervention_effects import (
    COMPARED,
    COMPARED_CAPTION,
    CONTROL,
    HEALTHY,
    PARTS,
    Effects,
    bands,
    shifts,
    tumour_lines,
)
from gcaf_lib.findings.words import by_side, percent, points

CUT_OUT = COMPARED_CAPTION.format(
    "Percent of right answers to the tumour alone and to as much elsewhere alone, the rest of the head in its mean colour; differences",
    "right answers to the tumour alone less those to as much elsewhere alone",
)


def alone_table(found: Effects) -> pd.DataFrame:
    """A reader's table of right answers with all of the head painted but the tumour, or as much elsewhere, and both differences.

    How many are right as it is stands in `painted_over.painted_table`.
    """
    right = found[ALONE, "right"]
    return pd.DataFrame(
        {
            "Class": right.index,
            **bands(right, "Tumour alone", "Elsewhere alone", parts=PARTS[1:]),
            **dict(
                zip(
                    COMPARED,
                    map(shifts, (right["difference"], right["beyond"])),
                )
            ),
        }
    )


def alone_said(found: Effects) -> str:
    """What tumours say by themselves: in which classes they are named rightly more often than what lies elsewhere."""
    right = found[ALONE, "right"]
    said = [
        f"{name.lower()} {percent(one.tumour.value)}% ({points(one.difference)} beside as much elsewhere, {points(one.beyond)} beyond no tumour: "
        + by_side(one.beyond, "less", "more", "no difference shown")
        + ")"
        for name, one in tumour_lines(right)
    ]
    if not said or CONTROL not in right.index:
        return ""
    marked = right.loc[CONTROL]
    text = f"Of marks alone, {percent(marked.tumour.value)}% are named rightly, of as much elsewhere {percent(marked.elsewhere.value)}%"
    if not (knows(marked.tumour) and guesses(marked.elsewhere)):
        return f"{text}: **cutting out does not work, and nothing is concluded.**"
    if HEALTHY in right.index:
        text += f"; of images without a tumour, the negative control, by a borrowed place minus elsewhere {negative_control(right)}"
    return (
        f"{text}. Named rightly by the tumour alone, in a head of one colour: {', '.join(said)}. What is said of a class rests on its interval "
        f"beyond no tumour ({len(said)} of 95%, not corrected for their number). Such a head is like no picture in training. "
        "The class that a model names it whatever stands in it is right for that class: so *elsewhere* stands beside."
    )

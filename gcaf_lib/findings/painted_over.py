"""Chapter 20: tables and words of the tumour painted over: whether the removal works, which answers change, and what they turn to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from gcaf_lib.evaluation import clustered, interventions, tumours
from gcaf_lib.evaluation.interventions import ALONE, FLAT, PAINTED, WHOLE, elsewhere_kind
from gcaf_lib.findings.intervention_control import instrument, negative_control, passed
from gcaf_lib.findings.intervention_effects import (
    COMPARED,
    COMPARED_CAPTION,
    CONTROL,
    HEALTHY,
    NAMES,
    TUMOURS,
    Effects,
    bands,
    shifts,
    tumour_lines,
)
from gcaf_lib.findings.words import ONE_SEED, ends, percent, plural, points, shift, signed, some

OVER = (
    "Right answers in percent: to the image as it is; with the tumour painted over (control: the mark; no tumour: a borrowed border); "
    f"with as much painted over elsewhere (mean of {interventions.PLACES} places, one at a time). An image counts once a run. 95% "
    "intervals: cluster bootstrap over patient groups (control: pictures); where all draws are alike, Wilson's of as many trials as "
    "groups."
)
CHANGED = COMPARED_CAPTION.format(
    "Answers changed",
    "the share of answers changed with the tumour painted over less that with as much elsewhere",
)
RIGHT = ["Class", "Right as it is", "Tumour painted over", "Elsewhere painted over"]


def painted_table(found: Effects) -> pd.DataFrame:
    """A reader's table of the tumour painted over beside as much elsewhere: right answers, changed ones, and the probability.

    Ten columns, for a file: a page shows `RIGHT` of them, and `changed_table`.
    """
    right, answer, sure = (found[PAINTED, value] for value in ("right", "changed", "probability"))
    return pd.DataFrame(
        {
            "Class": right.index,
            "Images (groups)": [f"{i:,} ({g:,})" for i, g in right[["images", "groups"]].to_numpy()],
            **bands(right, *RIGHT[1:]),
            "Difference, points": shifts(right["difference"]),
            "Answer changed, tumour minus elsewhere": shifts(answer["difference"]),
            "The same beyond no tumour": shifts(answer["beyond"]),
            "Beyond no tumour, flat": shifts(found[FLAT, "changed"]["beyond"]),
            "True class's probability, tumour minus elsewhere": [shift(one, 2) for one in sure["difference"]],
        }
    )


def changed_table(found: Effects) -> pd.DataFrame:
    """A reader's table of the differences on which `_beyond` rests, a line a class and fill."""
    classes, gaps = found[PAINTED, "changed"].index, ["difference", "beyond"]
    lines = [
        (f"{name}, {kind}", *shifts(found[kind, "changed"].loc[name, gaps]))
        for name in classes
        for kind in (PAINTED, FLAT)
    ]
    return pd.DataFrame(lines, columns=["Class, fill", *COMPARED])


def painted_said(
    found: Effects,
    asked: pd.DataFrame,
    runs: Sequence[Any],
    images: pd.DataFrame,
    phantoms: bool = False,
) -> str:
    """What painting over says: of the instrument first, then class by class beyond both controls, and where answers go.

    images: `tumours.read_images`, which know of which images there is a border.
    """
    known = tumours.runs_of(asked, runs)
    if not known:
        return "**Nothing was asked of these runs: neither is it on record, nor are their weights and the borders on this machine.**"
    seeds = len({r.seed for r in known})
    text = f"{instrument(found, asked)} Asked: {plural(len(known), 'run')} ({plural(seeds, 'seed')}), {_faithful(asked, known)}; {_left_out(asked, known, images)}."
    if seeds == 1:
        text += f" {ONE_SEED}"
    if passed(found) and TUMOURS in found[PAINTED, "right"].index:
        said = [_fill(found), _beyond(found, asked), _remains(found, asked), _turned_to(asked)]
        text += "\n\n" + "\n\n".join(one for one in said if one)
    return text + (" These are phantoms: the page shows the method, not a finding." if phantoms else "")


def _faithful(asked: pd.DataFrame, runs: Sequence[Any]) -> str:
    """Whether the models that were asked are those on record: they may have been trained again."""
    whole = asked[asked["kind"] == WHOLE].set_index(["run", "row"])["right"]
    recorded = pd.concat({r.key: pd.Series(r.right(), r.rows()) for r in runs})
    told_ = whole[whole.index.isin(recorded.index)].astype(bool)
    other = int((told_ != recorded.reindex(told_.index).astype(bool)).sum())
    text = "whose answers to whole images are right or wrong as on record"
    return text + (f" but for {other:,} of {len(told_):,}" if other else "")


def _left_out(asked: pd.DataFrame, runs: Sequence[Any], images: pd.DataFrame) -> str:
    """How many of the test images with a border, or without a tumour, could be asked; how large the tumours of the others are."""
    area = images["area"].to_numpy()
    known = np.isfinite(area)
    whole = asked[asked["kind"] == WHOLE]
    said = []
    for label, name in enumerate(NAMES):
        here = name == HEALTHY
        count = sum(((r.labels() == label) & (here | known[r.rows()])).sum() for r in runs)
        said.append(f"{(whole['class'] == name).sum():,} of {count:,} {name.lower()}")
    text = f"of the test images with a border or without a tumour {', '.join(said)}, the others having no room elsewhere"
    tumour = pd.concat({r.key: pd.Series(area[r.rows()], r.rows()) for r in runs}).dropna()
    shown = tumour.index.isin(whole.set_index(["run", "row"]).index)
    if shown.all() or not shown.any():
        return text
    left, kept = tumour[~shown].median(), tumour[shown].median()
    text += f" (tumours left out take up {percent(left)}% of the image in the median, those asked {percent(kept)}%"
    return f"{text}: of large tumours less is known)" if left > kept else f"{text})"


def _beyond(found: Effects, asked: pd.DataFrame) -> str:
    """By class: how many more answers change without the tumour than elsewhere, beyond images without one, by either fill."""
    answer, other = found[PAINTED, "changed"], found[FLAT, "changed"]
    if HEALTHY not in answer.index:
        return "No image without a tumour was asked, which is the negative control: nothing is said by class."
    bare = "; ".join(f"{kind} {negative_control(found[kind, 'changed'])}" for kind in (PAINTED, FLAT))
    more, said, looked = [], [], []
    for name, one in tumour_lines(answer):
        flat = other.loc[name, "beyond"]
        looked.append([one.difference, one.beyond, other.loc[name, "difference"], flat])
        if all(gap.low > 0 for gap in looked[-1]):
            more.append(name.lower())
        part = asked[(asked["class"] == name) & (asked["kind"] == PAINTED)]
        before = f" (before either is subtracted, painted: {_over_runs(part, 'changed')})"
        several = part["run"].nunique() > 1
        said.append(f"{name.lower()} {points(one.beyond)}, flat {points(flat)}{before * several}")
    return (
        "Answers that change when the tumour is painted over, less those when as much elsewhere is, less the same of images without a "
        f"tumour and a border borrowed from that class (the negative control, which both places should change alike; of all classes {bare}): {'; '.join(said)}. "
        f"**Classes in which painting the tumour over changes more answers, beyond both controls and by either fill: {some(more)}.** "
        f"This looks at {sum(map(len, looked))} intervals of 95% (both differences, by both fills, of {len(looked)} of the classes), not corrected for their number; "
        f"a class is named only where all {len(looked[0])} of its own lie above 0. No verdict here rests on the tables' other intervals."
    )


def _over_runs(part: pd.DataFrame, value: str) -> str:
    """`22.3% to 45.3% over runs`: the least and the largest share of a run."""
    each = part.groupby("run")[value].mean()
    return f"{percent(each.min())}% to {percent(each.max())}% over runs"


def _remains(found: Effects, asked: pd.DataFrame) -> str:
    """By class, of the answers that are right: how many still are by either fill, and with as much elsewhere painted."""
    wide = asked.pivot(index=["class", "run", "row", "group"], columns="kind", values="right").reset_index()
    known = wide[(wide[WHOLE] > 0) & ~wide["class"].isin([CONTROL, HEALTHY])]
    each = []
    for name, part in known.groupby("class", observed=True):
        one = clustered.share(part[PAINTED], part["group"])
        each.append(
            f"{name.lower()} {percent(one.value)}% ({ends(one.low, one.high, 1, 100)}; "
            f"elsewhere {percent(part[elsewhere_kind(PAINTED)].mean())}%), flat {percent(part[FLAT].mean())}% "
            f"(elsewhere {percent(part[elsewhere_kind(FLAT)].mean())}%), of {len(part):,}"
        )
    if not each:
        return ""
    healthy = found[PAINTED, HEALTHY].loc[TUMOURS]
    return (
        f"**Of the right answers these are still right with the tumour painted over: {'; '.join(each)}.** "
        f"{percent(healthy.tumour.value)}% of the tumour images asked are then called *no tumour*; as they are, {percent(healthy.whole.value)}% (of those not asked, chapter 21 tells). An answer that stays "
        "needs no tumour to be seen: surroundings that it has changed, the trace that painting leaves of its place and size, the view or the source of "
        "the picture (chapter 18), or a class that is named by default, may be enough."
    )


def _turned_to(asked: pd.DataFrame) -> str:
    """Which class right answers turn to, by either fill, and which is named when next to nothing of the head is seen."""
    whole = asked[(asked["kind"] == WHOLE) & (asked["right"] > 0)]
    turned = asked[asked["kind"].isin([PAINTED, FLAT]) & (asked["changed"] > 0)].merge(whole[["run", "row"]])
    said = []
    for (name, kind), part in turned.groupby(["class", "kind"], observed=True, sort=False):
        if name not in (CONTROL, HEALTHY):
            most = part[list(NAMES)].mean().sort_values()
            said.append(
                f"{name.lower()}, {kind}, {percent(most.iloc[-1])}% of {len(part):,} to {most.index[-1].lower()}"
            )
    blind = asked[(asked["kind"] == elsewhere_kind(ALONE)) & (asked["class"] != CONTROL)]
    if not said or blind.empty:
        return ""
    name = blind[list(NAMES)].mean().idxmax()
    return (
        f"Where right answers turn to, most of them: {'; '.join(said)}. A head of one colour but for a piece that is no tumour, of which the outline and "
        f"the air stay, is named {name.lower()} in {percent(blind[name].mean())}% ({_over_runs(blind, name)}): a class that is named "
        "when little is seen loses little by painting."
    )


def _fill(found: Effects) -> str:
    """How far what was painted stands out from the head around it, which may itself be what is answered."""
    said = []
    for kind in (PAINTED, FLAT):
        each = [f"{name.lower()} {_step(one)}" for name, one in tumour_lines(found[kind, "step"])]
        said.append(f"{kind}: {', '.join(each)}")
    before = ", ".join(
        f"{name.lower()} {signed(one.whole.value, 0)}" for name, one in tumour_lines(found[PAINTED, "step"])
    )
    return (
        f"Painting is itself a change. By how many grey values (of 255) the place is brighter than the head around it, as it is: {before}; "
        f"after it (in brackets elsewhere), {'; '.join(said)}. *Elsewhere* is off the head's rim, but not the tissue around the "
        "tumour, which painting can do other things to. Images without a tumour, painted at a borrowed border, allow for the place, but not for what a tumour has "
        "done to its surroundings: a limit of all differences here."
    )


def _step(one: pd.Series) -> str:
    return f"{signed(one.tumour.value, 0)} ({signed(one.elsewhere.value, 0)})"

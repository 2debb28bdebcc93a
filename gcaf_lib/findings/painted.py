"""Chapter 20: what the answer does when the tumour is painted over, or all but it (`evaluation.interventions`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from gcaf_lib.data import marks
from gcaf_lib.display import overlays
from gcaf_lib.display.style import CLASS_NAMES
from gcaf_lib.evaluation import clustered, control, interventions, localisation
from gcaf_lib.evaluation.intervals import Interval
from gcaf_lib.evaluation.interventions import ALONE, ALONE_ELSEWHERE, PAINTED, PAINTED_ELSEWHERE, WHOLE
from gcaf_lib.findings.words import ONE_SEED, band, change, percent, plural, points, shift
from gcaf_lib.settings import DataSettings

CONTROL, TUMOURS, HEALTHY = "Marks (control)", "All tumours", CLASS_NAMES["notumor"]
SHARES = ("changed", "right", "healthy")
VALUES = (*SHARES, "probability", "moved")


def told(table: pd.DataFrame, classes: Sequence[str], clusters: np.ndarray) -> pd.DataFrame:
    """One line a run, image and kind: class, group, and means over places of `VALUES`; table: `interventions.read`'s.

    changed: another answer than to the whole image; healthy: the answer *no tumour*; probability: of the true class.
    clusters: the patient group of each row of the dataset; of the control each picture is its own.
    """
    marked = table["run"].str.startswith(interventions.MARKS).to_numpy(bool)
    whole = table[table["kind"] == WHOLE].set_index(["run", "row"])["answer"]
    first = whole.reindex(pd.MultiIndex.from_frame(table[["run", "row"]])).to_numpy()
    names, rows = np.array([CLASS_NAMES[c] for c in classes]), table["row"].to_numpy(int)
    label, answer = (names[table[column].to_numpy(int)] for column in ("label", "answer"))
    order = dict.fromkeys([CONTROL, *names])
    out = table.assign(
        changed=table["answer"].to_numpy() != first,
        right=label == answer,
        healthy=(answer == HEALTHY) & ~marked,
        group=np.where(
            marked, table["run"] + " " + table["row"].astype(str), clusters[np.where(marked, 0, rows)]
        ),
    )
    out["class"] = pd.Categorical(np.where(marked, CONTROL, label), list(order))
    keys = ["class", "run", "row", "group", "kind"]
    return out.groupby(keys, sort=False, observed=True)[list(VALUES)].mean().reset_index()


def effects(asked: pd.DataFrame, value: str, first: str, second: str) -> pd.DataFrame:
    """By class (the index): whole, first, second, difference (`Interval`s of `value`), images, groups; asked: `told`.

    first, second: kinds of picture, compared image by image; intervals draw patient groups. The control stands first,
    all tumours last.
    """
    wide = asked.pivot(index=["class", "run", "row", "group"], columns="kind", values=value)
    wide = wide.reindex(columns=[WHOLE, first, second]).reset_index()
    parts = dict(iter(wide.groupby("class", observed=True)))
    parts[TUMOURS] = wide[~wide["class"].isin([CONTROL, HEALTHY])]
    lines = {}
    for name, part in parts.items():
        columns = [part[WHOLE], part[first], part[second], part[first] - part[second]]
        found = clustered.means(np.column_stack(columns), part["group"])
        if value in SHARES:
            found[:3] = [clustered.believed(one, part["group"]) for one in found[:3]]
        lines[name] = (*found, len(part), clustered.number_of(part["group"]))
    columns = ["whole", "first", "second", "difference", "images", "groups"]
    return pd.DataFrame.from_dict({k: v for k, v in lines.items() if v[-1]}, orient="index", columns=columns)


def changed(asked: pd.DataFrame) -> pd.DataFrame:
    """`effects` of painting over on whether the answer changes."""
    return effects(asked, "changed", PAINTED, PAINTED_ELSEWHERE)


def alone(asked: pd.DataFrame) -> pd.DataFrame:
    """`effects` of leaving alone on whether the answer is right."""
    return effects(asked, "right", ALONE, ALONE_ELSEWHERE)


def painted_table(asked: pd.DataFrame) -> pd.DataFrame:
    """A reader's table of the tumour painted over beside as much elsewhere: right answers, changed ones, and the probability."""
    right, answer, sure = (
        effects(asked, v, PAINTED, PAINTED_ELSEWHERE) for v in ("right", "changed", "probability")
    )
    columns = {"Right as it is": "whole", "Tumour painted over": "first", "Elsewhere painted over": "second"}
    told_ = {title: [band(*one) for one in right[name]] for title, name in columns.items()}
    return pd.DataFrame(
        {
            "Class": right.index,
            "Images (groups)": [f"{i:,} ({g:,})" for i, g in right[["images", "groups"]].to_numpy()],
            **told_,
            "Difference, points": [_shift(one) for one in right["difference"]],
            "Answer changed, tumour minus elsewhere": [_shift(one) for one in answer["difference"]],
            "True class's probability, the same": [shift(one, 2) for one in sure["difference"]],
        }
    )


def alone_table(asked: pd.DataFrame) -> pd.DataFrame:
    """A reader's table of right answers as it is, and with all of the head painted but the tumour, or as much elsewhere."""
    right = alone(asked)
    columns = {"Right as it is": "whole", "Tumour alone": "first", "Elsewhere alone": "second"}
    told_ = {title: [band(*one) for one in right[name]] for title, name in columns.items()}
    return pd.DataFrame(
        {"Class": right.index, **told_, "Difference, points": [_shift(one) for one in right["difference"]]}
    )


def _shift(one: Interval) -> str:
    return points(one).replace(" points", "")


def painted_words(asked: pd.DataFrame, runs: Sequence[Any], phantoms: bool = False) -> str:
    """What painting over says: of the instrument first, then class by class, and what it leaves open."""
    known = [r for r in runs if r.key in set(asked["run"])]
    if not known:
        return "**Nothing was asked of these runs: neither is it on record, nor are their weights and the borders on this machine.**"
    answer = changed(asked)
    right, healthy, moved = (
        effects(asked, v, PAINTED, PAINTED_ELSEWHERE) for v in ("right", "healthy", "moved")
    )
    seeds = len({r.seed for r in known})
    text = f"{_instrument(answer)} Asked: {plural(len(known), 'run')} ({plural(seeds, 'seed')}), {_faithful(asked, known)}."
    if seeds == 1:
        text += f" {ONE_SEED}"
    if passed(answer) and TUMOURS in answer.index:
        text += f"\n\n{_by_class(right)}{_remains(asked, healthy.loc[TUMOURS])}{_doubts(moved)}"
        if HEALTHY in answer.index:
            text += _without(answer.loc[HEALTHY, "difference"])
    return text + (" These are phantoms: the page shows the method, not a finding." if phantoms else "")


def _doubts(moved: pd.DataFrame) -> str:
    grey = [
        f"{name.lower()} {one['first'].value:.0f} and {one.second.value:.0f}" for name, one in _tumours(moved)
    ]
    return (
        "Painting is itself a change: it moves pixels more in the tumour than elsewhere (mean grey values of 255: "
        f"{', '.join(grey)}), fills from a rim that equalising has darkened round bright tumours, and *elsewhere* is anywhere in the head, skull and face "
        "included. How much of a difference that is, is not measured here. "
    )


def _faithful(asked: pd.DataFrame, runs: Sequence[Any]) -> str:
    """Whether the models that were asked are those on record: they may have been trained again."""
    whole = asked[asked["kind"] == WHOLE].set_index(["run", "row"])["right"]
    recorded = pd.concat(
        [pd.Series(r.right(), pd.MultiIndex.from_product([[r.key], r.rows()])) for r in runs]
    )
    told_ = whole[whole.index.isin(recorded.index)].astype(bool)
    other = int((told_ != recorded.reindex(told_.index).astype(bool)).sum())
    text = "whose answers to whole images are right or wrong as on record"
    return text + (f" but for {other:,} of {len(told_):,}" if other else "")


def _tumours(table: pd.DataFrame) -> list[tuple[str, pd.Series]]:
    return [(name, one) for name, one in table.iterrows() if name not in (CONTROL, HEALTHY, TUMOURS)]


def passed(answer: pd.DataFrame) -> bool | None:
    """Whether painting the mark over changes the control's answers, and painting elsewhere doesn't; None: not asked."""
    if CONTROL not in answer.index:
        return None
    first, second = (answer.loc[CONTROL, name].value for name in ("first", "second"))
    return first >= control.ENOUGH and second <= control.LEAK


def _instrument(answer: pd.DataFrame) -> str:
    verdict = passed(answer)
    if verdict is None:
        return "**No positive control is on record: nothing is concluded.**"
    first, second = (percent(answer.loc[CONTROL, name].value) for name in ("first", "second"))
    return (
        f"Models of the marks change their answer on {first}% of the pictures when the mark is painted over (guessing would on "
        f"{percent(1 - 1 / marks.CLASSES)}%), and on {second}% when as much is elsewhere: "
        f"{'the removal works, on coloured marks in smooth texture' if verdict else '**the removal does not work, and nothing is concluded**'}."
    )


def _by_class(right: pd.DataFrame) -> str:
    said = [
        f"{name.lower()} {percent(one['first'].value)}% ("
        + change(one.difference, "fewer than", "more than", "not detectably other than")
        + f" with as much elsewhere: {percent(one.second.value)}%; as it is {percent(one.whole.value)}%)"
        for name, one in _tumours(right)
    ]
    return f"Right answers with the tumour painted over: {', '.join(said)}. "


def _remains(asked: pd.DataFrame, healthy: pd.Series) -> str:
    wide = asked[~asked["class"].isin([CONTROL, HEALTHY])].pivot(
        index=["run", "row"], columns="kind", values="right"
    )
    known = wide[wide[WHOLE] > 0]
    if known.empty:
        return ""
    return (
        f"**Of the {len(known):,} tumour images answered rightly, {percent(known[PAINTED].mean())}% are still answered rightly without the tumour**; "
        f"{percent(healthy['first'].value)}% of all tumour images are then called *no tumour*, as they are {percent(healthy['whole'].value)}%. An answer that stays "
        "needs no tumour: surroundings that it has changed, the view or the source of the picture (chapter 18), or a class that is named where little is seen, may be enough. "
    )


def _without(difference: Interval) -> str:
    told_ = change(
        difference,
        "less often than elsewhere",
        "more often than elsewhere",
        "not detectably more often than elsewhere",
    )
    return (
        f"The negative control: where there is no tumour, painting over a border borrowed from another image changes the answer {told_} ({points(difference)}), "
        "so that a difference no larger than that says nothing of a tumour."
    )


def alone_words(asked: pd.DataFrame) -> str:
    """What tumours say by themselves: in which classes they are named rightly more often than what lies elsewhere."""
    right = alone(asked)
    said = [
        f"{name.lower()} {percent(one['first'].value)}% ("
        + change(one.difference, "less than", "more than", "not detectably more than")
        + f" of as much elsewhere: {percent(one.second.value)}%)"
        for name, one in _tumours(right)
    ]
    if not said or not passed(changed(asked)):
        return ""
    text = f"Named rightly by the tumour alone, in a head of one colour: {', '.join(said)}. "
    if CONTROL in right.index:
        text = f"Of marks alone, {percent(right.loc[CONTROL, 'first'].value)}% are named rightly. {text}"
    return (
        text
        + "Such a head is like no picture in training. The class that a model names it whatever stands in it is right for that class: so *elsewhere* stands beside."
    )


def examples(
    dataset: Any, data: DataSettings, images: pd.DataFrame, small: np.ndarray
) -> dict[str, dict[str, np.ndarray]]:
    """Class to kind to picture, of the tumour of middle size of each class; empty where borders are not at hand.

    images: `tumours.read_images`; small: all preprocessed images (N, S, S, 3).
    """
    label, area = dataset.frame["label"].to_numpy(int), images["area"].to_numpy()
    rows = {}
    for k, name in enumerate(data.classes):
        known = np.flatnonzero((label == k) & np.isfinite(area))
        if len(known):
            rows[name] = known[np.argsort(area[known], kind="stable")[len(known) // 2]]
    out = {}
    for (name, row), border in zip(rows.items(), overlays.outlines(dataset, list(rows.values()))):
        if border is None:
            return {}
        mask = interventions.grown(localisation.rasterise(border, data.image_size)[None])[0]
        image = np.asarray(small[row])
        where = interventions.head(image)
        others = interventions.elsewhere(mask, where, np.random.default_rng(row), 1)
        out[CLASS_NAMES[name]] = {k: p for k, _, p in interventions.variants(image, mask, where, others)}
    return out

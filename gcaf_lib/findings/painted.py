"""Chapter 20: what the answer does when the tumour is painted over, or all but it (`evaluation.interventions`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from gcaf_lib.data import marks
from gcaf_lib.display import overlays
from gcaf_lib.display.style import CLASS_NAMES
from gcaf_lib.evaluation import clustered, control, interventions, localisation, tumours
from gcaf_lib.evaluation.intervals import Interval
from gcaf_lib.evaluation.interventions import ALONE, FLAT, PAINTED, WHOLE, beside
from gcaf_lib.findings.words import ONE_SEED, band, change, ends, percent, plural, points, shift, signed, some
from gcaf_lib.settings import DataSettings

CONTROL, TUMOURS, HEALTHY = "Marks (control)", "All tumours", CLASS_NAMES["notumor"]
NAMES = tuple(CLASS_NAMES.values())
SHARES = ("changed", "right", *NAMES)
VALUES = (*SHARES, "probability", "step")
PARTS = ("whole", "tumour", "elsewhere", "difference")
GAPS = ["Tumour minus elsewhere", "Beyond no tumour"]
_CAPTION = (
    "{}, in points. *Tumour minus elsewhere*: {}. *Beyond no tumour*: less the same difference "
    "of images without a tumour that borrow a border of the class. Images, groups and intervals as above."
)
OVER = (
    "Right answers in percent: to the image as it is; with the tumour painted over (control: the mark; no tumour: a borrowed border); "
    f"with as much painted over elsewhere (mean of {interventions.PLACES} places, one at a time). An image counts once a run. 95% "
    "intervals: cluster bootstrap over patient groups (control: pictures); where all draws are alike, Wilson's of as many trials as "
    "groups."
)
CHANGED = _CAPTION.format(
    "Answers changed",
    "the share of answers changed with the tumour painted over less that with as much elsewhere",
)
CUT_OUT = _CAPTION.format(
    "Percent of right answers to the tumour alone and to as much elsewhere alone, the rest of the head in its mean colour; differences",
    "right answers to the tumour alone less those to as much elsewhere alone",
)
RIGHT = ["Class", "Right as it is", "Tumour painted over", "Elsewhere painted over"]

Effects = Mapping[tuple[str, str], pd.DataFrame]  # kind of picture and value to `effects`


def told(table: pd.DataFrame, classes: Sequence[str], clusters: np.ndarray) -> pd.DataFrame:
    """One line a run, image and kind: class, border (class of its mask), group, and means over places of `VALUES`.

    table: `interventions.read`'s; clusters: the patient group of each row of the dataset (of the control each picture is
    its own). changed: another answer than to the whole image; a class's name: that answer (of the control NaN, whose
    classes are others); probability: of the true class.
    """
    marked = table["run"].str.startswith(interventions.MARKS).to_numpy(bool)
    whole = table[table["kind"] == WHOLE].set_index(["run", "row"])["answer"]
    before = whole.reindex(pd.MultiIndex.from_frame(table[["run", "row"]])).to_numpy()
    names, rows = np.array([CLASS_NAMES[c] for c in classes]), table["row"].to_numpy(int)
    label, answer = (names[table[column].to_numpy(int)] for column in ("label", "answer"))
    alone = table["run"] + " " + table["row"].astype(str)
    out = table.assign(
        changed=table["answer"].to_numpy() != before,
        right=label == answer,
        group=np.where(marked, alone, clusters[np.where(marked, 0, rows)]),
        **{name: np.where(marked, np.nan, answer == name) for name in NAMES},
    )
    order = list(dict.fromkeys([CONTROL, *names]))
    out["class"] = pd.Categorical(np.where(marked, CONTROL, label), order)
    out["border"] = names[table["border"].to_numpy(int)]
    keys = ["class", "border", "run", "row", "group", "kind"]
    return out.groupby(keys, sort=False, observed=True)[list(VALUES)].mean().reset_index()


def effects(asked: pd.DataFrame, value: str, kind: str) -> pd.DataFrame:
    """By class (the index): whole, tumour, elsewhere, difference, beyond (`Interval`s of `value`), images, groups; asked: `told`.

    tumour, elsewhere: of the tumour in this kind of picture, and of as much elsewhere; difference: theirs, image by image;
    beyond: by how much it is larger than that of images without a tumour that borrow a border of this class, the negative
    control. Intervals draw patient groups. The positive control stands first, all tumours last.
    """
    wide = asked.pivot(index=["class", "border", "run", "row", "group"], columns="kind", values=value)
    wide = wide.reindex(columns=[WHOLE, kind, beside(kind)]).reset_index()
    columns = wide[[WHOLE, kind, beside(kind)]].to_numpy(float)
    columns = np.column_stack([columns, columns[:, 1] - columns[:, 2]])
    members = {name: (wide["class"] == name).to_numpy() for name in wide["class"].cat.categories}
    members[TUMOURS] = ~wide["class"].isin([CONTROL, HEALTHY]).to_numpy()
    members = {name: here for name, here in members.items() if here.any()}
    if not members:
        return pd.DataFrame(columns=[*PARTS, "beyond", "images", "groups"])
    bare = (
        wide["class"] == HEALTHY
    ).to_numpy()  # the negative control: of each class those that borrow of it
    lent = [bare & ((name == TUMOURS) | (wide["border"] == name).to_numpy()) for name in members]
    own = [np.where(here[:, None], columns, np.nan) for here in members.values()]
    controls = [np.where(here, columns[:, -1], np.nan) for here in lent]
    draws = clustered.mean_draws(np.column_stack([*own, *controls]), wide["group"])
    control_draws = draws[:, -len(lent) :].T
    draws = draws[:, : -len(lent)].reshape(len(draws), len(members), len(PARTS)).transpose(1, 2, 0)
    lines = {}
    for (name, here), there, samples, control_sample in zip(members.items(), lent, draws, control_draws):
        found = [
            _interval(values, sample, wide["group"][here], value in SHARES and part != "difference")
            for part, values, sample in zip(PARTS, columns[here].T, samples)
        ]
        beyond = Interval()
        if there.any():
            gap = found[-1].value - columns[there, -1].mean()
            beyond = clustered.of_unlike(clustered.interval(gap, samples[-1] - control_sample))
        lines[name] = (*found, beyond, here.sum(), clustered.number_of(wide["group"][here]))
    return pd.DataFrame.from_dict(lines, orient="index", columns=[*PARTS, "beyond", "images", "groups"])


def _interval(values: np.ndarray, sample: np.ndarray, groups: pd.Series, share: bool) -> Interval:
    known = ~np.isnan(values)
    one = clustered.interval(float(values[known].mean()) if known.any() else np.nan, sample)
    return clustered.believed(one, groups[known]) if share else clustered.of_unlike(one)


def measured(asked: pd.DataFrame) -> Effects:
    """`effects` of all that the page says something of."""
    wanted = [(PAINTED, v) for v in ("changed", "right", "probability", "step", HEALTHY)]
    wanted += [(FLAT, v) for v in ("changed", "right", "step")] + [(ALONE, "right")]
    return {(kind, value): effects(asked, value, kind) for kind, value in wanted}


# --- tables ---


def painted_table(found: Effects) -> pd.DataFrame:
    """A reader's table of the tumour painted over beside as much elsewhere: right answers, changed ones, and the probability.

    Ten columns, for a file: a page shows `RIGHT` of them, and `changed_table`.
    """
    right, answer, sure = (found[PAINTED, value] for value in ("right", "changed", "probability"))
    return pd.DataFrame(
        {
            "Class": right.index,
            "Images (groups)": [f"{i:,} ({g:,})" for i, g in right[["images", "groups"]].to_numpy()],
            **_bands(right, *RIGHT[1:]),
            "Difference, points": _shifts(right["difference"]),
            "Answer changed, tumour minus elsewhere": _shifts(answer["difference"]),
            "The same beyond no tumour": _shifts(answer["beyond"]),
            "Beyond no tumour, flat": _shifts(found[FLAT, "changed"]["beyond"]),
            "True class's probability, tumour minus elsewhere": [shift(one, 2) for one in sure["difference"]],
        }
    )


def changed_table(found: Effects) -> pd.DataFrame:
    """A reader's table of the differences on which `_beyond` rests, a line a class and fill."""
    classes, gaps = found[PAINTED, "changed"].index, ["difference", "beyond"]
    lines = [
        (f"{name}, {kind}", *_shifts(found[kind, "changed"].loc[name, gaps]))
        for name in classes
        for kind in (PAINTED, FLAT)
    ]
    return pd.DataFrame(lines, columns=["Class, fill", *GAPS])


def alone_table(found: Effects) -> pd.DataFrame:
    """A reader's table of right answers with all of the head painted but the tumour, or as much elsewhere, and both differences.

    How many are right as it is stands in `painted_table`.
    """
    right = found[ALONE, "right"]
    return pd.DataFrame(
        {
            "Class": right.index,
            **_bands(right, "Tumour alone", "Elsewhere alone", parts=PARTS[1:]),
            **dict(zip(GAPS, map(_shifts, (right["difference"], right["beyond"])))),
        }
    )


def rests(found: Effects, asked: pd.DataFrame, runs: Sequence[Any], pictures: np.ndarray) -> str:
    """A caption's `Asked of 5 runs (1 seed): Glioma 1,540 images (1,360 pictures, 88 groups), …; Marks (control), of 3 models
    made for it: 600 images (600 groups)`; an image counts once a run.

    pictures (N,): `worth.pictures`; of the control each image is its own.
    """
    known = tumours.runs_of(asked, runs)
    sizes = found[PAINTED, "right"][["images", "groups"]].drop(TUMOURS, errors="ignore")
    rows = asked[asked["class"] != CONTROL].groupby("class", observed=True)["row"]
    shown = {name: f"{plural(len(np.unique(pictures[own])), 'picture')}, " for name, own in rows}
    each = {
        name: f"{plural(i, 'image')} ({shown.get(name, '')}{plural(g, 'group')})"
        for name, i, g in sizes.itertuples()
    }
    models = asked.loc[asked["class"] == CONTROL, "run"].nunique()
    own = f"; {CONTROL}, of {plural(models, 'model')} made for it: {each.pop(CONTROL)}" if models else ""
    of = f"{plural(len(known), 'run')} ({plural(len({r.seed for r in known}), 'seed')})"
    return f"Asked of {of}: {', '.join(' '.join(one) for one in each.items())}{own}."


def _bands(table: pd.DataFrame, *titles: str, parts: Sequence[str] = PARTS) -> dict[str, list[str]]:
    return {title: [band(*one) for one in table[name]] for title, name in zip(titles, parts)}


def _shifts(ones: Sequence[Interval]) -> list[str]:
    return [points(one).replace(" points", "") if np.isfinite(one.value) else "–" for one in ones]


# --- words ---


def painted_words(
    found: Effects, asked: pd.DataFrame, runs: Sequence[Any], images: pd.DataFrame, phantoms: bool = False
) -> str:
    """What painting over says: of the instrument first, then class by class beyond both controls, and where answers go.

    images: `tumours.read_images`, which know of which images there is a border.
    """
    known = tumours.runs_of(asked, runs)
    if not known:
        return "**Nothing was asked of these runs: neither is it on record, nor are their weights and the borders on this machine.**"
    seeds = len({r.seed for r in known})
    text = f"{_instrument(found, asked)} Asked: {plural(len(known), 'run')} ({plural(seeds, 'seed')}), {_faithful(asked, known)}; {_left_out(asked, known, images)}."
    if seeds == 1:
        text += f" {ONE_SEED}"
    if passed(found) and TUMOURS in found[PAINTED, "right"].index:
        said = [_fill(found), _beyond(found, asked), _remains(found, asked), goes(asked)]
        text += "\n\n" + "\n\n".join(one for one in said if one)
    return text + (" These are phantoms: the page shows the method, not a finding." if phantoms else "")


def passed(found: Effects) -> bool | None:
    """Whether models of the marks guess without the mark, by either fill, and not without as much elsewhere; None: not asked."""
    both = [found[kind, "right"] for kind in (PAINTED, FLAT)]
    if any(CONTROL not in one.index for one in both):
        return None
    return all(_guesses(one.loc[CONTROL, "tumour"]) and _knows(one.loc[CONTROL, "elsewhere"]) for one in both)


def _guesses(right: Interval) -> bool:
    return right.value <= 1 / marks.CLASSES + control.LEAK


def _knows(right: Interval) -> bool:
    return right.value >= control.RIGHT


def _instrument(found: Effects, asked: pd.DataFrame) -> str:
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
    alike = marked[[PAINTED, FLAT, beside(ALONE)]].nunique(axis=1) == 1
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


def _tumours(table: pd.DataFrame) -> list[tuple[str, pd.Series]]:
    return [(name, one) for name, one in table.iterrows() if name not in (CONTROL, HEALTHY, TUMOURS)]


def _beyond(found: Effects, asked: pd.DataFrame) -> str:
    """By class: how many more answers change without the tumour than elsewhere, beyond images without one, by either fill."""
    answer, other = found[PAINTED, "changed"], found[FLAT, "changed"]
    if HEALTHY not in answer.index:
        return "No image without a tumour was asked, which is the negative control: nothing is said by class."
    bare = "; ".join(f"{kind} {_bare(found[kind, 'changed'])}" for kind in (PAINTED, FLAT))
    more, said, looked = [], [], []
    for name, one in _tumours(answer):
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


def _bare(table: pd.DataFrame) -> str:
    """What images without a tumour show at a borrowed border, and whether that is off the 0 that a control should have."""
    one = table.loc[HEALTHY, "difference"]
    return f"{points(one)}, {change(one, 'not nil', 'not nil', 'not told from 0')}"


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
            f"elsewhere {percent(part[beside(PAINTED)].mean())}%), flat {percent(part[FLAT].mean())}% "
            f"(elsewhere {percent(part[beside(FLAT)].mean())}%), of {len(part):,}"
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


def goes(asked: pd.DataFrame) -> str:
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
    blind = asked[(asked["kind"] == beside(ALONE)) & (asked["class"] != CONTROL)]
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
        each = [f"{name.lower()} {_step(one)}" for name, one in _tumours(found[kind, "step"])]
        said.append(f"{kind}: {', '.join(each)}")
    before = ", ".join(
        f"{name.lower()} {signed(one.whole.value, 0)}" for name, one in _tumours(found[PAINTED, "step"])
    )
    return (
        f"Painting is itself a change. By how many grey values (of 255) the place is brighter than the head around it, as it is: {before}; "
        f"after it (in brackets elsewhere), {'; '.join(said)}. *Elsewhere* is off the head's rim, but not the tissue around the "
        "tumour, which painting can do other things to. Images without a tumour, painted at a borrowed border, allow for the place, but not for what a tumour has "
        "done to its surroundings: a limit of all differences here."
    )


def _step(one: pd.Series) -> str:
    return f"{signed(one.tumour.value, 0)} ({signed(one.elsewhere.value, 0)})"


def alone_words(found: Effects) -> str:
    """What tumours say by themselves: in which classes they are named rightly more often than what lies elsewhere."""
    right = found[ALONE, "right"]
    said = [
        f"{name.lower()} {percent(one.tumour.value)}% ({points(one.difference)} beside as much elsewhere, {points(one.beyond)} beyond no tumour: "
        + change(one.beyond, "less", "more", "no difference shown")
        + ")"
        for name, one in _tumours(right)
    ]
    if not said or CONTROL not in right.index:
        return ""
    marked = right.loc[CONTROL]
    text = f"Of marks alone, {percent(marked.tumour.value)}% are named rightly, of as much elsewhere {percent(marked.elsewhere.value)}%"
    if not (_knows(marked.tumour) and _guesses(marked.elsewhere)):
        return f"{text}: **cutting out does not work, and nothing is concluded.**"
    if HEALTHY in right.index:
        text += f"; of images without a tumour, the negative control, by a borrowed place minus elsewhere {_bare(right)}"
    return (
        f"{text}. Named rightly by the tumour alone, in a head of one colour: {', '.join(said)}. What is said of a class rests on its interval "
        f"beyond no tumour ({len(said)} of 95%, not corrected for their number). Such a head is like no picture in training. "
        "The class that a model names it whatever stands in it is right for that class: so *elsewhere* stands beside."
    )


# --- pictures ---


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
        mask = interventions.grown(localisation.rasterise(border, data.image_size))
        image = np.asarray(small[row])
        where = interventions.head(image)
        others = interventions.elsewhere(mask, where, np.random.default_rng(row), 1)
        out[CLASS_NAMES[name]] = {k: p for k, _, p in interventions.variants(image, mask, where, others)}
    return out

"""Chapter 20: what answers do when the tumour is painted over, or all but it (`evaluation.interventions`): by class, beside both controls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from gcaf_lib.display import overlays
from gcaf_lib.display.style import CLASS_NAMES
from gcaf_lib.evaluation import clustered, interventions, localisation, tumours
from gcaf_lib.evaluation.intervals import Interval
from gcaf_lib.evaluation.interventions import ALONE, FLAT, PAINTED, WHOLE, elsewhere_kind
from gcaf_lib.findings.words import band, plural, points
from gcaf_lib.settings import DataSettings

CONTROL, TUMOURS, HEALTHY = "Marks (control)", "All tumours", CLASS_NAMES["notumor"]
NAMES = tuple(CLASS_NAMES.values())
SHARES = ("changed", "right", *NAMES)
VALUES = (*SHARES, "probability", "step")
PARTS = ("whole", "tumour", "elsewhere", "difference")
COMPARED = ["Tumour minus elsewhere", "Beyond no tumour"]
COMPARED_CAPTION = (
    "{}, in points. *Tumour minus elsewhere*: {}. *Beyond no tumour*: less the same difference "
    "of images without a tumour that borrow a border of the class. Images, groups and intervals as above."
)
Effects = Mapping[tuple[str, str], pd.DataFrame]  # kind of picture and value to `effects_by_class`


def answers_by_kind(table: pd.DataFrame, classes: Sequence[str], clusters: np.ndarray) -> pd.DataFrame:
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


def effects_by_class(answers: pd.DataFrame, value: str, kind: str) -> pd.DataFrame:
    """By class (the index): whole, tumour, elsewhere, difference, beyond (`Interval`s of `value`), images, groups; answers: `answers_by_kind`.

    tumour, elsewhere: of the tumour in this kind of picture, and of as much elsewhere; difference: theirs, image by image;
    beyond: by how much it is larger than that of images without a tumour that borrow a border of this class, the negative
    control. Intervals draw patient groups. The positive control stands first, all tumours last.
    """
    wide = answers.pivot(index=["class", "border", "run", "row", "group"], columns="kind", values=value)
    wide = wide.reindex(columns=[WHOLE, kind, elsewhere_kind(kind)]).reset_index()
    columns = wide[[WHOLE, kind, elsewhere_kind(kind)]].to_numpy(float)
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
            beyond = clustered.interval_or_none(clustered.interval(gap, samples[-1] - control_sample))
        lines[name] = (*found, beyond, here.sum(), clustered.number_of(wide["group"][here]))
    return pd.DataFrame.from_dict(lines, orient="index", columns=[*PARTS, "beyond", "images", "groups"])


def _interval(values: np.ndarray, sample: np.ndarray, groups: pd.Series, share: bool) -> Interval:
    known = ~np.isnan(values)
    one = clustered.interval(float(values[known].mean()) if known.any() else np.nan, sample)
    return clustered.believed(one, groups[known]) if share else clustered.interval_or_none(one)


def all_effects(answers: pd.DataFrame) -> Effects:
    """`effects_by_class` of all that the page says something of."""
    wanted = [(PAINTED, v) for v in ("changed", "right", "probability", "step", HEALTHY)]
    wanted += [(FLAT, v) for v in ("changed", "right", "step")] + [(ALONE, "right")]
    return {(kind, value): effects_by_class(answers, value, kind) for kind, value in wanted}


def asked_said(found: Effects, answers: pd.DataFrame, runs: Sequence[Any], pictures: np.ndarray) -> str:
    """A caption's `Asked of 5 runs (1 seed): Glioma 1,540 images (1,360 pictures, 88 groups), …; Marks (control), of 3 models
    made for it: 600 images (600 groups)`; an image counts once a run.

    pictures (N,): `units.pictures`; of the control each image is its own.
    """
    known = tumours.runs_of(answers, runs)
    sizes = found[PAINTED, "right"][["images", "groups"]].drop(TUMOURS, errors="ignore")
    rows = answers[answers["class"] != CONTROL].groupby("class", observed=True)["row"]
    shown = {name: f"{plural(len(np.unique(pictures[own])), 'picture')}, " for name, own in rows}
    each = {
        name: f"{plural(i, 'image')} ({shown.get(name, '')}{plural(g, 'group')})"
        for name, i, g in sizes.itertuples()
    }
    models = answers.loc[answers["class"] == CONTROL, "run"].nunique()
    own = f"; {CONTROL}, of {plural(models, 'model')} made for it: {each.pop(CONTROL)}" if models else ""
    of = f"{plural(len(known), 'run')} ({plural(len({r.seed for r in known}), 'seed')})"
    return f"Asked of {of}: {', '.join(' '.join(one) for one in each.items())}{own}."


def bands(table: pd.DataFrame, *titles: str, parts: Sequence[str] = PARTS) -> dict[str, list[str]]:
    return {title: [band(*one) for one in table[name]] for title, name in zip(titles, parts)}


def shifts(ones: Sequence[Interval]) -> list[str]:
    return [points(one).replace(" points", "") for one in ones]


def tumour_lines(table: pd.DataFrame) -> list[tuple[str, pd.Series]]:
    return [(name, one) for name, one in table.iterrows() if name not in (CONTROL, HEALTHY, TUMOURS)]


def example_pictures(
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
        where = interventions.head_mask(image)
        others = interventions.elsewhere(mask, where, np.random.default_rng(row), 1)
        out[CLASS_NAMES[name]] = {k: p for k, _, p in interventions.variants(image, mask, where, others)}
    return out

"""Chapter 24: what models that others have published are worth at home and elsewhere, and a trap in their home."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from gcaf_lib.display.elsewhere_charts import set_name
from gcaf_lib.display.style import CLASS_NAMES
from gcaf_lib.evaluation import clustered
from gcaf_lib.evaluation.intervals import Interval, wilson
from gcaf_lib.evaluation.outside_sets import HOME
from gcaf_lib.evaluation.packages import PACKAGES
from gcaf_lib.findings import words
from gcaf_lib.findings.outside_recall import recall_band
from gcaf_lib.settings import CLASSES

ALL = "all"
_ORDER = {name: n for n, name in enumerate(CLASSES)}


def packages_table() -> pd.DataFrame:
    """The packages: name and version at PyPI, what the model is, licence, SHA-256 of the wheel."""
    rows = [(f"{p.name} {p.version}", p.about, p.licence, f"{p.sha256[:16]}…") for p in PACKAGES]
    return pd.DataFrame(rows, columns=["Package", "Model", "Licence", "SHA-256 of the wheel"])


def package_names(answers: pd.DataFrame) -> list[str]:
    """The packages that have a record, in its order."""
    return list(dict.fromkeys(answers["model"]))


# --- at home: Kaggle's Testing part ---


def _right(part: pd.DataFrame) -> Interval:
    return clustered.share((part["answer"] == part["class"]).to_numpy(), part["case"])


def _cell(part: pd.DataFrame) -> str:
    """A share right with its interval over cases, in percent; a dash of nothing."""
    return "–" if part.empty else words.band(*_right(part))


def home_table(answers: pd.DataFrame) -> pd.DataFrame:
    """A row a package: images, accuracy and recall by class on Kaggle's Testing part, intervals over patients."""
    rows = []
    for name, part in answers[answers["set"] == HOME].groupby("model", sort=False):
        row = {"Package": name, "Images": len(part), "Accuracy": _cell(part)}
        rows.append(row | {CLASS_NAMES[c]: _cell(part[part["class"] == c]) for c in CLASSES})
    return pd.DataFrame(rows)


def home_said(answers: pd.DataFrame, model: str) -> str:
    """A package's accuracy on Kaggle's Testing part, and the class that it knows least."""
    part = at_home(answers, model)
    recalls = {c: _right(here).value for c, here in part.groupby("class")}
    least = [CLASS_NAMES[c].lower() for c, value in recalls.items() if value == min(recalls.values())]
    *first, last = least
    on = f"least often on {', '.join(first)}{' and ' * bool(first)}{last}"
    if len(least) == len(recalls):
        on = "equally often on each class"
    return (
        f"*{model}* is right on {words.band(*_right(part))}% of {len(part):,} images, and {on}: "
        f"{words.percent(min(recalls.values()))}%."
    )


# --- elsewhere ---


def places(recall: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Rows of `outside_sets.RECALL` of the models named, by class, at home first, then by set; whole sets."""
    own = recall[recall["model"].isin(names) & (recall["plane"] == "all")]
    order = [own["class"].map(_ORDER), own["set"] != HOME, own["set"], own["model"].map(names.index)]
    keys = pd.concat(order, axis=1, keys=range(4)).sort_values([0, 1, 2, 3])
    return own.loc[keys.index].reset_index(drop=True)


def without(answers: pd.DataFrame, images: pd.DataFrame) -> pd.DataFrame:
    """The answers but for those to some images (set, file)."""
    left_out = pd.MultiIndex.from_frame(images[["set", "file"]])
    return answers[~pd.MultiIndex.from_frame(answers[["set", "file"]]).isin(left_out)]


def places_table(found: pd.DataFrame) -> pd.DataFrame:
    """A reader's table of `places`: a row a class and set with its images and cases, a column a model; a dash where it was
    not asked. At home models are asked of different images: from the fewest to the most."""
    rows = []
    for (label, where), part in found.groupby(["class", "set"], sort=False):
        row = {"Class": CLASS_NAMES[label], "Set": set_name(where)}
        for head in ("Images", "Cases"):
            few, most = part[head.lower()].min(), part[head.lower()].max()
            row[head] = f"{few:,}" if few == most else f"{few:,} to {most:,}"
        told = {one["model"]: recall_band(one) for _, one in part.iterrows()}
        rows.append(row | {name: told.get(name, "–") for name in found["model"].unique()})
    return pd.DataFrame(rows)


# --- the trap: copies in Training ---


class Trap(NamedTuple):
    """Images with and without a copy in Training, the share right of each, and the difference of the two.

    crude: of all images; within: of recalls, averaged over the classes that have both kinds, each weighed by its images.
    Intervals draw patients.
    """

    copied: int
    alone: int
    with_copy: Interval
    without: Interval
    crude: Interval
    within: Interval


def at_home(answers: pd.DataFrame, model: str) -> pd.DataFrame:
    """One package's answers to Kaggle's Testing part, with right."""
    part = answers[(answers["set"] == HOME) & (answers["model"] == model)].reset_index(drop=True)
    return part.assign(right=part["answer"] == part["class"])


def both_kinds(home: pd.DataFrame) -> list[str]:
    """Classes with images that have a copy in Training and images that have none."""
    kinds = home.groupby("class")["picture_in_training"].nunique()
    return [c for c in CLASSES if kinds.get(c, 0) == 2]


def trap(home: pd.DataFrame) -> Trap:
    """`Trap` of `at_home`'s table, of which some class has images of both kinds."""
    copied, right = home["picture_in_training"].to_numpy(), home["right"].to_numpy(float)
    code, both = home["class"].map(_ORDER).to_numpy(), [_ORDER[c] for c in both_kinds(home)]
    cell = np.zeros((len(home), len(CLASSES), 2))
    cell[np.arange(len(home)), code, copied.astype(int)] = 1
    weight = cell[:, both].sum((0, 2)) / cell[:, both].sum()

    def differences(times: np.ndarray) -> np.ndarray:
        """Crude and within (B,2) of how often each image was drawn (B,n); NaN where a class lost one kind."""
        images, hits = (np.tensordot(times, table, 1) for table in (cell, cell * right[:, None, None]))
        with np.errstate(invalid="ignore"):
            crude, each = hits.sum(1) / images.sum(1), hits[:, both] / images[:, both]
        return np.stack([crude[:, 1] - crude[:, 0], (each[..., 1] - each[..., 0]) @ weight], axis=1)

    values, draws = differences(np.ones((1, len(home))))[0], clustered.of(differences, home["case"])
    crude, within = (clustered.interval(float(value), drawn) for value, drawn in zip(values, draws.T))
    sides = [_right(home[mask]) for mask in (copied, ~copied)]
    return Trap(int(copied.sum()), int((~copied).sum()), *sides, crude, within)


def trap_levels(home: pd.DataFrame) -> pd.DataFrame:
    """class (first `ALL`), copied, images, value, low, high: the share right with and without a copy in Training."""
    rows = []
    for label in (ALL, *CLASSES):
        for copied in (True, False):
            part = home[home["picture_in_training"] == copied]
            part = part if label == ALL else part[part["class"] == label]
            if len(part):
                rows.append((label, copied, len(part), *_right(part)))
    return pd.DataFrame(rows, columns=["class", "copied", "images", "value", "low", "high"])


def mixture(in_training: pd.DataFrame) -> pd.DataFrame:
    """Kaggle's Testing images (`packages.testing_in_training`): with a copy in Training or not (rows: True, False) by class (columns)."""
    counts = pd.crosstab(in_training["picture_in_training"], in_training["class"])
    return counts.reindex(index=[True, False], columns=list(CLASSES), fill_value=0)


def trap_said(home: pd.DataFrame, model: str) -> str:
    """What the contrast with and without a copy looks like, and what is left of it within classes."""
    if not (both := both_kinds(home)):
        return f"*{model}* was asked of no class that has images of both kinds."
    found, levels = trap(home), trap_levels(home).set_index(["class", "copied"])
    each = [
        f"{CLASS_NAMES[c].lower()} "
        + " and ".join(
            f"{words.percent(one.value)}% of {int(one.images):,}"
            for one in (levels.loc[(c, True)], levels.loc[(c, False)])
        )
        for c in both
    ]
    more = "a difference that the classes' mixture doesn't explain"
    left = words.by_side(found.within, more, more, "a difference that these images neither show nor rule out")
    return (
        f"*{model}* is right on {words.percent(found.with_copy.value)}% of the {found.copied:,} images with a copy in Training and on "
        f"{words.percent(found.without.value)}% of the {found.alone:,} without one: {words.points(found.crude)}. Within a class, with "
        f"a copy and without: {', '.join(each)}; pooled within classes {words.points(found.within)}: {left}."
    )


def mixture_said(in_training: pd.DataFrame) -> str:
    """Of what classes the images with and without a copy in Training are."""
    if in_training.empty:
        return ""
    counts = mixture(in_training)
    if (kinds := counts.sum(axis=1)).eq(0).any():
        return (
            "All of the images have a copy in Training."
            if kinds[True]
            else "None of the images has a copy in Training."
        )
    shares = counts.div(kinds, axis=0)
    most = [shares.loc[copied].idxmax() for copied in (True, False)]
    return (
        f"{CLASS_NAMES[most[1]]} makes up {shares.loc[False, most[1]]:.0%} of the images without a copy and "
        f"{shares.loc[True, most[1]]:.0%} of those with one; {CLASS_NAMES[most[0]].lower()} {shares.loc[True, most[0]]:.0%} of those with "
        f"a copy and {shares.loc[False, most[0]]:.0%} of those without."
    )


def not_in_training_said(in_training: pd.DataFrame) -> str:
    """How many of Kaggle's Testing images (`packages.testing_in_training`) have neither their picture nor their patient in Training."""
    alone = in_training[~in_training["picture_in_training"] & ~in_training["patient_in_training"]]
    if alone.empty:
        return f"Each of the {len(in_training):,} images has its picture or its patient in Training."
    n = alone["group"].nunique()
    kinds = " and ".join(CLASS_NAMES[c].lower() for c in CLASSES if c in set(alone["class"]))
    return (
        f"Of the {len(in_training):,} images {len(alone)} {words.verb(len(alone), 'has', 'have')}, as far as the groups know, neither their picture nor their patient in "
        f"Training: {words.plural(n, 'case')}, all of {kinds}. A model that is right on every one of them has an interval from "
        f"{wilson(n, n).low:.0%} to 100%: Kaggle's own split can't tell how well any model does on new patients."
    )

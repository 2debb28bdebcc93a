"""Chapters 23 and 24: recall on outside images beside recall at home, by class and set, and how sure wrong answers are."""

from __future__ import annotations

import pandas as pd

from gcaf_lib.display.elsewhere_charts import set_name
from gcaf_lib.display.style import CLASS_NAMES
from gcaf_lib.evaluation import folds
from gcaf_lib.evaluation.outside_sets import HOME, NEIGHBOUR
from gcaf_lib.findings import words
from gcaf_lib.settings import CLASSES

FEW = 10  # cases: a recall of fewer says little, and no sentence is built on it
UNSCORED = "No run has been scored at home and elsewhere yet."
_ORDER = {name: n for n, name in enumerate(CLASSES)}


def recall_band(row: pd.Series) -> str:
    """A row's recall with its interval, in percent."""
    return words.band(row["recall"], row["low"], row["high"])


def home_band(row: pd.Series) -> str:
    """The same of its class at home, of a row of `recall_with_home`."""
    return words.band(row["home"], row["home_low"], row["home_high"])


def _trained(recall: pd.DataFrame) -> pd.DataFrame:
    """A line of each model that was trained."""
    return recall[recall["model"] != NEIGHBOUR].drop_duplicates("model")


def model_names(recall: pd.DataFrame) -> list[str]:
    """Names of the trained models in `outside_sets.RECALL`: those on patient-disjoint folds first, then by name."""
    own = _trained(recall)
    shared = own["split"] != folds.NAMES["patients"]
    return own.assign(shared=shared).sort_values(["shared", "model"])["model"].tolist()


def whole_sets(recall: pd.DataFrame, model: str) -> pd.DataFrame:
    """One model's rows by class, at home and in each set, of all planes together."""
    return recall[(recall["model"] == model) & (recall["plane"] == "all")]


def recall_with_home(recall: pd.DataFrame, model: str) -> pd.DataFrame:
    """One model's rows by class and set, whole sets, and `home`, `home_low`, `home_high`, `home_images`, `home_cases`:
    the same class at home."""
    own = whole_sets(recall, model)
    home = own[own["set"] == HOME].set_index("class")[["recall", "low", "high", "images", "cases"]]
    out = own[own["set"] != HOME].join(
        home.add_prefix("home_").rename(columns={"home_recall": "home"}), on="class"
    )
    return out.sort_values("class", key=lambda c: c.map(_ORDER), kind="stable").reset_index(drop=True)


def recall_table(recall: pd.DataFrame) -> pd.DataFrame:
    """A reader's table: a row a class and set, a column a model, its home and the nearest neighbour beside it."""
    found = {
        model: recall_with_home(recall, model).set_index(["class", "set"])
        for model in [*model_names(recall), NEIGHBOUR]
    }
    keys = sorted({key for one in found.values() for key in one.index}, key=lambda k: (_ORDER[k[0]], k[1]))
    rows = []
    for label, where in keys:
        known = {
            model: one.loc[(label, where)] for model, one in found.items() if (label, where) in one.index
        }
        about = next(iter(known.values()))
        row = {"Class": CLASS_NAMES[label], "Set": set_name(where)}
        row |= {"Images": about["images"], "Cases": about["cases"]}
        for model in found:
            one = known.get(model)
            row[model] = "–" if one is None else recall_band(one)
            if model != NEIGHBOUR:
                row[f"{model}: at home"] = "–" if one is None or pd.isna(one["home"]) else home_band(one)
        rows.append(row)
    return pd.DataFrame(rows)


def confusion_table(recall: pd.DataFrame, model: str) -> pd.DataFrame:
    """Of each class and set, the share in percent that one model classifies as each class."""
    own = recall_with_home(recall, model)
    counts = own[list(CLASSES)]
    shares = (
        counts.div(counts.sum(axis=1) / 100, axis=0)
        .map("{:.1f}".format)
        .rename(columns=lambda c: CLASS_NAMES[c].lower())
    )
    names = pd.DataFrame({"Class": own["class"].map(CLASS_NAMES), "Set": own["set"].map(set_name)})
    return pd.concat([names, shares.add_prefix("As ")], axis=1)


def beside_home(recall: pd.DataFrame, model: str) -> str:
    """How recall elsewhere stands to recall at home, of sets with enough cases."""
    own = recall_with_home(recall, model)
    own = own[(own["cases"] >= FEW) & own["home"].notna()]
    if own.empty:
        return UNSCORED
    below, above = _off_home(own)
    text = (
        f"The model *{model}* has {words.plural(len(own), 'pair')} of a class and a set with {FEW} cases or more. In "
        f"{below} of {len(own)} its recall elsewhere lies below that at home, with non-overlapping intervals; in {above} above."
    )
    known = own[own["home_cases"] >= FEW]
    if len(few := own[own["home_cases"] < FEW].drop_duplicates("class")):
        cases = [f"{CLASS_NAMES[r['class']].lower()} {r['home_cases']:.0f}" for _, r in few.iterrows()]
        below, above = _off_home(known)
        text += (
            f" At home some classes have fewer cases than {FEW} ({', '.join(cases)}): recall at home is known only roughly for these, "
            f"and an interval of so few cases tends to be too narrow. With {FEW} cases or more on both sides there "
            f"{words.verb(len(known))} {words.plural(len(known), 'pair')}: {below} below, {above} above."
        )
    if fall := _fall(own):
        text += f" The largest fall: {fall}"
    if len(few) and (fall := _fall(known)) and fall not in text:
        text += f" With {FEW} cases or more on both sides the largest: {fall}"
    if folds.NAMES["paper"] in model:
        text += " Its home is the random split, where training knows most test images or their patients: chapter 17."
    return text


def _off_home(own: pd.DataFrame) -> tuple[int, int]:
    """In how many rows of `recall_with_home` the interval lies below that at home, and above it."""
    return int((own["high"] < own["home_low"]).sum()), int((own["low"] > own["home_high"]).sum())


def _fall(own: pd.DataFrame) -> str:
    """The largest fall among rows of `recall_with_home`, with intervals, images and cases on both sides; nothing where there is none."""
    if own.empty or (own["recall"] >= own["home"]).all():
        return ""
    worst = own.loc[(own["recall"] - own["home"]).idxmin()]
    told = worst[list(CLASSES)].astype(float) / worst[list(CLASSES)].sum()
    other = told.drop(worst["class"]).idxmax()
    return (
        f"{CLASS_NAMES[worst['class']].lower()} in {set_name(worst['set'])}, {recall_band(worst)}% "
        f"({_of(worst['images'], worst['cases'])}) in place of {home_band(worst)}% ({_of(worst['home_images'], worst['home_cases'])}); "
        f"elsewhere {words.percent(told[other])}% are classified as {CLASS_NAMES[other].lower()}."
    )


def _of(images: float, cases: float) -> str:
    return f"{words.plural(images, 'image')} of {words.plural(cases, 'case')}"


def elsewhere_said(
    recall: pd.DataFrame, model: str, not_brain_mr: pd.DataFrame, without: pd.DataFrame
) -> str:
    """How a model's recall elsewhere stands to recall at home, and what it is without the images of `outside_sets.not_brain_mr`."""
    return f"{beside_home(recall, model)} {rest_said(recall, model, not_brain_mr, without)}".strip()


def rest_said(recall: pd.DataFrame, model: str, not_brain_mr: pd.DataFrame, without: pd.DataFrame) -> str:
    """A model's recall without the images of `not_brain_mr`, of sets with enough cases.

    without: `outside_sets.RECALL` without these images; of a model that it lacks, the two values between which that recall lies.
    """
    own, lines = recall_with_home(recall, model).set_index(["set", "class"]), []
    left = recall_with_home(without, model).set_index(["set", "class"])
    for key, images in not_brain_mr.groupby(["set", "class"], sort=False):
        if key not in own.index or own.loc[key, "cases"] < FEW or len(images) >= own.loc[key, "images"]:
            continue
        row, k = own.loc[key], len(images)
        text = (
            f"Without the {words.plural(k, 'image')} of {CLASS_NAMES[key[1]].lower()} in {set_name(key[0])} that by their look are no "
            "MR images of a brain, its recall there "
        )
        if key in left.index:
            one = left.loc[key]
            lines.append(f"{text}is {recall_band(one)}% ({_of(one['images'], one['cases'])}).")
            continue
        n = row["images"] - k
        low, high = (words.percent(v / n) for v in (max(row["right"] - k, 0), min(row["right"], n)))
        lines.append(f"{text}is between {low} and {high}%, whatever it answered to these.")
    return " ".join(lines)


def trainings_said(recall: pd.DataFrame) -> str:
    """How many trainings the models are, and that intervals hold no variation between them."""
    own = _trained(recall)
    if own.empty:
        return UNSCORED
    counts = {row["model"]: len(row["runs"].split()) for _, row in own.iterrows()}
    if set(counts.values()) == {1}:
        return "Each model is a single training (one seed): what another seed would change is not in these intervals."
    each = ", ".join(f"*{name}* {words.plural(n, 'training')}" for name, n in counts.items())
    return f"The models are {each}. Intervals draw cases, not trainings: what another seed would change is not in them."


def sure_said(recall: pd.DataFrame, model: str) -> str:
    """How sure a model is when it is wrong, class by class, at home and in each set with enough cases."""
    own = whole_sets(recall, model)
    own = own.assign(wrong=own["images"] - own["right"])
    home, over = own[own["set"] == HOME], own[(own["set"] != HOME) & (own["cases"] >= FEW)]
    same = over["class"].map(home.set_index("class")["confidence_wrong"])
    both = over[same.notna() & over["confidence_wrong"].notna()]
    if both.empty:
        return "It was never wrong on one class both at home and elsewhere, so there is nothing to compare."
    surer = int((over["confidence_wrong"] >= same).sum())
    more = int((over["confidence"] > over["high"]).sum())
    each = []
    for label in [c for c in CLASSES if c in set(both["class"])]:
        rows = pd.concat([part[part["class"] == label] for part in (home, both)])
        each.append(f"{CLASS_NAMES[label].lower()} " + ", ".join(_wrong(row) for _, row in rows.iterrows()))
    return (
        f"The mean confidence of its wrong answers, class by class (in brackets how many are wrong): {'; '.join(each)}. In {surer} of "
        f"{words.plural(len(both), 'pair')} of a class and a set with {FEW} cases or more it is no lower than on the same class at "
        f"home. In {more} of {words.plural(len(over), 'pair')} the mean confidence of all answers lies above the interval of the recall. "
        "These means have no interval."
    )


def _wrong(row: pd.Series) -> str:
    """`0.69 at home (41)`: the mean confidence of a row's wrong answers, and how many there are."""
    where = "at home" if row["set"] == HOME else f"in {set_name(row['set'])}"
    return f"{row['confidence_wrong']:.2f} {where} ({row['wrong']:,.0f})"

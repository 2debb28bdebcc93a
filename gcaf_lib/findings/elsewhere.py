"""Chapter 23: how external outside images are, and what a model that was trained here says of them."""

from __future__ import annotations

import pandas as pd

from gcaf_lib.data.known import THRESHOLD
from gcaf_lib.display.outside import SET_NAMES
from gcaf_lib.display.style import CLASS_NAMES
from gcaf_lib.evaluation import folds
from gcaf_lib.evaluation.elsewhere import HOME, NEIGHBOUR
from gcaf_lib.findings import words
from gcaf_lib.settings import CLASSES

FEW = 10  # cases: a recall of fewer says little, and no sentence is built on it
_ORDER = {name: n for n, name in enumerate(CLASSES)}


def set_name(key: str) -> str:
    """A set's name for people."""
    return SET_NAMES.get(key, key)


def recall_band(row: pd.Series) -> str:
    """A row's recall with its interval, in percent."""
    return words.band(row["recall"], row["low"], row["high"])


def home_band(row: pd.Series) -> str:
    """The same of its class at home, of a row of `levels`."""
    return words.band(row["home"], row["home_low"], row["home_high"])


# --- how external ---


def copies_table(copies: pd.DataFrame) -> pd.DataFrame:
    """A reader's table of `elsewhere.copies`: a row a set and class."""
    heads = {
        "images": "Images",
        "copies": "Copies",
        "training": "Of Training",
        "testing": "Of Testing",
        "random_train": "In the random split's training",
        "nearest": "Nearest other",
    }
    names = pd.DataFrame({"Set": copies["set"].map(set_name), "Class": copies["class"].map(CLASS_NAMES)})
    nearest = copies["nearest"].map(lambda v: f"{v:.2f}" if v == v else "–")
    return pd.concat([names, copies.assign(nearest=nearest)[list(heads)].rename(columns=heads)], axis=1)


def copies_said(copies: pd.DataFrame) -> str:
    """What the copies test found, set by set."""
    total = copies.groupby("set", sort=False)[["images", "copies", "random_train", "training"]].sum()
    inside, clean = total[total["copies"] > 0], total[total["copies"] == 0]
    lines = []
    for key, row in inside.iterrows():
        whole = copies[(copies["set"] == key) & (copies["copies"] == copies["images"])]["class"]
        kinds = " and ".join(CLASS_NAMES[c].lower() for c in whole)
        all_of = f", among them every image of {kinds}" if kinds else ""
        lines.append(
            f"Of the {row['images']:,} images of {set_name(key)} at least {row['copies']:,} ({row['copies'] / row['images']:.1%}) "
            f"are copies of images of this dataset{all_of}; at least {row['training']:,} of them stand in Kaggle's Training part, and "
            f"{row['random_train']:,} show a picture that the random split trains on. Whoever trained on this dataset and tests there, "
            "tests on images that were trained on: such a score says nothing about other hospitals."
        )
    if len(clean):
        names = [set_name(key) for key in clean.index]
        nearest = copies[copies["set"].isin(clean.index)]["nearest"].max()
        lines.append(
            f"In {', '.join(names)} the test finds none: of {clean['images'].sum():,} images the one most alike reaches a "
            f"similarity of {nearest:.2f}; a copy is what reaches {THRESHOLD:.2f}."
        )
    return " ".join(lines)


# --- recall ---


def models(recall: pd.DataFrame) -> list[str]:
    """Names of the trained models in `elsewhere.recall`: those on patient-disjoint folds first, then by name."""
    own = recall[recall["model"] != NEIGHBOUR].drop_duplicates("model")
    apart = own["split"] != folds.NAMES["patients"]
    return own.assign(apart=apart).sort_values(["apart", "model"])["model"].tolist()


def levels(recall: pd.DataFrame, model: str) -> pd.DataFrame:
    """One model's rows by class and set, whole sets, and `home`, `home_low`, `home_high`, `home_cases`: the same class at home."""
    own = recall[(recall["model"] == model) & (recall["plane"] == "all")]
    home = own[own["set"] == HOME].set_index("class")[["recall", "low", "high", "cases"]]
    out = own[own["set"] != HOME].join(
        home.add_prefix("home_").rename(columns={"home_recall": "home"}), on="class"
    )
    return out.sort_values("class", key=lambda c: c.map(_ORDER), kind="stable").reset_index(drop=True)


def recall_table(recall: pd.DataFrame) -> pd.DataFrame:
    """A reader's table: a row a class and set, a column a model, its home and the nearest neighbour beside it."""
    found = {
        model: levels(recall, model).set_index(["class", "set"]) for model in [*models(recall), NEIGHBOUR]
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
    own = levels(recall, model)
    counts = own[list(CLASSES)]
    shares = (
        counts.div(counts.sum(axis=1) / 100, axis=0)
        .map("{:.1f}".format)
        .rename(columns=lambda c: CLASS_NAMES[c].lower())
    )
    names = pd.DataFrame({"Class": own["class"].map(CLASS_NAMES), "Set": own["set"].map(set_name)})
    return pd.concat([names, shares.add_prefix("As ")], axis=1)


def gap_said(recall: pd.DataFrame, model: str) -> str:
    """How recall elsewhere stands to recall at home, of sets with enough cases."""
    own = levels(recall, model)
    own = own[(own["cases"] >= FEW) & own["home"].notna()]
    if own.empty:
        return "No run has been scored at home and elsewhere yet."
    below, above = own[own["high"] < own["home_low"]], own[own["low"] > own["home_high"]]
    worst = own.loc[(own["recall"] - own["home"]).idxmin()]
    text = (
        f"The model *{model}* has {words.plural(len(own), 'pair')} of a class and a set with {FEW} cases or more. In "
        f"{len(below)} of {len(own)} its recall elsewhere lies below that at home, with non-overlapping intervals; in {len(above)} above."
    )
    if worst["recall"] < worst["home"]:
        told = worst[list(CLASSES)].astype(float) / worst[list(CLASSES)].sum()
        other = told.drop(worst["class"]).idxmax()
        text += (
            f" The largest fall: {CLASS_NAMES[worst['class']].lower()} in {set_name(worst['set'])}, "
            f"{recall_band(worst)}% in place of {home_band(worst)}%; {words.percent(told[other])}% are "
            f"classified as {CLASS_NAMES[other].lower()}."
        )
    few = own[own["home_cases"] < FEW].drop_duplicates("class")
    if len(few):
        cases = [f"{CLASS_NAMES[r['class']].lower()} {r['home_cases']:.0f}" for _, r in few.iterrows()]
        text += f" At home too some classes have fewer cases than {FEW} ({', '.join(cases)}): recall at home is known only roughly for these."
    if folds.NAMES["paper"] in model:
        text += " Its home is the random split, where training knows most test images or their patients: chapter 17."
    return text


def sure_said(recall: pd.DataFrame, model: str) -> str:
    """Whether a model is sure when it is wrong, elsewhere and at home."""
    own = recall[(recall["model"] == model) & (recall["plane"] == "all")]
    own = own.assign(wrong=own["images"] - own["right"])
    home, there = own[own["set"] == HOME], own[own["set"] != HOME]
    if not home["wrong"].sum() or not there["wrong"].sum():
        return "It was never wrong at one of the two places, so there is nothing to compare."
    wrong = [_mean(part["confidence_wrong"], part["wrong"]) for part in (home, there)]
    whole = [_mean(part["confidence"], part["images"]) for part in (home, there)]
    over = there[there["cases"] >= FEW]
    more = int((over["confidence"] > over["high"]).sum())
    same = over["class"].map(home.set_index("class")["confidence_wrong"])
    both = same.notna() & over["confidence_wrong"].notna()
    surer = int((over["confidence_wrong"] >= same)[both].sum())
    return (
        f"The mean confidence of its answers is {whole[1]:.2f} elsewhere and {whole[0]:.2f} at home; that of its wrong answers alone "
        f"{wrong[1]:.2f} and {wrong[0]:.2f}. "
        + (
            "So a wrong answer elsewhere looks no less sure than one at home. "
            if wrong[1] >= wrong[0]
            else "So a wrong answer looks a little less sure elsewhere than at home. "
            if wrong[1] > wrong[0] - 0.1
            else "So a wrong answer looks less sure elsewhere than at home. "
        )
        + f"Its wrong answers are no less confident than those on the same class at home in {surer} of "
        f"{words.plural(int(both.sum()), 'pair')} of class and set. In {more} of {words.plural(len(over), 'pair')} with {FEW} cases or "
        "more its mean confidence lies above the interval of its recall."
    )


def _mean(values: pd.Series, weights: pd.Series) -> float:
    """Weighted mean; what has no weight may have no value."""
    return float((values * weights)[weights > 0].sum() / weights.sum())


# --- class and source ---


def planes_table(recall: pd.DataFrame, key: str = "ixi") -> pd.DataFrame:
    """Of one set by plane, a row a model and plane: recall, and the share classified as pituitary."""
    own = recall[(recall["set"] == key) & (recall["plane"] != "all")]
    return pd.DataFrame(
        {
            "Model": own["model"],
            "Plane": own["plane"],
            "Images": own["images"],
            "Recall": [recall_band(row) for _, row in own.iterrows()],
            "As pituitary": [f"{100 * v:.1f}" for v in own["pituitary"] / own[list(CLASSES)].sum(axis=1)],
        }
    ).reset_index(drop=True)


def planes_said(recall: pd.DataFrame, model: str) -> str:
    """Whether coronal images of healthy heads are classified as pituitary more than axial ones, as a shortcut would have it."""
    own = recall[(recall["model"] == model) & (recall["set"] == "ixi")].set_index("plane")
    if not {"coronal", "axial"} <= set(own.index):
        return "This model has not been scored by plane."
    share = own["pituitary"] / own[list(CLASSES)].sum(axis=1)
    planes = own.drop("all", errors="ignore")
    each = ", ".join(f"{v:.1%} {plane}" for plane, v in planes["recall"].items())
    lower = " and ".join(planes.index[planes["high"] < own.loc["axial", "low"]])
    effect = (
        f": {lower} lower than axial, with non-overlapping intervals, so the plane alone changes the answer"
    )
    recalls = f"Its recall of no tumour is {each}{effect if lower else ''}."
    text = (
        f"The model *{model}* classifies {share['coronal']:.1%} of the coronal slices of healthy heads as pituitary and "
        f"{share['axial']:.1%} of the axial ones. "
    )
    if share["coronal"] > 2 * share["axial"] and share["coronal"] > 0.2:
        return text + (
            "So the plane alone calls for that answer often, and recall on a set of coronal pituitary tumours is in part recall "
            f"of the plane. {recalls}"
        )
    seldom = "seldom calls" if share["coronal"] <= 0.2 else "calls no more than others"
    return f"{text}So the coronal plane alone {seldom} for that answer here. {recalls}"


def neighbour_said(recall: pd.DataFrame, model: str) -> str:
    """On which pairs of class and set the nearest neighbour is below the model, above it, or neither by their intervals."""
    one, other = (levels(recall, name).set_index(["class", "set"]) for name in (model, NEIGHBOUR))
    both = one.index.intersection(other.index)
    both = [key for key in both if one.loc[key, "cases"] >= FEW]
    if not both:
        return "The nearest neighbour has not been scored on these sets."
    one, other = one.loc[both], other.loc[both]
    ahead, behind = other["low"] > one["high"], other["high"] < one["low"]
    level = ~ahead & ~behind
    return (
        "The nearest neighbour compares thumbnails and knows nothing of tumours. Of "
        f"{words.plural(len(both), 'pair')} of a class and a set with {FEW} cases or more its recall is, with non-overlapping intervals, "
        f"{_pairs(behind, 'below the model’s')}, {_pairs(ahead, 'above it')}; {_pairs(level, 'neither')}."
    )


def _pairs(which: pd.Series, word: str) -> str:
    """`below in 2 (glioma in Radiopaedia, ...)`, of a mask whose index is class and set."""
    names = [f"{CLASS_NAMES[c].lower()} in {set_name(s)}" for c, s in which.index[which]]
    return f"{word} in {len(names)}" + (f" ({', '.join(names)})" if names else "")

"""Chapter 23: how external outside images are, and what a model that was trained here says of them."""

from __future__ import annotations

import pandas as pd

from gcaf_lib.data.known import THRESHOLD
from gcaf_lib.data.medical import PLANES
from gcaf_lib.display.elsewhere_charts import set_name
from gcaf_lib.display.style import CLASS_NAMES
from gcaf_lib.evaluation import folds
from gcaf_lib.evaluation.outside_sets import HOME, NEIGHBOUR
from gcaf_lib.findings import words
from gcaf_lib.settings import CLASSES

FEW = 10  # cases: a recall of fewer says little, and no sentence is built on it
SEEN = {"CT": "CT", "neck": "of the neck"}  # what images are by their look
DIAGNOSES = {"Astrocitoma": "astrocytoma", "Ependimoma": "ependymoma"}  # others are spelt alike
SEQUENCES = {
    "T1C+": "T1 with contrast agent",
    "T1C+ or T1": "T1, contrast agent not stated",
    "MR": "not stated",
    "MR - T1W - noncontrast": "T1",
    "MR - T1W w/Gadolinium": "T1 with contrast agent",
    "MR - T2 weighted": "T2",
    "MR - FLAIR": "FLAIR",
    "MR - DWI Diffusion Weighted": "DWI",
    "MR - ADC Map (App Diff Coeff)": "ADC",
    "MR T2* gradient,GRE,MPGR,SWAN,SWI": "T2*",
}
UNSCORED = "No run has been scored at home and elsewhere yet."
_CONTRAST, _PLAIN = ("T1C+", "MR - T1W w/Gadolinium"), ("MR - T1W - noncontrast",)
_ORDER = {name: n for n, name in enumerate(CLASSES)}


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
    nearest = copies["nearest"].map(lambda v: words.number(v, 3))  # a copy is what reaches `THRESHOLD`
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
            f"similarity of {nearest:.3f}; a copy is what reaches {THRESHOLD:.2f}."
        )
    return " ".join(lines)


# --- what the sets hold ---


def about_table(about: pd.DataFrame) -> pd.DataFrame:
    """A reader's table of `elsewhere.about`: a row a class and set, with images by diagnosis, sequence and plane."""
    names = {
        "Diagnoses": about["diagnosis"].map(lambda d: DIAGNOSES.get(d, d.lower()) or "not stated"),
        "Sequences": about["sequence"].map(lambda s: SEQUENCES.get(s, s)),
        "Planes": about["plane"].where(about["plane"].isin([*PLANES, "photograph"]), "not stated"),
    }
    told, rows = about.assign(**names), []
    for label in CLASSES:
        for where, part in told[told["class"] == label].groupby("set", sort=False):
            row = {"Class": CLASS_NAMES[label], "Set": set_name(where), "Images": part["images"].sum()}
            rows.append(row | {head: _counts(part, head) for head in names})
    return pd.DataFrame(rows)


def _counts(part: pd.DataFrame, head: str) -> str:
    """`T2 13, FLAIR 2`: images by what `head` says, the most first; of one alone its name."""
    counts = part.groupby(head, sort=False)["images"].sum().sort_values(ascending=False, kind="stable")
    if len(counts) == 1:
        return str(counts.index[0])
    return ", ".join(f"{name} {n:,}" for name, n in counts.items())


def about_said(about: pd.DataFrame) -> str:
    """Which classes of a set hold several diagnoses, and for how many images a contrast agent is stated."""
    lines = []
    for (where, label), part in about[about["diagnosis"] != ""].groupby(["set", "class"], sort=False):
        if part["diagnosis"].nunique() > 1:
            named = part.assign(diagnosis=part["diagnosis"].map(lambda d: DIAGNOSES.get(d, d.lower())))
            lines.append(
                f"What counts as {CLASS_NAMES[label].lower()} in {set_name(where)}, in images: {_counts(named, 'diagnosis')}. The names "
                "are the publisher’s folders, put under one class for this test."
            )
    tumour = about[about["class"] != "notumor"]
    given, without = (tumour[tumour["sequence"].isin(names)]["images"].sum() for names in (_CONTRAST, _PLAIN))
    healthy = about[about["class"] == "notumor"]
    with_agent = healthy[healthy["sequence"].isin(_CONTRAST)]["images"].sum()
    lines.append(
        f"A contrast agent is stated for {given:,} of {tumour['images'].sum():,} tumour images, denied for {without:,}, and left open for the others; of "
        f"images without a tumour it is stated for {with_agent:,} of {healthy['images'].sum():,}."
    )
    return " ".join(lines)


# --- recall ---


def _trained(recall: pd.DataFrame) -> pd.DataFrame:
    """A line of each model that was trained."""
    return recall[recall["model"] != NEIGHBOUR].drop_duplicates("model")


def models(recall: pd.DataFrame) -> list[str]:
    """Names of the trained models in `outside_sets.recall`: those on patient-disjoint folds first, then by name."""
    own = _trained(recall)
    shared = own["split"] != folds.NAMES["patients"]
    return own.assign(shared=shared).sort_values(["shared", "model"])["model"].tolist()


def whole_sets(recall: pd.DataFrame, model: str) -> pd.DataFrame:
    """One model's rows by class, at home and in each set, of all planes together."""
    return recall[(recall["model"] == model) & (recall["plane"] == "all")]


def levels(recall: pd.DataFrame, model: str) -> pd.DataFrame:
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


def beside_home(recall: pd.DataFrame, model: str) -> str:
    """How recall elsewhere stands to recall at home, of sets with enough cases."""
    own = levels(recall, model)
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
    """In how many rows of `levels` the interval lies below that at home, and above it."""
    return int((own["high"] < own["home_low"]).sum()), int((own["low"] > own["home_high"]).sum())


def _fall(own: pd.DataFrame) -> str:
    """The largest fall among rows of `levels`, with intervals, images and cases on both sides; nothing where there is none."""
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


def seen_said(seen: pd.DataFrame, about: pd.DataFrame) -> str:
    """Which images are no MR image of a brain by their look (`outside_sets.read("seen")`), of how many."""
    images, lines = about.groupby(["set", "class"])["images"].sum(), []
    for where, odd in seen.groupby("set", sort=False):
        kinds = [
            f"of {images[where, label]:,} {CLASS_NAMES[label].lower()} images "
            + " and ".join(f"{n} {SEEN.get(kind, kind)}" for kind, n in part["seen"].value_counts().items())
            for label, part in odd.groupby("class", sort=False)
        ]
        lines.append(
            f"Labels of {set_name(where)} call every image MR, but by their look some are no MR image of a brain: {'; '.join(kinds)}."
        )
    return " ".join(lines)


def rest_said(recall: pd.DataFrame, seen: pd.DataFrame, model: str, rest: pd.DataFrame) -> str:
    """A model's recall without the images of `seen`, of sets with enough cases.

    rest: `outside_sets.RECALL` without these images; of a model that it lacks, the two values between which that recall lies.
    """
    own, lines = levels(recall, model).set_index(["set", "class"]), []
    left = levels(rest, model).set_index(["set", "class"])
    for key, odd in seen.groupby(["set", "class"], sort=False):
        if key not in own.index or own.loc[key, "cases"] < FEW or len(odd) >= own.loc[key, "images"]:
            continue
        row, k = own.loc[key], len(odd)
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


# --- class and source ---


def planes_table(recall: pd.DataFrame) -> pd.DataFrame:
    """Of IXI's healthy heads by plane, a row a model and plane: recall, and the share classified as pituitary."""
    own = recall[(recall["set"] == "ixi") & (recall["plane"] != "all")]
    return pd.DataFrame(
        {
            "Model": own["model"],
            "Plane": own["plane"],
            "Images": own["images"],
            "Recall": [recall_band(row) for _, row in own.iterrows()],
            "As pituitary": [f"{100 * v:.1f}" for v in _as_pituitary(own)],
        }
    ).reset_index(drop=True)


def _as_pituitary(own: pd.DataFrame) -> pd.Series:
    """The share of the images of each line that are classified as pituitary."""
    return own["pituitary"] / own[list(CLASSES)].sum(axis=1)


def planes_said(recall: pd.DataFrame, model: str) -> str:
    """How often coronal and axial slices of healthy heads are classified as pituitary, and recall of no tumour by plane."""
    own = recall[(recall["model"] == model) & (recall["set"] == "ixi")].set_index("plane")
    if not {"coronal", "axial"} <= set(own.index):
        return "This model has not been scored by plane."
    share = _as_pituitary(own)
    planes = own.drop("all", errors="ignore")
    each = ", ".join(f"{v:.1%} {plane}" for plane, v in planes["recall"].items())
    lower = " and ".join(planes.index[planes["high"] < own.loc["axial", "low"]])
    recalls = f"Its recall of no tumour is {each}."
    if lower:
        recalls = (
            f"{recalls[:-1]}: {lower} lower than axial, with non-overlapping intervals. All are cut from the same scans, so patient, "
            "scanner and sequence are not the reason. But slices of another plane show other anatomy too (face and neck) at other "
            "levels: the answer depends on which slice is shown, and this comparison can’t say whether on its plane."
        )
    text = (
        f"The model *{model}* classifies {share['coronal']:.1%} of the coronal slices of healthy heads as pituitary and "
        f"{share['axial']:.1%} of the axial ones. "
    )
    if share["coronal"] <= 0.2:
        return f"{text}So it seldom gives that answer to coronal slices without a tumour. {recalls}"
    if share["coronal"] <= 2 * share["axial"]:
        return f"{text}So coronal slices get that answer no more than twice as often as axial ones. {recalls}"
    return text + (
        "So coronal slices of heads without a tumour often get that answer, and recall on a set of coronal pituitary tumours may in "
        f"part be recall of the view. {recalls}"
    )


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
        f"{_named(behind, 'below the model’s')}, {_named(ahead, 'above it')}; {_named(level, 'neither')}."
    )


def _named(which: pd.Series, word: str) -> str:
    """`below in 2 (glioma in Radiopaedia, ...)`, of a mask whose index is class and set."""
    names = [f"{CLASS_NAMES[c].lower()} in {set_name(s)}" for c, s in which.index[which]]
    return f"{word} in {len(names)}" + (f" ({', '.join(names)})" if names else "")

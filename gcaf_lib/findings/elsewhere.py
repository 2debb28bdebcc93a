"""Chapter 23: how external outside images are, and what their sets hold."""

from __future__ import annotations

import pandas as pd

from gcaf_lib.data.known import THRESHOLD
from gcaf_lib.data.medical import PLANES
from gcaf_lib.display.elsewhere_charts import set_name
from gcaf_lib.display.style import CLASS_NAMES
from gcaf_lib.findings import words
from gcaf_lib.settings import CLASSES

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
_CONTRAST, _PLAIN = ("T1C+", "MR - T1W w/Gadolinium"), ("MR - T1W - noncontrast",)


def copies_table(copies: pd.DataFrame) -> pd.DataFrame:
    """A reader's table of `outside_sets.copies`: a row a set and class."""
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


def about_table(about: pd.DataFrame) -> pd.DataFrame:
    """A reader's table of `outside_sets.about`: a row a class and set, with images by diagnosis, sequence and plane."""
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


def not_brain_mr_said(not_brain_mr: pd.DataFrame, about: pd.DataFrame) -> str:
    """Which images are no MR image of a brain by their look (`outside_sets.not_brain_mr`), of how many."""
    images, lines = about.groupby(["set", "class"])["images"].sum(), []
    for where, images_there in not_brain_mr.groupby("set", sort=False):
        kinds = [
            f"of {images[where, label]:,} {CLASS_NAMES[label].lower()} images "
            + " and ".join(f"{n} {SEEN.get(kind, kind)}" for kind, n in part["seen"].value_counts().items())
            for label, part in images_there.groupby("class", sort=False)
        ]
        lines.append(
            f"Labels of {set_name(where)} call every image MR, but by their look some are no MR image of a brain: {'; '.join(kinds)}."
        )
    return " ".join(lines)

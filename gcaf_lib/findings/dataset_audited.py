"""Chapter 16: copies, pictures, thresholds of similarity, labels, sources and patients of a dataset's audit."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd

from gcaf_lib.data import figshare, keypoints, splits, twins
from gcaf_lib.evaluation import dataset_audit
from gcaf_lib.findings import words
from gcaf_lib.settings import CLASSES, DataSettings
from gcaf_lib.terminal import cut

THRESHOLDS = {
    "notumor": twins.DOUBT,
    "tumour": twins.THRESHOLD,
    "re-cropped": keypoints.THRESHOLD,
    "slices": figshare.SAME_SLICE,
}


def numbers(frame: pd.DataFrame, facts: dataset_audit.Audit) -> pd.DataFrame:
    """What, Number: the audit counted."""
    groups = dataset_audit.group_list(frame, facts)
    tumours = int((frame["label"] != CLASSES.index("notumor")).sum())
    pictures = facts.pictures.set_index("class")["pictures"]
    rows = [
        ("files", len(frame)),
        ("different pictures, copies counted once", pictures["all"]),
        *((f"of these, in {name}", pictures[name]) for name in CLASSES if name in pictures),
        ("files that have a copy", len(facts.twins)),
        ("files of the largest family of copies", int(groups["files"].max()) if len(groups) else 1),
        ("families in both Training and Testing", int(((groups.training > 0) & (groups.testing > 0)).sum())),
        (
            "files that repeat another byte for byte",
            int((dataset_audit.identical_contents(frame)["files"] - 1).sum()),
        ),
    ]
    if len(facts.slices):
        mirrored = int(facts.slices["mirrored"].sum())
        rows += [
            ("tumour files", tumours),
            ("tumour files that show a figshare slice", len(facts.slices)),
            ("of these, mirrored left to right", mirrored),
            ("of these, as the slice stands", len(facts.slices) - mirrored),
        ]
    return pd.DataFrame(rows, columns=["What", "Number"])


def pictures_said(frame: pd.DataFrame, facts: dataset_audit.Audit) -> str:
    """How many pictures the files are, of which class least, and how the copies are turned."""
    table = facts.pictures.set_index("class")
    share = (table["files"] / table["pictures"]).drop("all")
    fewest, turn = share.idxmax(), facts.twins["turn"].value_counts()
    said = f"The {len(frame):,} files are **{table['pictures']['all']:,} pictures**. "
    if share[fewest] > 1:
        said += (
            f"A picture is repeated most often in {fewest}: {table['files'][fewest]:,} files, {table['pictures'][fewest]:,} "
            f"pictures, {share[fewest]:.1f} files to a picture. "
        )
    counted = ", ".join(f"{turn[name]:,} {name}" for name in twins.TURNS[1:] if name in turn)
    if counted:
        said += f"Relative to the first file of their family, copies are flipped: {counted}. "
    return said + "A random split of the files puts many pictures on both sides."


def similarity_thresholds_said(facts: dataset_audit.Audit) -> str:
    """How empty the histograms are at the thresholds, and what the archive's numbers say of them."""
    said = []
    for kind, name in (("notumor", "tumour-free"), ("tumour", "tumour")):
        part, bar = facts.similarity[facts.similarity["kind"] == kind], THRESHOLDS[kind]
        pairs = part[list(twins.TURNS)].sum(axis=1)
        near = pairs[part["left"].between(bar - 0.001, bar + 0.049)].sum()
        above = pairs[part["left"] > bar - 0.001].sum()
        if pairs.sum():
            said.append(
                f"Of {above:,} pairs of {name} files at {bar:g} or more, {near:,} lie below {bar + 0.05:g}."
            )
    nearest = facts.similarity[facts.similarity["kind"] == "slices"]
    if len(nearest):
        total = nearest[list(twins.TURNS)].sum(axis=1)
        last = nearest[(total > 0) & (nearest.right <= figshare.SAME_SLICE)]["right"].max()
        said.append(
            f"The nearest slice of a file is either a copy (correlation of thumbnails at least "
            f"{cut(facts.slices['similarity'].min(), 4)}: {len(facts.slices):,} files) or not: no file lies between "
            f"{cut(last, 2, up=True)} and {figshare.SAME_SLICE:g}."
        )
    return " ".join(said)


def looked_at(facts: dataset_audit.Audit) -> pd.DataFrame:
    """`around_table` with what the eye said of each pair: same is "yes", "no", "unsure", or "" where nobody looked."""
    return facts.around.merge(dataset_audit.by_eye(), on=["left", "right"], how="left").fillna({"same": ""})


def eye_said(seen: pd.DataFrame, facts: dataset_audit.Audit) -> str:
    """Of the pairs drawn at random beside the thresholds, how many the eye took for one picture; seen: `looked_at`."""
    said = []
    for (kind, side), part in seen[seen["same"] != ""].groupby(["kind", "side"], sort=False):
        unsure = (part["same"] == "unsure").sum()
        said.append(
            f"just {side} {dataset_audit.BARS[kind]:g} ({kind}) {(part['same'] == 'yes').sum()} of {len(part)}"
            + (f" and {unsure} in doubt" if unsure else "")
        )
    if not said:
        return "Nobody has looked at these pairs."
    return f"Judged by eye to be the same picture: {'; '.join(said)}. {_joined_in_error(seen, facts)}The authors looked; they are not radiologists."


def _joined_in_error(seen: pd.DataFrame, facts: dataset_audit.Audit) -> str:
    """Of which patient the pairs above the threshold of known patients are, where the eye took all for different pictures
    and they are one family. (By the archive's numbers, which are not committed, they are the three slices that chapter 16 names.)"""
    part = seen[(seen["kind"] == "patients known") & (seen["side"] == "above") & (seen["same"] != "")]
    family = part[["left", "right"]].stack().map(facts.twins.set_index("file")["group"])
    if part.empty or part["same"].ne("no").any() or family.nunique(dropna=False) > 1 or family.isna().any():
        return ""
    return (
        f"The {len(part)} just above {dataset_audit.BARS['patients known']:g} are the neighbouring slices of one patient named above, "
        "joined in error but kept together by `patients` anyway. "
    )


def labels_said(facts: dataset_audit.Audit, phantoms: bool) -> str:
    """Files whose label another copy, or the archive, contradicts."""
    wrong, odd = dataset_audit.mislabelled(facts), dataset_audit.divided(facts)
    if phantoms:
        told = "The phantoms carry no label errors. "
    elif len(wrong):
        names = "; ".join(f"`{r.file}` is a {r['class']}" for _, r in wrong.iterrows())
        told = f"By the archive {len(wrong)} files are in the wrong folder: {names}. "
    else:
        told = "No file contradicts the archive. "
    pictures = odd["group"].nunique()
    split = (
        f"Of {words.plural(pictures, 'picture')} ({words.plural(len(odd), 'file')}) there are copies in the folders of two classes, so "
        f"{words.verb(pictures, 'one of its labels is', 'a label of each is')} wrong"
        if pictures
        else "No picture has copies in the folders of two classes"
    )
    return f"{split}. {told}The labels are used as published, so that results stay comparable."


def candidates(frame: pd.DataFrame, facts: dataset_audit.Audit) -> pd.DataFrame:
    """file, kind, seen, copies: files to look at again (`dataset_audit.candidates`), with the number of their copies."""
    table = dataset_audit.candidates()
    group = facts.twins.set_index("file")["group"]
    sizes = facts.twins["group"].value_counts()
    table["copies"] = table["file"].map(group).map(sizes).fillna(1).astype(int)
    return table[table["file"].isin(frame["file"])].reset_index(drop=True)


def candidates_said(table: pd.DataFrame) -> str:
    """How many files the candidates stand for, kind by kind."""
    if table.empty:
        return "The phantoms have none."
    told = {
        "CT": ("looks like CT, not MR", "look like CT, not MR"),
        "no scan": ("is no scan", "are no scans"),
        "seen": ("shows something that a layman notices", "show something that a layman notices"),
    }
    counts = [
        f"{words.plural(len(part), 'picture')} ({words.plural(part['copies'].sum(), 'file')}) {what[len(part) > 1]}"
        for kind, what in told.items()
        if len(part := table[table["kind"] == kind])
    ]
    return (
        f"{'; '.join(counts)}, each counted once: some that look like CT show something, too. **No radiologist has seen them**: this is what shows when all pictures of no known patient are looked through, and a radiologist may find "
        "more, or take some off. *No tumour* does not mean healthy here: widened ventricles and bright spots in the white matter of older brains, which many more pictures "
        "show, are not listed. All stay as they are labelled."
    )


def image_sizes_said(table: pd.DataFrame) -> str:
    """Whether tumours are told by the most common size, the first column of `sizes_and_modes`."""
    common, shares = table.columns[0], table.iloc[:, 0]
    tumours = shares.drop("notumor")
    gap = tumours.min() - shares["notumor"]
    return (
        f"At least {cut(tumours.min(), 1, scale=100)}% of each tumour class but {shares['notumor']:.1%} of the images without a "
        f"tumour are {common}. "
    ) + (
        "The size of the file nearly answers whether there is a tumour; chapter 18 measures how far that goes."
        if gap > 0.5
        else "The size is a hint, not an answer; chapter 18 measures how far it goes."
    )


def patients_said(frame: pd.DataFrame, facts: dataset_audit.Audit, known: np.ndarray) -> str:
    """Of how few patients a single test part is, and of which files (known (N,) bool) no patient is known."""
    parts = facts.patients[(facts.patients["protocol"] == "patients") & (facts.patients["part"] == "test")]
    few = parts[parts["patients"] > 0].sort_values("patients").iloc[0]
    picture = frame["file"].map(facts.twins.set_index("file")["group"])  # a copy's patient is the picture's
    own, known = known, known | picture.isin(picture[known].dropna()).to_numpy()
    unknown = frame.loc[~known, "label"].map(dict(enumerate(CLASSES))).value_counts()
    said = (
        f"The test part of a single 80/10/10 split has {words.plural(few['patients'], 'patient')} of {few['class']}: too few for a "
        "narrow interval. That is why results on patient-disjoint folds are given over five folds, in which each image is "
        "tested once. "
    )
    if unknown.empty:
        return said + "Every phantom's patient is known."
    names = ", ".join(words.plural(n, f"{name} file") for name, n in unknown.items())
    return (
        f"{said}No patient is known of {names}"
        + (f" (of {by_copy} more only by a copy of theirs)" if (by_copy := (known & ~own).sum()) else "")
        + "; different pictures among these may still be of one patient, so even this "
        "split is optimistic for them."
    )


def groups_said(groups: np.ndarray, known: np.ndarray) -> str:
    """What intervals over patients resample, and how much of it is no known patient.

    groups (N,): `splits.clusters`; known (N,) bool: `patient_known`.
    """
    count, own = len(np.unique(groups)), len(np.unique(groups[known]))
    said = f"Intervals over patients on these images resample groups of files (on images from elsewhere cases, chapter 23). Of {words.plural(count, 'group')} in all {own:,} {words.verb(own, 'holds', 'hold')} a known patient"
    if count == own:
        return f"{said}."
    files = (~np.isin(groups, groups[known])).sum()
    return (
        f"{said}; {count - own:,} ({words.plural(files, 'file')}) {words.verb(count - own)} one picture with its copies, whose patient is not known. "
        "Several of these may be of one patient: as far as they are, such intervals are too narrow."
    )


def patient_table(facts: dataset_audit.Audit) -> pd.DataFrame:
    """A class a row: files and known patients in each part of the patient-grouped split."""
    parts = facts.patients[facts.patients["protocol"] == "patients"]
    wide = parts.assign(text=parts["files"].map("{:,}".format) + " of " + parts["patients"].astype(str))
    wide = wide.pivot(index="class", columns="part", values="text").reindex(columns=list(splits.PARTS))
    return wide.rename_axis("Class").reset_index()


def beside_thresholds(facts: dataset_audit.Audit, each: int = 3) -> tuple[list[list[str]], list[list[str]]]:
    """Files of the pairs drawn just above and just below the thresholds, `each` pairs a line, and the words over them."""
    seen = looked_at(facts).groupby(["kind", "side"], sort=False).head(each)
    files = seen[["left", "right"]].to_numpy().tolist()
    words = [(f"{r.side}: {r.similarity:.3f}", r.kind) for r in seen.itertuples()]
    return tuple(
        [list(itertools.chain(*pairs[k : k + each])) for k in range(0, len(pairs), each)]
        for pairs in (files, words)
    )


def identical(frame: pd.DataFrame) -> pd.DataFrame:
    """Contents that several files share byte for byte, by where these stand."""
    same = dataset_audit.identical_contents(frame)
    within = same["training"].gt(0).map({True: "within Training", False: "within Testing"})
    where = within.mask(same["training"].gt(0) & same["testing"].gt(0), "across Training and Testing")
    by_place = same.groupby(where.rename("Where"))["files"]
    return by_place.agg(Contents="size", Files="sum").reset_index()


def sizes_and_modes(frame: pd.DataFrame) -> pd.DataFrame:
    """Per class: the share that has the most common size, which names its column; the number of sizes; shares of colour modes."""
    size = frame["width"].astype(str) + "×" + frame["height"].astype(str)
    common = size.mode()[0]
    by_class = frame.assign(size=size, common=size == common).groupby("label")
    modes = pd.crosstab(frame["label"], frame["mode"], normalize="index").add_prefix("mode ")
    table = pd.DataFrame({common: by_class["common"].mean(), "Different sizes": by_class["size"].nunique()})
    return table.join(modes).set_axis(CLASSES).rename_axis("Class")


def sizes_and_modes_text(table: pd.DataFrame) -> pd.DataFrame:
    """`sizes_and_modes` for readers."""
    shares = [c for c in table if c != "Different sizes"]
    return table.assign(**{c: table[c].map("{:.2%}".format) for c in shares}).reset_index()


def patient_known(frame: pd.DataFrame, facts: dataset_audit.Audit, phantoms: bool) -> np.ndarray:
    """Files (N,) bool whose patient is known: those that show a slice of the archive; of phantoms all."""
    return (frame["file"].isin(facts.slices["file"]) | phantoms).to_numpy()


def patient_sizes(dataset: Any, facts: dataset_audit.Audit, source: str) -> dict[str, np.ndarray]:
    """Files of each known patient by class, most first. A file whose folder contradicts the archive is no patient of its class."""
    frame = dataset.frame
    patient = splits.load(DataSettings(source=source, protocol="patients"), dataset)["group"]
    wrong = frame["file"].isin(dataset_audit.mislabelled(facts)["file"])
    own = frame[patient_known(frame, facts, source == "phantom") & ~wrong]
    return {CLASSES[k]: patient.loc[part.index].value_counts().to_numpy() for k, part in own.groupby("label")}

"""The audit of the dataset as small tables: twins, slices of the figshare archive, patients, similarities.

    twins.csv       one row a file that has a twin: which group, mirrored or not, how alike
    slices.csv      one row a file that shows a figshare slice: the archive's class, mirrored or not
    patients.csv    files, groups and patients of each class in each part of each protocol
    similarity.csv  histograms of similarities: file against file, file against its nearest slice

The tables of the real dataset are committed, so that chapters need neither the images nor the archive.
They hold no patient or slice numbers; groups are the opaque numbers of `results/splits/twins.csv`.
Phantoms are audited on the spot. Make them again (needs images and figshare data):

    python -m gcaf_lib.evaluation.audit
"""

from __future__ import annotations

import os
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import pandas as pd

from gcaf_lib.data import figshare, splits, thumbnails, twins
from gcaf_lib.data.dataset import DataError, Dataset, open_dataset
from gcaf_lib.settings import CLASSES, DataSettings, results_dir

SOURCES = ("figshare", "figshare, second copy", "unknown")
_EDGES = {"files": np.linspace(0.9, 1, 51), "slices": np.linspace(0.5, 1, 51)}


@dataclass(frozen=True)
class Audit:
    """The four tables (see above), aligned with nothing: join them on `file`."""

    twins: pd.DataFrame
    slices: pd.DataFrame
    patients: pd.DataFrame
    similarity: pd.DataFrame


def twin_table(files: np.ndarray, groups: np.ndarray, thumbs: np.ndarray) -> pd.DataFrame:
    """file, group, mirrored (0/1), similarity of every file whose group has two files or more.

    files, groups: (N,); thumbs: uint8 (N,64,64). `mirrored` is relative to the group's first file,
    `similarity` the correlation with the file's nearest twin, plain or mirrored.
    """
    unit, flipped = thumbnails.normalise(thumbs), thumbnails.normalise(thumbnails.mirror(thumbs))
    rows = []
    for group, members in pd.Series(np.arange(len(files))).groupby(groups):
        at = members.to_numpy()
        if len(at) < 2:
            continue
        plain, turned = unit[at] @ unit[at].T, unit[at] @ flipped[at].T
        flag = turned[:, 0] > plain[:, 0]
        flag[0] = False  # a nearly symmetric head may be its own mirror image
        alike = np.maximum(plain, turned)
        np.fill_diagonal(alike, -1)
        # float32 dot products of identical images may end a hair above 1
        rows += zip(files[at], [group] * len(at), flag.astype(int), alike.max(1).clip(max=1))
    table = pd.DataFrame(rows, columns=["file", "group", "mirrored", "similarity"])
    return table.assign(similarity=table["similarity"].astype(float).round(5)).sort_values(
        "file", ignore_index=True
    )


def part_table(dataset: Dataset, patient: np.ndarray) -> pd.DataFrame:
    """protocol, part (or fold), class, files, groups, patients (those known) of all splits; patient (N,) or None."""
    labels, source = dataset.frame["label"].to_numpy(int), "phantom" if dataset.banner else "mri"
    out = []
    for protocol in splits.MANIFESTS:
        if protocol == splits.FIVEFOLD:
            folds = (
                splits.read(protocol, dataset)[0] if source == "mri" else splits.compute(protocol, dataset)
            )
            table = splits.summary(folds, labels, patient).rename(columns={"fold": "part"})
        else:
            split = splits.load(DataSettings(source=source, protocol=protocol), dataset)
            table = splits.summary(split, labels, patient)
        out.append(table.assign(protocol=protocol, part=table["part"].astype(str)))
    return pd.concat(out, ignore_index=True)[["protocol", "part", "class", "files", "groups", "patients"]]


def similarity_table(thumbs: np.ndarray, slices: figshare.Slices | None) -> pd.DataFrame:
    """kind ("files": all pairs; "slices": each file's nearest figshare slice), left, right, plain, mirrored."""
    edges = _EDGES["files"]
    tables = [twins.histogram(thumbs, edges[0], len(edges) - 1).assign(kind="files")]
    if slices is not None:
        edges = _EDGES["slices"]
        _, flag, value = thumbnails.nearest(thumbs, slices.thumbnails)
        value = value.clip(edges[0], 1.0)
        counts = {
            name: np.histogram(value[flag == k], edges)[0] for k, name in enumerate(("plain", "mirrored"))
        }
        tables.append(pd.DataFrame({"left": edges[:-1], "right": edges[1:], **counts, "kind": "slices"}))
    table = pd.concat(tables, ignore_index=True)[["kind", "left", "right", "plain", "mirrored"]]
    return table.round({"left": 4, "right": 4})


def compute(dataset: Dataset, figshare_path: str | Path | None = None) -> Audit:
    """The audit from the images, and from the figshare data (phantoms: from their patients.csv)."""
    frame, thumbs = dataset.frame, thumbnails.thumbnails(dataset)
    if dataset.banner:
        groups, slices = splits.compute("twins", dataset)["group"].to_numpy(), None
        table = pd.read_csv(Path(dataset.root) / "patients.csv", dtype=str).set_index("file")["patient"]
        patient = table.reindex(frame["file"]).to_numpy(object)
        found = pd.DataFrame(columns=["file", "class", "mirrored", "similarity"])
    else:
        groups, slices = splits.read("twins", dataset)[0]["group"].to_numpy(), figshare.read(figshare_path)
        matches = figshare.match(frame, thumbs, slices)
        patient = figshare.patients(frame, matches, slices)
        found = matches.rename(columns={"figshare_class": "class"}).drop(columns="figshare_id")
    return Audit(
        twin_table(frame["file"].to_numpy(), groups, thumbs),
        found,
        part_table(dataset, patient),
        similarity_table(thumbs, slices),
    )


def read(dataset: Dataset, place: Path | None = None) -> Audit:
    """The committed audit of the published files; phantoms are audited on the spot.

    Raises `DataError` when the tables name files that the dataset does not have.
    """
    if dataset.banner:
        return compute(dataset)
    place = place or splits.folder().parent
    try:
        audit = Audit(**{field.name: pd.read_csv(place / f"{field.name}.csv") for field in fields(Audit)})
    except OSError as error:
        raise DataError(
            f"{error.filename} is missing: `python -m gcaf_lib.evaluation.audit` makes it"
        ) from error
    if not set(audit.twins["file"]) <= set(dataset.frame["file"]):
        raise DataError(
            f"{place}/twins.csv is of other files than this dataset; `gcaf data check` names them"
        )
    return replace(audit, patients=audit.patients.astype({"part": str}))


def write(audit: Audit, place: Path | None = None) -> list[Path]:
    """Write the four tables into the results folder, each whole or not at all; return their paths."""
    place, out = place or results_dir(), []
    place.mkdir(parents=True, exist_ok=True)
    for field in fields(Audit):
        path = place / f"{field.name}.csv"
        part = path.with_name(f".tmp-{path.name}.{os.getpid()}")
        getattr(audit, field.name).to_csv(part, index=False, lineterminator="\n", float_format="%.5g")
        os.replace(part, path)
        out.append(path)
    return out


# --- what the tables say ---


def mislabelled(audit: Audit) -> pd.DataFrame:
    """file, folder's class, archive's class of the slices whose folder contradicts the archive."""
    here = audit.slices["file"].str.split("/").str[1]
    wrong = audit.slices.assign(here=here)[here != audit.slices["class"]]
    return wrong[["file", "here", "class"]].reset_index(drop=True)


def sources(frame: pd.DataFrame, audit: Audit) -> pd.DataFrame:
    """Files of each class (rows) by source (columns `SOURCES`).

    Mirrored files are the archive's own series (every slice stands once, mirrored); files that are not
    came in a second time, through another collection.
    """
    flag = frame["file"].map(audit.slices.set_index("file")["mirrored"])
    source = np.select([flag == 1, flag == 0], SOURCES[:2], SOURCES[2])
    table = pd.crosstab(frame["label"].to_numpy(), source)
    table = table.reindex(index=range(len(CLASSES)), columns=list(SOURCES), fill_value=0)
    return table.set_axis(list(CLASSES), axis=0).rename_axis(columns=None)


def copies(frame: pd.DataFrame) -> pd.DataFrame:
    """sha256, files, training, testing, classes of every content that two files or more share byte for byte."""
    by = frame.groupby("sha256")
    table = pd.DataFrame(
        {
            "files": by.size(),
            "training": by["folder"].agg(lambda folder: int((folder == "Training").sum())),
            "testing": by["folder"].agg(lambda folder: int((folder == "Testing").sum())),
            "classes": by["label"].nunique(),
        }
    )
    return table[table["files"] > 1].reset_index()


def exposure(dataset: Dataset, protocol: str) -> dict[str, float]:
    """Share of a protocol's test images that training knows: the same bytes, a twin, the same patient group.

    Of `patients` the 80/10/10 manifest is meant. Needs no images where manifests are committed.
    """
    source = "phantom" if dataset.banner else "mri"
    part = splits.load(DataSettings(source=source, protocol=protocol), dataset)["part"].to_numpy()
    keys = {
        name: splits.load(DataSettings(source=source, protocol=name), dataset)["group"].to_numpy()
        for name in ("bytes", "twins", "patients")
    }
    return {
        name: float(np.isin(key[part == "test"], key[part == "train"]).mean()) for name, key in keys.items()
    }


def examples(frame: pd.DataFrame, audit: Audit) -> pd.DataFrame:
    """Pairs of twins to look at: left, right (files), kind ("identical", "mirrored", "near"), similarity.

    One identical, two mirrored and one near pair at most, those between Training and Testing first;
    `left` is the group's first file.
    """
    table = audit.twins.merge(frame[["file", "folder", "sha256"]], on="file")
    first = table.groupby("group").transform("first")
    pairs = table.assign(left=first["file"], apart=table["folder"] != first["folder"])
    kind = np.select(
        [table["sha256"] == first["sha256"], table["mirrored"] == 1], ["identical", "mirrored"], "near"
    )
    pairs = pairs.assign(kind=kind, size=table.groupby("group")["file"].transform("size"))
    pairs = pairs[pairs["left"] != pairs["file"]].sort_values(
        ["apart", "size", "file"], ascending=[False, True, True]
    )
    chosen = [
        pairs[pairs["kind"] == name].head(count)
        for name, count in (("identical", 1), ("mirrored", 2), ("near", 1))
    ]
    out = pd.concat(chosen).rename(columns={"file": "right"})
    return out[["left", "right", "kind", "similarity"]].reset_index(drop=True)


def contradictions(audit: Audit) -> pd.DataFrame:
    """left, right: pairs of twins that stand in folders of different classes; left is the rarer class of its group."""
    table = audit.twins.assign(here=audit.twins["file"].str.split("/").str[1])
    rows = []
    for _, part in table.groupby("group"):
        counts = part["here"].value_counts()
        if len(counts) > 1:
            odd = part[part["here"] == counts.index[-1]]
            rest = part[part["here"] != counts.index[-1]]["file"].iloc[0]
            rows += [(file, rest) for file in odd["file"]]
    return pd.DataFrame(sorted(rows), columns=["left", "right"])


def group_list(frame: pd.DataFrame, audit: Audit) -> pd.DataFrame:
    """One row a twin group: group, files, classes, training, testing, mirrored, identical, similarity, names."""
    table = audit.twins.merge(frame[["file", "folder", "sha256"]], on="file")
    table["class"], table["name"] = table["file"].str.split("/").str[1], table["file"].str.split("/").str[2]
    by = table.groupby("group")
    return pd.DataFrame(
        {
            "files": by.size(),
            "classes": by["class"].agg(lambda c: ", ".join(sorted(set(c)))),
            "training": by["folder"].agg(lambda f: int((f == "Training").sum())),
            "testing": by["folder"].agg(lambda f: int((f == "Testing").sum())),
            "mirrored": by["mirrored"].sum(),
            "identical": by["sha256"].agg(lambda s: int(s.duplicated(keep=False).sum())),
            "similarity": by["similarity"].min(),
            "names": by["name"].agg(" ".join),
        }
    ).reset_index()


def _main() -> None:
    for path in write(compute(open_dataset(DataSettings()))):
        print(path)


if __name__ == "__main__":
    _main()

"""The audit of the dataset as small tables: twins, slices of the figshare archive, patients, similarities.

    twins.csv       one row a file that has a twin: which group, how it is turned, how alike
    slices.csv      one row a file that shows a figshare slice: the archive's class, mirrored or not
    patients.csv    files, groups and patients of each class in each part of each protocol
    similarity.csv  histograms of similarities: file against file, file against its nearest slice
    pictures.csv    files and pictures of each class: copies of a picture count once
    around.csv      pairs drawn at random just above and just below the thresholds, for the eye
    cut.csv         pairs that were laid over each other by keypoints, and how alike they are then

The tables of the real dataset are committed, so that chapters need neither the images nor the archive.
They hold no patient or slice numbers; groups are the opaque numbers of `results/splits/twins.csv`.
Phantoms are audited on the spot. Make them again (needs images and figshare data):

    python -m gcaf_lib.evaluation.dataset_audit
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import pandas as pd

from gcaf_lib.data import committed, figshare, keypoints, splits, thumbnails, twins
from gcaf_lib.data.dataset import FOLDERS, DataError, Dataset, data_hash, open_dataset, published_index
from gcaf_lib.settings import CLASSES, DataSettings
from gcaf_lib.terminal import arguments

MODULE = "gcaf_lib.evaluation.dataset_audit"  # run by itself it makes what is committed
SOURCES = ("figshare (mirrored)", "figshare, second copy (as it stands)", "unknown")
AROUND = 8  # pairs on each side of a threshold
BARS = {"patients unknown": twins.DOUBT, "patients known": twins.THRESHOLD, "re-cropped": keypoints.THRESHOLD}
NEAR = {
    "patients unknown": 0.05,
    "patients known": 0.05,
    "re-cropped": 0.75,
}  # how far from the threshold: there is nothing near the last
_EDGES = np.linspace(0.5, 1, 51)  # of the files' similarities to their nearest slice


@dataclass(frozen=True)
class Audit:
    """The seven tables (see above), aligned with nothing: join them on `file`."""

    twins: pd.DataFrame
    slices: pd.DataFrame
    patients: pd.DataFrame
    similarity: pd.DataFrame
    pictures: pd.DataFrame
    around: pd.DataFrame
    cut: pd.DataFrame


TABLES = tuple(field.name for field in fields(Audit))


def twin_table(files: np.ndarray, groups: np.ndarray, found: pd.DataFrame) -> pd.DataFrame:
    """file, group, turn, similarity of every file whose group has two files or more.

    files, groups: (N,); found: pairs of rows, as `twins.compare` gives them. `turn` (of `twins.TURNS`) is
    relative to the group's first file, along the pairs that join the two; `similarity` is that of the file's
    nearest twin.
    """
    inside = found[groups[found["left"]] == groups[found["right"]]]
    # identical files that no pair names (constant images) have a turn and a likeness all the same
    best = np.ones(len(files), np.float32)
    ends = pd.concat([inside.set_index(side)["similarity"] for side in ("left", "right")])
    nearest = ends.groupby(level=0).max()
    best[nearest.index] = nearest
    ways = _turns(len(files), inside.sort_values("similarity", ascending=False))
    rows = np.flatnonzero(pd.Series(groups).duplicated(keep=False))
    first = pd.Series(np.arange(len(files))).groupby(groups).transform("first").to_numpy()
    table = {
        "file": files[rows],
        "group": groups[rows],
        "turn": np.array(twins.TURNS)[ways[rows] ^ ways[first[rows]]],
        "similarity": best[rows].astype(float).round(5),
    }
    return pd.DataFrame(table).sort_values("file", ignore_index=True)


def _turns(size: int, pairs: pd.DataFrame) -> np.ndarray:
    """Turn (N,) of each row, as two bits, such that the pairs' own turns hold; the likeliest pairs first."""
    ways, root = np.zeros(size, int), np.arange(size)
    for left, right, turn in zip(pairs["left"], pairs["right"], pairs["turn"]):
        if root[left] != root[right]:
            moved = root == root[right]
            ways[moved] ^= ways[left] ^ ways[right] ^ turn
            root[moved] = root[left]
    return ways


def picture_table(labels: np.ndarray, groups: np.ndarray) -> pd.DataFrame:
    """class, files, pictures of each class and of all: copies of a picture, the twin groups (N,), count once."""
    own = [*(labels == k for k in range(len(CLASSES))), np.full(len(labels), True)]
    rows = [(name, one.sum(), len(np.unique(groups[one]))) for name, one in zip((*CLASSES, "all"), own)]
    return pd.DataFrame(rows, columns=["class", "files", "pictures"])


def part_table(dataset: Dataset, patient: np.ndarray) -> pd.DataFrame:
    """protocol, part (or fold), class, files, groups, patients (those known) of all splits; patient (N,) or None."""
    labels, source = dataset.frame["label"].to_numpy(int), "phantom" if dataset.banner else "mri"
    out = []
    for protocol in splits.MANIFESTS:
        if protocol != splits.FIVEFOLD:
            split = splits.load(DataSettings(source=source, protocol=protocol), dataset)
        elif dataset.banner:
            split = splits.compute(protocol, dataset)
        else:
            split, _ = splits.read(protocol, dataset)
        table = splits.summary(split, labels, patient).rename(columns={"fold": "part"})
        out.append(table.assign(protocol=protocol, part=table["part"].astype(str)))
    return pd.concat(out, ignore_index=True)[["protocol", "part", "class", "files", "groups", "patients"]]


def around_table(
    files: np.ndarray, groups: np.ndarray, known: np.ndarray, found: pd.DataFrame, cut: pd.DataFrame
) -> pd.DataFrame:
    """kind (of `BARS`: "known" of either file), side ("above", "below" the threshold), left, right, similarity.

    groups (N,) of the splits; found, cut: pairs by `twins` and by `keypoints`. Up to `AROUND` pairs of each, drawn at
    random from within `NEAR` of the threshold that holds for them; two families of close copies (0.9) are drawn from once.
    Pairs below the threshold that others join all the same are left out.
    """
    family = twins.groups(pd.DataFrame({"sha256": files}), found[found["similarity"] >= 0.9])
    either = known[found["left"]] | known[found["right"]]
    out = []
    for (kind, bar), pairs in zip(BARS.items(), (found[~either], found[either], cut)):
        pairs = pairs.assign(a=family[pairs["left"]], b=family[pairs["right"]])
        for side, low in (("above", bar), ("below", bar - NEAR[kind])):
            near = pairs[pairs["similarity"].between(low, low + NEAR[kind], inclusive="left")]
            if side == "below":
                near = near[groups[near["left"]] != groups[near["right"]]]
            near = near.sample(frac=1, random_state=0).drop_duplicates(["a", "b"])
            drawn = near.head(AROUND)
            out.append(pd.DataFrame({
                "kind": kind, "side": side,
                "left": files[drawn["left"]], "right": files[drawn["right"]],
                "similarity": drawn["similarity"].astype(float).round(3),
            }))  # fmt: skip
    return pd.concat(out, ignore_index=True)


def by_eye() -> pd.DataFrame:
    """left, right, same (yes, no, unsure): pairs of `around_table` as the authors saw them. They are not radiologists."""
    return pd.read_csv(Path(splits.__file__).with_name("by_eye.csv"))


def candidates() -> pd.DataFrame:
    """file, kind (seen, CT, no scan), seen: pictures of no known patient to look at again, by eye and not a radiologist's."""
    return pd.read_csv(Path(splits.__file__).with_name("candidates.csv"))


def similarity_table(
    found: pd.DataFrame,
    cut: pd.DataFrame,
    labels: np.ndarray,
    thumbs: np.ndarray,
    slices: figshare.Slices | None,
) -> pd.DataFrame:
    """kind, left, right, and one column a turn: numbers of pairs, or of files, by similarity.

    kind: "tumour" and "notumor", pairs of files of such classes; "re-cropped", pairs by keypoints; "slices", each file
    and its nearest figshare slice.
    """
    apart = labels == CLASSES.index("notumor")
    left, right = apart[found["left"]], apart[found["right"]]
    tables = [
        twins.histogram(found[left & right]).assign(kind="notumor"),
        twins.histogram(found[~left & ~right]).assign(kind="tumour"),
    ]
    if len(cut):
        tables.append(twins.histogram(cut, keypoints.FLOOR, 35).assign(kind="re-cropped"))
    if slices is not None:
        _, flag, value = thumbnails.nearest(thumbs, slices.thumbnails)
        counts = [np.histogram(value[flag == k].clip(_EDGES[0], 1.0), _EDGES)[0] for k in (0, 1)]
        columns = dict(zip(twins.TURNS, counts))
        tables.append(pd.DataFrame({"left": _EDGES[:-1], "right": _EDGES[1:], **columns, "kind": "slices"}))
    table = pd.concat(tables, ignore_index=True)[["kind", "left", "right", *twins.TURNS]]
    return table.fillna(0).astype(dict.fromkeys(twins.TURNS, int)).round({"left": 4, "right": 4})


def compute(dataset: Dataset, figshare_path: str | Path | None = None) -> Audit:
    """The audit from the images, and from the figshare data (phantoms: from their patients.csv)."""
    frame, thumbs, found = dataset.frame, thumbnails.thumbnails(dataset), twins.pairs(dataset)
    labels, files = frame["label"].to_numpy(int), frame["file"].to_numpy()
    if dataset.banner:
        groups, slices = splits.compute("twins", dataset)["group"].to_numpy(), None
        patient = splits.patients(dataset)
        matches = pd.DataFrame(columns=["file", "class", "mirrored", "similarity"])
    else:
        groups, slices = splits.read("twins", dataset)[0]["group"].to_numpy(), figshare.read(figshare_path)
        matches = figshare.match(frame, thumbs, slices)
        patient = figshare.patients(frame, matches, slices)
        matches = matches.rename(columns={"figshare_class": "class"}).drop(columns="figshare_id")
    known = pd.notna(patient)
    cut = splits.cut_anew(dataset, known)
    return Audit(
        twin_table(files, groups, pd.concat([found, cut[cut["similarity"] >= keypoints.THRESHOLD]])),
        matches,
        part_table(dataset, patient),
        similarity_table(found, cut, labels, thumbs, slices),
        picture_table(labels, groups),
        around_table(files, groups, known, found, cut),
        cut.assign(
            left=files[cut["left"]], right=files[cut["right"]], turn=np.array(twins.TURNS)[cut["turn"]]
        ),
    )


def published() -> Dataset:
    """The published files as the manifest describes them, without images."""
    frame = published_index()
    return Dataset(None, frame, data_hash(frame), None)


def read(dataset: Dataset, place: Path | None = None) -> Audit:
    """The committed audit of the published files; phantoms are audited on the spot.

    Raises `DataError` when the tables name files that the dataset does not have.
    """
    if dataset.banner:
        return compute(dataset)
    tables = {name: committed.read(f"{name}.csv", MODULE, place) for name in TABLES}
    if not set(tables["twins"]["file"]) <= set(dataset.frame["file"]):
        path = committed.find("twins.csv", MODULE, place)
        raise DataError(f"{path} is of other files than this dataset; `gcaf data check` names them")
    audit = Audit(**tables)
    return replace(audit, patients=audit.patients.astype({"part": str}))


def write(audit: Audit, place: Path | None = None) -> list[Path]:
    """Write the seven tables into the results folder, each whole or not at all; return their paths."""
    return [committed.write(f"{name}.csv", getattr(audit, name), "%.5g", place) for name in TABLES]


# --- what the tables say ---


def mislabelled(audit: Audit) -> pd.DataFrame:
    """file, folder's class, archive's class of the slices whose folder contradicts the archive."""
    here = audit.slices["file"].str.split("/").str[1]
    wrong = audit.slices.assign(here=here)[here != audit.slices["class"]]
    return wrong[["file", "here", "class"]].reset_index(drop=True)


def source_counts(frame: pd.DataFrame, audit: Audit) -> pd.DataFrame:
    """Files of each class (rows) by source (columns `SOURCES`).

    Mirrored files are the archive's own series (every slice stands once, mirrored); files that are not
    came in a second time, through another collection.
    """
    flag = frame["file"].map(audit.slices.set_index("file")["mirrored"])
    source = np.select([flag == 1, flag == 0], SOURCES[:2], SOURCES[2])
    table = pd.crosstab(frame["label"].to_numpy(), source)
    table = table.reindex(index=range(len(CLASSES)), columns=list(SOURCES), fill_value=0)
    return table.set_axis(list(CLASSES), axis=0).rename_axis(columns=None)


def _placed(frame: pd.DataFrame) -> pd.DataFrame:
    """With columns training and testing: in which folder each file stands, 0 or 1."""
    return frame.assign(**{name.lower(): (frame["folder"] == name).astype(int) for name in FOLDERS})


def identical_contents(frame: pd.DataFrame) -> pd.DataFrame:
    """sha256, files, training, testing, classes of every content that two files or more share byte for byte."""
    by = _placed(frame).groupby("sha256")
    table = pd.DataFrame(
        {"files": by.size(), **by[["training", "testing"]].sum(), "classes": by["label"].nunique()}
    )
    return table[table["files"] > 1].reset_index()


def examples(frame: pd.DataFrame, audit: Audit) -> pd.DataFrame:
    """Pairs of twins to look at: left, right (files), kind ("identical", "as it is" or how it is turned), similarity.

    One of each kind, those between Training and Testing first; `left` is the group's first file.
    """
    table = audit.twins.merge(frame[["file", "folder", "sha256"]], on="file")
    first = table.groupby("group").transform("first")
    kind = table["turn"].where(table["sha256"] != first["sha256"], "identical")
    pairs = table.assign(left=first["file"], apart=table["folder"] != first["folder"], kind=kind)
    pairs = pairs[pairs["left"] != pairs["file"]].sort_values(
        ["apart", "similarity", "file"], ascending=[False, True, True]
    )
    out = pairs.drop_duplicates("kind").rename(columns={"file": "right"})
    return out[["left", "right", "kind", "similarity"]].reset_index(drop=True)


def families(frame: pd.DataFrame, audit: Audit) -> list[list[str]]:
    """Files of the four largest twin groups, the largest first."""
    table = audit.twins.merge(frame[["file"]], on="file")
    sizes = table["group"].value_counts(sort=True)
    return [table.loc[table["group"] == group, "file"].tolist() for group in sizes.index[:4]]


def divided(audit: Audit) -> pd.DataFrame:
    """group, file: the copies of each picture that stands in the folders of two classes or more."""
    label = audit.twins["file"].str.split("/").str[1]
    return audit.twins[label.groupby(audit.twins["group"]).transform("nunique") > 1]


def contradictions(audit: Audit) -> pd.DataFrame:
    """left, right: pairs of twins that stand in folders of different classes; left is the rarer class of its group."""
    table = divided(audit)
    rows = []
    for _, part in table.assign(here=table["file"].str.split("/").str[1]).groupby("group"):
        rarer = part["here"].value_counts().index[-1]
        rest = part.loc[part["here"] != rarer, "file"].iloc[0]
        rows += [(file, rest) for file in part.loc[part["here"] == rarer, "file"]]
    return pd.DataFrame(sorted(rows), columns=["left", "right"])


def group_list(frame: pd.DataFrame, audit: Audit) -> pd.DataFrame:
    """One row a twin group: group, files, classes, training, testing, turned, identical, similarity, names."""
    table = _placed(audit.twins.merge(frame[["file", "folder", "sha256"]], on="file"))
    table[["class", "name"]] = table["file"].str.split("/", expand=True)[[1, 2]]
    table["turned"] = (table["turn"] != twins.TURNS[0]).astype(int)
    table["identical"] = table.duplicated(["group", "sha256"], keep=False).astype(int)
    classes = table[["group", "class"]].drop_duplicates().sort_values(["group", "class"])
    by = table.groupby("group")
    counted = by[["training", "testing", "turned", "identical"]].sum()
    return pd.DataFrame(
        {
            "files": by.size(),
            "classes": classes.groupby("group")["class"].agg(", ".join),
            **counted,
            "similarity": by["similarity"].min(),
            "names": by["name"].agg(" ".join),
        }
    ).reset_index()


if __name__ == "__main__":
    arguments(__doc__)
    for path in write(compute(open_dataset(DataSettings()))):
        print(path)

"""Splits: the leakage ladder. Which file trains, validates and tests under each protocol.

    official       Kaggle's Training/Testing; validation is 10% of Training, stratified
    paper          stratified random 80/10/10 with the counts of Table 2
    bytes          80/10/10; identical files stay together
    twins          80/10/10; copies of one picture stay together, whatever was done to them
    patients       80/10/10; twins and figshare patients stay together
    patients-5fold the same groups in five folds

The manifests of the real dataset are committed as `results/splits/<protocol>.csv` (file, part,
group), beside a JSON file with seed and hashes. Group numbers are our own and mean nothing.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from gcaf_lib.data import figshare, keypoints, thumbnails, twins
from gcaf_lib.data.dataset import DataError, Dataset
from gcaf_lib.machine import write_text
from gcaf_lib.settings import CLASSES, PROTOCOLS, DataSettings, digest, results_dir

SEED = 0  # the splits are part of the protocol: run seeds do not touch them
FOLDS = 5
FIVEFOLD = "patients-5fold"
MANIFESTS = (*PROTOCOLS, FIVEFOLD)
PARTS = ("train", "validation", "test")
GROUPED = ("twins", "patients")  # 80/10/10 splits that keep copies together
NAMES = {"paper": "random split", "patients": "patients apart"}  # of the two that are compared, for readers


def paper_counts(size: int) -> tuple[int, int, int]:
    """(train, validation, test) of a class of `size`: a tenth each, halves up for test and down for validation.

    This rounding was chosen to give Table 2: 1297/162/162, 1316/164/165, 1600/200/200, 1405/176/176. Two stratified
    calls of scikit-learn's train_test_split (0.2, then 0.5 of that) give the same counts.
    """
    test, validation = (size + 5) // 10, (size + 4) // 10
    return size - validation - test, validation, test


def _draw(labels: np.ndarray, rows: np.ndarray, counts: dict[str, np.ndarray], seed: int) -> np.ndarray:
    """Parts (N,) of `rows`, stratified: counts[part][label] of each class at random, the rest is train."""
    part = np.full(len(labels), "", dtype=object)
    rng = np.random.default_rng(seed)
    for label in np.unique(labels[rows]):
        own = rng.permutation(rows[labels[rows] == label])
        part[own] = "train"
        start = 0
        for name, wanted in counts.items():
            part[own[start : start + wanted[label]]] = name
            start += wanted[label]
    return part


def fold_numbers(labels: np.ndarray, groups: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """Fold (N,) of each row: stratified by label, no group in two folds (scikit-learn's StratifiedGroupKFold).

    Raises `DataError` when there are fewer groups than folds or a class has fewer rows than folds.
    """
    if len(np.unique(groups)) < folds or np.bincount(labels)[np.unique(labels)].min() < folds:
        raise DataError(
            f"{len(np.unique(groups))} groups, smallest class {np.bincount(labels)[np.unique(labels)].min()}: "
            f"too few for {folds} folds; use more images"
        )
    out = np.full(len(labels), -1)
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    for number, (_, rows) in enumerate(splitter.split(np.zeros(len(labels)), labels, groups)):
        out[rows] = number
    return out


def opaque(groups: np.ndarray, seed: int = SEED) -> np.ndarray:
    """Groups (N,) renumbered from 0 in a shuffled order, so that the numbers tell nothing."""
    codes = pd.factorize(np.asarray(groups))[0]
    return np.random.default_rng(seed).permutation(codes.max() + 1)[codes]


def manifest(
    protocol: str, frame: pd.DataFrame, groups: np.ndarray | None = None, seed: int = SEED
) -> pd.DataFrame:
    """file, part, group for every row of `frame` (file, folder, label, sha256); fold for part in `patients-5fold`.

    groups: (N,) keys that may not straddle parts, for `twins`, `patients` and `patients-5fold`
    (`group_keys`); the other protocols know theirs (`official` and `paper`: each file its own).
    Deterministic for a seed. Raises `DataError` for an unknown protocol or too few groups.
    """
    labels = frame["label"].to_numpy(int)
    rows = np.arange(len(frame))
    sizes = np.bincount(labels, minlength=len(CLASSES))
    out = pd.DataFrame({"file": frame["file"].to_numpy()})
    if protocol in ("official", "paper"):
        out["group"] = opaque(rows, seed)
    elif protocol == "bytes":
        out["group"] = opaque(frame["sha256"].to_numpy(), seed)
    elif protocol in MANIFESTS:
        if groups is None:
            raise DataError(f"protocol {protocol!r} needs groups (splits.group_keys)")
        out["group"] = opaque(groups, seed)
    else:
        raise DataError(f"unknown protocol {protocol!r}: one of {', '.join(MANIFESTS)}")

    if protocol == "official":
        inside = rows[frame["folder"].to_numpy() == "Training"]
        tenth = (np.bincount(labels[inside], minlength=len(CLASSES)) + 4) // 10
        part = _draw(labels, inside, {"validation": tenth}, seed)
        out["part"] = np.where(part == "", "test", part)
    elif protocol == "paper":
        counts = np.array([paper_counts(size) for size in sizes])
        out["part"] = _draw(labels, rows, {"test": counts[:, 2], "validation": counts[:, 1]}, seed)
    elif protocol == FIVEFOLD:
        out["fold"] = fold_numbers(labels, out["group"].to_numpy(), FOLDS, seed)
        return out[["file", "fold", "group"]]
    else:
        tenth = fold_numbers(labels, out["group"].to_numpy(), 10, seed)
        out["part"] = np.select([tenth == 0, tenth == 1], ["test", "validation"], "train")
    return out[["file", "part", "group"]]


def of_fold(folds: pd.DataFrame, labels: np.ndarray, fold: int, seed: int = SEED) -> pd.DataFrame:
    """file, part, group of one fold: it is the test part, a grouped stratified eighth of the rest validates."""
    test = folds["fold"].to_numpy() == fold
    rest = np.flatnonzero(~test)
    eighth = fold_numbers(labels[rest], folds["group"].to_numpy()[rest], 8, seed)
    part = np.where(test, "test", "train").astype(object)
    part[rest[eighth == 0]] = "validation"
    return pd.DataFrame({"file": folds["file"], "part": part, "group": folds["group"]})


def patients(dataset: Dataset, figshare_path: str | Path | None = None) -> np.ndarray:
    """Patient (N,) of each file, None where nobody is known: from the figshare data, or the phantoms' patients.csv."""
    frame = dataset.frame
    if dataset.banner:
        table = pd.read_csv(Path(dataset.root) / "patients.csv", dtype=str)
        known = dict(zip(table["file"], table["patient"]))
        return np.array([known.get(file) for file in frame["file"]], dtype=object)
    slices = figshare.read(figshare_path)
    return figshare.patients(frame, figshare.match(frame, thumbnails.thumbnails(dataset), slices), slices)


def copies(dataset: Dataset, known: np.ndarray) -> pd.DataFrame:
    """Pairs of rows that count as copies, of one place (`twins.pairs`) or cut out anew (`keypoints.pairs`).

    known (N,) bool: of which files the patient is known. Columns left, right, similarity, turn.
    """
    found, cut = twins.copies(twins.pairs(dataset), known), cut_anew(dataset, known)
    return pd.concat(
        [found, cut.loc[cut["similarity"] >= keypoints.THRESHOLD, list(found)]], ignore_index=True
    )


def cut_anew(dataset: Dataset, known: np.ndarray) -> pd.DataFrame:
    """`keypoints.pairs` of the families that `twins` finds."""
    found = twins.copies(twins.pairs(dataset), known)
    return keypoints.pairs(dataset, twins.groups(dataset.frame, found), known)


def group_keys(dataset: Dataset, figshare_path: str | Path | None = None) -> dict[str, np.ndarray]:
    """Groups (N,) that may not straddle: {"twins": …, "patients": …}, recomputed from the images."""
    patient = patients(dataset, figshare_path)
    alike = twins.groups(dataset.frame, copies(dataset, pd.notna(patient)))
    return {"twins": alike, "patients": twins.join(alike, patient)}


def compute(protocol: str, dataset: Dataset, figshare_path: str | Path | None = None) -> pd.DataFrame:
    """The manifest of `protocol` computed from the images (and figshare's data for patients)."""
    keys = None
    if protocol not in ("official", "paper", "bytes"):
        keys = group_keys(dataset, figshare_path)["twins" if protocol == "twins" else "patients"]
    return manifest(protocol, dataset.frame, keys)


def hash(frame: pd.DataFrame) -> str:  # the natural name here, always used as splits.hash
    """12 hex digits of a split's content: file, part (or fold) and group of every row in use."""
    kind = "fold" if "fold" in frame else "part"
    rows = frame.loc[frame[kind] != "", ["file", kind, "group"]].sort_values("file")
    return digest([list(map(str, row)) for row in rows.itertuples(index=False)])


def folder() -> Path:
    """Where the committed manifests are: the results folder, else the checkout that holds this file."""
    for place in (results_dir(), Path(__file__).resolve().parents[2] / "results"):
        if (place / "splits").is_dir():
            return place / "splits"
    return results_dir() / "splits"


def write(protocol: str, frame: pd.DataFrame, dataset: Dataset, place: Path | None = None) -> Path:
    """Write <protocol>.csv and its <protocol>.json (seed, data hash, split hash, of folds too); return the CSV."""
    place = place or folder()
    about = {
        "protocol": protocol,
        "seed": SEED,
        "data_hash": dataset.hash,
        "split_hash": hash(frame),
        "files": len(frame),
        "groups": int(frame["group"].nunique()),
        "thresholds": [twins.THRESHOLD, twins.DOUBT, keypoints.THRESHOLD],
    }
    if protocol == FIVEFOLD:
        labels = dataset.frame["label"].to_numpy(int)
        about["fold_hashes"] = [hash(of_fold(frame, labels, fold)) for fold in range(FOLDS)]
    target = place / f"{protocol}.csv"
    for path, text in (
        (target, frame.to_csv(index=False, lineterminator="\n")),
        (target.with_suffix(".json"), json.dumps(about, indent=1) + "\n"),
    ):
        write_text(path, text)
    return target


def read(protocol: str, dataset: Dataset, place: Path | None = None) -> tuple[pd.DataFrame, dict]:
    """Committed manifest aligned with dataset.frame, and its JSON; raises `DataError` if it is of other data."""
    path = (place or folder()) / f"{protocol}.csv"
    if not path.is_file():
        raise DataError(f"no split manifest {path}: check out results/splits of the project")
    frame = pd.read_csv(path)
    about = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    if about["split_hash"] != hash(frame):
        raise DataError(f"{path} was altered (its hash is not {about['split_hash']}); check it out again")
    if about["data_hash"] != dataset.hash or len(frame) != len(dataset.frame):
        raise DataError(
            f"{path} belongs to data {about['data_hash']}, but the dataset is {dataset.hash}: "
            "`gcaf data check` tells what is missing, extra or altered"
        )
    return frame.set_index("file").loc[dataset.frame["file"]].reset_index(), about


def load(data: DataSettings, dataset: Dataset) -> pd.DataFrame:
    """The split in use: file, part (train, validation, test), group, aligned with dataset.frame.

    `patients` with a fold gives that fold, without one the 80/10/10 manifest. Rows whose class is
    not in data.classes have part "". Phantoms are split on the fly. Raises `DataError` when
    the manifest belongs to other data, or when a part is empty.
    """
    if data.fold is not None and data.protocol != "patients":
        raise DataError(f"fold={data.fold} goes with protocol=patients, not with {data.protocol!r}")
    name = data.protocol if data.fold is None else FIVEFOLD
    labels = dataset.frame["label"].to_numpy(int)
    if data.source == "phantom":
        frame, about = compute(name, dataset), None
    else:
        frame, about = read(name, dataset)
    if data.fold is not None:
        frame = of_fold(frame, labels, data.fold)
        if about and hash(frame) != about["fold_hashes"][data.fold]:
            raise DataError(
                "scikit-learn draws another validation part than the committed one; install the "
                "version in constraints.txt"
            )
    used = np.isin(labels, [CLASSES.index(name) for name in data.classes])
    frame["part"] = np.where(used, frame["part"], "")
    for part in PARTS:
        if not (frame["part"] == part).any():
            raise DataError(f"the {part} part of {name} is empty: use more images or another protocol")
    return frame


def clusters(dataset: Dataset) -> np.ndarray:
    """Patient groups (N,) of dataset.frame: what every protocol's bootstrap intervals resample."""
    source = "phantom" if dataset.banner else "mri"
    return load(DataSettings(source=source, protocol="patients"), dataset)["group"].to_numpy()


def summary(frame: pd.DataFrame, labels: np.ndarray, patient: np.ndarray | None = None) -> pd.DataFrame:
    """part (or fold), class, files, groups and, where `patient` (N,) of figshare groups is given, patients."""
    kind = "fold" if "fold" in frame else "part"
    table = frame.assign(class_=[CLASSES[label] for label in labels], patient=patient)
    table = table[table[kind] != ""]
    by = table.groupby([kind, "class_"], sort=False)
    out = by.agg(files=("file", "size"), groups=("group", "nunique"), patients=("patient", "nunique"))
    out = out.reset_index().rename(columns={"class_": "class"})
    order = {name: number for number, name in enumerate(PARTS)}
    out = out.sort_values([kind, "class"], key=lambda col: col.map(order) if col.name == "part" else col)
    return (out if patient is not None else out.drop(columns="patients")).reset_index(drop=True)

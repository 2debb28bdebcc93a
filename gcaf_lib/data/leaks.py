"""What a split's training part knows of its test images already, and the split with groups kept whole.

    table = read("split.csv")              # file (or sha256) and part, of this dataset in anybody's split
    table = scan("train/", "test/")        # two folders, recognised by content
    count(table)                           # per class: test images with the same bytes, a copy, the patient, the person in training
    counts(table)                          # the same, and of validation in training, of test in validation
    mend(table)                            # parts with groups whole, and sizes nearly kept

Who is a copy or a slice of whom stands in `data.groups`; each kind holds the one before: the same bytes are a copy,
copies are of one patient, and a person may be two patients (`groups.persons`, told by eye).
"""

from __future__ import annotations

import csv
import io
import itertools
import os
import re
from pathlib import Path

import numpy as np
import pandas as pd

from gcaf_lib.data import groups, known, listed, outside
from gcaf_lib.data.dataset import DataError, inspect, read_bytes
from gcaf_lib.machine import read_text, write_table, write_text
from gcaf_lib.terminal import many

PLACES = {"train": "training", "validation": "validation", "test": "test"}
PARTS = tuple(PLACES)
# what is shared → the column that tells
KINDS = {"bytes": "sha256", "copy": "picture", "patient": "patient", "person": "person"}
HEADS = ("same bytes", "a copy", "a copy or same patient", "or same person, by eye")
CHECKS = {  # the part that is known → the part that is asked
    "test": ("train", "test"),
    "validation": ("train", "validation"),
    "test_in_validation": ("validation", "test"),
}
UNKNOWN = "not recognised"
_WANTED = "give the training folder and the test folder, or a CSV of file names and parts in UTF-8"
_PARTS = {
    "train": "train training tr",
    "validation": "validation valid val dev",
    "test": "test testing te holdout",
}
_PART_OF = {alias: part for part, aliases in _PARTS.items() for alias in aliases.split()}
_FILES = (
    "file", "filename", "file_name", "image", "path", "filepath", "name", "img", "id", "files", "filenames", "images", "paths",
    "filepaths", "file_path", "image_path", "image_name", "image_id", "img_path", "img_name",
)  # fmt: skip
_HASHES = ("sha256", "hash", "sha", "sha_256")
_COLUMNS = ("part", "split", "set", "subset", "partition", "phase")
# of images and arrays: who has converted them keeps the rest of the name
_ENDING = re.compile(f"({'|'.join(map(re.escape, (*outside.SUFFIXES, '.npy', '.npz')))})+$")


def read(path: str | Path) -> pd.DataFrame:
    """A split's CSV beside what is known of its files: row (of the CSV), name, part, and the columns of `groups`.

    One column names the file (its path, or the end of it) or its SHA-256, another the part: train, validation or
    test, in any usual spelling; where several name files, that in which most are of the dataset, and the next where it
    is empty. Files that are not keep their row, without a class.
    Raises `DataError` that names the line and what is wrong with it.
    """
    text = read_text(path, outside.LARGEST, DataError, _WANTED)
    try:
        return parse(text)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def parse(text: str) -> pd.DataFrame:
    """`read` of a text."""
    text = listed.plain(text)
    lines = listed.rows(text)
    if not lines:
        raise DataError("it is empty: give a CSV of file names and parts")
    (_, head), *rows = lines
    part, named = listed.column(head, _COLUMNS), listed.columns(head, (*_HASHES, *_FILES))
    if part is None or not named:
        lack = (
            "part (or split, set, subset, partition, phase)"
            if part is None
            else "file (or filename, path, image, name, id, sha256)"
        )
        folds = (
            "; of folds, write test for one and train for the others"
            if listed.columns(head, ("fold",))
            else ""
        )
        raise DataError(f"no column is called {lack}: the first line reads `{','.join(head)[:80]}`{folds}")
    out = []
    for line, row in rows:
        if len(row) <= max(part, *named):
            raise DataError(f"line {line} has {len(row)} cells, the first line {len(head)}")
        told = _PART_OF.get(row[part].strip().lower())
        if told is None:
            raise DataError(f"line {line}: part `{row[part].strip()[:40]}` is none of {', '.join(PARTS)}")
        cells = [row[at].strip() for at in named]
        if not any(cells):
            raise DataError(f"line {line} names no file")
        out.append((line, told, *cells))
    if not out:
        raise DataError("there is no row below the first line")
    head, told, *names = map(pd.Series, zip(*out))
    found = [_known(column) for column in names]
    best = max(range(len(found)), key=lambda k: found[k]["class"].notna().sum())
    name = names[best]
    for other in names:  # files without a name would all be the same one
        name = name.where(name != "", other)
    table = pd.DataFrame({"row": head, "name": name, "part": told}).join(_known(name))
    if not table["class"].notna().any():
        raise DataError(
            f"of {many(len(table), 'file')} none is of the Brain Tumor MRI Dataset (the first is "
            f"`{table['name'][0][:60]}`): give names as Kaggle ships them, or SHA-256"
        )
    for name in ("train", "test"):
        if not (table["part"] == name).any():
            raise DataError(f"no file is in part {name}: nothing can leak")
    _demand_known(table)
    table.attrs |= {"aside": [], "text": text}  # who mends the split mends the text that was judged
    return table


def _demand_known(table: pd.DataFrame) -> None:
    """Raise `DataError` where nothing can be said: a part to be compared holds no image of the dataset."""
    for name in ("train", "test"):
        own = table[table["part"] == name]
        if not own["class"].notna().any():
            raise DataError(
                f"of {many(len(own), 'file')} for {PLACES[name]} none is of the Brain Tumor MRI Dataset (the first is "
                f"`{own['name'].iloc[0][-60:]}`): copies can be told only among its images, so check that these are the right ones"
            )


def _known(names: pd.Series) -> pd.DataFrame:
    """Columns of `groups` for names (whatever an image's ending) or hashes, NaN where one is not of the dataset."""
    frame = groups.load().drop(columns="part")
    by_hash = frame.drop_duplicates("sha256").set_index("sha256", drop=False)
    by_name = frame.set_index(_stem(frame["file"]))
    last = _stem(names.str.replace("\\", "/"))
    hashes = names.str.lower().isin(by_hash.index)
    found = by_name.reindex(last).reset_index(drop=True)
    found[hashes.to_numpy()] = by_hash.reindex(names[hashes].str.lower()).to_numpy()
    return found


def _stem(names: pd.Series) -> pd.Series:
    return names.str.rsplit("/", n=1).str[-1].str.lower().str.replace(_ENDING, "", regex=True)


def scan(train: str | Path, test: str | Path, progress: bool = True) -> pd.DataFrame:
    """The same table of two folders' images, recognised by content (`known.match`, which looks again), at any depth.

    Links to folders are followed. Images that are not of the dataset have no class; only their bytes are compared. Files that are no images are
    passed over and listed in `attrs["aside"]`.
    """
    _demand_apart(Path(train), Path(test))
    paths, parts, aside = [], [], []
    for part, folder in (("train", Path(train)), ("test", Path(test))):
        if not folder.is_dir():
            raise DataError(f"{folder} is not a folder: give the training folder, then the test folder")
        own, rest = _images(folder)
        if not own:
            raise DataError(f"{folder} holds no images: check the path")
        paths, parts, aside = paths + own, parts + [part] * len(own), aside + rest
    found = known.match(paths, progress=progress, again=True)
    frame = groups.load().set_index("file", drop=False).drop(columns="sha256")
    about = frame.reindex(found["file"].replace("", np.nan)).reset_index(drop=True).drop(columns="part")
    # the bytes are the image's own: a copy that was encoded anew shares them with no published file
    head = found.rename(columns={"path": "name"}).assign(row=range(len(found)), part=parts)
    out = pd.concat([head[["row", "name", "part", "sha256", "how"]], about], axis=1)
    if not shared(out)["bytes"].any():  # the very same file on both sides is one, whatever it shows
        _demand_known(out)
    out.attrs["aside"] = list(map(str, aside))
    return out


def _demand_apart(train: Path, test: Path) -> None:
    """Raise `DataError` where one folder lies in the other: its images would count for both parts."""
    for inner, outer in ((test, train), (train, test)):
        if os.path.realpath(outer) in (own := os.path.realpath(inner), *map(str, Path(own).parents)):
            raise DataError(
                f"{inner} lies in {outer}, and would count for both: name the folders that hold the parts"
            )


def _images(folder: Path) -> tuple[list[Path], list[Path]]:
    """The folder's images, at any depth and whatever they are called, and its other files; hidden ones don't count."""
    own, rest = [], []
    for path in (path for _, files in outside.walk(folder) for path in files if path.is_file()):
        (own if outside.is_image(path) or _image_by_bytes(path) else rest).append(path)
    return sorted(own), sorted(rest)


def _image_by_bytes(path: Path) -> bool:
    try:
        inspect(read_bytes(path), path)
    except DataError:
        return False
    return True


def shared(table: pd.DataFrame, there: str = "train", asked: str = "test") -> pd.DataFrame:
    """Of each image of part `asked`: whether `there` holds the same bytes, a copy, the patient, the person: bool columns `KINDS`."""
    # a file that is not known is itself all the same
    table = table.assign(sha256=table["sha256"].fillna(table["name"]))
    left, right = table[table["part"] == there], table[table["part"] == asked]
    found = {kind: right[column].isin(left[column].dropna()) for kind, column in KINDS.items()}
    return pd.DataFrame(found).cummax(axis=1)  # each kind holds the one before


def count(table: pd.DataFrame, there: str = "train", asked: str = "test") -> pd.DataFrame:
    """class (at last "all"), images of part `asked`, and of these with each of `KINDS` `there`."""
    found = shared(table, there, asked)
    name = table.loc[found.index, "class"].fillna(UNKNOWN).rename("class")
    each = found.groupby(name).sum().astype(int)
    each.insert(0, "images", name.value_counts().reindex(each.index))
    each.loc["all"] = each.sum()
    return each.rename_axis("class").reset_index()


def counts(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """`count` of each of `CHECKS` whose parts the split has: early stopping on a leaking validation leaks too."""
    there = set(table["part"])
    return {name: count(table, *parts) for name, parts in CHECKS.items() if there.issuperset(parts)}


def sizes(table: pd.DataFrame, parts: pd.Series | np.ndarray) -> dict[str, int]:
    """Files in each part of the table's that `parts` (N,) leave it, 0 where they leave none."""
    return {name: int((np.asarray(parts) == name).sum()) for name in PARTS if (table["part"] == name).any()}


def unknown(table: pd.DataFrame) -> list[str]:
    """Names of the files that are not of the dataset."""
    return table.loc[table["class"].isna(), "name"].tolist()


def said(found: dict[str, pd.DataFrame], table: pd.DataFrame) -> list[str]:
    """What `counts` say, a sentence or two each."""
    rest = unknown(table)
    out = [_said(frame.iloc[-1], table, *CHECKS[name], bool(rest)) for name, frame in found.items()]
    twice = table[table.duplicated("name", keep=False)]
    if len(twice):
        parts = twice.groupby("name", sort=False)["part"].nunique()
        out.append(
            f"Listed more than once, and counted each time: {many(len(parts), 'file')} (the first: {parts.index[0]}), "
            f"{(parts > 1).sum():,} of them in two parts."
        )
    if rest:
        out.append(
            f"Not recognised as images of the Brain Tumor MRI Dataset: {many(len(rest), 'file')} (the first: {rest[0]}). "
            "Whether such are copies is not known."
        )
    if aside := table.attrs["aside"]:
        out.append(f"Passed over as no images: {many(len(aside), 'file')} (the first: {aside[0]}).")
    return [text for text in out if text]


def _share(number: int, of: int) -> str:
    """Per cent with one decimal, halves upwards, by whole numbers: the page's script rounds alike."""
    tenths = (2000 * number + of) // (2 * of)
    return f"{tenths // 10}.{tenths % 10}%"


def _said(whole: pd.Series, table: pd.DataFrame, there: str, asked: str, rest: bool) -> str:
    """A sentence of the last line of a `count`; none where it is of no image that is recognised."""
    share = {kind: f"({_share(int(whole[kind]), int(whole['images']))})" for kind in KINDS}
    more, person = whole["person"] > whole["patient"], f"{whole['person']:,} {share['person']}"
    if whole["patient"]:
        return (
            f"{whole['copy']:,} of {many(whole['images'], f'{asked} image')} {share['copy']} "
            f"{'has' if whole['copy'] == 1 else 'have'} a copy in {PLACES[there]}, "
            f"{whole['patient']:,} {share['patient']} a copy or a slice of the same patient"
            + (f", {person} with persons told by eye." if more else ".")
        )
    judged = table.loc[table["class"].notna(), "part"].value_counts()
    if not {there, asked} <= set(judged.index):
        return ""
    images = many(judged[asked], f"{asked} image")
    which = f"Of the {images} recognised none" if rest else f"Of {images} none"
    eye = f"; {person} {'shows' if whole['person'] == 1 else 'show'} a person who by eye is there too"
    return f"{which} has a copy, or a slice of a known patient, in {PLACES[there]}{eye if more else ''}."


def mend(table: pd.DataFrame, seed: int = 0) -> np.ndarray:
    """Parts (N,) with no person in two of them: of the given sizes, by class, as nearly as moves of single groups bring them there.

    A group (`person`) that is whole stays where it is, unless the sizes ask for it at the end. Of the others the largest go first, each where it makes the least
    (files too many or too few)², relative to what that part should hold of the class; equal ones in an order drawn by
    the seed. Then groups, whole ones too, change places as long as that comes nearer. Images that are not of the dataset stay where they
    are, those of the same bytes (of a CSV: the same name) where the first of them is.
    """
    key = table["sha256"].fillna(table["name"])
    parts = table.groupby(key)["part"].transform("first")
    own = table[table["class"].notna()]
    if own.empty:
        return parts.to_numpy(object)
    wanted, groups_ = (pd.crosstab(own[name], own["class"]) for name in ("part", "person"))
    goal, order = wanted.to_numpy(float), np.random.default_rng(seed).permutation(len(groups_))
    sizes, stands = (
        frame.to_numpy()[order] for frame in (groups_, pd.crosstab(own["person"], own["part"]) > 0)
    )
    whole, at = stands.sum(1) == 1, stands.argmax(1)
    have = np.stack([sizes[whole & (at == part)].sum(0) for part in range(len(goal))]).astype(float)
    for number in sorted(np.flatnonzero(~whole), key=lambda k: -sizes[k].sum()):
        size = sizes[number]
        cost = (size * (2 * (have - goal) + size) / np.maximum(goal, 1)).sum(1)
        at[number] = cost.argmin()
        have[at[number]] += size
    _settle(at, have, sizes, goal)
    chosen = dict(zip(groups_.index[order], wanted.index[at]))
    return parts.where(table["class"].isna(), table["person"].map(chosen)).to_numpy(object)


def _settle(at: np.ndarray, have: np.ndarray, sizes: np.ndarray, goal: np.ndarray) -> None:
    """Change parts `at` (G,) of groups, and what the parts `have` (P,C), by moves and swaps while these come nearer.

    sizes: files of each group by class (G,C); groups of the same size are as good as each other.
    """
    kinds, kind = np.unique(np.vstack([np.zeros_like(sizes[:1]), sizes]), axis=0, return_inverse=True)
    kind = kind.reshape(-1)[1:]  # kind 0 is no group at all: a move is a swap against it
    weight = 1 / np.maximum(goal, 1)
    while True:
        best = (-1e-9, None)
        for a, b in itertools.permutations(range(len(goal)), 2):
            left, right = np.unique(kind[at == a]), np.r_[0, np.unique(kind[at == b])]
            given = kinds[left][:, None] - kinds[right]  # from a to b, (L,R,C)
            change = (given * (2 * (have[b] - goal[b]) + given) * weight[b]).sum(2)
            change = change + (given * (given - 2 * (have[a] - goal[a])) * weight[a]).sum(2)
            if change.size and change.min() < best[0]:
                i, j = np.unravel_index(change.argmin(), change.shape)
                best = (change[i, j], (a, b, left[i], right[j]))
        if best[1] is None:
            return
        a, b, mine, theirs = best[1]
        for part, other, one in ((a, b, mine), (b, a, theirs)):
            if one:
                row = np.flatnonzero((at == part) & (kind == one))[0]
                have[part] -= sizes[row]
                have[other] += sizes[row]
                at[row] = other


def write_mended(path: Path, table: pd.DataFrame, parts: np.ndarray, text: str | None) -> None:
    """Write a split's CSV (`text`; None: of two folders) with other parts, whole or not at all."""
    if text is None:
        write_table(path, pd.DataFrame({"file": table["name"], "part": parts}))
    else:
        write_text(path, rewritten(text, table, parts))


def rewritten(text: str, table: pd.DataFrame, parts: np.ndarray) -> str:
    """The split's own CSV with other parts, in its own words for them; all its other cells as they were read, line ends all as its first CR LF has them, if any."""
    (_, head), *rows = listed.rows(text)
    excel, ends = re.match(r"sep=.[\r\n]+", text), "\r\n" if "\r\n" in text else "\n"
    at = listed.column(head, _COLUMNS)
    words = {part: row[at] for (_, row), part in zip(reversed(rows), table["part"][::-1])}
    out = io.StringIO()
    out.write(excel[0] if excel else "")
    writer = csv.writer(out, delimiter=listed.mark(text), lineterminator=ends)
    writer.writerow(head)
    for (_, row), old, new in zip(rows, table["part"], parts):
        writer.writerow([*row[:at], row[at] if old == new else words[new], *row[at + 1 :]])
    return out.getvalue()

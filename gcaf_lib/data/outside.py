"""Images from elsewhere: a folder of class folders, or a CSV of file, class and case.

table = read("other/")          # other/glioma/1.jpg, other/No Tumor/case 7/2.png, ...
table = read("other.csv")       # file, class and, where known, case (a patient)
table = find_copies(table)      # which of them are of this dataset already
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from gcaf_lib.data import groups, known, listed, medical
from gcaf_lib.data.dataset import CLUTTER, FOLDERS, DataError, read_bytes
from gcaf_lib.settings import CLASSES

COLUMNS = ("path", "class", "case")
SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".png", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".avif", ".jp2"),
    *(".pgm", ".ppm", ".pnm", *medical.SUFFIXES),
)
LARGEST = 50_000_000  # bytes of a list
_ALIASES = {
    "glioma": "glioma gliomas",
    "meningioma": "meningioma meningiomas menin",
    "notumor": "no none not without normal healthy",
    "pituitary": "pituitary pituitaryadenoma pituitaryadenomas",
}
_CLASS_OF = {alias: name for name, aliases in _ALIASES.items() for alias in aliases.split()}
_HEADS = {
    "path": ("file", "path", "filename", "file_name", "image", "filepath", "name"),
    "class": ("class", "label", "diagnosis"),
    "case": ("case", "patient", "patient_id", "subject", "group"),
    "plane": ("plane",),
    "slice": ("slice", "frame"),
}
# folders below a class folder that say nothing of a patient
_NO_CASE = re.compile(r"(train|test|val|valid|training|testing|validation|images?|data)", re.IGNORECASE)


def class_of(name: str) -> str | None:
    """The class that a folder or label means, of `CLASSES`; None where it is none of them.

    Case, spaces, marks and digits don't count, nor do the words brain and tumour before or after it: `No Tumor`,
    `glioma_tumor`, `2_Pituitary`, `Normal Brain`.
    """
    plain = re.sub(r"[^a-z]", "", name.lower())
    return _CLASS_OF.get(re.sub(r"^(brain|tumou?rs?)+|(brain|tumou?rs?)+$", "", plain))


def read(place: str | Path, plane: str = "axial", at: int | None = None) -> pd.DataFrame:
    """The images of a folder or CSV: `COLUMNS`, sorted by path, or in the CSV's order.

    path: text, or a `medical.View` of a DICOM or NIfTI file: in `plane` and slice or frame `at`, but where the CSV has
    columns plane and slice that say otherwise.

    Of a folder: the outermost folder that names a class gives it, the folders below that the case; without them each
    image is a case. Links to folders are followed. Hidden files and folders and a file manager's leavings are passed
    over, and so is what is no image by its name, listed in `attrs["aside"]`. Raises `DataError` naming what is wrong, where.
    """
    place = Path(place)
    if place.is_dir():
        table = _folder(place)
        table["path"] = [medical.view(path, plane, at) for path in table["path"]]
        return table
    if not place.exists() or place.suffix.lower() not in (".csv", ".tsv", ".txt"):
        absent = "a link that leads nowhere" if place.is_symlink() else "not there"
        fault = "neither a folder nor a CSV" if place.exists() else absent
        raise DataError(f"{place} is {fault}: give a folder of class folders, or a CSV of file, class")
    return _listed(place, plane, at)


def walk(place: Path) -> Iterator[tuple[str, list[Path]]]:
    """Each folder from `place` on and its files, sorted; links to folders are followed, what is hidden or clutter left out.

    Raises `DataError` for a folder that is come upon twice, can't be listed, or a name that is no UTF-8.
    """
    seen: dict[str, str] = {}
    for folder, inner, names in os.walk(place, onerror=_cannot, followlinks=True):
        if (first := seen.setdefault(os.path.realpath(folder), folder)) != folder:
            raise DataError(f"{folder} and {first} are the same folder: take the link out")
        inner[:] = sorted(name for name in inner if not name.startswith((".", "__MACOSX")))
        files = [Path(folder, n) for n in sorted(names) if not n.startswith(".") and not CLUTTER.fullmatch(n)]
        for path in files:
            known.demand_text(path)
        yield folder, files


def _folder(place: Path) -> pd.DataFrame:
    rows, aside, nameless = [], [], {}
    for folder, files in walk(place):
        parts = Path(folder).relative_to(place).parts
        at = next((n for n, part in enumerate(parts) if class_of(part)), None)
        label = class_of(parts[at]) if at is not None else class_of(place.resolve().name)
        below = [p for p in parts[0 if at is None else at + 1 :] if not _NO_CASE.fullmatch(p)]
        for path in files:
            if not is_image(path):
                aside.append(str(path))
            elif label is None:
                nameless.setdefault("/".join(parts) or ".", path.name)
            else:
                rows.append((str(path), label, folder if below else str(path)))
    if nameless:
        raise DataError(_nameless(place, nameless))
    if not rows:
        raise DataError(f"{place} holds no images in class folders ({', '.join(CLASSES)}): check the path")
    table = pd.DataFrame(rows, columns=list(COLUMNS)).sort_values("path", ignore_index=True)
    table.attrs["aside"] = aside
    return table


def is_image(path: Path) -> bool:
    """Whether a file is an image by its name; one without an ending, or ending in a number, as scanners name them, by its bytes."""
    by_name = path.suffix and not path.suffix[1:].isdigit()
    if by_name or not path.is_file():
        return path.name.lower().endswith(SUFFIXES)
    with path.open("rb") as file:
        return medical.kind(file.read(352)) == "DICOM"


def _cannot(error: OSError) -> None:
    raise DataError(f"{error.filename} cannot be listed ({error.strerror}): check its permissions")


def _nameless(place: Path, folders: dict[str, str]) -> str:
    first, *others = folders
    if first == ".":
        return (
            f"{place}: {folders[first]} lies in no class folder: move it into one called {', '.join(CLASSES)}"
        )
    more = f" (and {len(others)} more: {', '.join(others[:3])})" if others else ""
    near = difflib.get_close_matches(re.sub(r"[^a-z]", "", first.lower()), CLASSES, 1, 0.6)
    hint = f"rename it to {near[0]}" if near else f"rename it to one of {', '.join(CLASSES)}, or move it away"
    return f"{place}: folder {first!r}{more} holds images ({folders[first]}) and names no class: {hint}"


def _listed(place: Path, plane: str, at: int | None) -> pd.DataFrame:
    try:
        text = read_bytes(place).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{place} is not text in UTF-8: save it as CSV") from error
    if len(text) > LARGEST:
        raise DataError(f"{place} is too long: give a CSV of file, class and case")
    try:
        lines = listed.rows(text)
    except DataError as error:
        raise DataError(f"{place}, {error}") from error
    if len(lines) < 2:
        raise DataError(f"{place} has no row below its first line: give a CSV of file, class and case")
    head = lines[0][1]
    found = {key: listed.column(head, names) for key, names in _HEADS.items()}
    for key in ("path", "class"):
        if found[key] is None:
            raise DataError(
                f"{place} has no column called {_HEADS[key][0]}: its first line reads `{','.join(head)[:80]}`"
            )
    rows = [_row(place, number, row, found, len(head), (plane, at)) for number, row in lines[1:]]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    if (twice := table["path"].duplicated()).any():
        raise DataError(f"{place} names {table['path'][twice].iloc[0]} twice: take one of the lines out")
    table.attrs["aside"] = []
    return table


def _row(place: Path, line: int, row: list[str], found: dict, width: int, chosen: tuple) -> tuple:
    """(path, class, case) of one line of a CSV; found: where each of `_HEADS` stands; chosen: plane and slice."""
    where = f"{place}, line {line}"
    if len(row) != width:
        raise DataError(f"{where} has {len(row)} cells, the first line {width}")
    said = {key: "" if at is None else row[at].strip() for key, at in found.items()}
    label, path = class_of(said["class"]), place.parent / said["path"].replace("\\", "/")
    if label is None:
        raise DataError(f"{where}: class {said['class'][:40]!r} is none of {', '.join(CLASSES)}")
    if not path.is_file():
        raise DataError(f"{where}: {path} is not there (names count from the CSV's folder)")
    if said["slice"] and not re.fullmatch(r"[0-9]{1,9}", said["slice"]):
        raise DataError(f"{where}: slice {said['slice'][:40]!r} is no whole number from 0")
    at = int(said["slice"]) if said["slice"] else chosen[1]
    image = medical.view(str(path), said["plane"].lower() or chosen[0], at)
    return image, label, said["case"] or str(path)


def find_copies(table: pd.DataFrame, progress: bool = True, again: bool = False) -> pd.DataFrame:
    """`table` with what `known.match` finds: copy_of (a published file, or ""), its class, how, similarity.

    again: also of images that were turned by some degrees, cut or inverted on purpose. The committed tables of
    `evaluation.outside_sets` were made without.
    """
    found = known.match(table["path"], progress=progress, again=again)
    return table.assign(
        copy_of=found["file"].to_numpy(),
        copy_class=found["file"].map(groups.load().set_index("file")["class"]).fillna("").to_numpy(),
        how=found["how"].to_numpy(),
        similarity=found["similarity"].to_numpy().astype(float),
    )


def count_copies(table: pd.DataFrame) -> pd.DataFrame:
    """class (at last "all"), images, copies, of these of Training and of Testing, and of another class than said."""
    out = counted(table).groupby(table["class"]).sum()
    out.loc["all"] = out.sum()
    return out.rename_axis("class").reset_index()


def counted(table: pd.DataFrame) -> pd.DataFrame:
    """What is to be counted of each image that `find_copies` has looked at, 0 or 1: the columns of `count_copies`."""
    copy = table["copy_of"] != ""
    part = table["copy_of"].str.split("/").str[0]
    return pd.DataFrame(
        {
            "images": 1,
            "copies": copy,
            **{folder: part == folder for folder in FOLDERS},
            "other_class": copy & (table["copy_class"] != table["class"]),
        }
    ).astype(int)


def report(table: pd.DataFrame, scored: Iterable[Any] = ()) -> pd.DataFrame:
    """A row an image: `find_copies`' columns, and each run's answer and confidence (empty where it wasn't asked).

    scored: objects with `run` and `table` (path, answer, confidence), as `evaluation.outside_scores.score` gives them.
    """
    out = table.copy()
    out["path"] = out["path"].map(str)
    for found in scored:
        said = found.table.set_index(found.table["path"].map(str))
        for column in ("answer", "confidence"):
            out[f"{column} {found.run}"] = out["path"].map(said[column])
    return out

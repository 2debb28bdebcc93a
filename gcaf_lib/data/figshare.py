"""The figshare brain tumour dataset: patients, classes and tumour borders of its 3,064 slices.

Source: J. Cheng et al., doi 10.6084/m9.figshare.1512427 (CC BY 4.0). Most tumour images of
the paper's dataset are copies of these slices; `match` finds which, and thereby their patients.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from tqdm import tqdm

from gcaf_lib.data import thumbnails
from gcaf_lib.data.dataset import DataError, Dataset
from gcaf_lib.machine import whole
from gcaf_lib.settings import cache_dir, digest, named_folder

LABELS = {1: "meningioma", 2: "glioma", 3: "pituitary"}  # cjdata.label
COUNT = 3064
MEMBER_LIMIT = 64 * 2**20  # bytes; a real slice is under 1 MB, so more is a bomb or another archive
# Correlation of a file's thumbnail with its slice's: best matches are below 0.91 or above 0.999 (chapter 16).
SAME_SLICE = 0.99
TRUSTED = 0.5  # smallest IoU of a border's polygon and its mask


@dataclass(frozen=True)
class Slices:
    """Slices in ascending figshare_id: table (figshare_id, pid, group, label), thumbnails uint8
    (N,64,64), and borders: one float (n,2) polygon in fractions of width and height each, or None.

    `files` is the ready table of matched files (twins.csv) where there is one.
    """

    table: pd.DataFrame
    thumbnails: np.ndarray
    borders: list[np.ndarray | None] | None
    files: pd.DataFrame | None = None


def locate(path: str | Path | None = None) -> Path:
    """Folder or file of the figshare data: `path`, else GCAF_FIGSHARE, else the cache folder.

    Raises `DataError` that says how to get it.
    """
    place = Path(path or named_folder("GCAF_FIGSHARE") or cache_dir() / "figshare")
    if not place.exists():
        raise DataError(
            f"no figshare data at {place}: run `gcaf data fetch`, or point GCAF_FIGSHARE at the folder "
            "with the four zip files of doi 10.6084/m9.figshare.1512427 (or with patients.csv and thumbnails.npz)"
        )
    return place


def read(path: str | Path | None = None, progress: bool = True) -> Slices:
    """Slices from the ready tables (patients.csv, thumbnails.npz) or from the archive (.zip, .mat)."""
    place = locate(path)
    if (place / "patients.csv").is_file() and (place / "thumbnails.npz").is_file():
        return read_tables(place)
    store = cache_dir() / "figshare-slices" / f"{_signature(place)}.npz"
    if not store.is_file():  # half a minute of reading, done once
        _store(read_archive(place, progress), store)
    return _restore(store)


def patient_group(pid: str) -> str:
    """Conservative patient group: the id without a trailing suffix letter (MR048294B → MR048294)."""
    return re.sub(r"(?<=\d)[A-Za-z]$", "", pid)


def read_tables(folder: Path) -> Slices:
    """Slices from patients.csv and thumbnails.npz; tumour borders of files come from twins.csv if it is there."""
    table = pd.read_csv(folder / "patients.csv", dtype={"pid": str, "group": str})
    with np.load(folder / "thumbnails.npz", allow_pickle=False) as arrays:
        ids, thumbs = arrays["figshare_id"].astype(int), arrays["thumbnail"]
    order = np.argsort(ids)
    table = table.sort_values("figshare_id", ignore_index=True)
    if table["figshare_id"].tolist() != ids[order].tolist():
        raise DataError(f"{folder}: patients.csv and thumbnails.npz name different slices; fetch both again")
    ready = folder / "twins.csv"
    files = pd.read_csv(ready, keep_default_na=False) if ready.is_file() else None
    return Slices(table, thumbs[order], None, files)


def members(place: Path) -> Iterator[tuple[str, bytes]]:
    """(name, content) of every .mat file in a folder, in a zip file, or in zip files inside either.

    Nothing is unpacked to disk, and a member above `MEMBER_LIMIT` raises `DataError`.
    """
    if place.is_dir():
        for file in sorted(place.rglob("*")):
            if _clutter(file.relative_to(place).parts):
                continue
            if file.suffix == ".zip":
                yield from members(file)
            elif file.suffix == ".mat":
                yield str(file), file.read_bytes()
    else:
        try:
            with zipfile.ZipFile(place) as archive:
                yield from _unzip(archive, str(place), nested=True)
        except zipfile.BadZipFile as error:
            raise DataError(f"{place} is not a whole zip file ({error}); fetch it again") from error


def _clutter(parts: Sequence[str]) -> bool:
    """Whether a path is what macOS leaves beside files: __MACOSX/…, ._a.zip."""
    return "__MACOSX" in parts or any(part.startswith(".") for part in parts)


def _unzip(archive: zipfile.ZipFile, name: str, nested: bool) -> Iterator[tuple[str, bytes]]:
    for info in archive.infolist():
        here = f"{name}:{info.filename}"
        if _clutter(info.filename.replace("\\", "/").split("/")):
            continue
        if info.filename.endswith(".mat"):
            if info.file_size > MEMBER_LIMIT:
                raise DataError(f"{here} claims {info.file_size} bytes; no slice is that large")
            with archive.open(info) as file:
                content = file.read(MEMBER_LIMIT + 1)
            if len(content) > MEMBER_LIMIT:
                raise DataError(f"{here} unpacks to more than {MEMBER_LIMIT} bytes; no slice is that large")
            yield here, content
        elif nested and info.filename.endswith(".zip"):
            try:
                with archive.open(info) as file, zipfile.ZipFile(file) as inner:
                    yield from _unzip(inner, here, nested=False)
            except zipfile.BadZipFile as error:
                raise DataError(f"{here} is not a whole zip file ({error}); fetch it again") from error


def read_slice(content: bytes, name: str) -> tuple[dict, np.ndarray, np.ndarray | None]:
    """({pid, label}, image (H,W), border (n,2) or None) of one MATLAB v7.3 file; `DataError` names a bad one."""
    import h5py  # a quarter of a second, which every chapter would wait for and none needs

    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            data = file["cjdata"]
            # h5py gives MATLAB's column-major arrays transposed: .T makes them stand as drawn
            image = np.asarray(data["image"]).T
            pid = "".join(chr(int(code)) for code in np.asarray(data["PID"]).T.ravel())
            label = LABELS[int(np.asarray(data["label"]).ravel()[0])]
            points = np.asarray(data["tumorBorder"], float).ravel() if "tumorBorder" in data else np.empty(0)
            mask = np.asarray(data["tumorMask"]).T > 0 if "tumorMask" in data else None
    except (OSError, KeyError, ValueError, IndexError) as error:
        raise DataError(f"{name} is not a slice of the figshare dataset ({error}); fetch it again") from error
    if image.ndim != 2 or min(image.shape) < 2:
        raise DataError(f"{name}: its image has the shape {image.shape}; fetch it again")
    return {"pid": pid.strip(), "label": label}, image, trusted_border(points, mask, image.shape)


def trusted_border(points: np.ndarray, mask: np.ndarray | None, shape: tuple[int, int]) -> np.ndarray | None:
    """Polygon (n,2) as (x, y) fractions of width and height from MATLAB's flat coordinates, or None.

    The archive does not say which coordinate comes first, so both readings are drawn and the
    one that covers the tumour mask (H,W) is taken; None if neither does (IoU under `TRUSTED`).
    """
    if len(points) < 6 or len(points) % 2 or mask is None or mask.shape != shape or not mask.any():
        return None
    pixels = points.reshape(-1, 2) - 1.0  # MATLAB counts pixels from 1
    best, found = TRUSTED, None
    for polygon in (pixels, pixels[:, ::-1]):
        drawn = np.zeros(shape, np.uint8)
        cv2.fillPoly(drawn, [np.round(polygon).astype(np.int32)], 1)
        iou = (mask & (drawn > 0)).sum() / (mask | (drawn > 0)).sum()
        if iou > best:
            best, found = iou, polygon
    height, width = shape
    return None if found is None else np.clip((found + 0.5) / (width, height), 0, 1)


def read_archive(place: Path, progress: bool = True) -> Slices:
    """Slices from the archive's .mat files, numbered by their file names; raises `DataError` if there are none."""
    rows, thumbs, borders = [], [], []
    for name, content in tqdm(members(place), "figshare slices", COUNT, disable=None if progress else True):
        stem = Path(name.replace(":", "/")).stem
        if not stem.isdigit():  # cvind.mat: the authors' folds, no slice
            continue
        about, image, border = read_slice(content, name)
        rows.append({"figshare_id": int(stem), "pid": about["pid"], "label": about["label"]})
        thumbs.append(thumbnails.shrink(image))
        borders.append(border)
    if not rows:
        raise DataError(f"{place} holds no figshare slices (1.mat … 3064.mat); run `gcaf data fetch`")
    table = pd.DataFrame(rows)
    if table["figshare_id"].duplicated().any():
        again = table.loc[table["figshare_id"].duplicated(), "figshare_id"].tolist()[:5]
        raise DataError(
            f"{place} holds some slices twice (e.g. {again}); keep either the zip files or the .mat files"
        )
    table.insert(2, "group", table["pid"].map(patient_group))
    order = np.argsort(table["figshare_id"].to_numpy())
    return Slices(
        table.iloc[order].reset_index(drop=True), np.stack(thumbs)[order], [borders[i] for i in order]
    )


def _signature(place: Path) -> str:
    """Name of the cache of an archive: 12 hex digits of its files' names, sizes and times."""
    files = sorted(place.rglob("*")) if place.is_dir() else [place]
    stats = [(str(file), file.stat()) for file in files if file.suffix in (".zip", ".mat") and file.is_file()]
    return digest([str(place.resolve()), [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]])


def _store(slices: Slices, path: Path) -> None:
    """Write what was read from an archive, whole or not at all: thumbnails, table, borders end to end."""
    borders = [np.empty((0, 2)) if border is None else border for border in slices.borders]
    columns = {name: slices.table[name].to_numpy() for name in slices.table}
    with whole(path) as part:
        np.savez_compressed(
            part,
            thumbnail=slices.thumbnails,
            border=np.concatenate(borders),
            length=[len(border) for border in borders],
            **{name: col if col.dtype.kind in "iu" else col.astype(str) for name, col in columns.items()},
        )


def _restore(path: Path) -> Slices:
    with np.load(path, allow_pickle=False) as file:
        arrays = dict(file)
    table = pd.DataFrame({name: arrays[name] for name in ("figshare_id", "pid", "group", "label")})
    cuts = np.split(arrays["border"], np.cumsum(arrays["length"])[:-1])
    return Slices(table, arrays["thumbnail"], [cut if len(cut) else None for cut in cuts])


def match(frame: pd.DataFrame, thumbs: np.ndarray, slices: Slices) -> pd.DataFrame:
    """Rows of `frame` that show a figshare slice: file, figshare_id, figshare_class, mirrored (0/1), similarity.

    thumbs: uint8 (N,64,64) of the files. Raises `DataError` when the slices stand transposed
    (an archive read without transposing): the matches of turned images would be chance.
    """
    at, flipped, value = thumbnails.nearest(thumbs, slices.thumbnails)
    hit = value >= SAME_SLICE
    turned = np.ascontiguousarray(slices.thumbnails.transpose(0, 2, 1))
    probe = slice(None, None, max(1, len(thumbs) // 200))
    if (thumbnails.nearest(thumbs[probe], turned)[2] >= SAME_SLICE).sum() > hit[probe].sum():
        raise DataError(
            "the figshare slices stand transposed: h5py reads MATLAB arrays column-major, transpose them"
        )
    found = slices.table.iloc[at[hit]]
    return pd.DataFrame(
        {
            "file": frame["file"].to_numpy()[hit],
            "figshare_id": found["figshare_id"].to_numpy(),
            "figshare_class": found["label"].to_numpy(),
            "mirrored": flipped[hit].astype(int),
            "similarity": np.round(value[hit].clip(max=1.0), 5),
        }
    ).sort_values("file", ignore_index=True)


def borders(matches: pd.DataFrame, slices: Slices) -> dict[str, np.ndarray]:
    """file → closed polygon (n,2), x and y in fractions of the file's width and height, mirrored as the file is.

    Files whose border cannot be trusted are left out.
    """
    out = {}
    if slices.borders is not None:
        by_id = dict(zip(slices.table["figshare_id"], slices.borders))
        for file, number, flipped in zip(matches["file"], matches["figshare_id"], matches["mirrored"]):
            polygon = by_id[number]
            if polygon is not None:
                out[file] = np.column_stack([1 - polygon[:, 0], polygon[:, 1]]) if flipped else polygon
    elif slices.files is not None:
        wanted = set(matches["file"])
        for file, text in zip(slices.files["file"], slices.files["tumour_border"]):
            if text and file in wanted:
                out[file] = np.asarray(json.loads(text), float)
    return out


def of_dataset(dataset: Dataset, path: str | Path | None = None) -> dict[int, np.ndarray]:
    """Row of dataset.frame → its file's polygon, of the files whose border is known (`borders`)."""
    slices = read(path)
    matches = slices.files
    if matches is None:
        matches = match(dataset.frame, thumbnails.thumbnails(dataset), slices)
    known = borders(matches, slices)
    return {row: known[file] for row, file in enumerate(dataset.frame["file"]) if file in known}


def patients(frame: pd.DataFrame, matches: pd.DataFrame, slices: Slices) -> np.ndarray:
    """Patient group (N,) of each row of `frame`, None where no patient is known."""
    group = matches["figshare_id"].map(slices.table.set_index("figshare_id")["group"])
    known = dict(zip(matches["file"], group))
    return np.array([known.get(file) for file in frame["file"]], dtype=object)


def slice_table(matches: pd.DataFrame, slices: Slices) -> pd.DataFrame:
    """`matches` with the column tumour_border: JSON polygon [[x,y],…] with four decimals, "" where not trusted."""
    known = borders(matches, slices)
    text = [
        json.dumps(np.round(known[file], 4).tolist(), separators=(",", ":")) if file in known else ""
        for file in matches["file"]
    ]
    return matches.assign(tumour_border=text)

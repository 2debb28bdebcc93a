"""DICOM and NIfTI files as 8-bit pictures, beside image files. Needs the extra `medical` (pydicom, nibabel).

    pixels("scan.nii.gz")                                # its middle axial slice
    pixels(View("scan.nii.gz", "coronal", 80))
    prepared(view("slice.dcm"), settings)                # Eq 1, as `preprocess.preprocess`

What is asked for a picture here takes a path or a `View`, and leaves image files to `decode` and `preprocess`. Of a DICOM header only what decoding needs is read (`NEEDED`): no name, date or place. nibabel reads a NIfTI header whole, its
free text too. Nothing of either is shown or written, and no message quotes what a header says.
"""

from __future__ import annotations

import contextlib
import gzip
import importlib
import io
import logging
import os
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from gcaf_lib.data import decode, intact, preprocess
from gcaf_lib.data.dataset import MAX_PIXELS, MIN_SIDE, DataError, read_bytes
from gcaf_lib.settings import DataSettings

# the axis that a plane is cut across: right, anterior, superior
PLANES = {"sagittal": 0, "coronal": 1, "axial": 2}
SUFFIXES = (".dcm", ".dicom", ".ima", ".nii", ".nii.gz")
NEEDED = """
    Rows Columns NumberOfFrames SamplesPerPixel PhotometricInterpretation PlanarConfiguration
    BitsAllocated BitsStored HighBit PixelRepresentation PixelData PixelPaddingValue
    RescaleSlope RescaleIntercept ModalityLUTSequence WindowCenter WindowWidth VOILUTFunction VOILUTSequence
    RedPaletteColorLookupTableDescriptor GreenPaletteColorLookupTableDescriptor BluePaletteColorLookupTableDescriptor
    RedPaletteColorLookupTableData GreenPaletteColorLookupTableData BluePaletteColorLookupTableData
""".split()
# percentile that becomes white where no window is given: a few bright pixels don't darken the rest
WHITE = 99.9
_ONE = threading.Lock()
_MAX_VOLUME = 2**31  # bytes of a volume once unpacked
_COLOURS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_RCT", "YBR_ICT", "PALETTE COLOR")


@dataclass(frozen=True)
class View(os.PathLike):
    """One picture of a medical file, to be given wherever an image's path is.

    plane: of `PLANES`, of a volume; at: the slice of a volume (None: the middle one), counted from the left, the back or
    the feet, or the frame of a DICOM file (None: the only one); from 0.
    """

    path: str
    plane: str = "axial"
    at: int | None = None

    def __fspath__(self) -> str:
        return str(self.path)

    def __str__(self) -> str:
        plane = "" if self.plane == "axial" else self.plane
        which = f"{plane} {'' if self.at is None else self.at}".strip()
        return f"{self.path}[{which}]" if which else str(self.path)


def _unpacked(data: bytes, most: int) -> bytes:
    """At most so many bytes of what a gzip file holds; other files' bytes as they are."""
    return gzip.GzipFile(fileobj=io.BytesIO(data)).read(most) if data[:2] == b"\x1f\x8b" else data


def kind(data: bytes) -> str | None:
    """ "DICOM" or "NIfTI" by a file's bytes, or None."""
    if data[128:132] == b"DICM":
        return "DICOM"
    try:
        data = _unpacked(data, 352)
    except (OSError, EOFError, ValueError):
        return None
    return "NIfTI" if data[344:348] == b"n+1\0" or data[4:8] == b"n+2\0" else None


def view(path: str | Path, plane: str = "axial", at: int | None = None) -> str | Path | View:
    """What to give for an image's path: a `View` of a medical file, known by its bytes, else the path itself."""
    try:
        if os.path.isfile(path):  # to open a pipe may wait for ever
            with open(path, "rb") as file:
                return View(str(path), plane, at) if kind(file.read(4096)) else path
    except (OSError, ValueError):
        pass
    return path  # whoever reads it says what is wrong


def pixels(image: str | Path | View) -> np.ndarray:
    """uint8 (H,W), or (H,W,3) of a colour image, of a medical file; of others `decode.pixels`.

    DICOM: rescale slope and intercept (or table), then the first window (or table), MONOCHROME1 turned to bright on
    dark. NIfTI: a slice as radiologists look at it (the patient's right at the left, front or head up), in square pixels.
    Where a DICOM file gives no window, and of each NIfTI slice, the lowest value becomes black and the `WHITE` percentile white.
    Raises `DataError` that names the file and the cure.
    """
    one = _medical(image)
    if one is None:
        return decode.pixels(image)
    data = read_bytes(one)
    out = _dicom(data, one) if kind(data) == "DICOM" else _nifti(data, one)
    if min(out.shape[:2]) < MIN_SIDE:
        raise DataError(
            f"{one} has {out.shape[1]}×{out.shape[0]} pixels; at least {MIN_SIDE}×{MIN_SIDE} are needed"
        )
    return out


def _medical(image: str | Path | View) -> View | None:
    """The view of a medical file that is meant; None of another image, which must be whole (`intact.demand`)."""
    found = view(os.fspath(image))
    if not isinstance(found, View):
        intact.demand(image)
        return None
    return image if isinstance(image, View) else found


def grey(image: str | Path | View) -> np.ndarray:
    """uint8 (H,W) as copies are looked for in: of a medical file `pixels`, of others `decode.grey`."""
    if _medical(image) is None:
        return decode.grey(image)
    out = pixels(image)
    return out if out.ndim == 2 else cv2.cvtColor(out, cv2.COLOR_RGB2GRAY)


def prepared(image: str | Path | View, settings: DataSettings) -> np.ndarray:
    """Eq 1, uint8 (S,S,3): `preprocess.preprocess`, whose steps a medical file goes through too."""
    return preprocess.prepare(pixels(image), settings)


def _library(name: str, view: View) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise DataError(
            f"{view} is a medical file: reading it needs `pip install 'gcaf_lib[medical]'`"
        ) from error


@contextlib.contextmanager
def _quiet(view: View, what: str) -> Iterator[None]:
    """Errors of the readers as one line without their words, no warnings and no log: all of them may quote a header.

    Filters and logs are the whole process's, so one file is read at a time.
    """
    log = logging.getLogger("pydicom")
    try:
        with _ONE, warnings.catch_warnings(action="ignore"):
            was, log.disabled = log.disabled, True
            try:
                yield
            finally:
                log.disabled = was
    except DataError:
        raise
    except Exception as error:  # the readers raise many kinds on broken data
        raise DataError(f"{view} {what} ({type(error).__name__})") from None


def _scaled(values: np.ndarray, low: float | None = None, high: float | None = None) -> np.ndarray:
    """uint8 of numbers, `low` black and `high` white; without them by the values themselves."""
    values = np.asarray(values, np.float64)
    if low is None:
        low, high = values.min(), np.percentile(values, WHITE, method="higher")
    return np.rint(np.clip((values - low) / max(high - low, 1e-12), 0, 1) * 255).astype(np.uint8)


# --- DICOM ---


def _dicom(data: bytes, view: View) -> np.ndarray:
    pydicom = _library("pydicom", view)
    with _quiet(view, "is a DICOM file that can't be read: export it again"):
        held = pydicom.dcmread(io.BytesIO(data), specific_tags=list(NEEDED))
        size = int(held.get("Rows") or 0) * int(held.get("Columns") or 0)
        frames = int(held.get("NumberOfFrames") or 1)
        photometric = str(held.get("PhotometricInterpretation", ""))
        coding = _coding(pydicom, held.file_meta.TransferSyntaxUID)
    if "PixelData" not in held or not size:
        raise DataError(f"{view} is a DICOM file without a picture: leave it out")
    if size > MAX_PIXELS:
        raise DataError(f"{view} claims to have {size:,} pixels and was not decoded (limit: {MAX_PIXELS:,})")
    if frames > 1 and view.at is None:
        raise DataError(f"{view} holds {frames} frames: choose one with --slice 0 to {frames - 1}")
    at = view.at or 0
    if not 0 <= at < frames:
        raise DataError(f"{view.path} has no frame {at}: choose one with --slice 0 to {frames - 1}")
    if photometric not in ("MONOCHROME1", "MONOCHROME2", *_COLOURS):
        raise DataError(f"{view} is of colours that are not read here: export it in grey or RGB")
    with _quiet(view, f"can't be decoded from {coding}: export it uncompressed"):
        values = pydicom.pixels.pixel_array(held, index=at)
        return _colour(pydicom, values, held) if photometric in _COLOURS else _windowed(pydicom, values, held)


def _coding(pydicom: Any, uid: str) -> str:
    """The standard's name of a transfer syntax; of any other nothing is quoted, since it may hold any text."""
    known = pydicom.uid.UID_dictionary.get(str(uid))
    return known[0] if known else "a coding that the standard doesn't know"


def _colour(pydicom: Any, values: np.ndarray, held: Any) -> np.ndarray:
    bits = int(held.BitsStored)
    if held.PhotometricInterpretation == "PALETTE COLOR":
        values = pydicom.pixels.apply_color_lut(values, held)
        bits = 8 * values.dtype.itemsize
    return _scaled(values, 0, 2**bits - 1)


def _windowed(pydicom: Any, stored: np.ndarray, held: Any) -> np.ndarray:
    """Grey uint8 of stored values: rescaled, windowed, bright on dark."""
    values = pydicom.pixels.apply_modality_lut(stored, held).astype(np.float64)
    inside = np.full(stored.shape, True)
    if table := held.get("VOILUTSequence"):
        top = 2 ** int(table[0].LUTDescriptor[2]) - 1
        # pydicom 3.0 looks 8-bit entries up by 8 bits, whatever the table's length
        table[0].LUTDescriptor[2] = 16
        out = _scaled(pydicom.pixels.apply_voi(values.astype(np.int64), held, 0), 0, top)
    elif held.get("WindowWidth") and held.get("WindowCenter") is not None:
        # the window of two numbers far outside it: what it makes black and white
        low, high = pydicom.pixels.apply_windowing(np.array([-1e12, 1e12]), held, 0)
        out = _scaled((pydicom.pixels.apply_windowing(values, held, 0) - low) / (high - low), 0, 1)
    else:
        padding = held.get("PixelPaddingValue")
        if padding is not None and (stored != padding).any():
            inside = stored != padding
        out = np.zeros(stored.shape, np.uint8)
        out[inside] = _scaled(values[inside])
    if held.PhotometricInterpretation == "MONOCHROME1":
        out[inside] = 255 - out[inside]
    return out


# --- NIfTI ---


def _nifti(data: bytes, view: View) -> np.ndarray:
    nibabel = _library("nibabel", view)
    if view.plane not in PLANES:
        raise DataError(f"{view.path}: plane {view.plane!r} is none of {', '.join(PLANES)}")
    with _quiet(view, "is a NIfTI file that can't be read: export it again"):
        data = _unpacked(data, _MAX_VOLUME + 1)
        if len(data) > _MAX_VOLUME:
            raise DataError(f"{view} holds more than {_MAX_VOLUME:,} bytes: cut it down")
        reader = nibabel.Nifti1Image if data[344:348] == b"n+1\0" else nibabel.Nifti2Image
        image = reader.from_bytes(data)
        turned = nibabel.orientations.io_orientation(image.affine)
    numbers = image.get_data_dtype()
    if len(image.shape) < 3 or any(n != 1 for n in image.shape[3:]) or numbers.kind not in "iuf":
        shape = "×".join(map(str, image.shape))
        raise DataError(f"{view} is {shape} of {numbers}: one volume of plain numbers is needed")
    if np.isnan(turned).any():
        raise DataError(
            f"{view} does not tell how the patient lies (its affine is singular): export it again"
        )
    with _quiet(view, "is a NIfTI file that can't be read: export it again"):
        across = PLANES[view.plane]
        axis = int(np.flatnonzero(turned[:, 0] == across)[0])
        slab = _slab(image, axis, turned[axis, 1], view)
        picture = np.take(nibabel.orientations.apply_orientation(slab, turned), 0, across)[::-1, ::-1].T
        if not np.isfinite(picture).all():
            raise DataError(f"{view} holds values that are no numbers: export it again")
        zooms = np.asarray(image.header.get_zooms()[:3], float)[np.argsort(turned[:, 0])]
        return _square(_scaled(picture), np.delete(zooms, across)[::-1], view)


def _slab(image: Any, axis: int, way: float, view: View) -> np.ndarray:
    """The one slice (…,1,…) of a volume along `axis`, which runs backwards where `way` is below 0."""
    size = image.shape[axis]
    at = size // 2 if view.at is None else view.at
    if not 0 <= at < size:
        raise DataError(
            f"{view.path} has no {view.plane} slice {at}: choose one with --slice 0 to {size - 1}"
        )
    at = at if way > 0 else size - 1 - at
    cut = [slice(None)] * 3 + [0] * (len(image.shape) - 3)
    cut[axis] = slice(at, at + 1)
    return np.asarray(image.dataobj[tuple(cut)], np.float64)


def _square(picture: np.ndarray, zooms: np.ndarray, view: View) -> np.ndarray:
    """uint8 (H,W) with square pixels of one whose pixels are `zooms` (down, right) millimetres large."""
    if not (zooms > 0).all() or np.isclose(*zooms):
        return picture
    height, width = (max(1, round(n * z / zooms.min())) for n, z in zip(picture.shape, zooms))
    if height * width > MAX_PIXELS:
        raise DataError(f"{view} would have {width}×{height} square pixels (limit: {MAX_PIXELS:,})")
    return cv2.resize(np.ascontiguousarray(picture), (width, height), interpolation=cv2.INTER_LINEAR)

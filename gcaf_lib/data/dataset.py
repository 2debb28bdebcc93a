"""The dataset: where it is, what is in it, and its hash.

The images are those of the Brain Tumor MRI Dataset (Kaggle: masoudnickparvar/brain-tumor-mri-dataset,
version 1, CC0): its counts are those of the paper, whose reference 25 names another page. Training/ and
Testing/, each with one folder per class.
manifest.csv lists its 7,023 files; `python -m gcaf_lib.data.dataset --write-manifest DIR` writes it
anew from a folder that holds the published files.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import errno
import hashlib
import io
import os
import re
import stat
import sys
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import pandas as pd
from PIL import Image

from gcaf_lib.machine import cores, write_text
from gcaf_lib.settings import CLASSES, DataSettings, SettingsError, cache_dir, digest, named_folder

FOLDERS = ("Training", "Testing")
COLUMNS = ("file", "folder", "label", "sha256", "bytes", "width", "height", "mode")
MIN_SIDE = 16  # pixels; below that there is nothing to see
MAX_PIXELS = 50_000_000  # a decoded image of 150 MB; the largest published one has 2.6 million pixels
MAX_BYTES = 2**29  # of an image file: as large as MAX_PIXELS allows, uncompressed, 16 bits in 4 channels
CURE = "run `gcaf data fetch`, or point --data or GCAF_DATA at the folder that holds Training/ and Testing/"
PHANTOM_BANNER = "PHANTOM DATA: made by a program, no patients; nothing here says anything about real tumours"
PHANTOM_SEED = 0
_INDEX_VERSION = 1
_TOO_LARGE = (
    "{name} claims to have {size} pixels and was not decoded "
    f"(limit: {MAX_PIXELS:,}): leave it out, or scale it down"
)
# what file managers and office programs leave behind; hidden files are skipped too
CLUTTER = re.compile(r"(e?h?thumbs(_vista)?( ?\(\d+\))?\.db|desktop\.ini|icon\r|~\$.*)", re.IGNORECASE)
_METADATA = (b"tEXt", b"zTXt", b"iTXt", b"iCCP")  # chunks of a PNG that change no pixel here
_FORMATS = ("JPEG", "MPO", "PNG", "TIFF", "BMP", "GIF", "WEBP", "AVIF", "PPM", "JPEG2000")


class DataError(ValueError):
    """Something is wrong with the data; the message names the file and the cure."""


class CacheError(OSError):
    """The cache folder cannot be written; the message says what to do."""


@dataclass(frozen=True)
class Header:
    """What an image file says about itself. width, height: as displayed, after any EXIF rotation.

    deep: more than 8 bits a channel, or other than whole numbers.
    """

    format: str
    width: int
    height: int
    mode: str
    turned: bool
    deep: bool


@dataclass(frozen=True)
class Dataset:
    """Indexed images. root is None where only the published index is known; banner names phantoms."""

    root: Path | None
    frame: pd.DataFrame
    hash: str
    banner: str | None = None


# --- one file ---


def inspect(data: bytes, name: str | Path) -> Header:
    """Header of an image file's bytes, without decoding it.

    Raises `DataError` (with `name` and the cure) for what is empty, no image, cut short, animated,
    smaller than `MIN_SIDE` or larger than `MAX_PIXELS`: a small file may claim to be a huge image.
    """
    if not data:
        raise DataError(f"{name} is empty (0 bytes): fetch or copy it again")
    try:
        with Image.open(io.BytesIO(bare(data))) as image:
            # only an EXIF block or a MultiPage format needs a closer look; most files have neither
            orientation = _orientation(image) if "exif" in image.info else 1
            kind, (width, height), mode = str(image.format), image.size, image.mode
            deep = mode.startswith(("I", "F")) or _bits(image, data) > 8
            # an MPO is a JPEG with a preview behind it, and not animated
            animated = kind != "MPO" and getattr(image, "n_frames", 1) > 1
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(_TOO_LARGE.format(name=name, size="far too many")) from error
    except Exception as error:  # Pillow's readers raise many kinds on hostile headers
        raise DataError(
            f"{name} is not an image that can be read: leave it out, or give a JPEG or PNG"
        ) from error
    if kind not in _FORMATS:
        raise DataError(f"{name} is of the format {kind}, which is not read here: save it as PNG or JPEG")
    if width * height > MAX_PIXELS:
        raise DataError(_TOO_LARGE.format(name=name, size=f"{width}×{height}"))
    if min(width, height) < MIN_SIDE:
        raise DataError(
            f"{name} has {width}×{height} pixels; at least {MIN_SIDE}×{MIN_SIDE} are needed: leave it out"
        )
    if animated:
        raise DataError(
            f"{name} holds several frames (animation or pages): save the one you mean as JPEG or PNG"
        )
    if _cut_short(data, kind):
        raise DataError(f"{name} is cut short (a truncated {kind}): fetch or copy it again")
    turned = orientation in range(2, 9)
    if orientation in range(5, 9):
        width, height = height, width
    return Header(kind, width, height, mode, turned, deep)


def bare(data: bytes) -> bytes:
    """A PNG's bytes without its texts and colour profile: however large or broken, they are no part of the picture.

    Other bytes come back as they are.
    """
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        return data
    kept, at = [data[:8]], 8
    while at < len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        if data[at + 4 : at + 8] not in _METADATA:
            kept.append(data[at:end])
        at = end
    return b"".join(kept)


def _orientation(image: Image.Image) -> int:
    """EXIF orientation, 1 to 8; as stored (1) where the EXIF block can't be read, which is no damage of the picture."""
    try:
        return image.getexif().get(0x0112, 1)
    except Exception:  # Pillow's reader raises many kinds on broken blocks
        return 1


def _bits(image: Image.Image, data: bytes) -> int:
    """Bits a channel, as stored: in colour Pillow keeps the upper 8 of them and says nothing."""
    if image.format == "PNG":
        return data[24]
    if image.format == "TIFF":
        return max(image.tag_v2.get(258, (1,)))
    if image.format == "PPM":  # the largest value stands among what its decoder is told
        return max(
            (int(one).bit_length() for one in image.tile[0].args[1:] if isinstance(one, int)), default=8
        )
    if image.format == "JPEG2000" and (sizes := data.find(b"\xff\x51")) >= 0:
        return (data[sizes + 40] & 127) + 1
    return 8


def _cut_short(data: bytes, kind: str) -> bool:
    """Whether a JPEG or PNG ends before its end marker (bytes behind the marker are allowed)."""
    if kind in ("JPEG", "MPO"):
        # inside scan data FF is always followed by 00, so a marker behind the last scan's start is real
        return not data.endswith(b"\xff\xd9") and data.rfind(b"\xff\xd9") < data.rfind(b"\xff\xda")
    return kind == "PNG" and not data.endswith(b"IEND\xaeB`\x82") and b"IEND\xaeB`\x82" not in data


def read_bytes(path: str | Path) -> bytes:
    """Bytes of a file; raises `DataError` that names it and the cure."""
    try:
        about = os.stat(path)
        if stat.S_ISREG(about.st_mode) and about.st_size <= MAX_BYTES:
            return Path(path).read_bytes()
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist: check the path, or {CURE}") from error
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        raise DataError(f"{path} cannot be read ({_reason(error)}") from error
    if stat.S_ISDIR(about.st_mode):
        raise DataError(f"{path} is a folder, not an image")
    if not stat.S_ISREG(about.st_mode):
        raise DataError(f"{path} is no file (a pipe or a device): give an image file")
    raise DataError(f"{path} has {about.st_size:,} bytes, too many for an image (limit: {MAX_BYTES:,})")


def _reason(error: OSError | ValueError) -> str:
    """What the system says and the cure, to stand behind an opening bracket."""
    loop = isinstance(error, OSError) and error.errno == errno.ELOOP
    cure = "it is a link to itself" if loop else "check its permissions"
    return f"{getattr(error, 'strerror', None) or error}): {cure}"


# --- a folder ---


def locate(path: str | Path | None = None) -> Path:
    """The dataset's folder: `path`, else GCAF_DATA, else brain-tumor-mri in the cache folder.

    Raises `DataError` with the cure if it is not there.
    """
    root = (
        Path(os.path.expanduser(path))
        if path
        else named_folder("GCAF_DATA") or cache_dir() / "brain-tumor-mri"
    )
    if not root.is_dir():
        said = "" if path else " (from GCAF_DATA)" if os.environ.get("GCAF_DATA") else " (the cache folder)"
        fault = "is a link that leads nowhere" if root.is_symlink() else "is not there"
        raise DataError(f"the dataset's folder {root}{said} {fault}: {CURE}")
    return root


def _subfolders(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as found:
            return sorted(e.name for e in found if e.is_dir() and not e.name.startswith("."))
    except OSError as error:
        raise DataError(f"{error.filename or folder} cannot be listed ({_reason(error)}") from error


def _demand(parent: Path, wanted: tuple[str, ...]) -> None:
    """Raise `DataError` unless `parent` holds every wanted folder; the nearest name is offered."""
    have = _subfolders(parent)
    for name in (n for n in wanted if n not in have):
        strays = {other.lower(): other for other in have if other not in wanted}
        near = difflib.get_close_matches(name.lower(), strays, 1, 0.5)
        nested = [h for h in have if (parent / h / name).is_dir()]
        if near:
            hint = f"there is {strays[near[0]]!r}: rename it to {name!r}"
        elif nested:
            hint = f"did you mean {parent / nested[0]}?"
        else:
            hint = f"it has {', '.join(have) if have else 'no folders'}; " + CURE
        raise DataError(f"{parent} has no folder {name!r}; {hint}")


def listing(root: str | Path) -> list[tuple[str, int, int]]:
    """(file, bytes, modification time in ns) of every file in the class folders, sorted by file.

    Raises `DataError` if a folder is missing, misspelt, empty or cannot be listed.
    """
    root, out = Path(root), []
    _demand(root, FOLDERS)
    for folder in FOLDERS:
        _demand(root / folder, CLASSES)
        for name in CLASSES:
            place = root / folder / name
            try:
                with os.scandir(place) as found:
                    entries = [
                        (f"{folder}/{name}/{e.name}", e.stat().st_size, e.stat().st_mtime_ns)
                        for e in found
                        if not e.name.startswith(".") and not CLUTTER.fullmatch(e.name) and e.is_file()
                    ]
            except OSError as error:
                raise DataError(f"{error.filename or place} cannot be read ({_reason(error)}") from error
            if not entries:
                raise DataError(f"{place} holds no images: fetch or copy the dataset again ({CURE})")
            out += entries
    return sorted(out)


def scan(root: str | Path, files: list[str]) -> tuple[pd.DataFrame, list[str]]:
    """Index rows of `files`, and one message for each file that cannot be used."""

    def row(name: str) -> tuple | str:
        try:
            data = read_bytes(Path(root) / name)
            head = inspect(data, Path(root) / name)
        except DataError as error:
            return str(error)
        folder, label, _ = name.split("/", 2)
        sha256 = hashlib.sha256(data).hexdigest()
        return name, folder, CLASSES.index(label), sha256, len(data), head.width, head.height, head.mode

    # the filter is global to all threads, so it is set once around them: inspect() does the refusing
    with warnings.catch_warnings(), ThreadPoolExecutor(cores()) as pool:
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        rows = list(pool.map(row, files))
    return _frame([r for r in rows if isinstance(r, tuple)]), [r for r in rows if isinstance(r, str)]


def _frame(rows: list[tuple] | pd.DataFrame) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    kinds = {name: "int64" for name in ("label", "bytes", "width", "height")}
    return frame.astype(kinds).sort_values("file", ignore_index=True)


def index(root: str | Path) -> pd.DataFrame:
    """One row a file: file, folder, label, sha256, bytes, width, height, mode; sorted by file.

    file: POSIX path below `root`; label: position in `settings.CLASSES`. A second call reads the
    cache as long as no file's size or modification time has changed. Raises `DataError` that
    names the folders or files at fault. Differs from the paper: it says nothing of broken files.
    """
    root = Path(root)
    if not root.is_dir():
        raise DataError(f"the dataset's folder {root} is not there: {CURE}")
    found = listing(root)
    signature = digest([_INDEX_VERSION, *found])
    store = cache_dir() / "index" / f"{digest(str(root.resolve()))}.csv"
    with contextlib.suppress(OSError, ValueError):
        first, _, table = store.read_text(encoding="utf-8").partition("\n")
        if first == signature:
            known = _frame(pd.read_csv(io.StringIO(table), keep_default_na=False))
            if known["file"].tolist() == [name for name, _, _ in found]:
                return known
    frame, problems = scan(root, [name for name, _, _ in found])
    if problems:
        more = (
            f"\nand {len(problems) - 5} more; `gcaf data check {root}` lists all" if len(problems) > 5 else ""
        )
        raise DataError("\n".join(problems[:5]) + more)
    with contextlib.suppress(OSError, UnicodeError):  # without its cache the index is slower, not wrong
        write_text(store, f"{signature}\n{frame.to_csv(index=False)}")
    return frame


@contextlib.contextmanager
def cache_folder(name: str) -> Iterator[Path]:
    """Folder `name` of the cache, made if absent; failures to write in it become `CacheError`."""
    folder = cache_dir() / name
    cure = "free some space or set GCAF_CACHE to a folder that can be written"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
    except CacheError:
        raise
    except OSError as error:
        raise CacheError(f"cannot write to the cache {folder} ({error.strerror or error}): {cure}") from error


def published_index() -> pd.DataFrame:
    """`index` of the published 7,023 files, from the committed manifest: no image is needed."""
    with resources.files("gcaf_lib.data").joinpath("manifest.csv").open(encoding="utf-8") as file:
        frame = pd.read_csv(file, keep_default_na=False)
    parts = frame["file"].str.split("/", n=2, expand=True)
    return _frame(frame.assign(folder=parts[0], label=parts[1].map(CLASSES.index))[list(COLUMNS)])


def data_hash(frame: pd.DataFrame) -> str:
    """First 12 hex digits of the SHA-256 over the sorted (file, sha256) pairs."""
    return digest(sorted(zip(frame["file"].tolist(), frame["sha256"].tolist())))


def open_dataset(settings: DataSettings, path: str | Path | None = None, need_images: bool = True) -> Dataset:
    """The dataset that `settings` ask for: the real images, or phantoms (made if absent).

    path: the real images' folder (see `locate`). need_images=False: where no folder is found, the
    published index stands in, so that committed records can be read without the images. The frame
    is always whole; splits restrict it to `settings.classes`. Raises `DataError` or `CacheError`.
    """
    if settings.source == "phantom":
        return _phantoms(settings.phantoms)
    try:
        root = locate(path)
    except DataError:
        if need_images or path:
            raise
        frame = published_index()
        return Dataset(None, frame, data_hash(frame))
    frame = index(root)
    return Dataset(root, frame, data_hash(frame))


def _phantoms(per_class: int) -> Dataset:
    """Phantoms of the cache, made on the first call; their folder is believed only once it is whole."""
    from gcaf_lib.data import phantom

    if per_class < 10:
        raise SettingsError(f"data.phantoms={per_class}: source=phantom needs at least 10 phantoms per class")
    with cache_folder("phantoms") as folder:
        root = folder / digest([phantom.VERSION, per_class, PHANTOM_SEED])
        if not root.is_dir():
            phantom.write(root, per_class, PHANTOM_SEED)
    frame = index(root)
    return Dataset(root, frame, data_hash(frame), PHANTOM_BANNER)


def write_manifest(root: str | Path) -> Path:
    """Write manifest.csv (file, sha256, bytes, width, height, mode) from a folder of published files."""
    frame = index(root)
    path = Path(__file__).with_name("manifest.csv")
    write_text(path, frame.drop(columns=["folder", "label"]).to_csv(index=False))
    return path


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Write the manifest of the published files.")
    parser.add_argument("--write-manifest", metavar="DIR", required=True, help="holds Training/ and Testing/")
    try:
        print(write_manifest(locate(parser.parse_args().write_manifest)))
    except (DataError, OSError) as error:
        sys.exit(f"{error}")

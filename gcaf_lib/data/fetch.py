"""Fetching: the images from Kaggle, the annotations from figshare, resumed and verified.

kagglehub and pooch know where the files are; what arrives is not trusted. Downloads are resumed by
HTTP Range (pooch starts over after a cut connection, and the archive has 880 MB) and checked
against their hash; zip files are unpacked under limits; images count only if their SHA-256
is in the committed manifest.
"""

from __future__ import annotations

import hashlib
import itertools
import lzma
import os
import shutil
import stat
import struct
import tempfile
import time
import warnings
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pandas as pd
import requests
from filelock import FileLock
from tqdm import tqdm

from gcaf_lib import machine
from gcaf_lib.data.dataset import FOLDERS, published_index
from gcaf_lib.settings import CLASSES, cache_dir

# Version 1 has as many files, class by class, as the paper: 7,023; later ones are a re-release with other files.
KAGGLE = "masoudnickparvar/brain-tumor-mri-dataset/versions/1"
KAGGLE_PAGE = "https://www.kaggle.com/datasets/masoudnickparvar/brain-tumor-mri-dataset"
FIGSHARE_DOI = "10.6084/m9.figshare.1512427.v5"
TIMEOUT = 60  # seconds without a byte
_PAGES = ("application/xhtml+xml", "application/xml", "application/json")  # as texts, no file asked for here
CHUNK = 2**16  # what a cut connection costs at most


class FetchError(OSError):
    """Something could not be fetched, or is not what it should be; the message says what to do."""


@dataclass(frozen=True)
class Limits:
    """What an archive may hold: files, bytes in all when unpacked, and bytes per compressed byte."""

    files: int = 20_000
    size: int = 2 * 2**30
    ratio: float = 100.0


# --- one file ---


def download(
    url: str,
    target: Path,
    checksum: str | None = None,
    attempts: int = 5,
    pause: float = 1.0,
    progress: bool = True,
) -> Path:
    """Fetch `url` into the file `target`; what an earlier call left in `<target>.part` is continued.

    checksum: "sha256:<hex>" or "md5:<hex>", in lower case. `attempts` connections are tried, each resuming what the last one left,
    after `pause` seconds, twice as long each time. Where another process fetches the same, this one waits for it,
    at the lock `.<target>.lock`, and with a checksum takes what it got.
    Raises `FetchError` when the server cannot be reached, answers with what is no file (another status than
    200 or 206, a web page, nothing), or the checksum differs; `target` is written whole or not at all.
    """
    if checksum and _holds(target, checksum):
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(target.with_name(f".{target.name}.lock")):
        if checksum and _holds(target, checksum):
            return target
        return _download(url, target, checksum, attempts, pause, progress)


def _download(
    url: str, target: Path, checksum: str | None, attempts: int, pause: float, progress: bool
) -> Path:
    """`download`, alone: one process at a time holds the lock of `target`."""
    part = target.with_name(target.name + ".part")
    failure, anew = None, False
    for attempt in range(attempts):
        kept = part.stat().st_size if part.exists() else 0
        try:
            got = _continue(url, part, progress, anew)
        except requests.RequestException as error:
            failure = error
            part.with_suffix(".new").unlink(missing_ok=True)
            answer = getattr(error, "response", None)
            if isinstance(error, _NoFile) or (answer is not None and 400 <= answer.status_code < 500):
                break  # the server means it
            if attempt + 1 < attempts:
                time.sleep(pause * 2**attempt)
            continue
        failure = None
        # without a checksum, what had nothing behind it is not known to be whole
        if _holds(got, checksum) if checksum else (got, got.stat().st_size) != (part, kept):
            os.replace(got, target)
            part.unlink(missing_ok=True)
            return target
        if got == part and kept:
            anew = True  # it may stem from another version on the server: start over, once, beside it
            continue
        got.unlink()
        break
    if failure is not None:
        raise FetchError(f"{url} cannot be fetched ({_short(failure)}); run the same command again to resume")
    if checksum is None:
        raise FetchError(
            f"{url} has no more than {part} holds, and without a checksum nothing tells that this is all of it; "
            "with two attempts or more it is fetched anew"
        )
    raise FetchError(f"{url} does not have the published {checksum}; it was not kept")


class _NoFile(requests.RequestException):
    """The server answers, but with no file: to ask again would not help, and what is here already stays."""


def _continue(url: str, part: Path, progress: bool, anew: bool = False) -> Path:
    """Append to `part` what is missing; returns the file written.

    That is one beside `part` where the server sends all from the start, or is asked to (`anew`): what is here
    already stays until something better is. Raises `requests.RequestException` when the connection is cut.
    """
    have = part.stat().st_size if part.exists() and not anew else 0
    asked = {"Accept-Encoding": "identity", **({"Range": f"bytes={have}-"} if have else {})}
    with requests.get(url, stream=True, timeout=TIMEOUT, headers=asked) as answer:
        if answer.status_code == 416 and have:  # nothing after it: whole, or too long; the checksum tells
            return part
        answer.raise_for_status()
        kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if answer.status_code not in (200, 206):
            raise _NoFile(
                f"the server answers {answer.status_code} {answer.reason or ''}, which is no file".strip()
            )
        chunks = answer.iter_content(CHUNK)
        first = next(chunks, b"")  # looked at before what is here already is touched
        if not first:
            raise _NoFile("the server sends nothing (0 bytes)")
        begins = first[:200].lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
        if kind.startswith("text/") or kind in _PAGES or begins in (b"<", b"{"):
            raise _NoFile("the server sends a web page in its place, as where one must log in")
        sent = answer.headers.get("Content-Range", "")
        append = answer.status_code == 206 and sent.startswith(f"bytes {have}-")
        if answer.status_code == 206 and not append:
            raise requests.ConnectionError("the server sent another range than was asked for")
        start = have if append else 0
        to = part if append or not part.exists() else part.with_suffix(".new")
        text = answer.headers.get("Content-Length") or "0"
        length = int(text) if text.isdecimal() and int(text) else None
        with (
            to.open("ab" if append else "wb") as file,
            tqdm(
                total=start + length if length else None,
                initial=start,
                unit="B",
                unit_scale=True,
                desc=part.stem,
                disable=None if progress else True,
            ) as bar,
        ):
            for chunk in itertools.chain([first], chunks):
                file.write(chunk)
                bar.update(len(chunk))
    if length and to.stat().st_size < start + length:
        raise requests.ConnectionError("the connection was cut")
    return to


def _holds(path: Path, checksum: str) -> bool:
    """Whether a file is there and has this checksum, "kind:hex"."""
    if not path.is_file():
        return False
    kind, _, wanted = checksum.partition(":")
    with path.open("rb") as file:
        return hashlib.file_digest(file, kind).hexdigest() == wanted


def _short(error: Exception) -> str:
    """An exception's name and the first line of its text."""
    text = str(error).partition("\n")[0]
    return f"{type(error).__name__}: {text[:160]}"


# --- archives ---


def unpack(archive: Path, folder: Path, limits: Limits | None = None) -> Path:
    """Unpack a zip file into the new folder `folder`, whole or not at all.

    Raises `FetchError` for paths that leave the folder (../, absolute, drives: any colon), links, encrypted
    members, and for more files, bytes or compression than `limits` allow, whatever its headers claim.
    """
    limits = limits or Limits()
    folder.parent.mkdir(parents=True, exist_ok=True)
    outer = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        temporary = outer / "unpacked"
        temporary.mkdir()  # with the rights that a new folder has here: the outer one is its owner's alone
        with zipfile.ZipFile(archive) as file:
            if len(file.infolist()) > limits.files:
                raise FetchError(
                    f"{archive} holds {len(file.infolist())} files, more than {limits.files}; it was not unpacked"
                )
            names = [_checked(info, archive) for info in file.infolist()]
            # a megabyte is harmless, however well it was compressed
            room = min(limits.size, max(2**20, int(limits.ratio * archive.stat().st_size)))
            inside = {str(above) for name in names for above in PurePosixPath(name).parents}
            for info, name in zip(file.infolist(), names):
                target = temporary / name
                # a folder that was packed on Windows may end in a backslash, or in nothing
                folder_like = info.filename.endswith(("/", "\\")) or name in inside
                if folder_like and not info.file_size:
                    target.mkdir(parents=True, exist_ok=True)
                    continue
                target.parent.mkdir(parents=True, exist_ok=True)
                with file.open(info) as source, target.open("xb") as sink:
                    while chunk := source.read(CHUNK):
                        room -= len(chunk)
                        if room < 0:
                            raise FetchError(
                                f"{archive} unpacks to far more than it should (a zip bomb); removed"
                            )
                        sink.write(chunk)
        os.replace(temporary, folder)
    except FetchError:
        raise
    except (
        struct.error,
        IndexError,
        OverflowError,
        zipfile.BadZipFile,
        zlib.error,
        RuntimeError,
        EOFError,
        lzma.LZMAError,
        ValueError,
        FileExistsError,
        NotADirectoryError,
        IsADirectoryError,
    ) as error:
        raise FetchError(f"{archive} is not a sound zip file ({_short(error)}); fetch it again") from error
    except OSError as error:  # a name that this system can't have, no room, no permission
        raise FetchError(f"{archive} cannot be unpacked here ({_short(error)})") from error
    finally:
        shutil.rmtree(outer, ignore_errors=True)
    return folder


def _checked(info: zipfile.ZipInfo, archive: Path) -> str:
    """Name of a member, if it stays inside the folder and is no link; else `FetchError`."""
    path = PurePosixPath(info.filename.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in info.filename or not path.parts:
        raise FetchError(
            f"{archive} holds the path {info.filename!r}, which leaves its folder; it was not unpacked"
        )
    if stat.S_ISLNK(info.external_attr >> 16):
        raise FetchError(f"{archive} holds the link {info.filename!r}; it was not unpacked")
    return path.as_posix()


# --- the two datasets ---


def _kaggle(handle: str) -> str:
    """Folder of a Kaggle dataset in kagglehub's own cache (kagglehub resumes by itself)."""
    import kagglehub  # slow to import, and wanted here only

    return kagglehub.dataset_download(handle)


def _figshare(doi: str) -> dict[str, tuple[str, str]]:
    """name → (URL, "md5:<hex>") of a figshare record's zip files, looked up by pooch."""
    import pooch
    from pooch.downloaders import doi_to_repository

    registry = pooch.create(path=cache_dir(), base_url=f"doi:{doi}/")
    with warnings.catch_warnings(action="ignore", category=UserWarning):
        repository = doi_to_repository(doi, timeout=TIMEOUT)
        repository.populate_registry(registry)
    return {
        name: (repository.download_url(name), checksum)
        for name, checksum in registry.registry.items()
        if name.endswith(".zip")
    }


def absent(folder: Path, wanted: pd.DataFrame) -> list[str]:
    """Files of `wanted` (file, sha256) that are not in `folder`, or whose content differs."""
    files = zip(wanted["file"], wanted["sha256"])
    return [name for name, sha256 in files if not _holds(folder / name, f"sha256:{sha256}")]


def fetch_dataset(
    destination: Path | None = None,
    archive: Path | None = None,
    wanted: pd.DataFrame | None = None,
    kaggle: Callable[[str], str] = _kaggle,
) -> Path:
    """Put the published images into `destination` (the cache folder); files already right are kept, others of their names
    are replaced: a folder of published images is repaired.

    archive: a zip file or folder that the user downloaded by hand, in place of Kaggle. wanted: file
    and sha256 (the committed manifest). Raises `FetchError` when Kaggle cannot be reached or
    files are missing or altered. Only files with a published hash are copied.
    """
    destination = destination or cache_dir() / "brain-tumor-mri"
    wanted = published_index() if wanted is None else wanted
    if not (missing := absent(destination, wanted)):
        return destination
    source = archive
    if archive is None:
        try:
            source = Path(kaggle(KAGGLE))
        except Exception as error:  # kagglehub raises its own and its libraries' errors
            raise FetchError(
                f"Kaggle cannot be reached ({_short(error)}). By hand: download {KAGGLE_PAGE} (version 1) in a "
                f"browser, unpack it, and use the folder that holds Training/ and Testing/ with --data or GCAF_DATA"
            ) from error
    if not (source.is_file() or source.is_dir()):
        raise FetchError(
            f"{source} {'is neither a zip file nor a folder' if source.exists() else 'does not exist'}"
        )
    destination.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=destination.parent) as scratch:
        if source.is_file():
            source = unpack(source, Path(scratch) / "unpacked")
        root = _root(source)
        table = wanted.set_index("file")["sha256"]
        for name in tqdm(missing, "images", disable=None):
            if _holds(root / name, f"sha256:{table[name]}"):
                with machine.whole(destination / name) as part:
                    shutil.copyfile(root / name, part)
    if missing := absent(destination, wanted):
        # what was unpacked for the moment is gone again
        told = f"; `gcaf data check {root}` says which" if root.exists() else ""
        raise FetchError(
            f"{len(missing)} of {len(wanted)} files are missing or not the published ones, e.g. {missing[0]}: "
            f"this is another variant of the dataset{told}. "
            f"The one with the paper's counts is version 1 of {KAGGLE_PAGE}"
        )
    return destination


def _root(source: Path) -> Path:
    """The folder at or below `source` that holds most of the class folders; `source` itself where none holds any."""
    places = [source, *(path.parent for path in source.glob("**/Training") if path.is_dir())]
    wanted = [f"{folder}/{name}" for folder in FOLDERS for name in CLASSES]

    def held(place: Path) -> int:
        return sum(1 for name in wanted if any((place / name).glob("[!.]*.*")))

    return max(places, key=lambda place: (held(place), -len(place.parts)))


def fetch_figshare(
    destination: Path | None = None,
    lookup: Callable[[str], dict[str, tuple[str, str]]] = _figshare,
) -> Path:
    """Put the zip files of figshare's archive into `destination` (the cache folder), resumed and verified.

    They are read as they are (`figshare.read`), never unpacked. Raises `FetchError`.
    """
    destination = destination or cache_dir() / "figshare"
    try:
        files = lookup(FIGSHARE_DOI)
    except (requests.RequestException, ValueError, LookupError, ImportError) as error:
        raise FetchError(
            f"figshare cannot be reached ({_short(error)}). By hand: download the four zip files of "
            f"https://doi.org/{FIGSHARE_DOI} in a browser, and point GCAF_FIGSHARE at their folder"
        ) from error
    if not files:
        raise FetchError(f"https://doi.org/{FIGSHARE_DOI} lists no zip files; its layout has changed")
    for name, (url, checksum) in sorted(files.items()):
        if PurePosixPath(name).name != name or name.startswith("."):
            raise FetchError(f"figshare lists a file named {name!r}, which leaves its folder")
        download(url, destination / name, checksum)
    return destination


def fetch(destination: Path | None = None, figshare: bool = False, archive: Path | None = None) -> str:
    """Fetch the images and, if wished, the figshare archive; return one line for each place."""
    places = [f"images: {fetch_dataset(destination, archive)}"]
    if figshare:
        beside = destination.parent / "figshare" if destination else None
        places.append(f"figshare: {fetch_figshare(beside)}")
    return "\n".join(places)

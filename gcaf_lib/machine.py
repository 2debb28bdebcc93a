"""What differs from one operating system to the next: asked here alone, and nothing fails where it isn't there."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import itertools
import os
import platform
import stat
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    import pandas as pd

_NUMBERS = itertools.count()
LEFT = 3600  # seconds after which a file that nobody writes to is taken for what a killed process left


def cores() -> int:
    """Processor cores that this process may use; where the system doesn't say (macOS, Windows), all there are."""
    ask = getattr(os, "sched_getaffinity", None)
    return len(ask(0)) if ask else os.cpu_count() or 1


def processor() -> list[str]:
    """What tells one kind of processor from another, its name and instruction sets; empty where nobody says."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    return sorted({line for line in lines if line.startswith(("flags", "Features", "model name"))})


# oneDNN's names for what a processor may offer, widest first, and the flag in /proc/cpuinfo that tells; what is
# wider than the first counts as the first
INSTRUCTIONS = {"AVX512_CORE": "avx512bw", "AVX2": "avx2", "AVX": "avx", "SSE41": "sse4_1"}


def limit() -> str:
    """To which vector instructions the environment holds oneDNN down, in its words; empty where it doesn't."""
    asked = os.environ.get("ONEDNN_MAX_CPU_ISA") or os.environ.get("DNNL_MAX_CPU_ISA") or ""
    return "" if asked.upper() in ("ALL", "DEFAULT") else asked.upper()


def instructions() -> str:
    """The widest vector instructions that oneDNN takes here: they decide how sums are rounded.

    `AVX2`; `AVX2 of AVX512_CORE` where the environment holds down a processor that has wider ones. Empty where nobody says.
    """
    flags = " ".join(processor()).split()
    widest = next((name for name, flag in INSTRUCTIONS.items() if flag in flags), "")
    return f"{limit()} of {widest}" if limit() not in ("", widest) and widest else widest


def gone(process: int) -> bool:
    """Whether no process has this number any more; False where asking could do harm (Windows)."""
    if os.name == "posix":
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return True
        except (OSError, OverflowError):  # somebody else's, or no number of a process
            return False
    return False


@contextlib.contextmanager
def variables(**values: str) -> Iterator[None]:
    """Environment variables for as long as the block lasts; then those of before stand again, or none."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def demand_place(path: str | Path) -> None:
    """Raise `OSError` where no file can be written: on a folder, a device or pipe, below a file, in a closed folder.

    `whole` asks it too: who asks before long work is not told behind it.
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    # a link like /dev/stdout may lead to a plain file, and would itself be replaced by one
    if (path.exists() and not path.is_file()) or os.path.realpath(path.parent) == os.path.dirname(os.devnull):
        fault = "a device or pipe, which a file would replace: give the name of a file"
        raise OSError(errno.EINVAL, fault, str(path))
    near = next(folder for folder in path.absolute().parents if folder.exists())
    if not near.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))
    if not os.access(near, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))


@contextlib.contextmanager
def hushed() -> Iterator[None]:
    """Hold back what the block writes to standard error, native code too; it is shown where the block fails."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(AttributeError, OSError, ValueError):  # no standard error: nothing to hold
            sys.stderr.flush()
            kept, held = os.dup(2), stack.enter_context(tempfile.TemporaryFile())
            stack.callback(os.close, kept)
            os.dup2(held.fileno(), 2)
            stack.push(lambda kind, *_: _give_back(kept, held, shown=kind is not None))
        yield


def _give_back(kept: int, held: BinaryIO, shown: bool) -> None:
    with contextlib.suppress(AttributeError, OSError, ValueError):
        sys.stderr.flush()
    os.dup2(kept, 2)
    if shown:
        held.seek(0)
        os.write(2, held.read())


FORKS = sys.platform == "linux"  # whether what has only been imported may be forked


def forked(work: Callable[[], None], log: str) -> int:
    """Do `work` in a copy of this process that reads nothing and writes to the end of the file `log`; returns its exit status.

    A signal that ends it is a negative number. Only where `FORKS`.
    """
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    status = 1
    try:
        place = os.open(log, os.O_WRONLY | os.O_APPEND)
        for stream, target in ((0, os.open(os.devnull, os.O_RDONLY)), (1, place), (2, place)):
            os.dup2(target, stream)
        work()
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _old(path: Path) -> bool:
    """Whether a file is there and was last written more than `LEFT` ago."""
    with contextlib.suppress(OSError):  # taken meanwhile by another process
        return time.time() - path.stat().st_mtime > LEFT
    return False


@contextlib.contextmanager
def whole(path: str | Path) -> Iterator[Path]:
    """A file written whole or not at all: the block writes the path it is given, which then becomes `path`.

    The folder is made. The path given is hidden and ends as `path` does, as some writers insist on an ending;
    what killed processes of this machine left in the folder an hour ago or more is removed: a container of the
    same host name counts its processes by itself, and what it writes now stays. Raises as `demand_place` does.
    """
    path = Path(path)
    demand_place(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    here = f".part-{hashlib.sha256(platform.node().encode()).hexdigest()[:6]}-"
    for left in path.parent.glob(f"{here}*"):
        owner = left.name.removeprefix(here).partition("-")[0]
        if owner.isdecimal() and gone(int(owner)) and _old(left):
            left.unlink(missing_ok=True)
    part = path.with_name(f"{here}{os.getpid()}-{next(_NUMBERS)}-{path.name[-24:]}")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def read_text(path: str | Path, most: int, error: type[Exception], wanted: str) -> str:
    """Text in UTF-8, with or without its mark, of a file that somebody gave; of at most `most` bytes.

    Raises `error` with the file and what was `wanted` for what is no file (to read a pipe or a device may never end),
    is too large or in another encoding; `OSError` where it isn't there or can't be read.
    """
    about = os.stat(path)
    if not stat.S_ISREG(about.st_mode):
        kind = "a folder" if stat.S_ISDIR(about.st_mode) else "no file (a pipe or a device)"
        raise error(f"{path} is {kind}: {wanted}")
    if about.st_size > most:
        raise error(f"{path} has {about.st_size:,} bytes: {wanted}")
    data = Path(path).read_bytes()
    try:
        if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
            raise error(f"{path} is UTF-16, as PowerShell's > writes it: save it as UTF-8")
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as odd:
        raise error(f"{path} is not text in UTF-8 (byte {odd.start}): {wanted}") from odd


def file_digest(path: str | Path) -> str:
    """12 hex digits over a file's content; of text (csv, json) whatever line ends a checkout gave it."""
    content = Path(path).read_bytes()
    if Path(path).suffix in (".csv", ".json"):
        content = content.replace(b"\r\n", b"\n")
    return hashlib.sha256(content).hexdigest()[:12]


def write_text(path: str | Path, text: str) -> None:
    """A text file in UTF-8, its line ends as they are in `text`, whole or not at all."""
    with whole(path) as part:
        part.write_text(text, encoding="utf-8", newline="")


def write_table(path: str | Path, table: pd.DataFrame, numbers: str | None = None) -> None:
    """A table as CSV without its index, whole or not at all; numbers: how floats are written (None: in full)."""
    with whole(path) as part:
        table.to_csv(part, index=False, lineterminator="\n", float_format=numbers)

"""What a run was made with: commit, code fingerprint, backend, versions and device."""

from __future__ import annotations

import ast
import contextlib
import hashlib
import os
import platform
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from gcaf_lib import machine
from gcaf_lib.settings import cache_dir, digest

PACKAGE = Path(__file__).resolve().parents[1]
# What stands between a file of the dataset and a record: a change elsewhere can't make a record stale.
TRAINING_CODE = (
    "settings.py",
    "data/dataset.py",
    "data/decode.py",
    "data/preprocess.py",
    "data/splits.py",
    "model",
    "training/feed.py",
    "training/loop.py",
    "training/task.py",
    "training/train.py",
)
VERSIONED = ("keras", "tensorflow", "jax", "keras-cv", "numpy", "opencv-python-headless", "scikit-learn")


def open_backend() -> None:
    """Import the backend and let it look for devices, its native code's chatter held back (GCAF_DEBUG: shown)."""
    with contextlib.nullcontext() if os.environ.get("GCAF_DEBUG") else machine.hushed():
        from gcaf_lib.model import backend

        backend.accelerators()


@cache
def fingerprint(parts: tuple[str, ...] = TRAINING_CODE) -> str:
    """12 hex digits over the library's source below `parts`, as it was when this process first asked.

    A process goes on with the code that it began with, whatever is edited meanwhile: so do its records. Taken without docstrings and comments: a reworded one does not make a record look stale, any
    change of code does.
    """
    paths = [PACKAGE / part for part in parts]
    files = [file for path in paths for file in (sorted(path.rglob("*.py")) if path.is_dir() else [path])]
    sources = [(file.relative_to(PACKAGE).as_posix(), file.read_text(encoding="utf-8")) for file in files]
    # reading all syntax takes a second, in each chapter's kernel; what is remembered holds for these very characters
    memo = cache_dir() / "code" / digest([Path(__file__).read_text(encoding="utf-8"), sources])
    with contextlib.suppress(OSError, ValueError):
        if re.fullmatch("[0-9a-f]{12}", known := memo.read_text(encoding="utf-8")):
            return known
    total = hashlib.sha256()
    for name, source in sources:
        total.update(name.encode())
        total.update(_code(source).encode())
    found = total.hexdigest()[:12]
    with contextlib.suppress(OSError):  # a cache that can't be written costs a second each time, nothing else
        machine.write_text(memo, found)
    return found


def _documented(tree: ast.Module) -> Iterator[ast.stmt]:
    """The docstrings of a module and of what is defined in it, and any other text that begins a block."""
    blocks: list[Any] = [tree]
    while blocks:
        block = blocks.pop()
        body = getattr(block, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            first = body[0].value
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield body[0]
        # statements stand in these alone; below an expression there is none
        for name in ("body", "orelse", "finalbody", "handlers", "cases"):
            inner = getattr(block, name, None)
            blocks.extend(inner if isinstance(inner, list) else [])


# text first, so that its # begins no comment: in three quotes, then in one
_TEXT = re.compile(r"""(?s)(\"{3}|'{3})(?:\\.|.)*?\1|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|\#[^\n]*""")


def _comments(source: str) -> Iterator[tuple[int, int, int, int]]:
    """Where comments stand, (line, column, line, column): `tokenize` says the same and takes far longer."""
    line, start = 1, 0
    for found in _TEXT.finditer(source):
        line += source.count("\n", start, found.start())
        start = found.start()
        if found[0].startswith("#"):
            column = start - (source.rfind("\n", 0, start) + 1)
            yield line, column, line, column + len(found[0])


@cache
def _code(source: str) -> str:
    """Source without docstrings, comments and blank lines: text, so that every Python gives the same."""
    lines = source.splitlines()
    spans = []
    for text in _documented(ast.parse(source)):
        spans.append((text.lineno, 0, text.end_lineno, len(lines[text.end_lineno - 1])))
    spans += _comments(source)
    for top, left, bottom, right in sorted(spans, reverse=True):
        lines[top - 1 : bottom] = [lines[top - 1][:left] + lines[bottom - 1][right:]] + [""] * (bottom - top)
    return "\n".join(line.rstrip() for line in lines if line.strip())


def commit() -> tuple[str | None, bool]:
    """The checkout's commit and whether tracked code, of benchmarks too, differs from it ((None, False): no git).

    Results and the executed book are outputs of the code and don't count as a difference.
    """

    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(PACKAGE), *words],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=20,
        )
        done.check_returncode()
        return done.stdout.strip()

    try:
        head = git("rev-parse", "HEAD")
        code = (":/gcaf_lib", ":/notebooks/*.py", ":/benchmarks")
        return head, bool(git("status", "--porcelain", "--untracked-files=no", "--", *code))
    except (OSError, subprocess.SubprocessError):
        return None, False


def versions() -> dict[str, str]:
    """Python's version and those of the packages that decide numbers."""
    found = {"python": platform.python_version()}
    for name in VERSIONED:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def device() -> str:
    """The device in words: `2 CPU cores (x86_64, AVX2)`, or the accelerator's name as the backend gives it."""
    from gcaf_lib.model.backend import accelerators

    if names := accelerators():
        return f"{len(names)} x {names[0]}"
    kind = ", ".join(filter(None, (platform.machine(), machine.instructions())))
    return f"{machine.cores()} CPU cores ({kind})"


def threads() -> int:
    """How many threads an operation is split over on a CPU: sums over other parts round otherwise."""
    import keras

    asked = os.environ.get("TF_NUM_INTRAOP_THREADS", "") if keras.backend.backend() == "tensorflow" else ""
    return int(asked) if asked.isdecimal() and int(asked) else machine.cores()


def switches() -> dict[str, str]:
    """Variables of the environment that change how TensorFlow computes, where they are set."""
    kept = {  # where compiled programs are kept changes nothing
        name: " ".join(word for word in os.environ.get(name, "").split() if "cache" not in word)
        for name in ("TF_ENABLE_ONEDNN_OPTS", "TF_XLA_FLAGS", "XLA_FLAGS")
    }
    return {name: value for name, value in kept.items() if value}


def backend_flags(cache: Path, flags: str = "") -> dict[str, str]:
    """Environment that TensorFlow must find when it is first imported, to keep what XLA compiles in `cache`.

    flags: TF_XLA_FLAGS as it is; what stands there stays, and a cache folder there is the one in use.
    JAX takes the same while it runs (`model.backend.compilation_cache`).
    """
    name = "--tf_xla_persistent_cache_directory="
    if name in flags:
        return {}
    return {"TF_XLA_FLAGS": f"{flags} {name}{cache}".strip()}


def describe() -> dict[str, Any]:
    """Everything above, for a run record's `provenance`."""
    import keras

    head, dirty = commit()
    return {
        "commit": head,
        "dirty": dirty,
        "fingerprint": fingerprint(),
        "backend": keras.backend.backend(),
        "versions": versions(),
        "device": device(),
        "threads": threads(),
        "switches": switches(),
    }

"""What a terminal or pipe is given: text that it can take, names without control codes, JSON that is valid."""

from __future__ import annotations

import argparse
import contextlib
import decimal
import errno
import json
import math
import os
import sys
import unicodedata
import warnings
from typing import Any

# besides control codes: what turns the direction of writing, and halves of characters (names that are no UTF-8)
_HIDDEN = ("Cc", "Cf", "Cs", "Zl", "Zp")
CURES = {
    errno.ENOENT: "check the path",
    errno.ENOTDIR: "a part of this path is a file; check it",
    errno.EISDIR: "give the name of a file",
    errno.EACCES: "check its permissions",
    errno.ENOSPC: "free some space",
}


def prepare() -> None:
    """Let no character be the end of a command: what the encoding of the output lacks is written as an escape.

    A warning is one line, without the place in the code that raised it.
    """
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):  # a stream that is none, or closed
            stream.reconfigure(errors="backslashreplace")
    # Pillow's word on images that are too large, which are refused in one line of our own (`data.dataset`)
    warnings.filterwarnings("ignore", r"Image size \(\d+ pixels\) exceeds limit")
    warnings.formatwarning = lambda message, *_: f"gcaf: careful: {visible(message)}\n"


def arguments(doc: str, *names: str) -> list[str]:
    """What a module run by hand (`python -m …`) was given, a value a name, a list for `NAME...`; --help prints its docstring and runs nothing.

    What is `expected` to go wrong from here on is said in one line.
    """
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    for name in names:
        one = name.removesuffix("...")
        parser.add_argument(one.lower(), metavar=one, nargs=None if one == name else "+")
    given = list(vars(parser.parse_args()).values())

    def said(kind: type, error: Exception, trace: Any) -> None:
        if expected(error) and not os.environ.get("GCAF_DEBUG"):
            print(f"{parser.prog}: error: {message(error)}", file=sys.stderr)
        else:
            sys.__excepthook__(kind, error, trace)

    sys.excepthook = said
    return given


def expected(error: Exception) -> bool:
    """The project's own exceptions, the operating system's, and what is not installed; a bug elsewhere stays visible."""
    if isinstance(error, ModuleNotFoundError):
        return not (error.name or "gcaf_lib").startswith("gcaf_lib")
    return isinstance(error, OSError) or type(error).__module__.startswith("gcaf_lib.")


def message(error: Exception) -> str:
    """An error in one line, with what to do about it where the operating system says only what is wrong."""
    if isinstance(error, ModuleNotFoundError):
        return f"{error.name} is not installed: `pip install .` in this project's checkout brings all that gcaf needs"
    if isinstance(error, OSError) and error.strerror:
        cure = CURES.get(error.errno, "")
        said = f"{error.strerror}: {cure}" if cure and error.filename else error.strerror
        return f"{visible(error.filename)}: {said}" if error.filename else said
    return visible(" ".join(str(error).split()))


def visible(text: object) -> str:
    """A name as one line of printable characters: line ends, escape codes and the like become `\\x1b`, `\\n`, …"""
    return "".join(repr(c)[1:-1] if unicodedata.category(c) in _HIDDEN else c for c in str(text))


def lines(text: str) -> str:
    """Several lines, each as `visible` has it: an answer that quotes what a file says."""
    return "\n".join(map(visible, text.split("\n")))


def many(number: int, thing: str) -> str:
    """`1 file`, `2,000 files`: a number and what is counted."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def cut(value: float, decimals: int, up: bool = False, scale: int = 1) -> str:
    """`0.9132` of 0.91329: a number, times `scale`, rounded down, or up: *at least*, or *at most*, is true of what is read."""
    way = decimal.ROUND_CEILING if up else decimal.ROUND_FLOOR
    exact = scale * decimal.Decimal(repr(float(value)))  # 100 * 0.29 is 28.999999999999996
    return f"{exact.quantize(decimal.Decimal(1).scaleb(-decimals), way) + 0:f}"


def as_json(tree: Any) -> str:
    """Valid JSON: no NaN or infinity, which are null, and escapes where the output's encoding is not UTF-8."""
    wide = (getattr(sys.stdout, "encoding", None) or "").lower().replace("-", "") == "utf8"
    return json.dumps(_finite(tree), indent=1, ensure_ascii=not wide, allow_nan=False)


def _finite(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: _finite(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [_finite(value) for value in tree]
    return None if isinstance(tree, float) and not math.isfinite(tree) else tree


def finish() -> None:
    """Write what is still held back. Raises `OSError` where it can't be: nobody reads any more, or the device is full."""
    with contextlib.suppress(AttributeError, ValueError):
        sys.stdout.flush()


def let_go() -> None:
    """Let nothing more be written to an output that failed: Python would complain of it at its end."""
    with contextlib.suppress(AttributeError, OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

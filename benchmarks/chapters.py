"""Where the time of the executed book goes: seconds of each chapter by kind of work.

    python -m benchmarks.chapters [--profile cpu] [--only 07 11] [--out results/benchmarks/chapters-cpu.json]

Each chapter is executed from the committed records as `gcaf chapters` does it, but one at a time, in a kernel whose clock runs
where the work is done: *start* until the kernel answers and *imports* of any module are paid by every chapter; *resampling* is
the intervals over patients (`worth.samples`), *figures* their drawing; *the rest* is everything else (reading records,
networks that are built or asked, tables). `gcaf chapters` has a chapter on every core. An idle machine, please.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import nbformat

from benchmarks import figures
from gcaf_lib import settings
from gcaf_lib.book import notebooks, runner

KINDS = ("start", "imports", "resampling", "figures", "the rest")
# executed in the kernel before and after the chapter's cells; work within other work counts for the outer one
CLOCK = """
import builtins, functools, json, time
_spent, _busy, _begun = {"imports": 0.0, "resampling": 0.0, "figures": 0.0}, [], time.perf_counter()
def _timed(kind, function):
    @functools.wraps(function)
    def run(*given, **named):
        if _busy:
            return function(*given, **named)
        _busy.append(kind); start = time.perf_counter()
        try:
            return function(*given, **named)
        finally:
            _busy.pop(); _spent[kind] += time.perf_counter() - start
    return run
builtins.__import__ = _timed("imports", builtins.__import__)
from matplotlib.figure import Figure
from gcaf_lib.evaluation import worth
Figure.savefig, worth.samples = _timed("figures", Figure.savefig), _timed("resampling", worth.samples)
"""
REPORT = "print(json.dumps(_spent | {'all': time.perf_counter() - _begun}))"


def measure(source: Path, profile: str) -> dict[str, float]:
    """Seconds of one chapter, by kind of work."""
    from nbclient import NotebookClient

    book = notebooks.plain_notebook(source)
    for cell in book.cells:
        if "parameters" in cell.metadata.get("tags", []):
            cell.source += f"\nprofile = {profile!r}"
    book.cells = [nbformat.v4.new_code_cell(CLOCK), *book.cells, nbformat.v4.new_code_cell(REPORT)]
    start = time.perf_counter()
    with runner.kernel():
        place = {"metadata": {"path": str(runner.root())}}
        NotebookClient(book, timeout=None, resources=place, shutdown_kernel="immediate").execute()
    whole = time.perf_counter() - start
    printed = [out["text"] for out in book.cells[-1].outputs if out.get("name") == "stdout"]
    return split(json.loads("".join(printed)), whole)


def split(spent: dict[str, float], whole: float) -> dict[str, float]:
    """Seconds by `KINDS`, which add up to the whole. spent: what the kernel's clock says; all: since its first cell."""
    inside = {kind: spent[kind] for kind in KINDS if kind in spent}
    return {"start": whole - spent["all"], **inside, "the rest": spent["all"] - sum(inside.values())}


def main(arguments: list[str] | None = None) -> int:
    """Print a line a chapter and keep the figures."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.chapters",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--profile", default="cpu", help="settings' profile (default: cpu)")
    parser.add_argument("--only", nargs="*", help="chapters by number or name (default: all)")
    figures.add_out(parser)
    args = parser.parse_args(arguments)
    settings.load(args.profile)  # a wrong name fails here
    found = {}
    for source in runner.choose(notebooks.sources(runner.root() / "notebooks"), args.only):
        found[source.stem] = one = measure(source, args.profile)
        print(source.stem, *(f"{kind} {seconds:.1f}" for kind, seconds in one.items()), sep="  ", flush=True)
    figures.keep(args, {"seconds": found})
    return 0


if __name__ == "__main__":
    sys.exit(main())

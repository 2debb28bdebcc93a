"""Where the time of the executed book goes: seconds of each chapter by kind of work.

    python -m benchmarks.chapters [--profile cpu] [--only 07 11] [--out results/benchmarks/chapters-cpu.json]

Each chapter is executed from the committed records as `gcaf chapters` does it, but one at a time, in a kernel whose clock runs
where the work is done: *start* until the kernel answers and *imports* of any module are paid by every chapter; *records* are
found and read; *resampling* is the intervals over patients and the permutations of them; *networks* are layers that are built
or asked; *figures* are written; *the rest* is everything else (reading images, instruments, tables, gradients). The front page,
which `gcaf chapters` makes beside them, is the last row. *together*: all of it by the clock as `gcaf chapters` does it, a chapter
on every core, some rounds. An idle machine, please.
"""

from __future__ import annotations

import functools
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat

from benchmarks import figures
from gcaf_lib import settings
from gcaf_lib.book import notebooks, runner

KINDS = ("start", "imports", "records", "resampling", "networks", "figures", "the rest")
# executed in the kernel before and after the chapter's cells; work within other work counts for the outer one
CLOCK = """
import builtins, functools, json, sys, time
_spent = dict.fromkeys(("imports", "records", "resampling", "networks", "figures"), 0.0)
_busy, _begun, _import, _waiting = [], time.perf_counter(), builtins.__import__, [True]
def _timed(kind, place, *names):
    for name in names:
        setattr(place, name, _counted(kind, getattr(place, name)))
def _counted(kind, function):
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
@functools.wraps(_import)
def _importing(*given, **named):
    found = _import(*given, **named)
    if _waiting and hasattr(sys.modules.get("keras"), "layers"):  # here from the start where kernels are forked
        _waiting.clear()
        _timed("networks", sys.modules["keras"].layers.Layer, "__call__")
    return found
builtins.__import__ = _counted("imports", _import)
from matplotlib.figure import Figure
from gcaf_lib.book.chapter import Chapter
from gcaf_lib.evaluation import bootstrap, clustered, intervals
builtins.__import__ = _counted("imports", _importing)
_timed("figures", Figure, "savefig")
_timed("records", Chapter, "records", "strip")
_timed("resampling", bootstrap, "samples"), _timed("resampling", clustered, "mean_draws")
_timed("resampling", intervals, "cluster_permutation")
"""
REPORT = "print(json.dumps(_spent | {'all': time.perf_counter() - _begun}))"


def measure(source: Path, profile: str) -> dict[str, float]:
    """Seconds of one chapter, by kind of work."""
    book = notebooks.plain_notebook(source)
    for cell in book.cells:
        if "parameters" in cell.metadata.get("tags", []):
            cell.source += f"\nprofile = {profile!r}"
    return spent([cell.source for cell in book.cells if cell.cell_type == "code"])


def front_page(profile: str) -> dict[str, float]:
    """Seconds of the front page's computed parts, written anew where they are, by kind of work."""
    book = runner.root() / "book"
    write = f"from pathlib import Path\nfrom gcaf_lib.book import frontpage\nfrontpage.write({profile!r}, Path({str(book)!r}))"
    return spent([write])


def side_by_side(profile: str) -> float:
    """Seconds of `gcaf chapters` by the clock, its interpreter's start included; the pages are thrown away."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "gcaf_lib.cli", "chapters", "--profile", profile]
        start = time.perf_counter()
        subprocess.run([*command, "--out", f"{folder}/book/notebooks"], check=True)
        return time.perf_counter() - start


def spent(cells: list[str]) -> dict[str, float]:
    """Seconds of code cells in a kernel of their own, by kind of work."""
    from nbclient import NotebookClient

    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in (CLOCK, *cells, REPORT)])
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
    parser = figures.parser("chapters", __doc__)
    parser.add_argument("--profile", default="cpu", help="settings' profile (default: cpu)")
    parser.add_argument("--only", nargs="*", help="chapters by number or name (default: all)")
    parser.add_argument(
        "--rounds", type=int, default=3, help="times all chapters are made together (default: 3)"
    )
    figures.add_out(parser)
    args = parser.parse_args(arguments)
    settings.load(args.profile)  # a wrong name fails here
    chosen = runner.choose(notebooks.sources(runner.root() / "notebooks"), args.only)
    jobs = {source.stem: functools.partial(measure, source, args.profile) for source in chosen}
    if not args.only:
        jobs[runner.FRONT_PAGE] = functools.partial(front_page, args.profile)
    found, rounds = {}, 0 if args.only else args.rounds
    together = [side_by_side(args.profile) for _ in range(rounds)]
    for name, job in jobs.items():
        found[name] = one = job()
        print(name, *(f"{kind} {seconds:.1f}" for kind, seconds in one.items()), sep="  ", flush=True)
    figures.keep(args, {"seconds": found, "together": together})
    return 0


if __name__ == "__main__":
    sys.exit(main())

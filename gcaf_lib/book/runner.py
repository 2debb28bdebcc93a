"""The chapter runner: papermill executes each chapter, this tidies the result and puts it in place.

run_chapters("cpu")             every chapter into book/notebooks/
run_chapters("demo", ["01"])    one chapter into _build/demo/book/notebooks/
sync()                          the clean .ipynb pairs from the .py sources
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat

from gcaf_lib import settings as _settings
from gcaf_lib.book import notebooks, provenance, speed
from gcaf_lib.book.chapter import checkout
from gcaf_lib.book.notebooks import BookError
from gcaf_lib.machine import variables, write_text

FRONT_PAGE = "front page"


class ChapterError(BookError):
    """Chapters failed; the message names each one, its cell and its log."""


def root() -> Path:
    """The checkout; raises `BookError` where there is none."""
    found = checkout()
    if found is None:
        raise BookError("the book is made in a checkout of the project (no notebooks/ beside gcaf_lib)")
    return found


def sync(folder: Path | None = None, check: bool = False) -> list[Path]:
    """Write the clean .ipynb beside each chapter's .py; returns those that had drifted.

    With `check` nothing is written.
    """
    return notebooks.sync(folder or root() / "notebooks", check)


def run_chapters(
    profile: str = "cpu",
    only: list[str] | None = None,
    output: Path | None = None,
    progress: bool = True,
    folder: Path | None = None,
    overrides: dict[str, Any] | None = None,
    workers: int | None = None,
) -> list[Path]:
    """Execute the chapters under a profile, several at a time; returns the executed notebooks in their order.

    `only` names chapters by number or name ("01", "01_dataset"). `output` is where executed copies
    go: book/notebooks for `cpu` and `paper`, _build/demo/book/notebooks for `demo`, so that a demo
    never overwrites the committed pages. `overrides` ({"training.batch_size": "64"}) change settings
    beneath the profile; pages made so count as stale. `workers`: chapters at a time, by default as many as there
    are cores; what they need trained is trained first. Where no chapter is named, the front page's scorecard is
    renewed beside them, from the same records. Raises `ChapterError` when all have ended, where any failed; the
    others are in place.
    """
    import joblib

    _need("papermill", "ipykernel", "nbclient")
    settings = _settings.load(profile, overrides)  # a wrong setting fails here, not in each chapter
    folder = folder or root() / "notebooks"
    if output is None:
        output = root() / ("_build/demo/book/notebooks" if profile == "demo" else "book/notebooks")
    chosen = choose(notebooks.sources(folder), only)
    workers = workers or joblib.cpu_count()
    if not overrides:
        trainers = workers if settings.model.scale == "mini" else 1
        _train(chosen, profile, settings.data.source == "phantom", trainers, progress)
    attempt, given = joblib.delayed(_attempt), (profile, Path(output), overrides or {})
    jobs = [attempt(source.stem, _execute, source, *given) for source in longest_first(chosen)]
    if not only:
        jobs.insert(0, attempt(FRONT_PAGE, _front_page, profile, Path(output).parent))
    pool = joblib.Parallel(min(workers, len(jobs)), return_as="generator_unordered")
    failures: dict[str, str] = {}
    for count, (name, seconds, failure) in enumerate(pool(jobs), 1):
        if failure:
            failures[name] = failure
        if progress:
            said = "failed" if failure else f"{seconds:.0f} s"
            print(f"{count:3d} of {len(jobs)}  {name}  {said}", file=sys.stderr, flush=True)
    if failures:
        in_order = [*(source.stem for source in chosen), FRONT_PAGE]
        raise ChapterError("\n".join(failures[name] for name in in_order if name in failures))
    return [Path(output) / f"{source.stem}.ipynb" for source in chosen]


def choose(all_sources: list[Path], only: list[str] | None) -> list[Path]:
    """Those of the chapters' sources that `only` names, as in `run_chapters`, in their order; `BookError` where it names none."""
    if not only:
        return all_sources
    chosen = []
    for word in only:
        # "1", "01" and "01_dataset" all name the first chapter
        hits = [s for s in all_sources if s.stem == word or s.stem.split("_")[0] == word.zfill(2)]
        if not hits:
            raise BookError(f"no chapter {word!r}; there are: {', '.join(s.stem for s in all_sources)}")
        chosen += hits
    return [s for s in all_sources if s in chosen]


def longest_first(sources: list[Path]) -> list[Path]:
    """Chapters by the seconds that `benchmarks.chapters` has on record, so that at the end no core is left alone with a long one."""
    took = speed.read("chapters").get("chapters-cpu", {"seconds": {}})["seconds"]
    return sorted(sources, key=lambda source: -sum(took.get(source.stem, {}).values()))


def _experiments(sources: list[Path], phantoms: bool = False) -> list[str]:
    """Names of the experiments whose missing runs these chapters train, always or (`train=chapter.phantoms`) for phantoms."""
    always = "True|chapter.phantoms" if phantoms else "True"
    asks = rf'\.(?:records\("([^"]+)", |proposed_runs\()train=(?:{always})\)'
    names = (name for s in sources for name in re.findall(asks, s.read_text(encoding="utf-8")))
    return sorted({name or "main" for name in names})


def _train(sources: list[Path], profile: str, phantoms: bool, workers: int, progress: bool) -> None:
    """Train what is missing, several runs at a time, as no single chapter could; one that fails fails its chapters."""
    from gcaf_lib.training.sweep import sweep

    if names := _experiments(sources, phantoms):
        sweep(names, profile, 1, workers=workers, progress=progress)


def _attempt(name: str, make: Callable[..., None], *given: Any) -> tuple[str, float, str]:
    """Make a page: (name, seconds, how it failed, if it did)."""
    started, failure = time.perf_counter(), ""
    try:
        make(*given)
    except ChapterError as error:
        failure = str(error)
    return name, time.perf_counter() - started, failure


def _front_page(profile: str, book: Path) -> None:
    """Write the front page's computed parts."""
    from gcaf_lib.book import frontpage

    try:
        frontpage.write(profile, book)
    except Exception as error:
        log = _log(FRONT_PAGE.replace(" ", "_"), book, traceback.format_exc())
        what = f"{type(error).__name__}: {error}"
        raise ChapterError(f"the {FRONT_PAGE} failed: {what} (log: {log})") from error


def _need(*modules: str) -> None:
    missing = [m for m in modules if importlib.util.find_spec(m) is None]
    if missing:
        raise BookError(
            f"{sys.executable} lacks {', '.join(missing)}, which executing chapters needs: "
            f"{sys.executable} -m pip install papermill ipykernel"
        )


def _forked() -> dict[str, Any]:
    """What a kernel's spec says where kernels can be forked: on Linux."""
    if sys.platform != "linux":
        return {}
    from gcaf_lib.book import kernels

    return kernels.register()


@contextmanager
def kernel() -> Iterator[None]:
    """Make "python3" mean this very interpreter while chapters run; nothing is installed.

    Without it a kernel of the same name that another environment left in the user's folder would
    be found first. Several kernels may share one GPU: none takes its whole memory at the start.
    """
    defaults = {
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
    }
    with tempfile.TemporaryDirectory(prefix="gcaf-kernel-") as folder:
        argv = [sys.executable, "-m", "ipykernel_launcher", "--log-level=40", "-f", "{connection_file}"]
        spec = json.dumps(
            {"argv": argv, "display_name": "Python 3", "language": "python", "metadata": _forked()}
        )
        write_text(Path(folder) / "kernels" / "python3" / "kernel.json", spec)
        package = str(Path(__file__).resolve().parents[2])  # also where the package is not installed
        paths = {
            name: os.pathsep.join(filter(None, (first, os.environ.get(name))))
            for name, first in (("JUPYTER_PATH", folder), ("PYTHONPATH", package))
        }
        chosen = {name: os.environ.get(name) or value for name, value in defaults.items()}
        with variables(**paths, **chosen):
            yield


def _papermill(clean: Path, executed: Path, parameters: dict[str, Any], cwd: Path) -> None:
    """Execute a notebook; where its kernel dies before it answers, once more.

    Jupyter looks for free ports and the kernel binds them a moment later: of two chapters that begin together, or
    beside any other program, one may find a port taken.
    """
    import papermill

    options = {
        "kernel_name": "python3",
        "progress_bar": False,
        "cwd": cwd,
        "start_timeout": 120,  # an interrupted kernel start should not hang a build for ever
        "shutdown_kernel": "immediate",  # one that may tidy up takes one to three seconds to end
    }
    for attempt in (1, 2):
        try:
            papermill.execute_notebook(clean, executed, parameters=parameters, **options)
            return
        except RuntimeError as error:
            if attempt == 2 or "before replying to kernel_info" not in str(error):
                raise


def _execute(source: Path, profile: str, output: Path, overrides: dict[str, Any]) -> None:
    with kernel(), tempfile.TemporaryDirectory(prefix="gcaf-chapter-") as folder:
        given = {"profile": profile, **({"overrides": overrides} if overrides else {})}
        clean, executed = Path(folder) / "in.ipynb", Path(folder) / "out.ipynb"
        plain = notebooks.plain_notebook(source)
        clean.write_text(notebooks.dumps(plain), encoding="utf-8")
        started, where = time.perf_counter(), ""
        try:
            _papermill(clean, executed, given, source.parent.parent)
            seconds, where = time.perf_counter() - started, "after its last cell"
            book = nbformat.read(executed, as_version=4)
            write_text(output / f"{source.stem}.ipynb", notebooks.dumps(tidy(book, plain, profile, seconds)))
        except Exception as error:
            raise _failure(source, executed, error, output, where) from error


def _failure(source: Path, executed: Path, error: Exception, output: Path, where: str) -> ChapterError:
    """Keep what there is of a failed chapter: a log, and the notebook as far as it came; where: "" if that tells where it failed."""
    where, what = where or _reached(executed), f"{type(error).__name__}: {error}"
    trace = str(error)
    if getattr(error, "evalue", None) is not None:
        where, what = _named(error.source), f"{error.ename}: {error.evalue}"
        trace = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(error.traceback))
    log = _log(source.stem, output, f"{source.stem} failed {where}\n{what}\n\n{trace}\n")
    if executed.is_file():
        write_text(log.with_suffix(".failed.ipynb"), executed.read_text(encoding="utf-8"))
    return ChapterError(f"chapter {source.stem} failed {where}: {what} (log: {log})")


def _log(name: str, output: Path, text: str) -> Path:
    log = (checkout() or output) / "_build" / "chapters" / f"{name}.log"
    write_text(log, text)
    return log


def _reached(executed: Path) -> str:
    """How far a chapter came whose kernel died: papermill notes when each cell began (and calls all of them completed)."""
    if executed.is_file():
        cells = [c for c in nbformat.read(executed, as_version=4).cells if c.cell_type == "code"]
        begun = [c.source for c in cells if c.metadata.get("papermill", {}).get("start_time")]
        if begun:
            return f"{_named(begun[-1])}, after {len(begun) - 1} that were done"
    return "before its first cell"


def _named(source: str) -> str:
    line = next((x for x in source.splitlines() if x.strip()), "")
    return f"in the cell that begins `{line}`"


def tidy(
    book: nbformat.NotebookNode, clean: nbformat.NotebookNode, profile: str, seconds: float
) -> nbformat.NotebookNode:
    """The executed notebook without papermill's clock, machine paths and addresses.

    The cell of injected parameters is folded into the chapter's own `parameters` cell, so that
    the page shows the profile it was made with and cells and ids are those of the clean pair.
    """
    injected = [c for c in book.cells if "injected-parameters" in c.metadata.get("tags", [])]
    cells = [c for c in book.cells if c not in injected]
    clock = f'<span class="gcaf-duration">{provenance.duration(seconds)}</span>'
    facts: dict[str, Any] = {}
    for cell, original in zip(cells, clean.cells, strict=True):
        cell["id"], cell["metadata"] = original["id"], original["metadata"]
        if cell.cell_type != "code":
            continue
        if "parameters" in original.metadata.get("tags", []):
            cell["source"] = re.sub(r'(?m)^profile = "\w*"', f'profile = "{profile}"', original.source)
        cell["outputs"] = _outputs(cell.outputs)
        for out in cell.outputs:
            metadata = out.get("metadata", {})
            facts = metadata.pop("gcaf", None) or facts
            if markup := out.get("data", {}).get("text/html"):
                out["data"]["text/html"] = markup.replace(provenance.DURATION, clock)
    for number, cell in enumerate((c for c in cells if c.cell_type == "code"), 1):
        cell["execution_count"] = number
        for out in cell.outputs:
            if "execution_count" in out:
                out["execution_count"] = number
    book.cells = cells
    language = {"name": "python", "pygments_lexer": "ipython3"}
    book.metadata = nbformat.from_dict({**clean.metadata, "language_info": language, "gcaf": facts})
    nbformat.validate(book)
    return book


def _outputs(outputs: list[nbformat.NotebookNode]) -> list[nbformat.NotebookNode]:
    """Outputs without standard error (progress, the backend's chatter) and without machine paths."""
    kept: list[nbformat.NotebookNode] = []
    for out in outputs:
        if out.output_type == "stream":
            if out.name == "stderr":
                continue
            out["text"] = _scrub("".join(out.text))
            if kept and kept[-1].output_type == "stream":
                kept[-1]["text"] += out["text"]
                continue
        for kind, content in out.get("data", {}).items():
            if kind.startswith("text/"):
                out["data"][kind] = _scrub("".join(content))
        kept.append(out)
    return kept


def _scrub(text: str) -> str:
    places = {
        str(_settings.results_dir()): "results",
        str(_settings.cache_dir()): "[cache]",
        str(_settings.named_folder("GCAF_DATA") or ""): "[data]",
        str(checkout() or ""): ".",
        sys.prefix: "[python]",
        tempfile.gettempdir(): "[tmp]",
        os.path.expanduser("~"): "~",
    }
    for place in sorted(filter(lambda p: len(p) > 3, places), key=len, reverse=True):
        text = text.replace(place.rstrip("/"), places[place])
    return re.sub(r" at 0x[0-9a-f]{6,}", "", text)

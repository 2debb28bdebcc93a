"""Which executed pages are not today's, and why: what a page was made from beside what is there now."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gcaf_lib import settings as _settings
from gcaf_lib.book import notebooks, provenance, runner
from gcaf_lib.data import committed


@dataclass(frozen=True)
class Stale:
    """An executed page that is not today's."""

    chapter: str
    reason: str

    def __str__(self) -> str:
        return f"{self.chapter}: {self.reason}"


def stale(
    output: Path | None = None, folder: Path | None = None, only: list[str] | None = None
) -> list[Stale]:
    """Executed pages that are missing or were made from other cells, code, settings, tables or records. only: as in `runner.run_chapters`."""
    folder = folder or runner.root() / "notebooks"
    output = output or runner.root() / "book" / "notebooks"
    library = provenance.fingerprint_library()
    found = []
    for source in runner.choose(notebooks.sources(folder), only):
        page = output / f"{source.stem}.ipynb"
        if not page.is_file():
            found.append(Stale(source.stem, "never executed"))
            continue
        try:
            info = json.loads(page.read_text(encoding="utf-8"))["metadata"].get("gcaf", {})
            found += [Stale(source.stem, reason) for reason in differences(info, source, library)]
        except (ValueError, KeyError, TypeError, AttributeError) as error:  # half a file, or no notebook
            found.append(Stale(source.stem, f"can't be read ({type(error).__name__}: {error})"))
    return found


def differences(info: dict[str, Any], source: Path, library: str) -> Iterator[str]:
    """Why a page is not today's; info: what its provenance strip kept, source: its chapter, library: today's fingerprint."""
    if not info:
        yield "executed without a provenance strip"
        return
    if info["chapter"] != provenance.fingerprint_chapter(source):
        yield "its cells have changed since it was executed"
    if info["library"] != library:
        yield f"gcaf_lib has changed since ({info['library']}, now {library})"
    if info["settings"] != _settings.load(info["profile"]).hash():
        yield f"the settings of profile {info['profile']} have changed since"
    then, now = info.get("tables", {}), committed.digests()
    if then != now:
        names = sorted(name for name in then | now if then.get(name) != now.get(name))
        yield f"committed tables have changed since: {', '.join(names)}"
    runs = _settings.results_dir() / "runs"
    for key, digest in info["records"].items():
        if not (runs / key / "record.json").is_file():
            yield f"run record {key}, which it shows, is gone"
        elif provenance.record_digest(runs / key) != digest:
            yield f"run record {key} has changed since"

"""Where a page comes from: the strip on every chapter, and the fingerprints that tell when it is stale.

Two kinds of staleness, kept apart. A *page* is stale when the chapter's cells, the library, the
profile's settings, a committed table or a run record it read has changed since it was executed: a
test fails, and re-executing costs seconds. A *run record* is stale when the code that trained it has changed: it
is expensive, so the strip says so and nothing fails.
"""

from __future__ import annotations

import hashlib
import html
import math
import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gcaf_lib import machine
from gcaf_lib.data import committed
from gcaf_lib.settings import Settings
from gcaf_lib.terminal import many
from gcaf_lib.training import environment, reproduce, runs

# cli.py is left out: no chapter can see it.
LIBRARY_CODE = (
    "machine.py",
    "settings.py",
    "terminal.py",
    "data",
    "model",
    "training",
    "evaluation",
    "paper",
    "display",
    "findings",
    "book",
)
DURATION = '<span class="gcaf-duration">not measured</span>'  # the runner writes the time in here
_HEADER = re.compile(r"\A# ---\n(?:#.*\n)*?# ---\n")


def fingerprint_chapter(path: Path) -> str:
    """12 hex digits over the cells of a chapter's .py source.

    Plain text, because prose is part of the page: only the Jupytext header, trailing blanks and
    blank lines at the ends of the file are left out.
    """
    text = _HEADER.sub("", Path(path).read_text(encoding="utf-8"))
    lines = [line.rstrip() for line in text.splitlines()]
    return hashlib.sha256("\n".join(lines).strip().encode()).hexdigest()[:12]


def fingerprint_library() -> str:
    """12 hex digits over the code a chapter can see (syntax without docstrings and comments)."""
    return environment.fingerprint(LIBRARY_CODE)


def record_digest(folder: Path) -> str:
    """12 hex digits over a run record's `record.json`, whatever line ends a checkout gave it."""
    return machine.file_digest(folder / "record.json")


def facts(
    profile: str, settings: Settings, dataset: Any, records: Iterable[Any], chapter: Path | None
) -> dict[str, Any]:
    """What the strip shows, as plain JSON: it also goes into the executed notebook's metadata.

    `dataset` needs `hash` and `banner` (None: no data was read); `records` need `folder`, `info`
    and `seed`; `chapter` is the .py source (None where only the notebook is at hand).
    """
    records = list({r.info["key"]: r for r in records}.values())  # a page may ask for one twice
    commit, dirty = environment.commit()
    trained = [r.info.get("provenance", {}) for r in records]
    now = environment.fingerprint()
    codes = [p.get("fingerprint") for p in trained]
    again, otherwise = reproduce.verdicts(now)
    return {
        "profile": profile,
        "settings": settings.hash(),
        "data": None if dataset is None else dataset.hash,
        "phantoms": settings.data.source == "phantom",
        "weights": settings.model.weights,
        "protocol": settings.data.protocol,
        "commit": commit,
        "dirty": dirty,
        "chapter": None if chapter is None else fingerprint_chapter(chapter),
        "library": fingerprint_library(),
        "training": now,
        "backend": _backend(),
        "versions": environment.versions(),
        "records": {r.info["key"]: record_digest(r.folder) for r in records},
        "tables": committed.digests(),
        "seeds": sorted({int(r.seed) for r in records}),
        "devices": sorted({_processors(p) for p in trained if p.get("device")}),
        "run_backends": sorted({p["backend"] for p in trained if p.get("backend")}),
        "run_commits": sorted({p["commit"] for p in trained if p.get("commit")}),
        "run_dirty": any(p.get("dirty") for p in trained),
        "run_seconds": _seconds(records),
        "stage0_seconds": _seconds(_begun(records)),
        "older_code": sum(code != now and code not in again for code in codes),
        "same_code": {code: sum(c == code for c in codes) for code in sorted(set(codes) & set(again))},
        "reproduced": {code: again[code] for code in sorted(set(codes) & set(again))},
        "nearly": _nearly(
            {r.info["key"]: r.info["provenance"].get("commit") for r in records}, now, otherwise
        ),
        "otherwise": sorted(run for code in set(codes) & set(otherwise) for run in otherwise[code]),
    }


def _nearly(
    commits: dict[str, str | None], now: str, otherwise: dict[str, list[str]]
) -> dict[str, dict[str, Any]]:
    """Of the runs read: those that today's code made again and not bit for bit, by run, but for those that speak against their code.

    commits: of each run read, that of its record (None: not known), which is the one made again, or the one that it made
    (stands); what was made of a record that has been replaced since is left out.
    """
    table = reproduce.read()
    counted = {run for found in otherwise.values() for run in found}
    table = table[table["run"].isin(commits) & (table["fingerprint"] == now) & ~table["run"].isin(counted)]
    record = table["run"].map(commits)
    table = table[record.isna() | (record == table["trained_at"]) | (record == table["commit"])]
    same = set(table["run"][table["identical"]])
    return {
        row.run: {
            "changed": int(row.changed_answers),
            "images": int(row.images),
            "where": f"{row.device}, {many(int(row.threads), 'thread')}",
            "stage0": row.stage0 == "again",
            "stands": row.commit == commits[row.run],
        }
        for row in table[~table["run"].isin(same)].sort_values("run").itertuples()
    }


def render(info: dict[str, Any]) -> str:
    """HTML of the strip from `facts`, one line that unfolds into everything; phantoms get their banner above it."""
    n = len(info["records"])
    data = "phantom data" if info["phantoms"] else "real data"
    brief = [
        f"profile <b>{_text(info['profile'])}</b>",
        data,
        f"{many(n, 'run')} read, {many(len(info['seeds']), 'seed')}" if n else "no trained model",
        f"commit <code>{_text((info['commit'] or 'unknown')[:7])}</code>{' + changes' if info['dirty'] else ''}",
        DURATION,
    ]
    versions = ", ".join(f"{name} {value}" for name, value in info["versions"].items())
    rows = [
        ("Commit", _commit(info["commit"], info["dirty"])),
        ("Profile", f"{info['profile']} (settings {info['settings']}, protocol {info['protocol']})"),
        ("Data", f"{data}, hash {info['data']}" if info["data"] else "none read"),
        ("Weights", f"backbones start from: {info['weights']}"),
        ("This page", f"chapter {info['chapter'] or 'unknown'}, gcaf_lib {info['library']}"),
        ("Made with", f"Keras on {info['backend']}; {versions}"),
        ("Device", _device(info)),
    ]
    if n:
        rows += [
            # all that the page reads: a table that compares rows uses only the seeds that all rows have
            ("Runs", f"{n} read ({', '.join(sorted(info['records']))})"),
            ("Seeds", f"{', '.join(map(str, info['seeds']))} (n = {len(info['seeds'])})"),
            ("Trained at", ", ".join(c[:7] for c in info["run_commits"]) or "unknown commit"),
            ("Training took", _took(info["run_seconds"], info["stage0_seconds"])),
            ("Code of the runs", _older(info, n)),
        ]
    body = "".join(f"<dt>{name}</dt><dd>{_text(value)}</dd>" for name, value in rows)
    body += f"<dt>Duration</dt><dd>{DURATION}</dd>"
    banner = PHANTOM_BANNER if info["phantoms"] else ""
    warning = f'<p class="gcaf-older">{_text(_older(info, n))}</p>' if info["older_code"] else ""
    return (
        f'{banner}<details class="gcaf-strip"><summary><span class="gcaf-strip-title">Provenance</span> '
        f"{' · '.join(brief)}</summary><dl>{body}</dl></details>{warning}"
    )


PHANTOM_BANNER = (
    '<div class="gcaf-phantom" role="note"><b>PHANTOM DATA</b> '
    "Images shown here, runs and their scores are of synthetic phantoms, not of patients. What the page reads from committed tables, "
    "the paper's figures among them, is as it was published.</div>"
)


def duration(seconds: float) -> str:
    """A duration in words, coarse on purpose so that re-executed pages differ little."""
    if seconds < 5:
        return "under 5 s"
    if seconds < 90:
        return f"about {math.ceil(seconds / 5) * 5} s"
    if seconds < 5400:
        return f"about {round(seconds / 60)} min"
    return f"about {seconds / 3600:.1f} h"


def _seconds(records: list[Any]) -> int:
    """What the stages of runs took: of a run that was interrupted all of it, where its own clock began anew."""
    return round(sum(stage["seconds"] for r in records for stage in r.info.get("stages", ())))


def _begun(records: list[Any]) -> list[Any]:
    """The stage 0 on record that these runs took their backbones from, each once."""
    keys = {w.get("stage0") for r in records for w in r.info.get("weights", {}).values()} - {None}
    return [found for key in sorted(keys) if (found := runs.find(key))]


def _took(seconds: int, before: int) -> str:
    """`about 2 h; the stage 0 that the runs started from about 5 h`: it is trained once for all runs that start alike."""
    return duration(seconds) + (
        f"; the stage 0 that the runs started from {duration(before)}" if before else ""
    )


def _text(value: Any) -> str:
    return html.escape(str(value))


def _commit(commit: str | None, dirty: bool) -> str:
    return f"{commit or 'unknown'}{', with changes that are not committed' if dirty else ''}"


def _processors(made: dict[str, Any]) -> str:
    return f"{made['device']}, {many(made['threads'], 'thread')}" if made.get("threads") else made["device"]


def _device(info: dict[str, Any]) -> str:
    if info["devices"]:
        return f"trained on {', '.join(info['devices'])} ({', '.join(info['run_backends'])})"
    return f"{os.cpu_count()} CPU cores; nothing was trained"


def _older(info: dict[str, Any], n: int) -> str:
    """Which code trained the runs, and what is known of another than today's: what it made again, or nothing."""
    older, now, said = info["older_code"], info["training"], []
    for code, made in info["reproduced"].items():
        mine = info["same_code"][code]
        said.append(
            f"{mine} of {many(n, 'run')} {'was' if mine == 1 else 'were'} trained by code {code}; {len(made)} of that code's runs "
            f"({', '.join(made)}), retrained with today's code ({now}) from the stage 0 at hand, came out bit for bit the same (gcaf reproduce)"
        )
    if older:
        said.append(
            f"{older} of {many(n, 'run')} {'was' if older == 1 else 'were'} trained by an earlier version of the training code (now {now}); their "
            "numbers are shown as they were recorded"
        )
    if near := info["nearly"]:
        changed, images = (sum(one[name] for one in near.values()) for name in ("changed", "images"))
        begun = " and their own stage 0" if all(one["stage0"] for one in near.values()) else ""
        stand = sum(one["stands"] for one in near.values())
        all_ = "this training" if len(near) == 1 else "these trainings"
        which = all_ if stand == len(near) else f"{stand} of {all_}"
        which = f"; {which} {'is the one' if stand == 1 else 'are the ones'} on record" if stand else ""
        said.append(
            f"{len(near)} of {many(n, 'run')} ({_first(list(near))}) {'was' if len(near) == 1 else 'were'} trained again with today's code{begun} on "
            f"{' and on '.join(sorted({one['where'] for one in near.values()}))}: not bit for bit the same, with {changed:,} of "
            f"{many(images, 'test answer')} changed (gcaf reproduce){which}"
        )
    if info["otherwise"]:
        said.append(
            f"retrained with today's code, {_runs(info['otherwise'])} came out differently (gcaf reproduce)"
        )
    return "; ".join(said) or f"as now (training code {now})"


def _first(names: list[str], shown: int = 5) -> str:
    """The names, or the first `shown` of them and how many more results/reproduced.csv has."""
    rest = len(names) - shown
    return ", ".join(names[:shown]) + (f" and {rest} more in results/reproduced.csv" if rest > 0 else "")


def _runs(names: list[str]) -> str:
    return f"{'run' if len(names) == 1 else 'runs'} {', '.join(names)}"


def _backend() -> str:
    """Keras's backend without importing Keras, which would cost a page that reads records seconds."""
    if "keras" in sys.modules:
        return sys.modules["keras"].backend.backend()
    return os.environ.get("KERAS_BACKEND", "tensorflow")

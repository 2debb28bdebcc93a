"""Train a recorded run again and compare: does today's code, here, give the record bit for bit?

A record says which code made it. When the code has changed since, its numbers stand on trust until
somebody makes one of the records again. That is what this does: everything is trained anew beside
the store, which it never touches, and compared array for array. What was found is one line of
`results/reproduced.csv`, which the provenance strips read.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from gcaf_lib import machine
from gcaf_lib.machine import variables, write_table
from gcaf_lib.settings import cache_dir, results_dir
from gcaf_lib.training import environment, runs

COLUMNS = (
    "run", "trained_with", "trained_at", "fingerprint", "commit", "backend", "device", "threads",
    "stage0", "identical", "largest_difference", "changed_answers", "images",
)  # fmt: skip
# what follows from the data alone; not the prepared images, which today's code is to make itself
SHARED = ("index", "phantoms", "thumbnails")


class Outcome(NamedTuple):
    """Array by array (`differences`), and what it means for the answers on the test part.

    own_stage0: whether stage 0 was trained again too, or this machine's weights of it were taken.
    """

    differences: pd.DataFrame
    changed_answers: int
    accuracy: float
    accuracy_again: float
    own_stage0: bool = False

    @property
    def identical(self) -> bool:
        return bool(self.differences["identical"].all())


def rounding(record: runs.Record) -> dict[str, str]:
    """Environment that oneDNN must find when it starts, to round here as nearly as it can like a record's processor.

    Held down are the vector instructions, to those that the record's device names. Records of x86 processors from
    before devices named them count as AVX2's, which the published ones are. Sums of matrix products are split by the
    size of the caches too, which nothing holds down. Empty where nothing is to be held down, or a word was given.
    """
    device = record.info["provenance"].get("device") or ""
    named = [name for name in machine.INSTRUCTIONS if re.search(rf", {name}\b", device)]
    wanted = named or ["AVX2"] * device.endswith("CPU cores (x86_64)")
    free = not machine.limit() and machine.instructions() not in ("", *wanted)
    return {"ONEDNN_MAX_CPU_ISA": wanted[0]} if wanted and free else {}


@contextlib.contextmanager
def beside_store(own_stage0: bool = False) -> Iterator[None]:
    """A results folder and a cache of their own, for as long as the context lasts: what is trained in it
    never lands among the records. What follows from the images alone (`SHARED`) is shared with the real cache,
    and so are finished stage-0 weights unless `own_stage0`.
    """
    cache = cache_dir().resolve()
    with tempfile.TemporaryDirectory(prefix="gcaf-reproduce-") as folder:
        new = Path(folder) / "cache"
        new.mkdir()
        for name in SHARED:
            (cache / name).mkdir(parents=True, exist_ok=True)
            (new / name).symlink_to(cache / name, target_is_directory=True)
        if not own_stage0:  # the finished ones can be read; what is trained here must not land among them
            (new / "weights").mkdir()
            for done in (cache / "weights").glob("*/backbone.weights.h5"):
                (new / "weights" / done.parent.name).symlink_to(done.parent, target_is_directory=True)
        with variables(GCAF_RESULTS=str(Path(folder) / "results"), GCAF_CACHE=str(new)):
            yield


def reproduce(record: runs.Record, data: str | Path | None = None, own_stage0: bool = False) -> Outcome:
    """Train this run anew, beside the store, and compare.

    own_stage0: train the backbones' stage 0 anew too, not only where this machine has no weights of it.
    Raises `RunError` for a record of another kind, or where today's code would make another run of
    these settings (another key: changed images, split or settings).
    """
    from gcaf_lib.training import train

    if record.info["kind"] != "main":
        raise runs.RunError(f"{record.key} is a {record.info['kind']} record: give a main run (`gcaf runs`)")
    work = train.task(record.settings, data)
    today = runs.key(record.settings, record.seed, work.dataset.hash, work.split_hash)
    if today != record.key:
        raise runs.RunError(
            f"run {record.key} can't be made again: these settings, images and split now have the key {today}. "
            "Check the images (`gcaf data check`), the folder results/splits and the files that model.weights names"
        )
    _arrays(record), record.right()  # what can't be compared is said before hours are spent
    with beside_store(own_stage0):
        again = train.get(
            record.settings,
            record.seed,
            profile=record.info["profile"],
            work=work,
            maps=record.maps is not None,
        )
        now, then = (r.answers() for r in (again, record))
        return Outcome(
            differences(record, again),
            int((now != then).sum()),
            float((then == record.labels()).mean()),
            float((now == again.labels()).mean()),
            own_stage0,
        )


def differences(first: runs.Record, second: runs.Record) -> pd.DataFrame:
    """One row an array of the two records: array, size, identical, largest_difference.

    The history's seconds are left out. An array that only one of them has, of another shape, or of other words,
    differs by NaN.
    """
    one, two = _arrays(first), _arrays(second)
    rows = []
    for name in one | two:
        a, b = one.get(name), two.get(name)
        if a is None or b is None or a.shape != b.shape:
            rows.append((name, 0 if a is None else a.size, False, np.nan))
            continue
        # bytes of objects are where they lie, not what they say
        same = a.dtype == b.dtype and (
            a.tolist() == b.tolist() if a.dtype == object else a.tobytes() == b.tobytes()
        )
        if same or not a.size:
            gap = 0.0  # NaN beside NaN included
        elif {a.dtype.kind, b.dtype.kind} <= set("bfiu"):
            gap = np.abs(a.astype(np.float64) - b.astype(np.float64)).max()
        else:
            gap = np.nan  # words differ by no number
        rows.append((name, a.size, same, float(gap)))
    return pd.DataFrame(rows, columns=["array", "size", "identical", "largest_difference"])


def _arrays(record: runs.Record) -> dict[str, np.ndarray]:
    history = record.history.drop(columns="seconds", errors="ignore")
    out = {f"history: {name}": history[name].to_numpy() for name in history}
    out |= {f"predictions: {name}": value for name, value in record.predictions.items()}
    return out | {f"maps: {name}": value for name, value in (record.maps or {}).items()}


def note(record: runs.Record, outcome: Outcome) -> Path:
    """Write the outcome's line (`COLUMNS`) into reproduced.csv of the results folder; return its path."""
    made, today = record.info["provenance"], environment.describe()
    line = {
        "run": record.key,
        "trained_with": made["fingerprint"],
        "trained_at": made.get("commit"),
        **{name: today[name] for name in ("fingerprint", "commit", "backend", "device", "threads")},
        "stage0": "again" if outcome.own_stage0 else "as it is here",
        "identical": outcome.identical,
        "largest_difference": outcome.differences["largest_difference"].max(skipna=False),
        "changed_answers": outcome.changed_answers,
        "images": len(record.labels()),
    }
    path = results_dir() / "reproduced.csv"
    with runs.lock("reproduced"):  # of two processes none loses the other's line
        known = read(path)
        same = (known["run"] == line["run"]) & (known["fingerprint"] == line["fingerprint"])
        for name in ("backend", "device", "threads", "stage0"):
            same &= known[name] == str(line[name])
        write_table(path, pd.DataFrame([*known[~same].to_dict("records"), line], columns=list(COLUMNS)))
    return path


def read(path: Path | None = None) -> pd.DataFrame:
    """reproduced.csv (`COLUMNS`): text as it stands, `identical` bool; empty where nothing was made again.

    Raises `RunError` where the file is damaged: what it says decides which records count as today's.
    """
    path = path or results_dir() / "reproduced.csv"
    if not path.is_file():
        return pd.DataFrame(columns=list(COLUMNS))
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")[list(COLUMNS)]
    except (OSError, ValueError, KeyError) as error:
        raise _damaged(path, " ".join(str(error).split())) from error
    named = (table[["run", "trained_with", "fingerprint"]] != "").all(axis=1)
    told = named & table["identical"].isin(("True", "False"))
    if not told.all():
        raise _damaged(path, f"line {int(told.argmin()) + 2} doesn't tell which run came out the same")
    return table.assign(identical=table["identical"] == "True")


def _damaged(path: Path, why: str) -> runs.RunError:
    return runs.RunError(
        f"{path} is damaged ({why}): check it out again, or move it away and make its runs again"
    )


def verdicts(code: str) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """What `code` has made again of other training code: by its fingerprint, the runs that came out the same bit for
    bit, and those that came out otherwise.

    A fingerprint of which any run came out otherwise is not among the first, however many came out the same. Where
    runs came out the same on one device, one on which none did rounds otherwise by itself: it says nothing of code.
    """
    known = read()
    known = known[(known["fingerprint"] == code) & (known["trained_with"] != code)]
    devices = known["device"][known["identical"]]
    known = known[known["device"].isin(devices)] if len(devices) else known
    same, otherwise = (
        {
            name: sorted(set(rows["run"]))
            for name, rows in known[known["identical"] == kind].groupby("trained_with")
        }
        for kind in (True, False)
    )
    return {name: found for name, found in same.items() if name not in otherwise}, otherwise

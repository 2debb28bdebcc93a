"""Run what is missing of an experiment, on one machine (joblib) or on many (Dask).

Each run is a process of its own: it may die without taking the sweep along, it keeps a log, and
its share of the processors is set before its backend starts. Finished runs are never started.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import joblib
import pandas as pd
from filelock import FileLock, Timeout
from tqdm.auto import tqdm

from gcaf_lib import machine
from gcaf_lib.settings import SettingsError, cache_dir, named_folder, results_dir
from gcaf_lib.training import environment, experiments, reproduce, runs
from gcaf_lib.training.listing import Keys, walk
from gcaf_lib.training.worker import Job, Server, logs, run_job

# besides folders, what of the asker's environment decides how a run is made
FORWARDED = ("KERAS_BACKEND", "GCAF_DATA", "GCAF_FIGSHARE", "GCAF_RESIDENT", "GCAF_STEPS", "GCAF_DEVICES")
CONNECT = 30  # seconds to wait for a Dask scheduler


class SweepError(RuntimeError):
    """A sweep can't be started; the message says what is missing."""


def plan(
    names: Iterable[str],
    profile: str,
    seeds: int | None = None,
    data: str | None = None,
    rows: Sequence[str] = (),
    base: dict[str, Any] | None = None,
) -> pd.DataFrame:
    """Every run of the named experiments: experiment, label, seed, key, state, and its `Job`.

    rows: only those of these labels, in whichever experiment (none: all). base: settings in which every row differs
    from the profile, where the row itself doesn't decide them. Raises `SettingsError` for a label that
    none of the experiments has.
    state: done, stale (done by other code than today's, and by none that today's has made again bit for bit:
    `reproduce.verdicts`), running, failed or missing.
    """
    names = list(names)
    known = dict.fromkeys(row.label for name in names for row in experiments.experiment(name).rows)
    if unknown := [row for row in rows if row not in known]:
        raise SettingsError(f"no row {unknown[0]!r} in {', '.join(names)}; their rows: {'; '.join(known)}")
    lines, keys, today = [], Keys(data), environment.fingerprint()
    current = {today, *reproduce.verdicts(today)[0]}
    for name in names:
        for label, settings, seed, key in walk(name, profile, seeds, base, keys):
            if rows and label not in rows:
                continue
            said, maps = f"{name}: {label}, seed {seed}", experiments.maps_shown(settings, profile)
            job = Job(key, settings, seed, profile, data, None, said, maps)
            lines.append((name, label, seed, key, _state(key, current), job))
    return pd.DataFrame(lines, columns=["experiment", "label", "seed", "key", "state", "job"])


def _state(key: str, current: set[str]) -> str:
    record = runs.find(key)
    if record is not None:
        return "done" if record.info["provenance"]["fingerprint"] in current else "stale"
    lock = runs.lock_path(key)
    if lock.is_file():
        try:
            with FileLock(lock, timeout=0):
                pass
        except Timeout:
            return "running"
    return "failed" if (logs(cache_dir()) / f"{key}.failed").is_file() else "missing"


def starts(jobs: Iterable[Job]) -> dict[str, list[Job]]:
    """Key of each main run to the stage-0 runs that it takes its backbones from (none: it starts otherwise)."""
    keys, found = functools.cache(Keys), {}
    for job in jobs:
        s = job.settings
        seed = runs.stage0_seed(s, job.seed)
        where = s.data.protocol if s.data.fold is None else f"{s.data.protocol}, fold {s.data.fold}"
        found[job.key] = [
            replace(
                job,
                key=keys(job.data).stage0(s, seed, backbone),
                seed=seed,
                backbone=backbone,
                label=f"stage 0: {backbone} on {where}, seed {seed}",
            )
            for backbone in (s.model.backbones if s.model.weights == "in-domain" else ())
        ]
    return found


def in_order(jobs: Iterable[Job]) -> dict[str, tuple[Job, frozenset[str]]]:
    """Key → (job, keys of what must be done before) of these main runs, in their order.

    Before the first run that starts from it stands each stage 0 that this machine has no weights of.
    """
    jobs = list(jobs)
    line: dict[str, tuple[Job, frozenset[str]]] = {}
    begun = starts(jobs)
    for job in jobs:
        missing = [s for s in begun[job.key] if not runs.weights_path(s.key, "backbone").is_file()]
        for one in missing:
            line.setdefault(one.key, (one, frozenset()))
        line[job.key] = job, frozenset(one.key for one in missing)
    return line


def other_starts(jobs: Iterable[Job]) -> list[str]:
    """Keys of those stage-0 runs whose weights on this machine are not those on record.

    Another kind of processor rounds otherwise, and training magnifies it: what is trained from such weights
    can't be compared, seed by seed, with runs on record that started from the others.
    """
    found = []
    for job in {job.key: job for job in jobs}.values():
        record, path = runs.find(job.key), runs.weights_path(job.key, "backbone")
        if record is not None and path.is_file():
            found += [job.key] if runs.sha256(path) != record.info["weights_sha256"] else []
    return found


def sweep(
    names: Iterable[str],
    profile: str,
    seeds: int | None = None,
    *,
    workers: int = 1,
    data: str | None = None,
    rows: Sequence[str] = (),
    base: dict[str, Any] | None = None,
    scheduler: str | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Train what is missing; returns the plan afterwards (its `state` says what failed).

    A run is started when its stage 0 is made, and stage 0 is made when its first run is due;
    the last runs wait until every stage 0 is begun.

    rows, base: see `plan`. workers: processes at a time on this machine, the processors split between them.
    scheduler: address of a Dask scheduler (tcp://…), whose workers then do the runs; they must see
    the same results and cache folders and the dataset.
    """
    names = list(names)
    table = plan(names, profile, seeds, data, rows, base)
    todo = {j.key: j for j, s in zip(table["job"], table["state"]) if s not in ("done", "stale")}.values()
    if not todo:
        return table
    map_jobs = _dask(scheduler) if scheduler else _local(workers)

    line = in_order(todo)
    with tqdm(total=len(line), unit="run", disable=None if progress else True) as bar:

        def careful(stage0s: Iterable[Job]) -> None:
            for key in other_starts(stage0s):
                bar.write(
                    f"careful: stage 0 {key} has other weights here than on record (another kind of machine): the "
                    "runs that come start elsewhere than those on record. For a table to compare by seed, move the "
                    "records that name it, and its own, out of results/runs and sweep again: all are then made here",
                    file=sys.stderr,
                )

        careful(one for some in starts(todo).values() for one in some)
        for key, trouble in map_jobs(line):
            job = line[key][0]
            bar.update(1)
            bar.set_postfix_str(job.label)
            if trouble:
                bar.write(trouble, file=sys.stderr)
            elif job.backbone:
                careful([job])
    return plan(names, profile, seeds, data, rows, base)


class _Line:
    """Jobs, each with the keys that must be done before; whoever is free runs the first that is ready.

    So nobody waits for a stage 0 while there is other work. The last runs, one a worker, are kept until every stage 0
    is begun: else the others would stand idle while the last stage 0 is made, and then its run.
    """

    def __init__(self, line: dict[str, tuple[Job, frozenset[str]]], workers: int):
        self.waiting, self.unfinished, self.workers = dict(line), set(line), workers
        self.changed = threading.Condition()
        self.free = [Server() for _ in range(workers)]  # no more jobs run at a time

    def _ready(self) -> str | None:
        ready = [key for key, (_, needs) in self.waiting.items() if not needs & self.unfinished]
        wanted = frozenset().union(*(needs for _, needs in self.waiting.values()))
        if len(self.waiting.keys() - wanted) <= self.workers:
            ready.sort(key=lambda key: key not in wanted)
        return ready[0] if ready else None

    def run_next(self, threads: int) -> tuple[str, str | None]:
        """Run one job; returns its key and what went wrong. What waited for it is ready, whatever came out."""
        with self.changed:
            self.changed.wait_for(self._ready)
            key = self._ready()
            job, _ = self.waiting.pop(key)
            server = self.free.pop()
        try:
            return key, run_job(job.to_json(), threads, begin=server)
        finally:
            with self.changed:
                self.free.append(server)
                self.unfinished.discard(key)
                self.changed.notify_all()


def _local(workers: int) -> Callable:
    threads = max(1, machine.cores() // workers)

    def map_jobs(line: dict[str, tuple[Job, frozenset[str]]]):
        shared = _Line(line, workers)
        pool = joblib.Parallel(n_jobs=workers, backend="threading", return_as="generator_unordered")
        try:
            yield from pool(joblib.delayed(shared.run_next)(threads) for _ in line)
        finally:
            for server in shared.free:
                server.close()

    return map_jobs


def _connected(client: Callable, scheduler: str) -> Any:
    """A Dask client; raises `SweepError` where there is no scheduler at that address, or it is no address."""
    try:
        return client(scheduler, timeout=CONNECT)
    except Exception as error:  # of many kinds: addresses that are none, hosts that are none, nobody there
        raise SweepError(
            f"--scheduler {scheduler}: no Dask scheduler answers there ({type(error).__name__}: {error}); "
            "give the address that `dask scheduler` prints, such as tcp://host:8786"
        ) from error


@contextlib.contextmanager
def _watched(client: Any, scheduler: str, first: float = 30.0, again: float = 300.0) -> Iterator[None]:
    """Says after `first` seconds, and every `again` seconds, where the scheduler has no worker: nothing would happen."""
    over = threading.Event()

    def watch() -> None:
        pause = first
        while not over.wait(pause):
            pause = again
            if not client.scheduler_info()["workers"]:
                text = f"waiting: the scheduler {scheduler} has no workers; start some with `dask worker {scheduler}`"
                tqdm.write(text, file=sys.stderr)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(5)


def _dask(scheduler: str) -> Callable:
    try:
        from dask.distributed import Client, as_completed
    except ImportError as error:
        raise SweepError(
            "--engine dask needs Dask: pip install -e '.[dask]' in the project's folder"
        ) from error

    # what decides a run is the asker's, not the worker's
    env = {name: os.environ[name] for name in FORWARDED if name in os.environ}
    env |= {"GCAF_RESULTS": str(results_dir().resolve()), "GCAF_CACHE": str(cache_dir().resolve())}
    for name in ("GCAF_DATA", "GCAF_FIGSHARE"):
        env |= {name: str(folder.resolve())} if (folder := named_folder(name)) else {}

    def map_jobs(line: dict[str, tuple[Job, frozenset[str]]]):
        with _connected(Client, scheduler) as client, _watched(client, scheduler):
            futures: dict[str, Any] = {}
            for number, (key, (job, needs)) in enumerate(line.items()):
                before = [futures[need] for need in needs]
                futures[key] = client.submit(
                    run_job, job.to_json(), None, env, before, pure=False, priority=-number
                )
            keys = {future: key for key, future in futures.items()}
            for future in as_completed(keys):
                try:
                    yield keys[future], future.result()
                except Exception as error:  # the worker itself is gone, several times over: the others go on
                    label = line[keys[future]][0].label
                    yield keys[future], f"{label} failed on its Dask worker: {error!r}"

    return map_jobs

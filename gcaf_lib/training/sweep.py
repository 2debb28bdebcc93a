"""Run what is missing of an experiment, on one machine (joblib) or on many (Dask).

Each run is a process of its own: it may die without taking the sweep along, it keeps a log, and
its share of the processors is set before its backend starts. Finished runs are never started.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
from filelock import FileLock, Timeout
from tqdm.auto import tqdm

from gcaf_lib.settings import Settings, cache_dir, results_dir
from gcaf_lib.training import environment, runs
from gcaf_lib.training.listing import Keys, walk

# besides folders, what of the asker's environment decides how a run is made
FORWARDED = ("KERAS_BACKEND", "GCAF_DATA", "GCAF_FIGSHARE", "GCAF_RESIDENT", "GCAF_STEPS", "GCAF_DEVICES")


class SweepError(RuntimeError):
    """A sweep can't be started; the message says what is missing."""


def logs(cache: Path) -> Path:
    """Folder of the runs' logs in a cache folder."""
    return cache / "logs"


@dataclass(frozen=True)
class Job:
    """One process's work: a main run, or the stage 0 of one backbone that main runs share."""

    key: str
    settings: Settings
    seed: int
    profile: str
    data: str | None = None
    backbone: str | None = None  # stage 0 of this backbone, rather than a main run
    label: str = ""

    def to_json(self) -> str:
        return json.dumps({**self.__dict__, "settings": self.settings.to_dict()})

    @classmethod
    def from_json(cls, text: str) -> Job:
        tree = json.loads(text)
        return cls(**{**tree, "settings": Settings.from_dict(tree["settings"])})

    @property
    def log(self) -> Path:
        return logs(cache_dir()) / f"{self.key}.log"


def plan(
    names: Iterable[str], profile: str, seeds: int | None = None, data: str | None = None
) -> pd.DataFrame:
    """Every run of the named experiments: experiment, label, seed, key, state, and its `Job`.

    state: done, stale (done by other code than today's), running, failed or missing.
    """
    rows, keys, today = [], Keys(data), environment.fingerprint()
    for name in names:
        for label, settings, seed, key in walk(name, profile, seeds, keys=keys):
            job = Job(key, settings, seed, profile, data, None, f"{name}: {label}, seed {seed}")
            rows.append((name, label, seed, key, _state(key, today), job))
    return pd.DataFrame(rows, columns=["experiment", "label", "seed", "key", "state", "job"])


def _state(key: str, today: str) -> str:
    record = runs.find(key)
    if record is not None:
        return "done" if record.info["provenance"]["fingerprint"] == today else "stale"
    lock = runs.lock_path(key)
    if lock.is_file():
        try:
            with FileLock(lock, timeout=0):
                pass
        except Timeout:
            return "running"
    return "failed" if (logs(cache_dir()) / f"{key}.failed").is_file() else "missing"


def stage0_jobs(jobs: Iterable[Job]) -> list[Job]:
    """The stage-0 runs that these jobs share and that this machine has no weights of."""
    return [job for job in _stage0s(jobs) if not runs.weights_path(job.key, "backbone").is_file()]


def other_starts(jobs: Iterable[Job]) -> list[str]:
    """Keys of the stage-0 runs of these jobs whose weights on this machine are not those on record.

    Another kind of processor rounds otherwise, and training magnifies it: what is trained from such weights
    can't be compared, seed by seed, with runs on record that started from the others.
    """
    found = []
    for job in _stage0s(jobs):
        record, path = runs.find(job.key), runs.weights_path(job.key, "backbone")
        if record is not None and path.is_file():
            made = hashlib.sha256(path.read_bytes()).hexdigest()
            found += [job.key] if made != record.info["weights_sha256"] else []
    return found


def _stage0s(jobs: Iterable[Job]) -> list[Job]:
    """The stage-0 runs that these jobs share."""
    found: dict[str, Job] = {}
    keys: dict[str | None, Keys] = {}
    for job in jobs:
        if job.settings.model.weights != "in-domain":
            continue
        for backbone in job.settings.model.backbones:
            key = keys.setdefault(job.data, Keys(job.data)).stage0(job.settings, backbone)
            label = f"stage 0: {backbone} on {job.settings.data.protocol}"
            found[key] = Job(key, job.settings, 0, job.profile, job.data, backbone, label)
    return list(found.values())


def sweep(
    names: Iterable[str],
    profile: str,
    seeds: int | None = None,
    *,
    workers: int = 1,
    data: str | None = None,
    scheduler: str | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Train what is missing; returns the plan afterwards (its `state` says what failed).

    workers: processes at a time on this machine, the processors split between them.
    scheduler: address of a Dask scheduler (tcp://…), whose workers then do the runs; they must see
    the same results and cache folders and the dataset.
    """
    names = list(names)
    table = plan(names, profile, seeds, data)
    todo = {j.key: j for j, s in zip(table["job"], table["state"]) if s not in ("done", "stale")}.values()
    if not todo:
        return table
    map_jobs = _dask(scheduler) if scheduler else _local(workers)

    def run(jobs: list[Job]) -> None:
        with tqdm(total=len(jobs), unit="run", disable=None if progress else True) as bar:
            for label, trouble in map_jobs(jobs):
                bar.update(1)
                bar.set_postfix_str(label)
                if trouble:
                    bar.write(trouble, file=sys.stderr)

    run(stage0_jobs(todo))
    for key in other_starts(todo):
        print(
            f"careful: stage 0 {key} has other weights here than on record (another kind of machine): the runs that "
            "come start elsewhere than those on record. For a table to compare by seed, move the records that "
            "name it, and its own, out of results/runs and sweep again: all are then made here",
            file=sys.stderr,
        )
    run(list(todo))
    return plan(names, profile, seeds, data)


def _local(workers: int) -> Callable:
    threads = max(1, len(os.sched_getaffinity(0)) // workers)

    def map_jobs(jobs: list[Job]):
        pool = joblib.Parallel(n_jobs=workers, backend="threading", return_as="generator_unordered")
        return pool(joblib.delayed(run_job)(job.to_json(), threads) for job in jobs)

    return map_jobs


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
    env |= {name: str(Path(env[name]).resolve()) for name in ("GCAF_DATA", "GCAF_FIGSHARE") if name in env}

    def map_jobs(jobs: list[Job]):
        with Client(scheduler) as client:
            labels = {client.submit(run_job, j.to_json(), None, env, pure=False): j.label for j in jobs}
            for future in as_completed(labels):
                try:
                    yield future.result()
                except Exception as error:  # the worker itself is gone, several times over: the others go on
                    yield labels[future], f"{labels[future]} failed on its Dask worker: {error!r}"

    return map_jobs


def run_job(
    text: str, threads: int | None = None, settled: dict[str, str] | None = None
) -> tuple[str, str | None]:
    """Run one job in a process of its own, once more if it dies; returns (label, what went wrong).

    settled: environment of the one who asked, where that is another machine.
    """
    job = Job.from_json(text)
    env: dict[str, Any] = dict(os.environ, **(settled or {}), GCAF_PROGRESS="0")
    log_path = logs(Path(env.get("GCAF_CACHE") or cache_dir())) / f"{job.key}.log"
    if threads:
        names = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
        env |= {name: str(threads) for name in names}
    # several processes share one GPU: none may take its whole memory at the start
    env |= {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    env |= environment.backend_flags(
        Path(env.get("GCAF_CACHE") or cache_dir()) / "xla", env.get("TF_XLA_FLAGS", "")
    )
    log_path.parent.mkdir(parents=True, exist_ok=True)
    failed = log_path.with_suffix(".failed")
    for attempt in (1, 2):
        with log_path.open("ab") as log:
            log.write(f"--- {job.label}, attempt {attempt}\n".encode())
            log.flush()
            command = [sys.executable, "-m", "gcaf_lib.training.sweep"]
            done = subprocess.run(command, input=text.encode(), stdout=log, stderr=log, env=env)
        if done.returncode == 0:
            failed.unlink(missing_ok=True)
            return job.label, None
    failed.write_text(f"exit status {done.returncode}\n")
    tail = "\n".join(log_path.read_text(errors="replace").splitlines()[-5:])
    return job.label, f"{job.label} failed twice (exit status {done.returncode}); log: {log_path}\n{tail}"


def _child() -> None:
    from gcaf_lib.training import train

    job = Job.from_json(sys.stdin.read())
    if job.backbone:
        work = train.task(job.settings, job.data)
        train.stage0(job.settings, job.backbone, work, job.profile, progress=False)
    else:
        train.get(job.settings, job.seed, profile=job.profile, data=job.data, progress=False)


if __name__ == "__main__":
    _child()

"""Processes that do a sweep's jobs, one a job: begun anew (`fresh`), or forked from one that has imported once (`Server`).

    python -m gcaf_lib.training.worker            the job that stands on standard input
    python -m gcaf_lib.training.worker --serve    one after another, as `Server` asks

Imports are a third of what a short run takes. A forked job is a process of its own like any other: its server has run nothing but
imports. For Linux and TensorFlow: what has only been imported may be forked there, and JAX says of itself that it must not be.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

from gcaf_lib import machine
from gcaf_lib.settings import Settings, cache_dir
from gcaf_lib.training import environment

COMMAND = [sys.executable, "-m", "gcaf_lib.training.worker"]


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
    backbone: str | None = None  # stage 0 of this backbone for such a run, rather than the run itself
    label: str = ""
    maps: bool = True  # whether the record keeps heat maps

    def to_json(self) -> str:
        return json.dumps({**self.__dict__, "settings": self.settings.to_dict()})

    @classmethod
    def from_json(cls, text: str) -> Job:
        tree = json.loads(text)
        return cls(**{**tree, "settings": Settings.from_dict(tree["settings"])})

    @property
    def log(self) -> Path:
        return logs(cache_dir()) / f"{self.key}.log"


def fresh(text: str, log: IO[bytes], env: dict[str, str]) -> int:
    """Do the job (`Job.to_json`) in a process that begins with its imports; returns its exit status."""
    return subprocess.run(COMMAND, input=text.encode(), stdout=log, stderr=log, env=env).returncode


class Server:
    """`Server()(text, log, env)` is `fresh(text, log, env)`, with the imports done once; all jobs have the first one's env."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[str] | None = None

    def __call__(self, text: str, log: IO[bytes], env: dict[str, str]) -> int:
        if not machine.FORKS:
            return fresh(text, log, env)
        if self.process is None:
            pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": log}
            self.process = subprocess.Popen([*COMMAND, "--serve"], env=env, encoding="utf-8", **pipes)
        try:
            print(json.dumps([text, log.name]), file=self.process.stdin, flush=True)
            return int(self.process.stdout.readline())
        except (OSError, ValueError):  # the server itself is gone: the next job gets another
            status = self.close()
            return status or 1

    def close(self) -> int | None:
        """Let the server end; returns its exit status, None where none was begun."""
        process, self.process = self.process, None
        if process is None:
            return None
        process.communicate()
        return process.returncode


def run_job(
    text: str,
    threads: int | None = None,
    settled: dict[str, str] | None = None,
    after: Any = None,
    begin: Callable[[str, IO[bytes], dict[str, str]], int] = fresh,
) -> str | None:
    """Run one job in a process of its own, once more if it dies; returns what went wrong, or None.

    settled: environment of the one who asked, where that is another machine. after: what Dask must have
    done before. begin: how the process is begun, `fresh` or a `Server`.
    """
    job = Job.from_json(text)
    env: dict[str, Any] = dict(os.environ, **(settled or {}), GCAF_PROGRESS="0")
    # the asker's, where that is another machine
    cache = Path((settled or {}).get("GCAF_CACHE") or cache_dir())
    log_path = logs(cache) / f"{job.key}.log"
    if threads:
        names = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
        env |= {name: str(threads) for name in names}
    # several processes share one GPU: none may take its whole memory at the start
    env |= {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    env |= environment.backend_flags(cache / "xla", env.get("TF_XLA_FLAGS", ""))
    log_path.parent.mkdir(parents=True, exist_ok=True)
    failed = log_path.with_suffix(".failed")
    for attempt in (1, 2):
        with log_path.open("ab") as log:
            log.write(f"--- {job.label}, attempt {attempt}\n".encode())
            log.flush()
            status = begin(text, log, env)
        if status == 0:
            failed.unlink(missing_ok=True)
            return None
    failed.write_text(f"exit status {status}\n", encoding="utf-8")
    tail = "\n".join(log_path.read_text(encoding="utf-8", errors="replace").splitlines()[-5:])
    return f"{job.label} failed twice (exit status {status}); log: {log_path}\n{tail}"


def work(text: str) -> None:
    """Do a job in this process."""
    from gcaf_lib.training.task import task

    job = Job.from_json(text)
    # before the backend is imported, which takes longer than to say that the data are not there
    prepared = task(job.settings, job.data, need_images=bool(job.backbone))
    from gcaf_lib.training import train

    if job.backbone:
        train.stage0(job.settings, job.seed, job.backbone, prepared, job.profile, progress=False)
    else:
        given = {"profile": job.profile, "work": prepared, "progress": False, "maps": job.maps}
        train.get(job.settings, job.seed, **given)


def serve() -> None:
    """Answer each line of standard input, a job and its log, with the job's exit status."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints is no answer
    import keras

    from gcaf_lib.training import train  # noqa: F401

    environment.fingerprint()  # of the code that was imported, whatever is edited before a job asks
    gc.freeze()  # what is imported is no garbage: not to be searched for it in every job
    for line in sys.stdin:
        text, name = json.loads(line)
        if keras.backend.backend() == "tensorflow":
            status = machine.forked(partial(work, text), name)
        else:
            with open(name, "ab") as log:
                status = fresh(text, log, dict(os.environ))
        print(status, file=answers, flush=True)


if __name__ == "__main__":
    serve() if "--serve" in sys.argv[1:] else work(sys.stdin.read())

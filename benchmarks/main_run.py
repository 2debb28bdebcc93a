"""Where the time of a whole main run goes, its stage 0 included: seconds by the clock and of the processor, part by part.

    python -m benchmarks.main_run [--profile cpu] [--rounds 2] [--out results/benchmarks/main_run-cpu.json]

Each round trains the run of seed 0 in a process of its own, from a store that holds the prepared images and nothing else. Time
is booked where a part begins and ends, so that the parts add up: by the clock, and of the processor, all threads together. What
TensorFlow prepares at the first step of a graph, beyond its trace, is among the steps; an epoch's seconds are kept, so that a
first one can be held against the others. For TensorFlow; an idle machine, please.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks import figures

IMPORTS, REST = "imports", "the rest"


class Book:
    """Gives each second to the innermost part that is open, in `seconds`: part to [clock, processor]."""

    def __init__(
        self, clock: Callable[[], float] = time.perf_counter, spent: Callable[[], float] = time.process_time
    ):
        self.clocks, self.open = (clock, spent), [REST]
        self.seconds: dict[str, list[float]] = {}
        self.last = [read() for read in self.clocks]

    def turn(self) -> None:
        """Book what has gone by since the last turn."""
        now = [read() for read in self.clocks]
        booked = self.seconds.get(self.open[-1], [0.0, 0.0])
        self.seconds[self.open[-1]] = [one + b - a for one, a, b in zip(booked, self.last, now)]
        self.last = now

    @contextlib.contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Book what the block takes as a part."""
        self.turn()
        self.open.append(name)
        try:
            yield
        finally:
            self.turn()
            self.open.pop()

    def watch(self, owner: Any, name: str, part: str) -> None:
        """Book every call of a module's or class's function as a part."""
        function = getattr(owner, name)

        @functools.wraps(function)
        def booked(*args, **kwargs):
            with self.part(part):
                return function(*args, **kwargs)

        setattr(owner, name, booked)


def watched_functions() -> list[tuple[Any, str, str]]:
    """What is booked: module or class, function, the part that its time goes to."""
    from tensorflow.python.eager.polymorphic_function import tracing_compilation

    from gcaf_lib.model import gradcam
    from gcaf_lib.training import loop, train

    return [
        (tracing_compilation, "_maybe_define_function", "traces"),
        (train, "classifier_of", "networks built"),
        (loop.Stage, "__init__", "networks built"),
        (loop.Stage, "run", "steps"),
        (loop.Stage, "_validate", "validation"),
        (loop.Stage, "_save", "checkpoints"),
        (train, "_save_weights", "weights written"),
        (train, "probabilities", "answers"),
        (gradcam, "record", "heat maps"),
    ]


def watched(profile: str) -> dict:
    """Train the main run in this process, watched from its imports on."""
    book = Book()
    with book.part(IMPORTS):
        functions = watched_functions()
        from gcaf_lib.settings import load
        from gcaf_lib.training import runs, train

    for owner, name, part in functions:
        book.watch(owner, name, part)
    record = train.get(load(profile), 0, profile=profile, progress=False)
    book.turn()
    own = [record, *(runs.find(one["stage0"]) for one in record.info["weights"].values() if "stage0" in one)]
    epochs = {
        f"{stage} {one.info.get('backbone', '')}".strip(): part["seconds"].tolist()
        for one in own
        for stage, part in one.history.groupby("stage")
    }
    spent = os.times()
    return {
        "clock": sum(clock for clock, _ in book.seconds.values()),
        "user": spent.user,
        "system": spent.system,
        "epochs": epochs,
        "parts": {part: dict(zip(("clock", "processor"), both)) for part, both in book.seconds.items()},
    }


def main(arguments: list[str] | None = None) -> int:
    """Train the run `--rounds` times, print each one's parts, and keep the figures."""
    parser = figures.parser("main_run", __doc__)
    parser.add_argument("--profile", default="cpu", help="settings' profile (default: cpu)")
    parser.add_argument("--rounds", type=int, default=2, help="times that the run is trained (default: 2)")
    parser.add_argument(
        "--watch", type=Path, help=argparse.SUPPRESS
    )  # a round's own process: where it leaves its figures
    figures.add_out(parser)
    args = parser.parse_args(arguments)
    if args.watch:
        args.watch.write_text(json.dumps(watched(args.profile)), encoding="utf-8")
        return 0
    from gcaf_lib.settings import load
    from gcaf_lib.training.task import task

    rounds = []
    with tempfile.TemporaryDirectory() as folder:
        os.environ["GCAF_CACHE"] = f"{folder}/images"
        task(load(args.profile)).images.sum()  # prepared before the clock starts
        for number in range(args.rounds):
            place = Path(folder, str(number))
            shutil.copytree(f"{folder}/images", place / "cache")
            env = os.environ | {"GCAF_CACHE": str(place / "cache"), "GCAF_RESULTS": str(place / "results")}
            left = place / "figures.json"
            command = [
                sys.executable,
                "-m",
                "benchmarks.main_run",
                "--profile",
                args.profile,
                "--watch",
                str(left),
            ]
            subprocess.run(command, env=env, check=True)
            rounds.append(json.loads(left.read_text(encoding="utf-8")))
            one = rounds[-1]
            print(
                f"round {number + 1}: {one['clock']:.0f} s by the clock, {one['user'] + one['system']:.0f} of the processor"
            )
            for name, took in sorted(one["parts"].items(), key=lambda pair: -pair[1]["clock"]):
                print(f"{took['clock']:8.1f} {took['processor']:8.1f} s  {name}", flush=True)
    del args.watch
    figures.keep(args, {"rounds": rounds})
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What every measured process does alike; needs NumPy alone, because PyTorch's environment may have no more."""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

GIB = 2**30
MATMUL_SIDE = {True: 8192, False: 2048}  # on an accelerator, on a CPU
MATMULS = {True: 20, False: 1}  # between two synchronisations
BLOCKS = 5


class Clock:
    """Time to first step, and seconds from the end of step `warm` to that of step `warm + steps`.

    started: the parent's time.monotonic() when it started this process (one clock for all processes);
    several: steps that the device runs before the host looks again; warm and steps are rounded up to it;
    recorder: what starts and what stops a recorder, under which as many steps are timed once more.
    """

    def __init__(
        self,
        started: float,
        warm: int,
        steps: int,
        several: int = 1,
        recorder: tuple[Callable[[], Any], Callable[[], Any]] | None = None,
    ):
        self.started, self.recorder = started, recorder
        self.warm, self.steps = (-(-count // several) * several for count in (warm, steps))
        self.first: float | None = None
        self.begun = float("nan")  # when the recorder had started
        self.ends: dict[int, float] = {}

    @property
    def timed(self) -> int:
        """The last step that is timed without a recorder."""
        return self.warm + self.steps

    @property
    def total(self) -> int:
        return self.timed + (self.steps if self.recorder else 0)

    def step(self, number: int, synchronise: Callable[[], Any]) -> None:
        """`number` steps were handed to the device; waits for them only where a time is taken."""
        if self.first is None or number in (self.warm, self.timed, self.total):
            synchronise()
            now = time.monotonic()
            self.first = now if self.first is None else self.first
            self.ends[number] = now
        if self.recorder and number == self.timed:  # its own start is in neither time
            self.recorder[0]()
            self.begun = time.monotonic()
        if self.recorder and number == self.total:
            self.recorder[1]()

    def result(self, batch: int) -> dict[str, float]:
        return {
            "images_per_second": batch / self.seconds_a_step,
            "first_step_s": self.first - self.started,
            "host_gib": resident_peak() / GIB,
        }

    @property
    def seconds_a_step(self) -> float:
        return (self.ends[self.timed] - self.ends[self.warm]) / self.steps

    def recorded(self, seconds: dict[str, float], events: dict[str, float]) -> dict[str, Any]:
        """Seconds of a step by the clock, unrecorded and recorded, and of each operation, and how often it ran.

        seconds, events: of all recorded steps.
        """
        return {
            "step": self.seconds_a_step,
            "recorded": (self.ends[self.total] - self.begun) / self.steps,
            "operations": self.a_step(seconds),
            "events": self.a_step(events),
        }

    def a_step(self, of_all: dict[str, float]) -> dict[str, float]:
        """Of what all recorded steps have, a step's part."""
        return {name: one / self.steps for name, one in of_all.items()}


def resident_peak() -> int:
    """Highest resident set of this process, bytes.

    VmHWM where there is one: ru_maxrss lives on over exec, so a child would inherit its parent's.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def matmul_rate(multiply: Callable[[], Any], synchronise: Callable[[Any], Any], accelerator: bool) -> float:
    """Floating-point operations per second of a square matmul, the best of a few blocks."""
    synchronise(multiply())
    side, times, best = MATMUL_SIDE[accelerator], MATMULS[accelerator], float("inf")
    for _ in range(BLOCKS):
        start = time.perf_counter()
        for _ in range(times):
            last = multiply()
        synchronise(last)
        best = min(best, (time.perf_counter() - start) / times)
    return 2 * side**3 / best


def write(path: str | Path, tree: dict) -> None:
    """JSON, whole or not at all."""
    path = Path(path)
    temporary = path.with_name(f".tmp-{os.getpid()}-{path.name}")
    temporary.write_text(json.dumps(tree, indent=1) + "\n", encoding="utf-8")
    os.replace(temporary, path)

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
    several: steps that the device runs before the host looks again; warm and steps are rounded up to it.
    """

    def __init__(self, started: float, warm: int, steps: int, several: int = 1):
        self.started = started
        self.warm, self.steps = (-(-count // several) * several for count in (warm, steps))
        self.first: float | None = None
        self.ends: dict[int, float] = {}

    @property
    def total(self) -> int:
        return self.warm + self.steps

    def step(self, number: int, synchronise: Callable[[], Any]) -> None:
        """`number` steps were handed to the device; waits for them only where a time is taken."""
        if self.first is None or number in (self.warm, self.total):
            synchronise()
            now = time.monotonic()
            self.first = now if self.first is None else self.first
            self.ends[number] = now

    def result(self, batch: int) -> dict[str, float]:
        seconds = self.ends[self.total] - self.ends[self.warm]
        return {
            "images_per_second": self.steps * batch / seconds,
            "first_step_s": self.first - self.started,
            "host_gib": resident_peak() / GIB,
        }

    def recorded(self, seconds: dict[str, float]) -> dict[str, Any]:
        """Seconds of a step by the clock, and of each operation, of all measured steps given as `seconds`."""
        step = (self.ends[self.total] - self.ends[self.warm]) / self.steps
        return {"step": step, "operations": self.a_step(seconds)}

    def a_step(self, seconds: dict[str, float]) -> dict[str, float]:
        """Of seconds of all measured steps, those of one."""
        return {name: took / self.steps for name, took in seconds.items()}


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

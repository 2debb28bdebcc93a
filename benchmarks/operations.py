"""Where the time of a training step goes, operation by operation, by the backend's own profiler.

    python -m benchmarks.operations [--profile cpu] [--steps 20] [--out results/benchmarks/operations-cpu-tensorflow.json]

Every stage of the main model is trained for a few steps, as `benchmarks.throughput` does it, and its last
steps are recorded. What an operation is called is the backend's word: TensorFlow's kernels (those with an
underscore are oneDNN's), or XLA's instructions under KERAS_BACKEND=jax. The seconds are the sum over all threads,
so only shares are shown. An idle machine, please: beside another program what is bound by memory takes a larger share.
"""

from __future__ import annotations

import argparse
import collections
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks import figures
from benchmarks.throughput import child, contest

_EVENTS = {
    "tensorflow": re.compile(r".*[^:]:(_?[A-Z]\w*)"),  # layer/path:MatMul
    "jax": re.compile(r"([a-z][a-z_-]*?)(\.\d+)*(\.clone)*"),  # ynn_fusion.75
}
_AROUND = ("while", "call", "conditional", "Run", "Process", "Start")  # these wait for other operations


class Recorded(child.Clock):
    """A clock whose measured steps the backend's profiler records into `folder`."""

    def __init__(self, folder: str, *timing: Any):
        super().__init__(*timing)
        self.folder, (self.start, self.stop) = folder, _profiler()

    def step(self, number: int, synchronise: Callable[[], Any]) -> None:
        if number == self.warm:  # the recorder's own start is not in the time
            synchronise()
            self.start(self.folder)
        super().step(number, synchronise)
        if number == self.total:
            self.stop()


def _profiler() -> tuple[Callable, Callable]:
    import keras

    if keras.backend.backend() == "jax":
        import jax

        return jax.profiler.start_trace, jax.profiler.stop_trace
    import tensorflow as tf

    return tf.profiler.experimental.start, tf.profiler.experimental.stop


def events(folder: str | Path) -> Iterator[tuple[str, float]]:
    """(operation, seconds) of each time that one ran on the host, from a recorded trace."""
    import keras
    from jax.profiler import ProfileData  # reads TensorFlow's traces too

    backend = keras.backend.backend()
    for file in Path(folder).rglob("*.xplane.pb"):
        for plane in ProfileData.from_file(str(file)).planes:
            for line in plane.lines if "CPU" in plane.name else ():
                for event in line.events if line.name != "python" else ():
                    if name := operation(event.name, backend):
                        yield name, event.duration_ns / 1e9


def seconds(folder: str | Path) -> dict[str, float]:
    """Seconds of each operation in a recorded trace."""
    found: collections.Counter[str] = collections.Counter()
    for name, took in events(folder):
        found[name] += took
    return dict(found)


def operation(event: str, backend: str) -> str | None:
    """The operation that a profiler's event is of, without its number and its layer; None where it is none."""
    found = _EVENTS[backend].fullmatch(event)
    return found[1] if found and found[1] not in _AROUND else None


def shares(took: dict[str, float]) -> dict[str, float]:
    """Share of all operations' time, the largest first."""
    total = sum(took.values())
    return {name: one / total for name, one in sorted(took.items(), key=lambda pair: -pair[1])}


def command_line(about: str) -> argparse.ArgumentParser:
    """What a benchmark that records steps can be told."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--profile", default="cpu", help="settings' profile (default: cpu)")
    parser.add_argument("--steps", type=int, default=20, help="steps recorded, a stage (default: 20)")
    parser.add_argument("--images", type=int, default=512, help="images that are trained on (default: 512)")
    parser.add_argument("--phantoms", action="store_true", help="phantoms even where the real images are")
    figures.add_out(parser)
    return parser


def plan(given: argparse.Namespace, scratch: Path) -> dict:
    """The contest's plan of what was asked, each of whose measurements is to be recorded."""
    request = dict.fromkeys(("data", "batch", "compile_mode")) | {"warm": 5, "precision": "auto"}
    request |= {name: getattr(given, name) for name in ("profile", "steps", "images", "phantoms")}
    return contest.plan(request, scratch, 600) | {"record": True}


def main() -> None:
    given = command_line(__doc__).parse_args()
    from benchmarks.throughput import keras_child

    found = {}
    with tempfile.TemporaryDirectory(prefix="operations-") as folder:
        planned = plan(given, Path(folder))
        for stage in planned["stages"]:
            read = keras_child.main("ours", stage, planned, time.monotonic())
            found[stage] = shares(read["operations"])
            print(f"stage {stage}: " + ", ".join(f"{n} {s:.1%}" for n, s in [*found[stage].items()][:12]))
    figures.keep(given, {"pictures": planned["pictures"], "shares": found})


if __name__ == "__main__":
    main()

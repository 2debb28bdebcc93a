"""Where the time of a training step goes, operation by operation, by the backend's own profiler.

    python -m benchmarks.operations [--profile cpu] [--steps 20] [--out results/benchmarks/operations-cpu-tensorflow.json]

Every stage of the main model is trained for a few steps, as `benchmarks.throughput` does it, and its last
steps are recorded. What an operation is called is the backend's word: TensorFlow's kernels (those with an
underscore are oneDNN's), or XLA's instructions under KERAS_BACKEND=jax. An instant in which several operations run
is divided evenly among them, so that their seconds add up to those in which any ran, whatever the number of threads.
An idle machine, please: beside another program what is bound by memory takes a larger share.
"""

from __future__ import annotations

import argparse
import collections
import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from benchmarks import figures
from benchmarks.throughput import contest

if TYPE_CHECKING:
    import keras

_EVENTS = {
    "tensorflow": re.compile(r".*[^:]:(_?[A-Z]\w*)"),  # layer/path:MatMul
    "jax": re.compile(r"([a-z][a-z_-]*?)(\.\d+)*(\.clone)*"),  # ynn_fusion.75
}
_AROUND = ("while", "call", "conditional", "Run", "Process", "Start")  # these wait for other operations
PRODUCTS = re.compile(
    r"conv(olution|\d)|matmul|_linear|::linear|einsum|\b(add|b|badd|addb)?mm\b|baddbmm|addbmm", re.IGNORECASE
)
OPTIMISER, SUMS, OUTSIDE = "Adam and moving average", "sums of gradients", "outside the network"


class Event(NamedTuple):
    """One time that an operation ran: its name, the scopes it was written in (`functional/block/gelu`), its seconds."""

    operation: str
    path: str
    seconds: float


def profiler() -> tuple[Callable[[str], None], Callable[[], None]]:
    """How the backend's profiler is started, with a folder that it records into, and stopped."""
    import keras

    if keras.backend.backend() == "jax":
        import jax

        return jax.profiler.start_trace, jax.profiler.stop_trace
    import tensorflow as tf

    return tf.profiler.experimental.start, tf.profiler.experimental.stop


def events(folder: str | Path) -> list[Event]:
    """Each time that an operation ran on the host, from a recorded trace."""
    import keras
    from jax.profiler import ProfileData  # reads TensorFlow's traces too

    backend = keras.backend.backend()
    ran = [
        (name, event.name.rpartition(":")[0], event.start_ns, event.start_ns + event.duration_ns)
        for file in Path(folder).rglob("*.xplane.pb")
        for plane in ProfileData.from_file(str(file)).planes
        if "CPU" in plane.name
        for line in plane.lines
        if line.name != "python"
        for event in line.events
        if (name := operation(event.name, backend))
    ]
    took = shared(np.array([(start, end) for *_, start, end in ran]).reshape(-1, 2)) / 1e9
    return [Event(name, path, one) for (name, path, *_), one in zip(ran, took.tolist())]


def shared(spans: np.ndarray) -> np.ndarray:
    """How much of the clock's time each of the spans (n, 2) has, an instant divided evenly among those that run in it."""
    edges, places = np.unique(spans, return_inverse=True)
    begin, end = places.reshape(spans.shape).T
    running = np.cumsum(np.bincount(begin, minlength=len(edges)) - np.bincount(end, minlength=len(edges)))
    until = np.concatenate([[0], np.cumsum(np.diff(edges) / np.maximum(running[:-1], 1))])
    return until[end] - until[begin]


def seconds(ran: list[Event]) -> dict[str, float]:
    """Seconds of each operation."""
    found: collections.Counter[str] = collections.Counter()
    for event in ran:
        found[event.operation] += event.seconds
    return dict(found)


def by_layer(ran: list[Event], model: keras.Model) -> dict[str, dict[str, float]]:
    """Seconds of each operation by the kind of the layer that it is written in, forward or as a gradient."""
    kinds = {layer.name: kind(layer) for layer in model._flatten_layers() if not hasattr(layer, "layers")}
    found: dict[str, dict[str, float]] = {}
    for event in ran:
        scopes = [re.sub(r"_\d+$", "", one) if one not in kinds else one for one in event.path.split("/")]
        own = [kinds[one] for one in scopes if one in kinds]
        without = SUMS if event.operation == "AddN" else OUTSIDE  # such a sum is written in no layer
        where = own[-1] if own else OPTIMISER if "adam" in scopes else without
        found.setdefault(where, collections.Counter())[event.operation] += event.seconds
    return {where: dict(took) for where, took in found.items()}


def kind(layer: keras.Layer) -> str:
    """A layer's class, or its function where its class is `Activation`."""
    named = getattr(layer, "activation", None) if type(layer).__name__ == "Activation" else None
    return named.__name__ if named else type(layer).__name__


def operation(event: str, backend: str) -> str | None:
    """The operation that a profiler's event is of, without its number and its layer; None where it is none."""
    found = _EVENTS[backend].fullmatch(event)
    return found[1] if found and found[1] not in _AROUND else None


def shares(took: dict[str, float]) -> dict[str, float]:
    """Share of all operations' time, the largest first."""
    total = sum(took.values())
    return {name: one / total for name, one in sorted(took.items(), key=lambda pair: -pair[1])}


def is_product(name: str) -> bool:
    """Whether an operation is a convolution or a matrix product (or a gradient of one); a generated loop is named `fused`."""
    return bool(PRODUCTS.search(name)) and "fused_" not in name


def largest(stages: dict[str, dict[str, dict[str, float]]]) -> dict[str, Any]:
    """The operation, no product, that takes most of all stages, and how its time is shared by kinds of layers.

    stages: stage to kind of layer to operation to seconds (`by_layer`).
    """
    every: collections.Counter[str] = collections.Counter()
    for kinds in stages.values():
        for took in kinds.values():
            every.update({name: one for name, one in took.items() if not is_product(name)})
    name = every.most_common(1)[0][0]
    of_it = {
        stage: {where: took.get(name, 0.0) for where, took in kinds.items()}
        for stage, kinds in stages.items()
    }
    return {"operation": name, "layers": {stage: shares(took) for stage, took in of_it.items()}}


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

    found, layers = {}, {}
    with tempfile.TemporaryDirectory(prefix="operations-") as folder:
        planned = plan(given, Path(folder))
        for stage in planned["stages"]:
            read = keras_child.main("ours", stage, planned, time.monotonic())
            found[stage], layers[stage] = shares(read["operations"]), read["layers"]
            print(f"stage {stage}: " + ", ".join(f"{n} {s:.1%}" for n, s in [*found[stage].items()][:12]))
    # XLA's instructions name no layer
    told = {"largest": largest(layers)} if planned["machine"]["backend"] == "tensorflow" else {}
    figures.keep(given, {"pictures": planned["pictures"], "shares": found} | told)


if __name__ == "__main__":
    main()

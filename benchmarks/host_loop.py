"""What the host's loop over steps costs: is an epoch scanned on the device worth its lines?

    python -m benchmarks.host_loop [--profile demo] [--batch 32] [--steps 64] [--epochs 3] [--stage 1]

Milliseconds a step of the training graph, in one run, on images that are random numbers (the arithmetic is
the same): fed from the host; from images on the device; several steps an execution; and, on JAX, all
steps of an epoch inside one compiled `lax.scan`, where the host takes no part. What the loop costs is the
difference between the last two. Keras's trainer is the one measured, with nothing between the epochs.
"""

from __future__ import annotations

import argparse
import statistics
import time

import keras
import numpy as np

from benchmarks import figures
from gcaf_lib.book.speed import loop_cost
from gcaf_lib.model import backend, classifier, losses
from gcaf_lib.settings import Settings, load
from gcaf_lib.training import feed, loop
from gcaf_lib.training.task import Part


class Clock(keras.callbacks.Callback):
    """Seconds of each epoch; its end fetches the metrics, so the device has finished by then."""

    def __init__(self):
        super().__init__()
        self.seconds: list[float] = []

    def on_epoch_begin(self, epoch, logs=None):
        self.began = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds.append(time.perf_counter() - self.began)


def make(settings: Settings, steps: int, epochs: int, number: int, resident: bool, k: int) -> loop.Stage:
    """A stage over `steps` batches of random images."""
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy(settings.training.dtype)
    size, batch = settings.data.image_size, settings.training.batch_size
    images = np.random.default_rng(0).integers(0, 256, (steps * batch, size, size, 3), np.uint8)
    part = Part(np.arange(len(images)), np.arange(len(images)) % 4)
    model = classifier.build(settings.model, size, 4, seed=0, dtype=settings.training.dtype)
    if number == 1:
        classifier.freeze(model)
    else:
        classifier.unfreeze(model, settings.training.unfrozen)
    return loop.Stage(
        model,
        images,
        part,
        Part(part.rows[:1], part.labels[:1]),
        number=number,
        epochs=epochs,
        rate=1e-5,
        loss=losses.FocalLoss("target-probability", 2.0, 0.05, np.ones(4)),
        settings=settings.training,
        seed=0,
        checkpoint=None,
        resident=feed.resident(images, resident),
        steps_per_execution=k,
    )


def fitted(stage: loop.Stage) -> list[float]:
    """Seconds of each epoch of Keras's `fit`; the first one, which compiles, is left out."""
    clock = Clock()
    stage.graph.fit(
        backend.pipeline(stage.batches),
        steps_per_epoch=stage.batches.steps,
        epochs=stage.epochs,
        shuffle=False,
        verbose=0,
        callbacks=[clock],
    )
    return clock.seconds[1:]


def scanned(stage: loop.Stage) -> list[float]:
    """The same steps inside one `lax.scan`: seconds of each epoch after the first (JAX only)."""
    import jax
    import jax.numpy as jnp

    graph, batches = stage.graph, stage.batches
    fitted(stage)  # builds the metrics
    state = tuple(
        [jnp.array(v.value) for v in group]
        for group in (
            graph.trainable_variables,
            graph.non_trainable_variables,
            graph.optimizer.variables,
            graph.metrics_variables,
        )
    )

    def epoch(state, rows, labels):
        def step(state, batch):
            logs, state = graph.train_step(state, ({"row": batch[0], "label": batch[1]}, batch[1]))
            return tuple(list(group) for group in state), logs["loss"]

        return jax.lax.scan(step, state, (rows, labels))

    epoch = jax.jit(epoch, donate_argnums=0)
    seconds = []
    for number in range(stage.epochs):
        began = time.perf_counter()
        items = [batches[number * batches.steps + i] for i in range(batches.steps)]
        rows = np.stack([inputs["row"] for inputs, _ in items])
        state, loss = epoch(state, rows, np.stack([labels for _, labels in items]))
        np.asarray(loss)
        seconds.append(time.perf_counter() - began)
    return seconds[1:]


def measure(settings: Settings, steps: int = 64, epochs: int = 3, number: int = 1, k: int = 16) -> dict:
    """Milliseconds a step (median over epochs) of each way; `k` steps an execution where it says so."""
    ways = {
        "images from the host": lambda: fitted(make(settings, steps, epochs, number, False, 1)),
        "images on the device": lambda: fitted(make(settings, steps, epochs, number, True, 1)),
        f"... {k} steps an execution": lambda: fitted(make(settings, steps, epochs, number, True, k)),
    }
    if keras.backend.backend() == "jax":
        ways["... one scan an epoch"] = lambda: scanned(make(settings, steps, epochs, number, True, 1))
    return {name: 1e3 * statistics.median(way()) / steps for name, way in ways.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--profile", default="demo", help="whose model and image size (default: demo)")
    parser.add_argument("--batch", type=int, default=32, help="images a step")
    parser.add_argument("--steps", type=int, default=64, help="steps an epoch; a multiple of --execution")
    parser.add_argument("--execution", type=int, default=16, help="steps an execution")
    parser.add_argument("--epochs", type=int, default=3, help="epochs, of which the first is not counted")
    parser.add_argument("--stage", type=int, default=1, choices=(1, 2), help="which stage's weights train")
    figures.add_out(parser)
    given = parser.parse_args()

    settings = load(given.profile, {"training.batch_size": given.batch})
    found = measure(settings, given.steps, max(2, given.epochs), given.stage, given.execution)
    names = backend.accelerators() or ["CPU"]
    print(f"{keras.backend.backend()} on {names[0]}, profile {given.profile}, stage {given.stage}, ", end="")
    print(f"batch {given.batch}")
    figures.keep(given, {"ms_a_step": found})
    first = next(iter(found.values()))
    for name, value in found.items():
        print(f"{name:28s} {value:9.3f} ms a step   {first / value:6.2f} x")
    cost = loop_cost(found)
    if cost:
        print(f"the host's loop costs        {cost[0]:9.3f} ms a step, {100 * cost[1]:.0f}%")


if __name__ == "__main__":
    main()

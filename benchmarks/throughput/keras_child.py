"""The Keras contenders, `ours` (fused or not) and `plain`: one stage, in this process.

python -m benchmarks.throughput.keras_child ours|ours-fused|plain STAGE PLAN.json STARTED RESULT.json
"""

from __future__ import annotations

import json
import math
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import keras
import numpy as np
from keras import ops

from benchmarks.throughput import child
from benchmarks.throughput.plan import enter
from gcaf_lib.model import backend, classifier, losses
from gcaf_lib.settings import Settings


class Timer(keras.callbacks.Callback):
    """Hands Keras's steps to the clock; the loss of a step is there when the step is done."""

    def __init__(self, clock: child.Clock):
        super().__init__()
        self.clock = clock

    def on_train_batch_end(self, step: int, logs=None) -> None:
        self.clock.step(step + 1, lambda: ops.convert_to_numpy(logs["loss"]))


def focal(alpha: list[float], settings: Settings) -> losses.FocalLoss:
    s = settings.loss
    return losses.FocalLoss(s.reading, s.gamma, s.smoothing, np.asarray(alpha))


def rate(settings: Settings, stage: int) -> float:
    """The stage's learning rate, stage 0's without its schedule."""
    t = settings.training
    return (t.stage0_rate, t.stage1_rate, t.stage2_rate)[stage]


def ours(
    plan: dict,
    settings: Settings,
    stage: int,
    loss: losses.FocalLoss,
    started: float,
    recorder: tuple[Callable[[], None], Callable[[], None]] | None = None,
) -> tuple[keras.Model, child.Clock]:
    """The library's own stage, without the end of an epoch (validation, checkpoint)."""
    from gcaf_lib.training import feed
    from gcaf_lib.training.loop import Stage
    from gcaf_lib.training.task import Part

    backend.deterministic()  # as every training run does
    model = _model(settings, stage)
    images = np.load(Path(plan["folder"]) / "images.npy", mmap_mode="r")
    part = Part(np.arange(len(images)), np.load(Path(plan["folder"]) / "labels.npy"))
    t, each = settings.training, len(images) // settings.training.batch_size
    clock = child.Clock(started, plan["warm"], plan["steps"], feed.steps_per_execution(each), recorder)
    run = Stage(
        model, images, part, part,
        number=stage, epochs=math.ceil(clock.total / each),
        rate=rate(settings, stage), loss=loss,
        settings=t, seed=0, checkpoint=Path(plan["folder"]) / "unused.npz", resident=feed.resident(images),
    )  # fmt: skip
    _fit(run.graph, backend.pipeline(run.batches), clock)
    return model, clock


def plain(
    plan: dict, settings: Settings, stage: int, loss: losses.FocalLoss, started: float
) -> tuple[keras.Model, child.Clock]:
    """`compile` and `fit` with Keras's defaults on a tf.data pipeline that does everything on the host."""
    model = _model(settings, stage)
    t, clock = settings.training, child.Clock(started, plan["warm"], plan["steps"])
    averaged = dict(use_ema=True, ema_momentum=t.ema) if t.ema > 0 and stage > 0 else {}
    optimizer = keras.optimizers.Adam(rate(settings, stage), **averaged)
    model.compile(optimizer=optimizer, loss=loss, metrics=["accuracy"])
    _fit(model, pipeline(plan, settings), clock)
    return model, clock


def pipeline(plan: dict, settings: Settings):
    """tf.data: files → decode, equalise, resize → augment → batch → Mixup → prefetch, without end."""
    import tensorflow as tf

    from gcaf_lib.data import preprocess

    if keras.backend.backend() != "tensorflow":
        tf.config.set_visible_devices([], "GPU")  # it only feeds: the device's memory is the backend's
    t, size, classes = settings.training, settings.data.image_size, len(settings.data.classes)
    labels = np.load(Path(plan["folder"]) / "labels.npy")
    lambdas = tf.constant(np.load(Path(plan["folder"]) / "lambdas.npy"))

    def decode(file, label):
        image = tf.numpy_function(
            lambda name: preprocess.preprocess(name.decode(), settings.data), [file], tf.uint8, stateful=False
        )
        image = tf.cast(tf.ensure_shape(image, (size, size, 3)), tf.float32)
        return image, tf.one_hot(label, classes)

    def augmented(image, label):
        if t.flips:
            image = tf.image.random_flip_up_down(tf.image.random_flip_left_right(image))
        if t.brightness:
            image = tf.clip_by_value(tf.image.random_brightness(image, 255 * t.brightness), 0, 255)
        if t.contrast:
            image = tf.clip_by_value(tf.image.random_contrast(image, 1 - t.contrast, 1 + t.contrast), 0, 255)
        return image, label

    def mixed(images, one_hot):
        count = tf.shape(images)[0]
        lam = tf.gather(lambdas, tf.random.uniform((count,), 0, len(lambdas), tf.int32))
        order = tf.random.shuffle(tf.range(count))
        w, v = lam[:, None, None, None], lam[:, None]
        images = w * images + (1 - w) * tf.gather(images, order)
        return images, v * one_hot + (1 - v) * tf.gather(one_hot, order)

    every = tf.data.Dataset.from_tensor_slices((plan["files"], labels.astype("int32")))
    every = every.shuffle(len(labels)).repeat().map(decode, tf.data.AUTOTUNE).map(augmented, tf.data.AUTOTUNE)
    every = every.batch(t.batch_size, drop_remainder=True)
    return (every.map(mixed, tf.data.AUTOTUNE) if t.mixup else every).prefetch(2)


def _model(settings: Settings, stage: int) -> keras.Model:
    s = settings
    model = classifier.build(s.model, s.data.image_size, len(s.data.classes), dtype=s.training.dtype)
    enter(model, stage, settings)
    return model


def _fit(model: keras.Model, batches, clock: child.Clock) -> None:
    model.fit(batches, steps_per_epoch=clock.total, shuffle=False, verbose=0, callbacks=[Timer(clock)])


def device_peak() -> int | None:
    """Highest memory in use on the accelerator, bytes, as the backend counts it; None on a CPU."""
    if not backend.accelerators():
        return None
    if keras.backend.backend() == "jax":
        import jax

        return (jax.devices()[0].memory_stats() or {}).get("peak_bytes_in_use")
    import tensorflow as tf

    return tf.config.experimental.get_memory_info("GPU:0")["peak"]


def matmul_rate(precision: str, accelerator: bool) -> float:
    """Measured peak of this backend, FLOP/s."""
    side = child.MATMUL_SIDE[accelerator]
    a, b = (ops.cast(keras.random.normal((side, side), seed=seed), precision) for seed in (1, 2))
    return child.matmul_rate(
        lambda: ops.matmul(a, b), lambda c: ops.convert_to_numpy(ops.cast(c[0, 0], "float32")), accelerator
    )


def main(name: str, stage: str, plan: dict, started: float) -> dict:
    what = plan["stages"][stage]
    settings = Settings.from_dict(what["settings"])
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy(settings.training.dtype)
    contender, loss = plain if name == "plain" else ours, focal(what["alpha"], settings)
    if plan.get("record"):
        from benchmarks import operations

        start, stop = operations.profiler()
        with tempfile.TemporaryDirectory() as folder:
            recorder = partial(start, folder), stop
            model, clock = ours(plan, settings, what["number"], loss, started, recorder)
            ran = operations.events(folder)
            counted = [one._replace(seconds=1) for one in ran]
            layers = {
                name: {kind: clock.a_step(of_all) for kind, of_all in operations.by_layer(of, model).items()}
                for name, of in (("layers", ran), ("layer_events", counted))
            }
            return clock.recorded(operations.seconds(ran), operations.seconds(counted)) | layers
    model, clock = contender(plan, settings, what["number"], loss, started)
    weights = classifier.parameters(model)
    peak = device_peak()
    return clock.result(plan["batch"]) | {
        "device_gib": None if peak is None else peak / child.GIB,
        "weights": weights["total"],
        "trained": weights["trainable"],
        "matmul_flops": matmul_rate(plan["precision"], plan["accelerator"]),
    }


if __name__ == "__main__":
    _, name, stage, plan, started, result = sys.argv
    child.write(result, main(name, stage, json.loads(Path(plan).read_text()), float(started)))

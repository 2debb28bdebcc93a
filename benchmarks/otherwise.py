"""A stage of training with one thing done otherwise, in this process: how `benchmarks.suspects` measures.

python -m benchmarks.otherwise CHANGE STAGE PLAN.json STARTED RESULT.json
"""

from __future__ import annotations

import json
import re
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from tensorflow.python.eager import context
from tensorflow.python.framework.config import is_op_determinism_enabled

from benchmarks import operations
from benchmarks.suspects import AGAIN, ALLOCATORS, AS_IT_IS
from benchmarks.throughput import child, keras_child
from gcaf_lib.model import augment, backend, blocks
from gcaf_lib.settings import Settings

# -- other forms of the same sums -----------------------------------------------------------------


def by_xla(*kinds: type[keras.Layer]) -> None:
    """XLA compiles each call of such a layer, and its gradient, into few passes over the tensor."""
    for kind in kinds:
        plain = kind.call

        def call(self, x, plain=plain):
            return tf.function(lambda given: plain(self, given), jit_compile=True, autograph=False)(x)

        kind.call = call


def _compiled(function: Callable) -> Callable:
    """As a program of XLA's; with JAX the whole step is one anyhow."""
    if keras.backend.backend() != "tensorflow":
        return function
    return tf.function(function, jit_compile=True, autograph=False)


def _windows(x, side: int) -> list:
    """x (B, h, w, C) moved by each place of a filter of that odd side, zeros around it."""
    half, (_, h, w, _) = side // 2, x.shape
    around = ops.pad(x, ((0, 0), (half, half), (half, half), (0, 0)))
    return [around[:, i : i + h, j : j + w] for i in range(side) for j in range(side)]


@_compiled
def shifted(x, kernel):
    """Depthwise convolution, stride 1: x (B, h, w, C) by kernel (k, k, C, 1), a product and a sum for each of k² places."""
    side, _, channels, _ = kernel.shape
    factors = ops.unstack(ops.reshape(kernel, (side * side, channels)))
    return sum(window * factor for window, factor in zip(_windows(x, side), factors))


@_compiled
def _slope_shifted(x, dy, side: int):
    return ops.stack([ops.sum(window * dy, (0, 1, 2)) for window in _windows(x, side)])


def _slope_product(x, dy, side: int):
    patches = ops.reshape(ops.stack(_windows(x, side)), (side * side, -1, x.shape[-1]))
    return ops.einsum("knc,nc->kc", patches, ops.reshape(dy, (-1, x.shape[-1])))


@_compiled
def by_rows(x, kernel):
    """As `shifted`, but added up row by row of the filter."""
    side, half, (_, h, w, _) = kernel.shape[0], kernel.shape[0] // 2, x.shape
    around = ops.pad(x, ((0, 0), (half, half), (half, half), (0, 0)))
    rows = [around[:, i : i + h] for i in range(side)]
    return sum(
        sum(row[:, :, j : j + w] * kernel[i, j, :, 0] for j in range(side)) for i, row in enumerate(rows)
    )


@_compiled
def _slope_by_image(x, dy, side: int):
    def add(so_far, pair):
        windows = [one[0] for one in _windows(pair[0][None], side)]
        return so_far + ops.stack([ops.sum(window * pair[1], (0, 1)) for window in windows]), None

    return ops.scan(add, ops.zeros((side * side, x.shape[-1])), (x, dy))[0]


def depthwise(form: Callable, sides: tuple[int, ...] = (7,)) -> None:
    """Keras's depthwise convolutions of stride 1 with kernels of these sides take `form(x, kernel)`."""
    plain = keras.layers.DepthwiseConv2D.call

    def call(self, x):
        if self.kernel_size[0] not in sides or self.strides != (1, 1):
            return plain(self, x)
        y = form(x, self.kernel[:])  # a tensor, because no gradient of ours takes a variable
        return y + self.bias if self.use_bias else y

    keras.layers.DepthwiseConv2D.call = call


def kept(x, kernel):
    """The backend's own depthwise convolution."""
    return ops.depthwise_conv(x, kernel, padding="same")


def with_slope(slope: Callable, convolved: Callable = kept) -> Callable:
    """A depthwise convolution, the gradient of whose kernel is `slope(x, dy, side)`, an array (k², C)."""

    @ops.custom_gradient
    def form(x, kernel):
        def gradient(*given, upstream=None):
            dy = given[0] if upstream is None else upstream
            dx = convolved(dy, ops.flip(kernel, (0, 1)))
            return dx, ops.reshape(slope(x, dy, kernel.shape[0]), kernel.shape)

        return convolved(x, kernel), gradient

    return form


def pointwise() -> None:
    """Convolutions 1×1 as products of matrices."""
    plain = keras.layers.Conv2D.call

    def call(self, x):
        if self.kernel_size != (1, 1) or self.strides != (1, 1):
            return plain(self, x)
        y = x @ self.kernel[0, 0]
        return self.activation(y + self.bias if self.use_bias else y)

    keras.layers.Conv2D.call = call


def folded() -> None:
    """Batch normalisation at rest is a bias: its scale is in the kernel of the convolution before it, see `fold`."""
    plain = blocks.BatchNormalization.call

    def call(self, inputs, training=None, mask=None):
        if training and self.trainable:
            return plain(self, inputs, training=training, mask=mask)
        return tf.nn.bias_add(inputs, tf.convert_to_tensor(self.beta))

    blocks.BatchNormalization.call = call


def fold(model: keras.Model) -> None:
    """Put the scale of each batch normalisation into the kernel before it, and its mean into its offset, in place.

    What is measured does not need it (other values take no other time); with it the numbers are the model's (a test).
    """
    for norm in model.layers:
        if isinstance(norm, blocks.BatchNormalization):
            scale = norm.gamma / keras.ops.sqrt(norm.moving_variance + norm.epsilon)
            before = norm.input._keras_history.operation
            one_each = isinstance(before, keras.layers.DepthwiseConv2D)
            before.kernel.assign(before.kernel * (scale[:, None] if one_each else scale))
            norm.beta.assign(norm.beta - norm.moving_mean * scale)


# -- something left out: what making it faster could spare at most ------------------------------------


def without_update() -> None:
    """Plain gradient descent and no moving average: one operation a weight."""
    keras.optimizers.Adam = lambda rate, **_: keras.optimizers.SGD(rate)


def without_average() -> None:
    adam = keras.optimizers.Adam
    keras.optimizers.Adam = lambda rate, **_: adam(rate)


def without_accuracy() -> None:
    plain = keras.Model.compile
    keras.Model.compile = lambda self, **given: plain(self, **given | {"metrics": None})


def without_preparation() -> None:
    """Images as they are stored: not augmented, not mixed, not normalised (Eq 2)."""
    augment.augmentation = lambda settings: []
    augment.Mixup.call = lambda self, pair: pair
    keras.layers.Rescaling.call = lambda self, x: x


def without_determinism() -> None:
    backend.deterministic = lambda: None


def after_generator() -> None:
    """One batch from a generator operation, as Keras's adapter of a PyDataset has it; the stage itself is fed as ever."""
    one = tf.data.Dataset.from_generator(lambda: iter([0.0]), output_signature=tf.TensorSpec((), tf.float32))
    assert [float(x) for x in one] == [0]


def fed_by_generator() -> None:
    """Every batch from a generator operation, which is what Keras's adapter of a PyDataset makes, too."""

    def pipeline(batches: keras.utils.PyDataset) -> tf.data.Dataset:
        item = batches[0]
        kinds = tf.nest.map_structure(lambda x: tf.TensorSpec(x.shape, x.dtype), item)
        every = (batches[i] for i in range(len(batches)))
        return tf.data.Dataset.from_generator(lambda: every, output_signature=kinds).prefetch(2)

    backend.pipeline = pipeline


def whole_by_xla() -> None:
    """XLA compiles the step as one program; Keras allows that only where operations need not be deterministic."""
    without_determinism()
    backend.jit_compile = lambda: True


CHANGES: dict[str, Callable[[], None]] = {
    AS_IT_IS: lambda: None,
    "normalisation at rest folded": folded,
    "7×7 depthwise shifted": lambda: depthwise(shifted),
    "7×7 gradient shifted": lambda: depthwise(with_slope(_slope_shifted)),
    "7×7 gradient as products": lambda: depthwise(with_slope(_slope_product)),
    "depthwise by rows": lambda: depthwise(with_slope(_slope_by_image, by_rows), sides=(3, 5, 7)),
    "1×1 as products": pointwise,
    "depthwise by rows, 1×1 as products": lambda: [
        CHANGES[one]() for one in ("depthwise by rows", "1×1 as products")
    ],
    "LayerNormalization by XLA": lambda: by_xla(keras.layers.LayerNormalization),
    "activations by XLA": lambda: by_xla(keras.layers.Activation),
    "LayerScale by XLA": lambda: by_xla(blocks.LayerScale),
    AGAIN: lambda: None,
    "no update": without_update,
    "no average": without_average,
    "no accuracy": without_accuracy,
    "no preparation": without_preparation,
    "no determinism": without_determinism,
    "whole step by XLA": whole_by_xla,
    "after a generator": after_generator,
    "fed by a generator": fed_by_generator,
}


# -- what is otherwise, as the process itself shows it ------------------------------------------------


def programs(folder: str) -> dict[str, int]:
    """How many operations of each kind the process's compiled functions hold; folder: where JAX dumped its own."""
    if keras.backend.backend() == "jax":
        texts = "".join(path.read_text() for path in Path(folder).glob("*train_step*.mlir"))
        return dict(sorted(Counter(re.findall(r"stablehlo\.\w+", texts)).items()))
    known = context.context()
    functions = [known.get_function_def(name) for name in known.list_function_names()]
    by_xla = sum("_XlaMustCompile" in one.attr and one.attr["_XlaMustCompile"].b for one in functions)
    return dict(sorted(Counter(node.op for one in functions for node in one.node_def).items())) | {
        "by XLA": by_xla
    }


@tf.function(autograph=False)
def _little(x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    y = tf.nn.conv2d(x, kernel, 1, "SAME")
    return tf.reduce_sum(tf.nn.sigmoid(tf.exp(2 * y + 1) * y - 3) * tf.tanh(y))


def kernels() -> list[str]:
    """What TensorFlow runs for a convolution and a chain of element-wise operations, in its profiler's words."""
    image, kernel = tf.ones((8, 32, 32, 32)), tf.ones((3, 3, 32, 32))
    _little(image, kernel)  # traced before it is recorded
    with tempfile.TemporaryDirectory() as folder:
        tf.profiler.experimental.start(folder)
        _little(image, kernel).numpy()
        tf.profiler.experimental.stop()
        return sorted({event.operation for event in operations.events(folder)})


def allocator() -> str:
    """The library that gives memory, and whether what is freed stays with the process."""
    loaded = {name for name in ALLOCATORS if f"lib{name}." in Path("/proc/self/maps").read_text()}
    for _ in range(3):  # malloc learns from what is freed which sizes to keep
        array = np.ones(2**20)
        held = resident()
        del array
        gone = held - resident()
    return f"{', '.join(sorted(loaded)) or 'malloc'}, {'keeps' if gone < 2**22 else 'gives back'}"


def resident() -> int:
    """Bytes of this process that are in memory. Not its page faults: how many those are hangs on the size of the pages."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def threads() -> tuple[int, bool]:
    """Threads between operations, and whether one operation uses more than a core."""
    names = [path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")]
    square = tf.ones((3000, 3000))
    (square @ square).numpy()
    clock, spent = time.perf_counter(), time.process_time()
    (square @ square).numpy()
    cores = (time.process_time() - spent) / (time.perf_counter() - clock)
    return names.count("tf_Compute"), cores > 1.2


def state(folder: str) -> dict[str, Any]:
    """What tells one process from another: a change that leaves this alone did not take effect."""
    if keras.backend.backend() == "jax":
        return {"programs": programs(folder)}
    return {
        "programs": programs(folder),  # before the probes below, which are functions too
        "kernels": kernels(),
        "allocator": allocator(),
        "threads": threads(),
        "deterministic": is_op_determinism_enabled(),
    }


def main(change: str, stage: str, plan: dict, started: float) -> dict:
    CHANGES.get(change, CHANGES[AS_IT_IS])()  # others are changes of the process's environment
    what = plan["stages"][stage]
    settings = Settings.from_dict(what["settings"])
    keras.utils.set_random_seed(0)
    loss = keras_child.focal(what["alpha"], settings)
    with tempfile.TemporaryDirectory() as folder:
        if keras.backend.backend() == "jax":
            import jax

            jax.config.update("jax_dump_ir_to", folder)
        _model, clock = keras_child.ours(plan, settings, what["number"], loss, started)
        return clock.result(plan["batch"]) | {"state": state(folder)}


if __name__ == "__main__":
    _, change, stage, plan, started, result = sys.argv
    child.write(result, main(change, stage, json.loads(Path(plan).read_text()), float(started)))

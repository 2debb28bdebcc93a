"""A stage of training with one thing done otherwise, in this process: how `benchmarks.suspects` measures.

python -m benchmarks.otherwise CHANGE STAGE PLAN.json STARTED RESULT.json
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import keras
import tensorflow as tf

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


def _windows(x: tf.Tensor, side: int) -> list[tf.Tensor]:
    """x (B, h, w, C) moved by each place of a filter of that odd side, zeros around it."""
    half, (_, h, w, _) = side // 2, x.shape
    around = tf.pad(x, ((0, 0), (half, half), (half, half), (0, 0)))
    return [around[:, i : i + h, j : j + w] for i in range(side) for j in range(side)]


def shifted(x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """Depthwise convolution, stride 1: x (B, h, w, C) by kernel (k, k, C, 1), a product and a sum for each of k² places."""
    side, channels = int(kernel.shape[0]), int(kernel.shape[2])
    factors = tf.unstack(tf.reshape(kernel, (side * side, channels)))
    return tf.add_n([window * factor for window, factor in zip(_windows(x, side), factors)])


@tf.function(jit_compile=True, autograph=False)
def _shifted(x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    return shifted(x, kernel)


@tf.function(jit_compile=True, autograph=False)
def _slope_shifted(x: tf.Tensor, dy: tf.Tensor, side: int) -> tf.Tensor:
    return tf.stack([tf.reduce_sum(window * dy, (0, 1, 2)) for window in _windows(x, side)])


def _slope_product(x: tf.Tensor, dy: tf.Tensor, side: int) -> tf.Tensor:
    b, h, w, c = tf.unstack(tf.shape(x))
    patches = tf.image.extract_patches(x, (1, side, side, 1), (1, 1, 1, 1), (1, 1, 1, 1), "SAME")
    patches = tf.transpose(tf.reshape(patches, (b * h * w, side * side, c)), (2, 1, 0))
    return tf.transpose(tf.matmul(patches, tf.transpose(tf.reshape(dy, (-1, c)))[..., None])[..., 0])


def depthwise(form: Callable) -> None:
    """Keras's depthwise convolutions with kernels of 7 take `form(x, kernel)`."""
    plain = keras.layers.DepthwiseConv2D.call

    def call(self, x):
        if self.kernel_size != (7, 7):
            return plain(self, x)
        return tf.nn.bias_add(form(x, tf.convert_to_tensor(self.kernel)), tf.convert_to_tensor(self.bias))

    keras.layers.DepthwiseConv2D.call = call


def with_slope(slope: Callable) -> Callable:
    """TensorFlow's depthwise convolution, the gradient of whose kernel is `slope(x, dy, side)`, an array (k², C)."""

    @tf.custom_gradient
    def form(x, kernel):
        strides = dict(strides=(1, 1, 1, 1), padding="SAME")

        def gradient(dy):
            dx = tf.raw_ops.DepthwiseConv2dNativeBackpropInput(
                input_sizes=tf.shape(x), filter=kernel, out_backprop=dy, **strides
            )
            return dx, tf.reshape(slope(x, dy, int(kernel.shape[0])), kernel.shape)

        return tf.raw_ops.DepthwiseConv2dNative(input=x, filter=kernel, **strides), gradient

    return form


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


CHANGES: dict[str, Callable[[], None]] = {
    "as it is": lambda: None,
    "normalisation at rest folded": folded,
    "7×7 depthwise shifted": lambda: depthwise(_shifted),
    "7×7 gradient shifted": lambda: depthwise(with_slope(_slope_shifted)),
    "7×7 gradient as products": lambda: depthwise(with_slope(_slope_product)),
    "LayerNormalization by XLA": lambda: by_xla(keras.layers.LayerNormalization),
    "activations by XLA": lambda: by_xla(keras.layers.Activation),
    "LayerScale by XLA": lambda: by_xla(blocks.LayerScale),
    "as it is, again": lambda: None,
    "no update": without_update,
    "no average": without_average,
    "no accuracy": without_accuracy,
    "no preparation": without_preparation,
    "no determinism": without_determinism,
}


def main(change: str, stage: str, plan: dict, started: float) -> dict:
    CHANGES.get(change, CHANGES["as it is"])()  # others are changes of the process's environment
    what = plan["stages"][stage]
    settings = Settings.from_dict(what["settings"])
    keras.utils.set_random_seed(0)
    loss = keras_child.focal(what["alpha"], settings)
    _, clock = keras_child.ours(plan, settings, what["number"], loss, started)
    return clock.result(plan["batch"])


if __name__ == "__main__":
    _, change, stage, plan, started, result = sys.argv
    child.write(result, main(change, stage, json.loads(Path(plan).read_text()), float(started)))

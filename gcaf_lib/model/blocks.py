"""Building blocks of the backbones: MBConv, ConvNeXt, residual, dense and CBAM, all flat.

Keras keeps its generic `EfficientNetV2(...)`, `EfficientNet(...)` and `ConvNeXt(...)` constructors
private (keras.src). Rather than import from there, the blocks are written out here; they serve the
miniatures and the two full backbones that Keras can't give flat and un-normalised: its
ConvNeXt-Tiny nests four Sequential models (which hides layers from Grad-CAM and from the "top 20%
of the layers"), and its EfficientNet-B0 welds a normalisation with weights of its own to the
network. Tests hold both to keras.applications, weight for weight and feature for feature.
"""

from __future__ import annotations

from typing import NamedTuple

import keras
from keras import layers, ops

from gcaf_lib.model import backend

HE = "he_normal"
# what Keras's EfficientNets use; He initialisation over the fan out
CONV_INIT = {
    "class_name": "VarianceScaling",
    "config": {"scale": 2.0, "mode": "fan_out", "distribution": "truncated_normal"},
}


@keras.saving.register_keras_serializable("gcaf")
def swish(x):
    """x·σ(x). Keras's own has TensorFlow compute σ a second time for the gradient."""
    return x * ops.sigmoid(x)


@keras.saving.register_keras_serializable("gcaf")
def gelu(x):
    """x·Φ(x), exact (Hendrycks and Gimpel 2016, arXiv:1606.08415). Keras's own takes TensorFlow's slower erfc."""
    return (ops.erf(x * 0.5**0.5) + 1) * 0.5 * x


@keras.saving.register_keras_serializable("gcaf")
class BatchNormalization(layers.BatchNormalization):
    """Keras's layer, its weights and its numbers but for rounding, in one operation where that is faster."""

    def call(self, inputs, training=None, mask=None):
        learns = bool(training and self.trainable)
        x = ops.cast(inputs, "float32")
        state = (self.gamma, self.beta, self.moving_mean, self.moving_variance)
        fused = backend.fused_batch_norm(
            x, *(ops.convert_to_tensor(v, "float32") for v in state), self.epsilon, learns
        )
        if fused is None:
            return super().call(inputs, training=training, mask=mask)
        y, mean, variance = fused
        if learns:
            m = self.momentum
            self.moving_mean.assign(self.moving_mean * m + mean * (1 - m))
            self.moving_variance.assign(self.moving_variance * m + variance * (1 - m))
        return ops.cast(y, self.compute_dtype)


@keras.saving.register_keras_serializable("gcaf")
class LayerScale(layers.Layer):
    """Multiply each channel by a learnt factor (ConvNeXt; Touvron et al. 2021, arXiv:2103.17239)."""

    def __init__(self, initial: float = 1e-6, **kwargs):
        super().__init__(**kwargs)
        self.initial = initial

    def build(self, shape):
        start = keras.initializers.Constant(self.initial)
        self.gamma = self.add_weight(shape=(shape[-1],), initializer=start, name="gamma")

    def call(self, x):
        return x * self.gamma

    def get_config(self):
        return {**super().get_config(), "initial": self.initial}


@keras.saving.register_keras_serializable("gcaf")
class CBAM(layers.Layer):
    """Convolutional block attention module: channel, then spatial attention.

    M_c = σ(MLP(avgpool F) + MLP(maxpool F)),  M_s = σ(conv_7x7[mean_c F'; max_c F'])
    (Woo et al. 2018, arXiv:1807.06521, Eqs 2-3). The paper's Table 6 names a "CNN with Attention"
    without saying which; this project reads it as ResNet50 with CBAM on its last feature map.
    `ratio`: reduction of the channel MLP (16 in the source); `kernel`: side of the spatial filter.
    """

    def __init__(self, ratio: int = 16, kernel: int = 7, **kwargs):
        super().__init__(**kwargs)
        self.ratio, self.kernel = ratio, kernel

    def build(self, shape):
        channels = shape[-1]
        inner = dict(dtype=self.dtype_policy)
        self.squeeze = layers.Dense(
            max(channels // self.ratio, 4), activation="relu", name="squeeze", **inner
        )
        self.expand = layers.Dense(channels, name="expand", **inner)
        self.spatial = layers.Conv2D(1, self.kernel, padding="same", use_bias=False, name="spatial", **inner)
        self.squeeze.build((None, channels))
        self.expand.build((None, max(channels // self.ratio, 4)))
        self.spatial.build((*shape[:-1], 2))

    def call(self, x):
        pooled = [ops.mean(x, axis=(1, 2)), ops.max(x, axis=(1, 2))]
        channel = ops.sigmoid(sum(self.expand(self.squeeze(p)) for p in pooled))
        x = x * channel[:, None, None, :]
        where = ops.concatenate(
            [ops.mean(x, axis=-1, keepdims=True), ops.max(x, axis=-1, keepdims=True)], axis=-1
        )
        return x * ops.sigmoid(self.spatial(where))

    def get_config(self):
        return {**super().get_config(), "ratio": self.ratio, "kernel": self.kernel}


class Stage(NamedTuple):
    """One row of an EfficientNet table: how often, how wide, and which kind of block."""

    repeats: int
    filters: int
    expand: int = 4
    kernel: int = 3
    stride: int = 1
    squeeze: float = 0.25
    fused: bool = False


def _conv_bn(x, filters, kernel, name, bn, *, stride=1, activation=swish, momentum=0.9, **kwargs):
    x = layers.Conv2D(
        filters,
        kernel,
        strides=stride,
        padding="same",
        use_bias=False,
        kernel_initializer=CONV_INIT,
        name=name,
        **kwargs,
    )(x)
    x = BatchNormalization(momentum=momentum, name=bn)(x)
    return layers.Activation(activation, name=f"{bn}_activation")(x) if activation else x


def mbconv(
    x,
    stage: Stage,
    stride: int,
    drop: float,
    name: str,
    *,
    momentum: float,
    v1_padding: bool,
    activation=swish,
):
    """Inverted bottleneck: expand, filter (depthwise, or fused with the expansion), project.

    Sandler et al. 2018; Tan and Le 2019, 2021 (arXiv:1905.11946, 2104.00298). `v1_padding` pads
    before a stride of 2 as EfficientNet-B0's published weights expect.
    """
    start, inner = x, x.shape[-1] * stage.expand
    after, plain = dict(momentum=momentum, activation=activation), dict(momentum=momentum, activation=None)
    if stage.fused:
        if stage.expand != 1:
            x = _conv_bn(
                x, inner, stage.kernel, f"{name}_expand_conv", f"{name}_expand_bn", stride=stride, **after
            )
            x = _conv_bn(x, stage.filters, 1, f"{name}_project_conv", f"{name}_project_bn", **plain)
        else:
            x = _conv_bn(
                x,
                stage.filters,
                stage.kernel,
                f"{name}_project_conv",
                f"{name}_project_bn",
                stride=stride,
                **after,
            )
    else:
        if stage.expand != 1:
            x = _conv_bn(x, inner, 1, f"{name}_expand_conv", f"{name}_expand_bn", **after)
        padding = "same"
        if v1_padding and stride == 2:
            odd = x.shape[1] % 2 if x.shape[1] else 0
            half = stage.kernel // 2
            pad = (half - 1 + odd, half)
            x = layers.ZeroPadding2D((pad, pad), name=f"{name}_dwconv_pad")(x)
            padding = "valid"
        x = layers.DepthwiseConv2D(
            stage.kernel,
            strides=stride,
            padding=padding,
            use_bias=False,
            depthwise_initializer=CONV_INIT,
            name=f"{name}_dwconv",
        )(x)
        x = BatchNormalization(momentum=momentum, name=f"{name}_bn")(x)
        x = layers.Activation(activation, name=f"{name}_activation")(x)
        if stage.squeeze:
            x = _squeeze_excite(x, max(1, int(start.shape[-1] * stage.squeeze)), name)
        x = _conv_bn(x, stage.filters, 1, f"{name}_project_conv", f"{name}_project_bn", **plain)
    if stride == 1 and start.shape[-1] == stage.filters:
        if drop:
            x = layers.Dropout(drop, noise_shape=(None, 1, 1, 1), name=f"{name}_drop")(x)
        x = layers.Add(name=f"{name}_add")([x, start])
    return x


def _squeeze_excite(x, filters, name):
    se = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_se_squeeze")(x)
    se = layers.Conv2D(filters, 1, activation=swish, kernel_initializer=CONV_INIT, name=f"{name}_se_reduce")(
        se
    )
    se = layers.Conv2D(
        x.shape[-1], 1, activation="sigmoid", kernel_initializer=CONV_INIT, name=f"{name}_se_expand"
    )(se)
    return layers.Multiply(name=f"{name}_se_excite")([x, se])


def efficientnet(
    x, stages, stem: int, top: int, name: str, *, drop=0.2, momentum=0.99, v1_padding=False, activation=swish
):
    """EfficientNet of either generation from its table of stages, without a head."""
    if v1_padding:
        odd = x.shape[1] % 2 if x.shape[1] else 0
        x = layers.ZeroPadding2D(((odd, 1), (odd, 1)), name=f"{name}_stem_conv_pad")(x)
    x = layers.Conv2D(
        stem,
        3,
        strides=2,
        padding="valid" if v1_padding else "same",
        use_bias=False,
        kernel_initializer=CONV_INIT,
        name=f"{name}_stem_conv",
    )(x)
    x = BatchNormalization(momentum=momentum, name=f"{name}_stem_bn")(x)
    x = layers.Activation(activation, name=f"{name}_stem_activation")(x)
    total, done = sum(stage.repeats for stage in stages), 0
    for i, stage in enumerate(stages, 1):
        for j in range(stage.repeats):
            x = mbconv(
                x,
                stage,
                stage.stride if j == 0 else 1,
                drop * done / total,
                f"{name}_block{i}{chr(97 + j)}",
                momentum=momentum,
                v1_padding=v1_padding,
                activation=activation,
            )
            done += 1
    return _conv_bn(x, top, 1, f"{name}_top_conv", f"{name}_top_bn", momentum=momentum, activation=activation)


def convnext(x, depths, widths, name: str, *, stem=4, down=(2, 2, 2), kernel=7, scale=1e-6):
    """ConvNeXt (Liu et al. 2022, arXiv:2201.03545), without a head, as a flat chain of layers.

    `down`: stride of each downsampling step. `scale`: initial LayerScale. The depthwise filter is a
    DepthwiseConv2D where Keras has a grouped Conv2D: the same sums, but with a gradient that
    TensorFlow can take on a CPU.
    """
    norm = dict(epsilon=1e-6)
    x = layers.Conv2D(widths[0], stem, strides=stem, name=f"{name}_stem_conv")(x)
    x = layers.LayerNormalization(name=f"{name}_stem_layernorm", **norm)(x)
    for i, (depth, width) in enumerate(zip(depths, widths)):
        if i:
            x = layers.LayerNormalization(name=f"{name}_downsampling_layernorm_{i - 1}", **norm)(x)
            x = layers.Conv2D(
                width, down[i - 1], strides=down[i - 1], name=f"{name}_downsampling_conv_{i - 1}"
            )(x)
        for j in range(depth):
            block, start = f"{name}_stage_{i}_block_{j}", x
            x = layers.DepthwiseConv2D(kernel, padding="same", name=f"{block}_depthwise_conv")(x)
            x = layers.LayerNormalization(name=f"{block}_layernorm", **norm)(x)
            x = layers.Dense(4 * width, name=f"{block}_pointwise_conv_1")(x)
            x = layers.Activation(gelu, name=f"{block}_gelu")(x)
            x = layers.Dense(width, name=f"{block}_pointwise_conv_2")(x)
            x = LayerScale(scale, name=f"{block}_layer_scale")(x)
            x = layers.Add(name=f"{block}_add")([start, x])
    return layers.LayerNormalization(name=f"{name}_layernorm", **norm)(x)


def vgg(x, depths, widths, name: str):
    """VGG (Simonyan and Zisserman 2015): stacked 3x3 convolutions, halved by pooling."""
    for i, (depth, width) in enumerate(zip(depths, widths), 1):
        for j in range(1, depth + 1):
            x = layers.Conv2D(
                width,
                3,
                padding="same",
                activation="relu",
                kernel_initializer=HE,
                name=f"{name}_block{i}_conv{j}",
            )(x)
        x = layers.MaxPooling2D(2, name=f"{name}_block{i}_pool")(x)
    return x


def _unit(x, filters, kernel, name, momentum, stride=1, relu=True):
    x = layers.Conv2D(
        filters, kernel, strides=stride, padding="same", kernel_initializer=HE, name=f"{name}_conv"
    )(x)
    x = BatchNormalization(momentum=momentum, epsilon=1.001e-5, name=f"{name}_bn")(x)
    return layers.Activation("relu", name=f"{name}_relu")(x) if relu else x


def resnet(x, depths, widths, name: str, *, stem=16, momentum=0.9):
    """ResNet of bottleneck blocks (He et al. 2016): 1x1, 3x3, 1x1 to four times the width."""
    x = _unit(x, stem, 3, f"{name}_conv1", momentum, stride=2)
    for i, (depth, width) in enumerate(zip(depths, widths), 2):
        for j in range(1, depth + 1):
            block, start = f"{name}_conv{i}_block{j}", x
            stride = 2 if j == 1 else 1
            if j == 1:
                start = _unit(x, 4 * width, 1, f"{block}_0", momentum, stride, relu=False)
            x = _unit(x, width, 1, f"{block}_1", momentum, stride)
            x = _unit(x, width, 3, f"{block}_2", momentum)
            x = _unit(x, 4 * width, 1, f"{block}_3", momentum, relu=False)
            x = layers.Add(name=f"{block}_add")([start, x])
            x = layers.Activation("relu", name=f"{block}_out")(x)
    return x


def densenet(x, depths, growth: int, name: str, *, stem=16, momentum=0.9):
    """DenseNet-BC (Huang et al. 2017): each block sees all before it; transitions halve the width."""
    norm = dict(momentum=momentum, epsilon=1.001e-5)
    x = _unit(x, stem, 3, f"{name}_conv1", momentum, stride=2)
    x = layers.MaxPooling2D(2, name=f"{name}_pool1")(x)
    for i, depth in enumerate(depths, 2):
        if i > 2:
            x = BatchNormalization(name=f"{name}_pool{i - 1}_bn", **norm)(x)
            x = layers.Activation("relu", name=f"{name}_pool{i - 1}_relu")(x)
            x = layers.Conv2D(
                x.shape[-1] // 2, 1, use_bias=False, kernel_initializer=HE, name=f"{name}_pool{i - 1}_conv"
            )(x)
            x = layers.AveragePooling2D(2, name=f"{name}_pool{i - 1}_pool")(x)
        for j in range(1, depth + 1):
            block = f"{name}_conv{i}_block{j}"
            y = BatchNormalization(name=f"{block}_0_bn", **norm)(x)
            y = layers.Activation("relu", name=f"{block}_0_relu")(y)
            y = _unit(y, 4 * growth, 1, f"{block}_1", momentum)
            y = layers.Conv2D(
                growth, 3, padding="same", use_bias=False, kernel_initializer=HE, name=f"{block}_2_conv"
            )(y)
            x = layers.Concatenate(name=f"{block}_concat")([x, y])
    x = BatchNormalization(name=f"{name}_bn", **norm)(x)
    return layers.Activation("relu", name=f"{name}_relu")(x)

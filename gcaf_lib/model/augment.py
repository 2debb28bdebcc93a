"""Augmentation and Mixup inside the training graph (Figs 4, 5; Eq 3), resumable bit by bit.

On TensorFlow these are KerasCV's layers, on other backends Keras's layers of the same names; this
is the only module that decides. Every random number comes from a keras SeedGenerator, whose state
`reseed` sets from (seed, epoch): a run that died goes on exactly as it would have.
KerasCV's layers know neither: they draw from TensorFlow's own generators and always augment, so
they are given a FactorSampler on a SeedGenerator and a `training` switch here.
Two flip layers, one a direction: Keras's RandomFlip("horizontal_and_vertical") draws one
number for both, so that it could only turn by 180 degrees (KerasCV's draws two).
"""

from __future__ import annotations

from functools import lru_cache

import keras
import numpy as np
from keras import ops
from scipy.stats import beta

from gcaf_lib.settings import TrainingSettings

RANGE = (0.0, 255.0)
# until `reseed` is called; they differ, because two flips with one seed would always flip together
SEEDS = {"horizontal": 1, "vertical": 2, "brightness": 3, "contrast": 4}


def augmentation(settings: TrainingSettings) -> list[keras.Layer]:
    """Layers for images (B, S, S, 3) in 0..255: flips, brightness, contrast; float32 out, same range.

    Flips with probability 1/2 each; brightness adds U(-f, f)·255; contrast (x - mean)·U(1-f, 1+f) +
    mean, mean over each channel of the image; both clip to 0..255. Numbers drawn for each
    image. Active only with training=True. A setting of 0 or false leaves its layer out.
    """
    make = _keras_cv() if keras.backend.backend() == "tensorflow" else _keras()
    out = []
    if settings.flips:
        out += [make["flip"]("horizontal"), make["flip"]("vertical")]
    if settings.brightness:
        out.append(make["brightness"](settings.brightness))
    if settings.contrast:
        out.append(make["contrast"](settings.contrast))
    return out


def _keras() -> dict:
    """Keras's own layers, on any backend."""
    make, single = keras.layers, dict(dtype="float32")
    return {
        "flip": lambda mode: make.RandomFlip(mode, name=f"flip_{mode}", seed=SEEDS[mode], **single),
        "brightness": lambda f: make.RandomBrightness(
            f, RANGE, name="brightness", seed=SEEDS["brightness"], **single
        ),
        "contrast": lambda f: make.RandomContrast(
            f, RANGE, name="contrast", seed=SEEDS["contrast"], **single
        ),
    }


@lru_cache(maxsize=1)
def _keras_cv() -> dict:
    """KerasCV's layers, drawing from SeedGenerators and idle outside training (TensorFlow only)."""
    import keras_cv

    class Sampler(keras_cv.core.FactorSampler):
        """Uniform factors from a SeedGenerator."""

        def __init__(self, low: float, high: float, generator):
            self.low, self.high, self.generator = low, high, generator

        def __call__(self, shape=(), dtype="float32"):
            return keras.random.uniform(shape, self.low, self.high, dtype=dtype, seed=self.generator)

        def get_config(self):
            return {"low": self.low, "high": self.high}

    class WhenTraining:
        """Cast to float32 always, augment only in training."""

        def call(self, images, training=False):
            return super().call(images) if training else ops.cast(images, self.compute_dtype)

        def compute_output_shape(self, shape):
            return shape

    # seed=1 below only keeps KerasCV from making a non-deterministic tf.random.Generator it never uses
    class Flip(WhenTraining, keras_cv.layers.RandomFlip):
        def __init__(self, mode: str):
            super().__init__(mode, seed=1, dtype="float32", name=f"flip_{mode}")
            self.generator = keras.random.SeedGenerator(SEEDS[mode])

        def get_random_transformation_batch(self, batch_size, **kwargs):
            draw = keras.random.uniform((batch_size, 1), seed=self.generator)
            never = ops.zeros_like(draw)
            return {
                "flip_horizontals": draw if self.horizontal else never,
                "flip_verticals": draw if self.vertical else never,
            }

    class Brightness(WhenTraining, keras_cv.layers.RandomBrightness):
        def __init__(self, factor: float):
            generator = keras.random.SeedGenerator(SEEDS["brightness"])
            sampler = Sampler(-factor, factor, generator)
            super().__init__(sampler, RANGE, seed=1, dtype="float32", name="brightness")
            self.generator = generator  # an attribute, so that Keras counts its state as the layer's

    class Contrast(WhenTraining, keras_cv.layers.RandomContrast):
        def __init__(self, factor: float):
            super().__init__(RANGE, factor, seed=1, dtype="float32", name="contrast")
            self.generator = keras.random.SeedGenerator(SEEDS["contrast"])
            self.factor = Sampler(1 - factor, 1 + factor, self.generator)

    return {"flip": Flip, "brightness": Brightness, "contrast": Contrast}


def mixup(images, labels, lam, order):
    """x̃ = λx_i + (1-λ)x_j, ỹ = λy_i + (1-λ)y_j with j = order[i] (Eq 3).

    `images` (B, S, S, 3), `labels` (B, K) one-hot or soft, `lam` (B,) in 0..1, `order` (B,) a
    permutation of the batch. Linear in the labels, as smoothing is: the two commute.
    """
    w = ops.reshape(lam, (-1, 1, 1, 1))
    v = ops.reshape(lam, (-1, 1))
    mixed = w * images + (1 - w) * ops.take(images, order, axis=0)
    return mixed, v * labels + (1 - v) * ops.take(labels, order, axis=0)


@lru_cache(maxsize=8)
def beta_quantiles(alpha: float, count: int = 2**14) -> np.ndarray:
    """`count` equally likely values of Beta(α, α), ascending: its quantiles at (i + 1/2)/count."""
    return beta.ppf((np.arange(count) + 0.5) / count, alpha, alpha).astype("float32")


def draw_lambda(shape, alpha: float, seed):
    """λ ~ Beta(α, α) for any α > 0, picked evenly from 16,384 of its quantiles.

    Off by at most 1/32,768 in probability. A ratio of Gamma variables would be exact, but it is 0/0
    for small α in float32, and XLA has no Gamma sampler on a CPU; this is one integer
    draw, the same λ on every backend for the same integer.
    """
    table = beta_quantiles(alpha)
    return ops.take(ops.convert_to_tensor(table), keras.random.randint(shape, 0, len(table), seed=seed))


@keras.saving.register_keras_serializable("gcaf")
class Mixup(keras.layers.Layer):
    """Mixup (Eq 3): `layer((images, labels), training=True)` → (mixed images, mixed labels), float32.

    One λ ~ Beta(α, α) for each pair, as Eq 3 reads ("given two randomly sampled training
    instances"); Zhang et al. 2018 draw one a batch, which `per_pair=False` gives. The partner is the
    batch in random order, so an image may meet itself. α = 0, or training=False: no change.
    """

    def __init__(self, alpha: float = 0.2, per_pair: bool = True, seed: int = 0, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        if alpha < 0:
            raise ValueError(f"alpha={alpha} must not be negative")
        self.alpha, self.per_pair, self.seed = float(alpha), per_pair, seed
        self.generator = keras.random.SeedGenerator(seed)

    def call(self, inputs, training=False):
        images, labels = (ops.cast(x, "float32") for x in inputs)
        if not training or not self.alpha:
            return images, labels
        size = ops.shape(images)[0]
        lam = draw_lambda((size,) if self.per_pair else (1,), self.alpha, self.generator)
        lam = ops.broadcast_to(lam, (size,))
        order = ops.argsort(keras.random.uniform((size,), seed=self.generator))
        return mixup(images, labels, lam, order)

    def compute_output_shape(self, shapes):
        return shapes

    def get_config(self):
        own = {"alpha": self.alpha, "per_pair": self.per_pair, "seed": self.seed}
        return {**super().get_config(), **own}


def reseed(model: keras.Layer, seed: int, epoch: int) -> int:
    """Set every SeedGenerator of `model` (Dropout, Mixup, augmentation, nested) from (seed, epoch).

    Each state becomes a pure function of seed, epoch and its place among the generators; whatever
    was drawn before is forgotten. Returns how many were set.
    """
    states = [v for v in model.variables if v.name == "seed_generator_state"]
    for place, state in enumerate(states):
        word = np.random.SeedSequence([seed, epoch, place]).generate_state(1)[0] >> 1  # 31 bits: int32 too
        state.assign(np.array([word, 0], dtype=state.dtype))
    return len(states)

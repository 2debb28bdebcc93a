"""What a step is fed: images from the host, or row numbers where all images lie on the device.

The numbers are the same either way, only the road differs. On an accelerator the uint8 images move
to the device once, if they fit, and a step is sent 4 bytes an image; on a CPU nothing would be won.
"""

from __future__ import annotations

import os

import keras
import numpy as np
from keras import ops

from gcaf_lib.model import backend
from gcaf_lib.settings import SettingsError
from gcaf_lib.training.task import Part

SHARE = 1 / 8  # of the device's memory that the images may take: several runs may share the device
STEPS = 32  # steps an execution at most: a bar that moves, and little left to win above


class Batches(keras.utils.PyDataset):
    """Shuffled batches of uint8 images and one-hot labels over epochs `first` to `last`, whole batches only.

    images (N, S, S, 3) uint8, memory-mapped; rows (n,) and labels (n,) of one part. One dataset for
    all epochs, where item i belongs to epoch first + i // steps: the order is a function of (seed,
    epoch) alone, however far ahead a backend reads. The last incomplete batch of an epoch is left
    out: a new order each epoch makes up for it. images=None: row numbers (B,) int32 in their place.
    """

    def __init__(self, images, part: Part, classes: int, batch_size: int, seed: tuple[int, ...], epochs: int):
        super().__init__(workers=1)
        self.images, self.rows = images, np.asarray(part.rows)
        self.one_hot = np.eye(classes, dtype=np.float32)[np.asarray(part.labels)]
        self.batch_size = min(batch_size, len(self.rows))
        self.steps = len(self.rows) // self.batch_size
        self.seed, self.first, self.epochs = seed, 0, epochs
        self._order: tuple[int, np.ndarray] = (-1, np.empty(0, int))

    def order(self, epoch: int) -> np.ndarray:
        """The order of the rows in this epoch."""
        if self._order[0] != epoch:
            drawn = np.random.default_rng((*self.seed, epoch)).permutation(len(self.rows))
            self._order = (epoch, drawn)
        return self._order[1]

    def __len__(self) -> int:
        return self.steps * (self.epochs - self.first)

    def rows_and_labels(self, item: int) -> tuple[np.ndarray, np.ndarray]:
        """Row numbers (B,) int32 and one-hot labels (B, K) of an item."""
        epoch, step = divmod(item, self.steps)
        take = self.order(self.first + epoch)[step * self.batch_size : (step + 1) * self.batch_size]
        return self.rows[take].astype(np.int32), self.one_hot[take]

    def __getitem__(self, item: int):
        rows, label = self.rows_and_labels(item)
        if self.images is None:
            return {"row": rows, "label": label}, label
        return {"image": self.images[rows], "label": label}, label


class Resident(keras.layers.Layer):
    """All images as one uint8 array on the device: `layer(rows (B,) int)` → (B, S, S, 3) float32.

    A weight that never trains, of the training graph alone: no checkpoint and no weight file of the
    classifier holds it. `resident[rows]` gathers outside a graph, as an array of the host would.
    """

    def __init__(self, images: np.ndarray):
        super().__init__(name="resident", dtype="float32", trainable=False)
        self.store = self.add_weight(
            shape=images.shape,
            dtype="uint8",
            initializer=lambda shape, dtype: ops.convert_to_tensor(np.asarray(images), dtype),
            trainable=False,
            autocast=False,
            name="images",
        )

    def call(self, rows):
        return ops.cast(ops.take(self.store, rows, axis=0), "float32")

    def compute_output_shape(self, shape):
        return (*shape, *self.store.shape[1:])

    def __getitem__(self, rows: np.ndarray):
        return self.call(ops.convert_to_tensor(rows, "int32"))


def resident(images: np.ndarray, wanted: bool | None = None) -> Resident | None:
    """The images on the device, or None where they should come from the host batch by batch.

    wanted: by default GCAF_RESIDENT (1 or 0), else whether there is an accelerator with an eighth of
    its memory above the images' size.
    """
    wanted = _switch("GCAF_RESIDENT") if wanted is None else wanted
    if wanted is None:
        memory = backend.device_memory()
        wanted = memory is not None and images.nbytes <= SHARE * memory
    return Resident(images) if wanted else None


def steps_per_execution(steps: int, wanted: int | None = None) -> int:
    """How many of an epoch's `steps` run before the host looks again; it divides them.

    wanted: by default GCAF_STEPS, else 1 on a CPU and on an accelerator the largest divisor up to 32.
    Raises `SettingsError` where what is wanted doesn't divide the steps.
    """
    if wanted is None and os.environ.get("GCAF_STEPS"):
        text = os.environ["GCAF_STEPS"]
        if not text.isdecimal() or not int(text):
            raise SettingsError(f"GCAF_STEPS={text!r}: give a whole number from 1")
        wanted = int(text)
    if wanted is None:
        most = STEPS if backend.accelerators() else 1
        return max(k for k in range(1, min(most, steps) + 1) if steps % k == 0)
    if steps % wanted:
        raise SettingsError(f"{wanted} steps an execution don't divide the {steps} steps of an epoch")
    return wanted


def _switch(name: str) -> bool | None:
    text = os.environ.get(name, "")
    if text not in ("", "0", "1"):
        raise SettingsError(f"{name}={text!r}: give 1, 0, or leave it out")
    return {"": None, "0": False, "1": True}[text]

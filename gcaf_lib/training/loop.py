"""One stage of training: batches, the training graph, and an epoch's end (validate, keep, stop).

`keras.Model.fit` runs the steps on either backend; one callback does what belongs to an epoch's
end. Everything random is a pure function of (seed, stage, epoch), so that a stage resumed from its
last finished epoch gives bit for bit what the uninterrupted stage gives.
"""

from __future__ import annotations

import json
import os
import time
import warnings
import zipfile
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from gcaf_lib.model import augment, backend, classifier, losses
from gcaf_lib.settings import TrainingSettings
from gcaf_lib.training import environment, feed, runs
from gcaf_lib.training.feed import Batches
from gcaf_lib.training.task import Part

# of a history, one row an epoch
COLUMNS = (
    "stage", "epoch", "loss", "accuracy", "val_loss_raw", "val_accuracy_raw", "val_loss", "val_accuracy", "rate",
    "seconds",
)  # fmt: skip
# what reading a file of any content can raise
_READING = (
    runs.RunError, OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, zipfile.BadZipFile, zlib.error,
    NotImplementedError, MemoryError,
)  # fmt: skip


def training_graph(
    model: keras.Model, settings: TrainingSettings, classes: int, resident: feed.Resident | None = None
) -> keras.Model:
    """The classifier behind augmentation and Mixup: (image, label) → [logits; mixed label].

    Mixed labels leave the graph beside the logits, because they are made inside it: the loss reads
    its target from there, on every backend alike. With `resident` images: (row, label) → the same.
    """
    if resident is None:
        name, source = "image", keras.Input(model.input_shape[1:], name="image")
        x = source
    else:
        name, source = "row", keras.Input((), name="row", dtype="int32")
        x = resident(source)
    label = keras.Input((classes,), name="label")
    y = label
    for layer in augment.augmentation(settings):
        x = layer(x)
    if settings.mixup > 0:
        x, y = augment.Mixup(settings.mixup)((x, y))
    joined = keras.layers.Concatenate(dtype="float32")([model(x), y])
    return keras.Model({name: source, "label": label}, joined)


def _graph_loss(loss: losses.FocalLoss, classes: int):
    def value(_, joined):
        return loss(joined[:, classes:], joined[:, :classes])

    return value


def _graph_accuracy(classes: int):
    def accuracy(_, joined):  # against the dominant label of a mixed pair
        hit = ops.argmax(joined[:, :classes], -1) == ops.argmax(joined[:, classes:], -1)
        return ops.cast(hit, "float32")

    return accuracy


@dataclass
class Patience:
    """Early stopping and rate reduction on the validation loss, as plain state that can be saved.

    Keras's EarlyStopping and ReduceLROnPlateau do the same but keep their counters to themselves,
    so a resumed run would forget them.
    """

    best: float = float("inf")
    best_epoch: int = -1
    waited: int = 0
    waited_rate: int = 0

    def update(self, value: float, epoch: int, settings: TrainingSettings) -> tuple[bool, bool, bool]:
        """Returns (improved, stop, reduce the rate)."""
        if value < self.best:
            self.best, self.best_epoch, self.waited, self.waited_rate = value, epoch, 0, 0
            return True, False, False
        self.waited += 1
        self.waited_rate += 1
        reduce = self.waited_rate >= settings.plateau_patience
        if reduce:
            self.waited_rate = 0
        return False, self.waited >= settings.stop_patience, reduce


def probabilities(
    model: keras.Model, images: np.ndarray | feed.Resident, rows: np.ndarray, batch_size: int = 128
) -> np.ndarray:
    """Class probabilities (n, K) float64 of the images (N, S, S, 3) at `rows`, softmax taken in float64."""
    return _softmax(*_outputs(model, images, rows, batch_size))


def _outputs(model: keras.Model, source, rows: np.ndarray, batch_size: int = 128) -> list[np.ndarray]:
    """Each output of `model`, an array (n, ...), for the inputs at `rows`.

    source: arrays, one for each input, of which a single one may come bare, or images on the device. All
    batches have one shape, for which the last is filled up with its last row: a model is compiled once.
    """
    several = backend.replicas()
    size = max(1, min(batch_size, len(rows)) // several) * several
    batches = []
    for start in range(0, len(rows), size):
        chunk = rows[np.minimum(np.arange(start, start + size), len(rows) - 1)]
        x = source[chunk] if isinstance(source, feed.Resident) else _take(source, chunk)
        batches.append([ops.convert_to_numpy(y) for y in keras.tree.flatten(model.predict_on_batch(x))])
    return [np.concatenate(parts)[: len(rows)] for parts in zip(*batches)]


def _take(arrays, rows: np.ndarray):
    return keras.tree.map_structure(lambda a: np.asarray(a[rows], np.float32), arrays)


def _softmax(logits: np.ndarray) -> np.ndarray:
    z = logits.astype(np.float64)
    z = np.exp(z - z.max(axis=1, keepdims=True))
    return z / z.sum(axis=1, keepdims=True)


class Stage(keras.callbacks.Callback):
    """Runs one stage: `Stage(...).run()`; afterwards `best["raw"]` and `best["ema"]` hold the weights.

    The best epoch is the one with the lowest validation loss of the weights that would be reported
    (the moving average where there is one, Eq 18). EMA weights are taken through the optimiser's
    public `finalize_variable_values`; Keras's SwapEMAWeights callback swaps by adding and
    subtracting, which costs the raw weights a rounding every epoch.

    `resident` (the images on the device) and `steps_per_execution` change the speed, not the numbers.
    """

    def __init__(
        self,
        model: keras.Model,
        images: np.ndarray,
        train: Part,
        validation: Part,
        *,
        number: int,
        epochs: int,
        rate: Any,
        loss: losses.FocalLoss,
        settings: TrainingSettings,
        seed: int,
        checkpoint: Path,
        bar=None,
        resident: feed.Resident | None = None,
        steps_per_execution: int | None = None,
    ):
        super().__init__()
        self.classifier, self.validation = model, validation
        self.images = images if resident is None else resident
        self.number, self.epochs, self.settings, self.seed = number, epochs, settings, seed
        self.loss, self.checkpoint, self.bar = loss, checkpoint, bar
        # who writes its checkpoints
        self.by = {
            "code": environment.fingerprint(),
            "backend": keras.backend.backend(),
            "versions": environment.versions(),
        }
        self.classes = model.output_shape[-1]
        fed = images if resident is None else None
        self.batches = Batches(fed, train, self.classes, settings.batch_size, (seed, number), epochs)
        self.graph = training_graph(model, settings, self.classes, resident)
        self.ema = settings.ema > 0 and number > 0
        self.optimizer = keras.optimizers.Adam(
            rate(len(self.batches)) if callable(rate) else rate,
            use_ema=self.ema,
            ema_momentum=settings.ema if self.ema else 0.99,
        )
        self.graph.compile(
            optimizer=self.optimizer,
            loss=_graph_loss(loss, self.classes),
            # made here: a metric that Keras makes in the first trace has TensorFlow trace every step twice
            metrics=[keras.metrics.MeanMetricWrapper(_graph_accuracy(self.classes), name="accuracy")],
            jit_compile=backend.jit_compile(),
            steps_per_execution=feed.steps_per_execution(self.batches.steps, steps_per_execution),
        )
        self.optimizer.build(self.graph.trainable_variables)
        if backend.replicas() > 1:
            model.predict_function = None  # compiled for several devices it has fixed which weights train
        # what this stage changes (in stage 0 BatchNorm statistics too), fixed before the next unfreezes more
        self.moving = list(model.weights if number == 0 else model.trainable_variables)
        self.halves = classifier.cut(model) if number else None
        self.seen: list[np.ndarray] | None = None  # what the still half gives for the validation images
        self.rows: list[dict[str, float]] = []
        self.patience = Patience()
        self.best: dict[str, list[np.ndarray]] = {}
        self.stopped = False

    def _values(self) -> list[np.ndarray]:
        return [np.array(ops.convert_to_numpy(v.value)) for v in self.moving]

    def _put(self, values: list[np.ndarray]) -> None:
        for variable, value in zip(self.moving, values, strict=True):
            variable.assign(value)

    def assign(self, which: str = "ema") -> None:
        """Put the best epoch's weights (`raw` or `ema`) into the classifier."""
        self._put(self.best[which])

    # -- the loop ------------------------------------------------------------------------------
    def run(self) -> Stage:
        first = self._resume()
        if first < self.epochs and not self.stopped:
            self.batches.first = first
            self.graph.fit(
                backend.pipeline(self.batches),
                steps_per_epoch=self.batches.steps,
                epochs=self.epochs,
                initial_epoch=first,
                shuffle=False,  # Keras would shuffle the batches from a state of its own
                verbose=0,
                callbacks=[self],
            )
        return self

    def on_epoch_begin(self, epoch: int, logs=None) -> None:
        augment.reseed(self.graph, self.seed, self.number * 10_000 + epoch)
        self._started = time.perf_counter()

    def on_train_batch_end(self, step: int, logs=None) -> None:
        if self.bar is not None:
            self.bar.update(self.graph.steps_per_execution)

    def on_epoch_end(self, epoch: int, logs=None) -> None:
        raw = self._values()
        row = {"stage": self.number, "epoch": epoch + 1, "loss": logs["loss"], "accuracy": logs["accuracy"]}
        row["val_loss_raw"], row["val_accuracy_raw"] = self._validate()
        row["val_loss"], row["val_accuracy"] = row["val_loss_raw"], row["val_accuracy_raw"]
        averaged = raw
        if self.ema:
            self.optimizer.finalize_variable_values(self.graph.trainable_variables)
            averaged = self._values()
            # copies, because on JAX the model would share its arrays with the optimiser's averages,
            # and a compiled step may give the memory of what it was handed away
            self._put(averaged)
            row["val_loss"], row["val_accuracy"] = self._validate()
            self._put(raw)
        row["rate"] = float(ops.convert_to_numpy(self.optimizer.learning_rate))
        row["seconds"] = time.perf_counter() - self._started
        self.rows.append({name: float(row[name]) for name in COLUMNS})
        if not np.isfinite(list(self.rows[-1].values())).all():  # before it is saved: nothing resumes from it
            raise runs.RunError(
                f"training diverged in stage {self.number}, epoch {epoch + 1} of {self.epochs}: a loss is no number. "
                f"Try a lower training.stage{self.number}_rate, or training.dtype=float32"
            )
        improved, self.stopped, reduce = self.patience.update(row["val_loss"], epoch, self.settings)
        if improved:
            self.best = {"raw": raw, "ema": averaged}
        if reduce and self.number > 0:  # stage 0 follows its own schedule
            self.optimizer.learning_rate.assign(row["rate"] * self.settings.plateau_factor)
        if self.number == 0:
            self.stopped = False
        self._save(raw)
        if self.stopped:
            self.graph.stop_training = True
        if self.bar is not None:
            self.bar.set_postfix_str(
                f"stage {self.number} epoch {epoch + 1}/{self.epochs} val {row['val_accuracy']:.3f}"
            )

    def _validate(self) -> tuple[float, float]:
        p = self._validation_probabilities()
        target = np.eye(self.classes, dtype=np.float32)[self.validation.labels]
        loss = self.loss(target, np.log(np.clip(p, 1e-30, None)).astype(np.float32))
        return float(np.mean(ops.convert_to_numpy(loss))), float(
            (p.argmax(1) == self.validation.labels).mean()
        )

    def _validation_probabilities(self) -> np.ndarray:
        """Of what this stage leaves as it is, the outputs are computed in its first epoch only."""
        rows = self.validation.rows
        if self.halves is None:
            return probabilities(self.classifier, self.images, rows)
        still, moving = self.halves
        if self.seen is None:
            self.seen = _outputs(still, self.images, rows)
        return _softmax(*_outputs(moving, self.seen, np.arange(len(rows))))

    # -- checkpoint ----------------------------------------------------------------------------
    def _save(self, raw: list[np.ndarray]) -> None:
        state = {"rows": self.rows, "patience": asdict(self.patience), "stopped": self.stopped, "by": self.by}
        arrays = {"state": np.frombuffer(json.dumps(state).encode(), np.uint8)}
        arrays |= {f"raw_{i}": value for i, value in enumerate(raw)}
        arrays |= {f"opt_{i}": ops.convert_to_numpy(v.value) for i, v in enumerate(self.optimizer.variables)}
        for which, values in self.best.items():
            if which == "raw" or self.ema:
                arrays |= {f"best-{which}_{i}": value for i, value in enumerate(values)}
        self.checkpoint.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.checkpoint.with_suffix(f".{os.getpid()}.tmp")
        with temporary.open("wb") as file:
            np.savez(file, **arrays)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, self.checkpoint)

    def _resume(self) -> int:
        """Load the checkpoint, if there is one that fits; returns the number of finished epochs.

        One that can't be read, that holds other arrays than this stage, or that other code, another backend or
        other versions wrote, is said and left aside: a record names one of each, so it must be made by one.
        """
        if not self.checkpoint.is_file():
            return 0
        try:
            state, arrays = self._read()
        except _READING as error:
            reason = str(error) if isinstance(error, runs.RunError) else f"it can't be read ({error})"
            warnings.warn(f"{self.checkpoint} is left aside: {reason}; the stage starts anew", stacklevel=2)
            return 0
        self._put(arrays["raw"])
        for variable, value in zip(self.optimizer.variables, arrays["opt"], strict=True):
            variable.assign(value)
        self.rows, self.patience = state["rows"], Patience(**state["patience"])
        self.stopped = state["stopped"]
        self.best = {"raw": arrays["best-raw"], "ema": arrays["best-ema" if self.ema else "best-raw"]}
        if self.bar is not None:
            self.bar.update(len(self.rows) * self.batches.steps)
        return len(self.rows)

    def _read(self) -> tuple[dict[str, Any], dict[str, list[np.ndarray]]]:
        """State and arrays of the checkpoint; raises `RunError` where they aren't this stage's, else whatever reading does."""
        with np.load(self.checkpoint, allow_pickle=False) as archive:
            stored = {name: archive[name] for name in archive.files}
        state = json.loads(stored.pop("state").tobytes().decode())
        if state["by"] != self.by:
            theirs = state["by"] if isinstance(state["by"], dict) else {}
            odd = [name for name, mine in self.by.items() if theirs.get(name) != mine]
            raise runs.RunError(f"other {' and '.join(odd)} wrote it")
        own, rows, patience = [v.shape for v in self.moving], state["rows"], Patience(**state["patience"])
        shapes = {"raw": own, "opt": [v.shape for v in self.optimizer.variables], "best-raw": own}
        shapes |= {"best-ema": own} if self.ema else {}
        wanted = {f"{kind}_{i}": tuple(one) for kind, some in shapes.items() for i, one in enumerate(some)}
        if {name: value.shape for name, value in stored.items()} != wanted:
            raise runs.RunError("its arrays are not those of this stage")
        numbers = [value for row in rows for value in row.values()] + list(asdict(patience).values())
        if not all(np.isfinite(value).all() for value in (*stored.values(), numbers)):
            raise runs.RunError("it holds values that are no numbers")
        counted = [row["epoch"] for row in rows] == list(range(1, min(len(rows), self.epochs) + 1))
        if not rows or not counted or any(tuple(row) != COLUMNS for row in rows):
            raise runs.RunError("its history is not that of a stage")
        if not 0 <= patience.best_epoch < len(rows) or not isinstance(state["stopped"], bool):
            raise runs.RunError("it names no best epoch")
        arrays = {kind: [stored[f"{kind}_{i}"] for i in range(len(some))] for kind, some in shapes.items()}
        return state, arrays

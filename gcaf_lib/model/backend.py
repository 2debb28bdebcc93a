"""The few places where Keras has no word of its own for what a backend does."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np

from gcaf_lib import machine
from gcaf_lib.settings import SettingsError, digest

CACHE_BYTES = 4 * 2**30  # of compiled programs; the least recently used go first


def deterministic() -> None:
    """Make the backend's operations deterministic: same seed, same machine, same bits.

    JAX is deterministic on CPU and TPU as it is; on GPU its flag must stand in XLA_FLAGS before the
    first computation (`--xla_gpu_deterministic_ops=true`), so it can't be set here.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()


def accelerators() -> list[str]:
    """Names of the accelerators the backend sees; empty on a CPU."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        devices = tf.config.list_physical_devices("GPU")
        return [
            tf.config.experimental.get_device_details(d).get("device_name", d.device_type) for d in devices
        ]
    if keras.backend.backend() == "jax":
        import jax

        return [d.device_kind for d in jax.devices() if d.platform != "cpu"]
    return []


def device_memory() -> int | None:
    """Bytes that this process may use on the smallest accelerator; None on a CPU, or where nobody says."""
    if not accelerators():
        return None
    if keras.backend.backend() == "jax":
        import jax

        found = [(d.memory_stats() or {}).get("bytes_limit") for d in jax.local_devices()]
    else:
        from tensorflow.python.client import device_lib

        found = [d.memory_limit for d in device_lib.list_local_devices() if d.device_type == "GPU"]
    return min(found) if found and all(found) else None


def jit_compile() -> bool | str:
    """Whether Keras should compile with XLA: `auto`, but not for TensorFlow on a CPU.

    There XLA replaces oneDNN's convolutions by slower ones (see benchmarks/).
    """
    if keras.backend.backend() == "tensorflow" and not accelerators():
        return False
    return "auto"


def pipeline(batches: keras.utils.PyDataset) -> Any:
    """What `fit` should be given in place of `batches` (`training.feed.Batches`): the same items, in their order.

    TensorFlow: a tf.data pipeline that gathers the images by the row numbers of all batches, drawn beforehand,
    from one copy in the host's memory. What Keras would make of a PyDataset calls Python from a generator
    operation, and may have two prices (seen in TensorFlow 2.21): the operation has a process give large tensors
    back to the system and fault them in again (M_TRIM_THRESHOLD), which on one machine halved its speed where
    each batch came from one (one that had ended cost nothing that could be measured); and a thread that tunes the
    pipeline sleeps for up to a minute at a time and isn't woken at the end of `fit`. Elsewhere the batches themselves.
    """
    if keras.backend.backend() != "tensorflow":
        return batches
    import tensorflow as tf

    rows, labels = zip(*(batches.rows_and_labels(i) for i in range(len(batches))))
    # an array given to `map` by a tensor is no constant of its graph, which 2 GiB bound
    with tf.device("CPU"):
        images = None if batches.images is None else tf.convert_to_tensor(batches.images)
        items = tf.data.Dataset.from_tensor_slices((np.stack(rows), np.stack(labels)))

    def item(row, label):
        if images is None:
            return {"row": row, "label": label}, label
        return {"image": tf.gather(images, row), "label": label}, label

    options = tf.data.Options()
    options.autotune.enabled = False
    return items.map(item).prefetch(2).with_options(options)


def fused_batch_norm(x, scale, offset, mean, variance, epsilon: float, training: bool):
    """x (B, h, w, C) normalised, and the mean and variance (C,) it was normalised with; None where there is no gain.

    In training by the batch's own mean and (biased) variance. TensorFlow on a CPU alone: one operation for the
    chain that Keras writes, and one for its gradient. At rest TensorFlow makes a product and a sum of either.
    XLA fuses the chain itself, and on a GPU the gradient of the frozen one isn't deterministic.
    """
    if keras.backend.backend() != "tensorflow" or accelerators():
        return None
    import tensorflow as tf

    none = tf.zeros((0,))
    y, found, spread, *_ = tf.raw_ops.FusedBatchNormV3(
        x=x,
        scale=scale,
        offset=offset,
        mean=none if training else mean,
        variance=none if training else variance,
        epsilon=epsilon,
        is_training=training,
    )
    if not training:
        return y, mean, variance
    count = tf.cast(tf.size(x) / tf.size(scale), x.dtype)
    return y, found, spread * (count - 1) / count  # TensorFlow hands out the unbiased variance


def compilation_cache(folder: Path) -> Path | None:
    """Keep what XLA compiles in `folder` for the next process; returns the folder in use.

    JAX only: TensorFlow reads its flag once, at its start (`environment.backend_flags`). A folder that
    the user chose (JAX_COMPILATION_CACHE_DIR) stays. Programs for a CPU use its very instructions, so
    each kind of CPU has a folder of its own, where several machines share one cache.
    """
    if keras.backend.backend() != "jax":
        return None
    import jax
    from jax.experimental.compilation_cache import compilation_cache as cache

    if jax.config.jax_compilation_cache_dir:
        return Path(jax.config.jax_compilation_cache_dir)
    if not accelerators():
        folder = folder / f"cpu-{_cpu()}"
    jax.config.update("jax_compilation_cache_dir", str(folder))
    # a model is hundreds of small programs: all are kept, not only those that took a second
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    jax.config.update("jax_compilation_cache_max_size", CACHE_BYTES)
    cache.reset_cache()  # whatever was compiled before has fixed that there is no cache
    return folder


def _cpu() -> str:
    return digest(machine.processor())


@contextmanager
def precision(dtype: str) -> Iterator[None]:
    """Within it, layers are built under this dtype policy; then the one of before stands again. It is global in Keras."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(dtype)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


@contextmanager
def data_parallel(
    batch_size: int, devices: Sequence[str] | None = None, setting: str = "training.batch_size"
) -> Iterator[int]:
    """Within it, models train on several devices, each with its share of a batch; yields how many.

    devices: Keras's names ("gpu:0", …). By default as many accelerators as divide the batch, at most
    GCAF_DEVICES of them; never several CPU devices. The model must be built within. Raises `SettingsError`
    where devices that were asked for don't divide the batch (it names the `setting`) or aren't there. JAX only: what Keras
    has for TensorFlow is marked as a prototype not to be used, so TensorFlow trains on one GPU.
    """
    if devices is None:
        devices = _devices(batch_size)
    if batch_size % max(1, len(devices)):
        raise SettingsError(
            f"{setting}={batch_size} can't be shared evenly between {len(devices)} devices: "
            f"take a multiple of {len(devices)}, or fewer devices (GCAF_DEVICES)"
        )
    if len(devices) < 2:
        yield 1
        return
    if keras.backend.backend() != "jax":
        raise SettingsError("several devices need JAX: set KERAS_BACKEND=jax")
    with keras.distribution.DataParallel(devices=list(devices)).scope():
        yield len(devices)


def replicas() -> int:
    """How many devices share a batch here: 1, but within `data_parallel`."""
    found = keras.distribution.distribution()
    return 1 if found is None else found.num_model_replicas


def _devices(batch_size: int) -> list[str]:
    count, wanted = len(accelerators()), os.environ.get("GCAF_DEVICES", "")
    if wanted and (not wanted.isdecimal() or not 1 <= int(wanted) <= max(1, count)):
        raise SettingsError(f"GCAF_DEVICES={wanted!r}: give a number from 1 to {max(1, count)}")
    if count < 2 or wanted == "1":
        return []
    if keras.backend.backend() != "jax":
        warnings.warn(
            f"TensorFlow trains on the first of {count} GPUs: Keras shares a batch between devices on JAX "
            "alone (KERAS_BACKEND=jax; GCAF_DEVICES=1 for no more of this)",
            stacklevel=4,
        )
        return []
    names = keras.distribution.list_devices()
    if wanted:
        return names[: int(wanted)]
    return names[: max(k for k in range(1, count + 1) if batch_size % k == 0)]

"""The few places where Keras has no word of its own for what a backend does."""

from __future__ import annotations

import keras


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


def jit_compile() -> bool | str:
    """Whether Keras should compile with XLA: `auto`, but not for TensorFlow on a CPU.

    There XLA replaces oneDNN's convolutions by slower ones (see benchmarks/).
    """
    if keras.backend.backend() == "tensorflow" and not accelerators():
        return False
    return "auto"

"""What makes training faster or wider must not change what it gives: either backend, one device or two."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gcaf_lib.model import backend
from gcaf_lib.settings import SettingsError
from gcaf_lib.training import feed
from tests import stages

ROOT = Path(__file__).resolve().parents[1]
CHECKS = ["check_layers", "check_other_forms", "check_resident", "check_average"]
TWO = "--xla_force_host_platform_device_count=2"


def alone(*arguments: str, **environment: str) -> str:
    """Run one of `tests.stages` in a process of its own, on JAX unless said; returns what it prints."""
    pytest.importorskip("jax", reason="the jax extra is not installed")
    flags = f"{stages.QUICK} {environment.pop('XLA_FLAGS', '')}".strip()
    env = {**os.environ, "KERAS_BACKEND": "jax", "XLA_FLAGS": flags, **environment}
    env.pop("JAX_COMPILATION_CACHE_DIR", None)
    done = subprocess.run(
        [sys.executable, "-m", "tests.stages", *arguments], env=env, cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.parametrize("check", CHECKS)
def test_stage(check):
    getattr(stages, check)()


@pytest.fixture(scope="module")
def on_jax(tmp_path_factory) -> dict:
    """What `stages.several` says on JAX, of all checks in one process; the folder of the cache it filled."""
    folder = str(tmp_path_factory.mktemp("xla"))
    said = alone("several", folder, *CHECKS, "check_parallel", XLA_FLAGS=TWO)
    return {**json.loads(said.splitlines()[-1]), "folder": folder}


@pytest.mark.parametrize("check", [*CHECKS, "check_parallel"])
def test_stage_on_jax(check, on_jax):
    assert not on_jax["wrong"][check], on_jax["wrong"][check]


def test_no_function_of_a_run_calls_python(tmp_path):
    """Training, validation, loading, predicting, maps: see `backend.pipeline` for what one such call costs all of them."""
    alone(
        "check_no_generator", KERAS_BACKEND="tensorflow", GCAF_CACHE=str(tmp_path), GCAF_RESULTS=str(tmp_path)
    )


def test_each_change_of_the_benchmark_changes_the_step():
    """In a process of its own, because what other tests have traced is in TensorFlow's library of functions."""
    alone("check_changes", KERAS_BACKEND="tensorflow")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tensorflow", "jax"])
def test_a_whole_run_from_images_on_the_device(name, tmp_path):
    alone("check_run", KERAS_BACKEND=name, GCAF_CACHE=str(tmp_path), GCAF_RESULTS=str(tmp_path))


@pytest.mark.slow
def test_two_devices_share_a_run(tmp_path):
    alone(
        "check_parallel_run",
        XLA_FLAGS=TWO,
        GCAF_RESULTS=str(tmp_path / "results"),
        GCAF_CACHE=str(tmp_path / "cache"),
    )


def test_the_second_process_compiles_nothing(on_jax):
    first, said = on_jax["first"], alone("several", on_jax["folder"], XLA_FLAGS=TWO)
    second = json.loads(said.splitlines()[-1])["first"]
    assert first["misses"] > first["hits"]  # one program may be asked for twice
    assert second["misses"] == 0 < second["hits"]
    assert any(Path(first["folder"]).iterdir())
    assert first["outcome"] == second["outcome"], "a program from the cache gives other bits"


def test_a_batch_that_devices_cannot_share_is_an_error():
    with pytest.raises(SettingsError, match=r"batch_size=7 can't be shared evenly between 2 devices"):
        with backend.data_parallel(7, ["cpu:0", "cpu:1"]):
            pass
    with pytest.raises(SettingsError, match="KERAS_BACKEND=jax"):
        with backend.data_parallel(8, ["gpu:0", "gpu:1"]):
            pass


def test_as_many_accelerators_as_divide_the_batch(monkeypatch):
    monkeypatch.setattr(backend, "accelerators", lambda: ["an accelerator"] * 6)
    with pytest.warns(UserWarning, match="TensorFlow trains on the first of 6"):
        assert backend._devices(32) == []
    monkeypatch.setattr(backend.keras.backend, "backend", lambda: "jax")
    monkeypatch.setattr(backend.keras.distribution, "list_devices", lambda: [f"gpu:{i}" for i in range(6)])
    assert backend._devices(32) == ["gpu:0", "gpu:1", "gpu:2", "gpu:3"]
    monkeypatch.setenv("GCAF_DEVICES", "5")
    assert len(backend._devices(32)) == 5, "what is asked for is tried, and refused by data_parallel"
    monkeypatch.setenv("GCAF_DEVICES", "7")
    with pytest.raises(SettingsError, match="1 to 6"):
        backend._devices(32)


def test_images_move_to_the_device_only_where_they_fit(monkeypatch):
    images = np.zeros((2, 4, 4, 3), np.uint8)
    assert feed.resident(images) is None, "on a CPU nothing would be won"
    monkeypatch.setattr(backend, "device_memory", lambda: 8 * images.nbytes - 1)
    assert feed.resident(images) is None
    monkeypatch.setattr(backend, "device_memory", lambda: 8 * images.nbytes)
    held = feed.resident(images + np.uint8(5))
    assert held.trainable_weights == [] and held.weights[0].dtype == "uint8"
    np.testing.assert_array_equal(np.asarray(held[np.array([1, 1])]), np.full((2, 4, 4, 3), 5.0))
    monkeypatch.setenv("GCAF_RESIDENT", "0")
    assert feed.resident(images) is None
    monkeypatch.setenv("GCAF_RESIDENT", "yes")
    with pytest.raises(SettingsError, match="GCAF_RESIDENT"):
        feed.resident(images)


def test_steps_per_execution_divide_an_epoch(monkeypatch):
    assert feed.steps_per_execution(175) == 1, "one on a CPU"
    monkeypatch.setattr(backend, "accelerators", lambda: ["an accelerator"])
    assert [feed.steps_per_execution(n) for n in (175, 176, 7, 37)] == [25, 22, 7, 1]
    monkeypatch.setenv("GCAF_STEPS", "5")
    assert feed.steps_per_execution(175) == 5
    with pytest.raises(SettingsError, match="don't divide"):
        feed.steps_per_execution(176)

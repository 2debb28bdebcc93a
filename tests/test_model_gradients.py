"""One function, any backend: value and gradient of what is known in closed form."""

import keras
import numpy as np
import pytest
from keras import ops

from gcaf_lib.model import gradients


def test_gradient_of_a_quadratic_form():
    x = np.arange(6, dtype="float32").reshape(2, 3)
    value, grad = gradients.value_and_gradient(lambda t: ops.sum(t**2) / 2, x)
    assert float(value) == pytest.approx((x**2).sum() / 2)
    np.testing.assert_allclose(ops.convert_to_numpy(grad), x)


def test_lists_and_unused_inputs():
    a, b = np.ones(3, "float32"), np.full(3, 2.0, "float32")
    _, grads = gradients.value_and_gradient(lambda t: ops.sum(3 * t[0]), [a, b])
    np.testing.assert_array_equal(ops.convert_to_numpy(grads[0]), 3)
    np.testing.assert_array_equal(ops.convert_to_numpy(grads[1]), 0)


def test_weight_gradients_of_a_dense_layer():
    layer = keras.layers.Dense(2)
    x = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")
    layer(x)
    found = gradients.weight_gradients(layer, x, seed=1)
    mix = np.random.default_rng(1).normal(size=(4, 2))
    kernel, bias = found.values()
    np.testing.assert_allclose(kernel, x.T @ mix, rtol=1e-4)
    np.testing.assert_allclose(bias, mix.sum(0), rtol=1e-4)
    assert [g.any() for g in found.values()] == [True, True]
    assert [g.any() for g in gradients.weight_gradients(layer, 0 * x).values()] == [False, True]


def test_another_backend_is_refused(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "abacus")
    with pytest.raises(NotImplementedError, match="abacus"):
        gradients.value_and_gradient(ops.sum, np.ones(2, "float32"))

"""The fusions: shapes, gates, attention, and which weights can learn at all."""

import keras
import numpy as np
import pandas as pd
import pytest
from keras import ops

from gcaf_lib.model.fusion import FUSIONS, attention
from gcaf_lib.model.gradients import weight_gradients
from gcaf_lib.settings import FUSIONS as NAMES

D = 32
rng = np.random.default_rng(0)
VECTORS = [rng.normal(size=(5, D)).astype("float32") for _ in "ab"]
MAPS = [rng.normal(size=(5, 4, 4, c)).astype("float32") for c in (24, 16)]


def dead_weights(layer, inputs) -> pd.DataFrame:
    """One row a trainable weight: weight, size, dead (its gradient is exactly zero everywhere)."""
    found = weight_gradients(layer, inputs)
    rows = [{"weight": path, "size": g.size, "dead": not g.any()} for path, g in found.items()]
    return pd.DataFrame(rows)


def make(name, seed=0):
    keras.utils.set_random_seed(seed)
    layer = FUSIONS[name](D, name="fusion")
    inputs = MAPS if layer.takes == "maps" else VECTORS
    layer(inputs)
    return layer, inputs


def arrays(x):
    return ops.convert_to_numpy(x)


def test_every_setting_has_its_layer():
    assert set(FUSIONS) == set(NAMES) - {"none"}


@pytest.mark.parametrize("name", FUSIONS)
def test_shape_config_and_ranges(name):
    layer, inputs = make(name)
    out = arrays(layer(inputs))
    assert out.shape == (5, D if name in ("gate", "gcaf-token") else 2 * D)
    again = type(layer).from_config(layer.get_config())
    again(inputs)
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(arrays(again(inputs)), out)
    seen = layer.inspect(*inputs)
    np.testing.assert_array_equal(seen["fused"], out)
    for key, value in seen.items():
        if key.startswith("gate"):
            assert ((value > 0) & (value < 1)).all()
        if key.startswith("attention") and name != "gcaf-sigmoid":
            np.testing.assert_allclose(value.sum(-1), 1, atol=1e-6)
        if key.startswith("attention") and name == "gcaf-sigmoid":
            assert ((value > 0) & (value < 1)).all() and value.std() > 0


def test_literal_reading_has_dead_queries_and_keys():
    layer, inputs = make("gcaf")
    table = dead_weights(layer, inputs).set_index("weight")
    dead = {name.split("/")[-2] for name in table[table.dead].index}
    assert dead == {"query_a", "key_a", "query_b", "key_b"}
    assert table[table.dead]["size"].sum() == 4 * D * D
    seen = layer.inspect(*inputs)
    np.testing.assert_array_equal(seen["attention_a"], 1)  # a softmax over one key
    np.testing.assert_allclose(seen["attended_a"], arrays(layer.value_b(inputs[1])), rtol=1e-6)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def dense(layer, x):
    """x·W (+ bias), by NumPy."""
    kernel, *bias = layer.get_weights()
    return x @ kernel + (bias[0] if bias else 0)


def test_vector_fusions_are_their_formulas():
    """From the weights alone: what each stream attends to, gates, and which half of z is whose."""
    a, b = VECTORS
    layer, _ = make("gate")
    gate = sigmoid(dense(layer.gate, np.hstack([a, b])))
    np.testing.assert_allclose(arrays(layer([a, b])), gate * a + (1 - gate) * b, atol=1e-5)
    np.testing.assert_allclose(layer.inspect(a, b)["gate"], gate, atol=1e-5)
    np.testing.assert_array_equal(arrays(make("concat")[0]([a, b])), np.hstack([a, b]))
    for name in ("cross", "gcaf", "gcaf-sigmoid"):
        layer, _ = make(name)
        score_a = (dense(layer.query_a, a) * dense(layer.key_b, b)).sum(1, keepdims=True) / np.sqrt(D)
        score_b = (dense(layer.query_b, b) * dense(layer.key_a, a)).sum(1, keepdims=True) / np.sqrt(D)
        weights = [sigmoid(s) if name == "gcaf-sigmoid" else np.ones_like(s) for s in (score_a, score_b)]
        to_a, to_b = weights[0] * dense(layer.value_b, b), weights[1] * dense(layer.value_a, a)
        if name == "cross":
            wanted = np.hstack([a + to_a, b + to_b])
        else:
            ga, gb = (
                sigmoid(dense(gate, np.hstack(pair)))
                for gate, pair in ((layer.gate_a, (a, to_a)), (layer.gate_b, (b, to_b)))
            )
            wanted = np.hstack([ga * a + (1 - ga) * to_a, gb * b + (1 - gb) * to_b])
        np.testing.assert_allclose(arrays(layer([a, b])), wanted, atol=1e-5, err_msg=name)
        seen = layer.inspect(a, b)
        for key, value in zip(
            ("attention_a", "attention_b", "attended_a", "attended_b"), (*weights, to_a, to_b)
        ):
            np.testing.assert_allclose(seen[key], value, atol=1e-5, err_msg=f"{name} {key}")


def test_token_fusions_attend_as_they_say():
    """`attention` itself is held to Keras's below; here: who asks whom, and what is done with the answer."""
    layer, (a, b) = make("gcaf-token")
    layer.alpha_a.assign(0.5)
    layer.alpha_b.assign(-1.5)
    ta, tb = (
        (dense(getattr(layer, f"embed_{s}"), x) + arrays(getattr(layer, f"rows_{s}")) + arrays(getattr(layer, f"columns_{s}"))
         ).reshape(5, 16, D // 2)
        for x, s in zip((a, b), "ab")
    )  # fmt: skip
    na, nb = ((t - t.mean(-1, keepdims=True)) / np.sqrt(t.var(-1, keepdims=True) + 1e-6) for t in (ta, tb))
    q, k, v = dense(layer.query_a, na), dense(layer.key_b, nb), dense(layer.value_b, nb)
    from_b, weight = (arrays(x) for x in attention(*map(ops.convert_to_tensor, (q, k, v)), heads=4))
    q, k, v = dense(layer.query_b, nb), dense(layer.key_a, na), dense(layer.value_a, na)
    from_a = arrays(attention(*map(ops.convert_to_tensor, (q, k, v)), heads=4)[0])
    va = (ta + np.tanh(0.5) * dense(layer.join_a, from_b)).mean(1)
    vb = (tb + np.tanh(-1.5) * dense(layer.join_b, from_a)).mean(1)
    ga, gb = (
        sigmoid(dense(layer.gate_a, np.hstack([va, vb]))),
        sigmoid(dense(layer.gate_b, np.hstack([vb, va]))),
    )
    wanted = np.hstack([ga * va + (1 - ga) * vb, gb * vb + (1 - gb) * va])
    np.testing.assert_allclose(arrays(layer([a, b])), wanted, atol=1e-4)
    np.testing.assert_allclose(layer.inspect(a, b)["attention_a"], weight, atol=1e-4)
    layer, (a, b) = make("gcaf-split")
    assert layer.inspect(a, b)["attention_a"].shape == (5, 4, 8, 8), "8 tokens, 4 heads"
    ta, tb = (x.reshape(5, 8, D // 8) for x in (a, b))
    q, k, v = dense(layer.query_b, tb), dense(layer.key_a, ta), dense(layer.value_a, ta)
    from_a = arrays(attention(*map(ops.convert_to_tensor, (q, k, v)), heads=4)[0])
    wanted = dense(layer.join_b, from_a).reshape(5, D)
    np.testing.assert_allclose(layer.inspect(a, b)["attended_b"], wanted, atol=1e-5)


@pytest.mark.parametrize("name", [n for n in FUSIONS if n not in ("concat", "cross", "gcaf", "gcaf-token")])
def test_no_other_weight_is_dead(name):
    layer, inputs = make(name)
    assert not dead_weights(layer, inputs).dead.any()


def test_cross_without_gates_is_linear_and_as_dead():
    layer, (a, b) = make("cross")
    out = arrays(layer([a, b]))
    np.testing.assert_allclose(arrays(layer([2 * a, 2 * b])), 2 * out, rtol=1e-4, atol=1e-5)
    assert dead_weights(layer, [a, b]).query("dead")["size"].sum() == 4 * D * D


def test_token_fusion_starts_as_gated_concatenation_and_then_learns():
    layer, inputs = make("gcaf-token")
    start = arrays(layer(inputs))
    a, b = (arrays(ops.mean(layer.tokens(x, s), axis=1)) for x, s in zip(inputs, "ab"))
    ga = arrays(layer.gate_a(np.concatenate([a, b], -1)))
    gb = arrays(layer.gate_b(np.concatenate([b, a], -1)))
    wanted = np.concatenate([ga * a + (1 - ga) * b, gb * b + (1 - gb) * a], -1)
    np.testing.assert_allclose(start, wanted, atol=1e-5)
    alive = dead_weights(layer, inputs).set_index("weight")
    assert not alive.loc[[n for n in alive.index if "alpha" in n], "dead"].any()
    for weight in (layer.alpha_a, layer.alpha_b):
        weight.assign(0.1)
    assert not dead_weights(layer, inputs).dead.any()
    assert np.abs(arrays(layer(inputs)) - start).max() > 1e-4


def test_attention_agrees_with_keras():
    q, k, v = (rng.normal(size=(2, t, 8)).astype("float32") for t in (5, 7, 7))
    out, weights = attention(*map(ops.convert_to_tensor, (q, k, v)), heads=2)
    for head in (slice(0, 4), slice(4, 8)):
        plain = keras.layers.Attention(use_scale=False, score_mode="dot")
        wanted = plain([q[..., head] / 2, v[..., head], k[..., head]])  # sqrt(4) = 2
        np.testing.assert_allclose(arrays(out)[..., head], arrays(wanted), atol=1e-5)
    assert weights.shape == (2, 2, 5, 7)


def test_gate_mixes_between_its_inputs():
    layer, (a, b) = make("gate")
    out = arrays(layer([a, b]))
    assert ((out >= np.minimum(a, b) - 1e-6) & (out <= np.maximum(a, b) + 1e-6)).all()


def test_split_wants_a_width_it_can_cut():
    with pytest.raises(ValueError, match="no multiple"):
        FUSIONS["gcaf-split"](12)([np.zeros((1, 12), "float32")] * 2)

"""The fusions: shapes, gates, attention, and which weights can learn at all."""

import keras
import numpy as np
import pytest
from keras import ops

from gcaf_lib.model.fusion import FUSIONS, attention
from gcaf_lib.model.gradients import dead_weights
from gcaf_lib.settings import FUSIONS as NAMES

D = 32
rng = np.random.default_rng(0)
VECTORS = [rng.normal(size=(5, D)).astype("float32") for _ in "ab"]
MAPS = [rng.normal(size=(5, 4, 4, c)).astype("float32") for c in (24, 16)]


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

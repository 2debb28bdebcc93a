"""Seven ways to make one vector of two feature extractors, one layer each, same constructor.

a, b (B, d) are the two projected feature vectors;
c_{a←b} is what a attends to in b; g are gates in (0, 1); [·;·] joins. Equations 9 to 13 of the paper
are missing from its text; these are their reconstruction, in which a pooled vector is one token of the attention.

Every layer takes [a, b] and returns (B, m). `takes` says whether it wants pooled "vectors" (B, d)
or feature "maps" (B, h, w, C). `inspect(a, b)` reads out gates and attention as arrays.
"""

from __future__ import annotations

import math

import keras
import numpy as np
from keras import layers, ops


class Fusion(layers.Layer):
    """Base of the fusions: `mix(a, b)` gives "fused" and everything worth looking at.

    `width`: dimension d of the vectors, as the Dense projections before it give them.
    """

    takes = "vectors"

    def __init__(self, width: int, **kwargs):
        super().__init__(**kwargs)
        self.width = width

    def _dense(self, name: str, units: int | None = None, shape: int | None = None, **kwargs):
        """A Dense sub-layer, built at once so that loading weights never meets an unbuilt one."""
        layer = layers.Dense(units or self.width, name=name, dtype=self.dtype_policy, **kwargs)
        layer.build((None, shape or self.width))
        return layer

    def mix(self, a, b) -> dict:
        raise NotImplementedError

    def call(self, inputs):
        return self.mix(*inputs)["fused"]

    def inspect(self, a, b) -> dict[str, np.ndarray]:
        """Gates, attention and attended values for a batch, as NumPy arrays."""
        a, b = (ops.convert_to_tensor(v, dtype=self.compute_dtype) for v in (a, b))
        return {name: ops.convert_to_numpy(value) for name, value in self.mix(a, b).items()}

    def get_config(self):
        return {**super().get_config(), "width": self.width}


@keras.saving.register_keras_serializable("gcaf")
class Concatenation(Fusion):
    """z = [a; b]: Table 4, "Feature Concatenation"."""

    def mix(self, a, b):
        return {"fused": ops.concatenate([a, b], axis=-1)}


@keras.saving.register_keras_serializable("gcaf")
class Gate(Fusion):
    """g = σ(W[a; b] + β), z = g⊙a + (1-g)⊙b: Table 4, "Gated Fusion (No Attention)"."""

    def build(self, _):
        self.gate = self._dense("gate", shape=2 * self.width, activation="sigmoid")

    def mix(self, a, b):
        gate = self.gate(ops.concatenate([a, b], axis=-1))
        return {"fused": gate * a + (1 - gate) * b, "gate": gate}


@keras.saving.register_keras_serializable("gcaf")
class Cross(Fusion):
    """Cross-attention between the two vectors, no gate: Table 4, "Cross-Attention (No Gating)".

    c_{a←b} = softmax(q_a·k_b/√d)·v_b with q_a = W_Q a, k_b = W_K b, v_b = W_V b (the paper's "(7)"
    and "(8)"); symmetric for b; z = [a + c_{a←b}; b + c_{b←a}], the usual residual (the paper doesn't say
    what remains of the own stream when the gates go). The softmax is over one key and so is 1:
    c_{a←b} = v_b, the query and key weights have exactly zero gradient, and z is a linear
    map of [a; b].
    """

    def build(self, _):
        for name in ("query_a", "key_b", "value_b", "query_b", "key_a", "value_a"):
            setattr(self, name, self._dense(name, use_bias=False))

    def weigh(self, scores):
        """Attention weights from scores (B, 1): one key, hence one score.

        The softmax is written out because keras.ops.softmax warns that over one entry it "will
        always return the value 1, which is likely not what you intended". It is what one token of each side gives.
        """
        # of the ways to write it, this one's gradient is exactly 0 on every backend and batch size
        return ops.exp(ops.log_softmax(scores, axis=-1))

    def attend(self, query, key, value):
        """Attended value (B, d) and its weight (B, 1)."""
        weight = self.weigh(ops.sum(query * key, axis=-1, keepdims=True) / math.sqrt(self.width))
        return weight * value, weight

    def exchange(self, a, b) -> dict:
        """What each stream attends to in the other, with the weights."""
        from_b, weight_a = self.attend(self.query_a(a), self.key_b(b), self.value_b(b))
        from_a, weight_b = self.attend(self.query_b(b), self.key_a(a), self.value_a(a))
        return {"attended_a": from_b, "attended_b": from_a, "attention_a": weight_a, "attention_b": weight_b}

    def mix(self, a, b):
        seen = self.exchange(a, b)
        fused = ops.concatenate([a + seen["attended_a"], b + seen["attended_b"]], axis=-1)
        return {"fused": fused, **seen}


@keras.saving.register_keras_serializable("gcaf")
class GCAF(Cross):
    """Gated cross-attention fusion, the paper's proposal, as reconstructed.

    g_a = σ(W_g[a; c_{a←b}] + β), â = g_a⊙a + (1-g_a)⊙c_{a←b}; symmetric for b; z = [â; b̂]
    (Eqs 9-13 as reconstructed). W_g and β are each stream's own. As in `cross`, the attention is over a
    single key: its query and key weights never learn.
    """

    def build(self, shape):
        super().build(shape)
        self.gate_a = self._dense("gate_a", shape=2 * self.width, activation="sigmoid")
        self.gate_b = self._dense("gate_b", shape=2 * self.width, activation="sigmoid")

    def mix(self, a, b):
        seen = self.exchange(a, b)
        return {**gated(a, seen["attended_a"], b, seen["attended_b"], self.gate_a, self.gate_b), **seen}


def gated(a, other_a, b, other_b, gate_a, gate_b) -> dict:
    """Gated concatenation [g_a⊙a + (1-g_a)⊙other_a; the same for b], with its gates."""
    ga = gate_a(ops.concatenate([a, other_a], axis=-1))
    gb = gate_b(ops.concatenate([b, other_b], axis=-1))
    fused = ops.concatenate([ga * a + (1 - ga) * other_a, gb * b + (1 - gb) * other_b], axis=-1)
    return {"fused": fused, "gate_a": ga, "gate_b": gb}


@keras.saving.register_keras_serializable("gcaf")
class SigmoidGCAF(GCAF):
    """`gcaf` with c_{a←b} = σ(q_a·k_b/√d)·v_b: the smallest repair that lets queries and keys learn."""

    def weigh(self, scores):
        return ops.sigmoid(scores)


def heads_for(width: int, wanted: int = 4) -> int:
    """Heads that divide `width`: 4 where that is possible."""
    return math.gcd(width, wanted)


def attention(query, key, value, heads: int):
    """Multi-head scaled dot-product attention: (B, T, D) tokens to (B, T, D), (B, heads, T, T')."""

    def split(x):
        tokens, width = x.shape[1], x.shape[2]
        return ops.transpose(ops.reshape(x, (-1, tokens, heads, width // heads)), (0, 2, 1, 3))

    q, k, v = split(query), split(key), split(value)
    weights = ops.softmax(ops.matmul(q, ops.transpose(k, (0, 1, 3, 2))) / math.sqrt(q.shape[-1]), axis=-1)
    out = ops.transpose(ops.matmul(weights, v), (0, 2, 1, 3))
    return ops.reshape(out, (-1, query.shape[1], query.shape[2])), weights


@keras.saving.register_keras_serializable("gcaf")
class SplitGCAF(GCAF):
    """`gcaf` with each vector cut into 8 tokens of d/8, and multi-head attention over those.

    Attention rows run over 8 keys, so queries and keys matter. d must be a multiple of 8.
    """

    tokens = 8

    def build(self, shape):
        if self.width % self.tokens:
            raise ValueError(f"gcaf-split cuts the width into {self.tokens}: {self.width} is no multiple")
        part = self.width // self.tokens
        for name in ("query_a", "key_b", "value_b", "query_b", "key_a", "value_a", "join_a", "join_b"):
            setattr(self, name, self._dense(name, part, part, use_bias=False))
        self.gate_a = self._dense("gate_a", shape=2 * self.width, activation="sigmoid")
        self.gate_b = self._dense("gate_b", shape=2 * self.width, activation="sigmoid")

    def exchange(self, a, b):
        part = self.width // self.tokens
        ta, tb = (ops.reshape(v, (-1, self.tokens, part)) for v in (a, b))
        heads = heads_for(part)
        from_b, wa = attention(self.query_a(ta), self.key_b(tb), self.value_b(tb), heads)
        from_a, wb = attention(self.query_b(tb), self.key_a(ta), self.value_a(ta), heads)
        from_b, from_a = self.join_a(from_b), self.join_b(from_a)
        return {
            "attended_a": ops.reshape(from_b, (-1, self.width)),
            "attended_b": ops.reshape(from_a, (-1, self.width)),
            "attention_a": wa,
            "attention_b": wb,
        }


@keras.saving.register_keras_serializable("gcaf")
class TokenGCAF(Fusion):
    """Cross-attention between all places of both feature maps: an improvement, not the paper's.

    Tokens t = W·F + p (one per place of the map; p = rows + columns, learnt), with D = d/2 (256 for the
    paper's d = 512); t_a' = t_a + tanh(α_a)·MHA(LN t_a, LN t_b), 4 heads, both directions at once;
    a = mean t_a', b = mean t_b'; then the gates with the other stream in the place of c:
    z = [g_a⊙a + (1-g_a)⊙b; g_b⊙b + (1-g_b)⊙a]. α starts at 0 (Flamingo's gate, arXiv:2204.14198), so
    training starts as a gated concatenation and whatever it gains is due to attention.
    At α = 0, of the attention, only α itself has a gradient; one step later all its weights do.
    """

    takes = "maps"

    def build(self, shapes):
        self.inner = max(self.width // 2, 1)
        d = self.inner
        for side, shape in zip("ab", shapes):
            for name in ("query", "value", "key", "join"):
                setattr(self, f"{name}_{side}", self._dense(f"{name}_{side}", d, d, use_bias=False))
            setattr(self, f"embed_{side}", self._dense(f"embed_{side}", d, shape[-1]))
            norm = layers.LayerNormalization(epsilon=1e-6, name=f"norm_{side}", dtype=self.dtype_policy)
            norm.build((None, d))
            setattr(self, f"norm_{side}", norm)
            for axis, size in (("rows", (shape[1], 1, d)), ("columns", (1, shape[2], d))):
                start = keras.initializers.RandomNormal(stddev=0.02)
                weight = self.add_weight(shape=size, initializer=start, name=f"{axis}_{side}")
                setattr(self, f"{axis}_{side}", weight)
            setattr(
                self, f"alpha_{side}", self.add_weight(shape=(), initializer="zeros", name=f"alpha_{side}")
            )
        self.gate_a = self._dense("gate_a", d, 2 * d, activation="sigmoid")
        self.gate_b = self._dense("gate_b", d, 2 * d, activation="sigmoid")

    def tokens(self, x, side: str):
        """Tokens (B, h·w, D) of one feature map (B, h, w, C)."""
        x = getattr(self, f"embed_{side}")(x)
        x = x + getattr(self, f"rows_{side}") + getattr(self, f"columns_{side}")
        return ops.reshape(x, (-1, x.shape[1] * x.shape[2], self.inner))

    def mix(self, a, b):
        ta, tb = self.tokens(a, "a"), self.tokens(b, "b")
        na, nb = self.norm_a(ta), self.norm_b(tb)
        heads = heads_for(self.inner)
        from_b, wa = attention(self.query_a(na), self.key_b(nb), self.value_b(nb), heads)
        from_a, wb = attention(self.query_b(nb), self.key_a(na), self.value_a(na), heads)
        ta = ta + ops.tanh(self.alpha_a) * self.join_a(from_b)
        tb = tb + ops.tanh(self.alpha_b) * self.join_b(from_a)
        va, vb = ops.mean(ta, axis=1), ops.mean(tb, axis=1)
        return {**gated(va, vb, vb, va, self.gate_a, self.gate_b), "attention_a": wa, "attention_b": wb}


FUSIONS: dict[str, type[Fusion]] = {
    "concat": Concatenation,
    "gate": Gate,
    "cross": Cross,
    "gcaf": GCAF,
    "gcaf-sigmoid": SigmoidGCAF,
    "gcaf-split": SplitGCAF,
    "gcaf-token": TokenGCAF,
}

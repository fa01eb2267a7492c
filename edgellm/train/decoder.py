"""The decoder of every trainable family in MLX, with GGUF's tensor names and row order.

All layers but attention see a batch as one (tokens, width) array (`ragged.py`).
"""

from __future__ import annotations

import mlx.core as mx
from mlx import nn
from mlx.nn.utils import checkpoint

from edgellm.train import numerics
from edgellm.train.architecture import Architecture, Rope
from edgellm.train.ragged import Group, Rows
from edgellm.train.rotation import Rotation, rotation


class Block(nn.Module):
    """One layer."""

    def __init__(self, shape: Architecture, layer: int) -> None:
        super().__init__()
        self._shape, self._layer = shape, layer
        self._rope = shape.rope_of(layer)
        width, epsilon = shape.width, shape.norm_epsilon
        q, k, v = shape.heads * shape.head_width, shape.kv_heads * shape.head_width, shape.kv_heads * shape.value_width
        has_bias = shape.family == "qwen2"
        self.attn_norm = nn.RMSNorm(width, epsilon)
        if shape.has_fused_projections:
            self.attn_qkv = nn.Linear(width, q + k + v, bias=False)
        else:
            self.attn_q = nn.Linear(width, q, bias=has_bias)
            self.attn_k = nn.Linear(width, k, bias=has_bias)
            self.attn_v = nn.Linear(width, v, bias=has_bias)
        self.attn_output = nn.Linear(shape.heads * shape.value_width, width, bias=False)
        if shape.family in ("qwen3", "gemma3"):
            self.attn_q_norm = nn.RMSNorm(shape.head_width, epsilon)
            self.attn_k_norm = nn.RMSNorm(shape.head_width, epsilon)
        self.ffn_norm = nn.RMSNorm(width, epsilon)
        if shape.has_fused_projections:
            self.ffn_up = nn.Linear(width, 2 * shape.hidden, bias=False)
        else:
            self.ffn_gate = nn.Linear(width, shape.hidden, bias=False)
            self.ffn_up = nn.Linear(width, shape.hidden, bias=False)
        self.ffn_down = nn.Linear(shape.hidden, width, bias=False)
        if shape.family == "gemma3":
            self.post_attention_norm = nn.RMSNorm(width, epsilon)
            self.post_ffw_norm = nn.RMSNorm(width, epsilon)

    def __call__(self, x: mx.array, rows: Rows, turned: Rotation) -> mx.array:
        """(tokens, width) to the same."""
        attended = self._attend(self.attn_norm(x), rows, turned)
        if "post_attention_norm" in self:
            attended = self.post_attention_norm(attended)
        x = x + attended
        fed = self._feed(self.ffn_norm(x))
        if "post_ffw_norm" in self:
            fed = self.post_ffw_norm(fed)
        return x + fed

    @property
    def rope(self) -> Rope:
        """How this layer rotates."""
        return self._rope

    def _feed(self, x: mx.array) -> mx.array:
        if "ffn_gate" in self:
            gate, up = self.ffn_gate(x), self.ffn_up(x)
        else:
            gate, up = mx.split(self.ffn_up(x), 2, axis=-1)
        activation = numerics.swiglu if self._shape.activation == "silu" else numerics.geglu
        return self.ffn_down(activation(gate, up))

    def _project(self, x: mx.array) -> tuple[mx.array, mx.array, mx.array]:
        """Queries, keys and values, (tokens, heads, head width)."""
        shape, tokens = self._shape, x.shape[0]
        if "attn_qkv" in self:
            ends = [shape.heads * shape.head_width, (shape.heads + shape.kv_heads) * shape.head_width]
            q, k, v = mx.split(self.attn_qkv(x), ends, axis=-1)
        else:
            q, k, v = self.attn_q(x), self.attn_k(x), self.attn_v(x)
        q = q.reshape(tokens, shape.heads, shape.head_width)
        k = k.reshape(tokens, shape.kv_heads, shape.head_width)
        v = v.reshape(tokens, shape.kv_heads, shape.value_width)
        if "attn_q_norm" in self:
            q, k = self.attn_q_norm(q), self.attn_k_norm(k)
        return q, k, v

    def _attend(self, x: mx.array, rows: Rows, turned: Rotation) -> mx.array:
        q, k, v = self._project(x)
        (first_q, q), (first_k, k), (first_v, v) = map(rows.split, (turned(q), turned(k), v))
        first_q, first_k, first_v = (y[None].swapaxes(1, 2) for y in (first_q, first_k, first_v))
        out = rows.together(
            [
                self._mix(own_q, _after(first_k, own_k), _after(first_v, own_v), group)
                for group, own_q, own_k, own_v in zip(
                    rows.groups, rows.apart(q), rows.apart(k), rows.apart(v), strict=True
                )
            ]
        )
        if rows.first:
            out = mx.concatenate([self._mix(first_q, first_k, first_v, rows.first)[0], out])
        return self.attn_output(out)

    def _mix(self, q: mx.array, k: mx.array, v: mx.array, group: Group) -> mx.array:
        """Causal attention, aligned at the end: (rows, heads, tokens, width) to (rows, tokens, heads * width)."""
        shape = self._shape
        window = shape.window if shape.is_local(self._layer) else None
        if numerics.ON_CPU:
            out = _attention(q, k, v, shape.attention_scale, group.mask(window))
        else:
            mask = "causal" if window is None or group.seen <= window else group.mask(window)
            out = mx.fast.scaled_dot_product_attention(q, k, v, scale=shape.attention_scale, mask=mask)
        return out.swapaxes(1, 2).reshape(group.rows, group.length, -1)


def _after(first: mx.array, own: mx.array) -> mx.array:
    """What a group sees: the shared beginning before each row's own (rows, heads, tokens, width)."""
    if not first.shape[2]:
        return own
    return mx.concatenate([mx.broadcast_to(first, (own.shape[0], *first.shape[1:])), own], axis=2)


def _attention(q: mx.array, k: mx.array, v: mx.array, scale: float, mask: mx.array) -> mx.array:
    """Grouped-query attention with the softmax of this processor."""
    rows, heads, length, width = q.shape
    groups = k.shape[1]
    q = (q * scale).reshape(rows, groups, heads // groups * length, width)
    scores = (q @ k.swapaxes(-1, -2)).reshape(rows, groups, heads // groups, length, -1) + mask
    weights = numerics.softmax(scores).reshape(rows, groups, heads // groups * length, -1)
    return (weights @ v).reshape(rows, heads, length, -1)


class Decoder(nn.Module):
    """A base model, its adapter's place, and its head."""

    def __init__(self, shape: Architecture) -> None:
        super().__init__()
        self._shape = shape
        self.token_embd = nn.Embedding(shape.vocabulary, shape.width)
        self.blk = [Block(shape, layer) for layer in range(shape.layers)]
        self.output_norm = nn.RMSNorm(shape.width, shape.norm_epsilon)
        if not shape.is_tied:
            self.output = nn.Linear(shape.width, shape.vocabulary, bias=False)
        self._factors: dict[str, mx.array] = {}
        self._is_recomputed = False

    @property
    def vocabulary(self) -> int:
        """Number of tokens."""
        return self._shape.vocabulary

    def set_rope_factors(self, factors: dict[str, mx.array]) -> None:
        """The tensors that divide rotation frequencies, by name; they never learn."""
        self._factors = factors

    def recompute(self) -> None:
        """From now on, compute layers again in the backward pass instead of keeping what is inside them.

        Chen et al. 2016, arXiv:1604.06174.
        """
        self._is_recomputed = True

    def embed(self, tokens: mx.array) -> mx.array:
        """(tokens,) to (tokens, width)."""
        return self.token_embd(tokens) * self._shape.embedding_scale

    def run(self, x: mx.array, rows: Rows, first: int = 0, last: int | None = None) -> mx.array:
        """Layers `first` to `last` on (tokens, width)."""
        turned: dict[Rope, Rotation] = {}
        for block in self.blk[first:last]:
            rope = block.rope
            if rope not in turned:
                factors = self._factors[rope.factors] if rope.factors else None
                turned[rope] = rotation(rope, rows.positions, self._shape.head_width, factors)
            x = self._through(block, x, rows, turned[rope])
        return x

    def _through(self, block: Block, x: mx.array, rows: Rows, turned: Rotation) -> mx.array:
        if not self._is_recomputed:
            return block(x, rows, turned)
        out: mx.array = checkpoint(block, lambda x: block(x, rows, turned))(x)
        return out

    def normed(self, x: mx.array) -> mx.array:
        """What the head reads, (tokens, width)."""
        return self.output_norm(x)

    def logits(self, x: mx.array) -> mx.array:
        """Normed (tokens, width) to logits (tokens, vocabulary)."""
        return self.token_embd.as_linear(x) if self._shape.is_tied else self.output(x)

    def head(self, x: mx.array) -> mx.array:
        """The last layer's (tokens, width) to logits (tokens, vocabulary)."""
        return self.logits(self.normed(x))

    @property
    def head_layer(self) -> nn.Module:
        """The layer that makes logits: the embedding where they are tied."""
        layer: nn.Module = self.token_embd if self._shape.is_tied else self.output
        return layer

    def frozen_head(self) -> mx.array | None:
        """The head's (vocabulary, width), when it is one dense matrix that does not learn."""
        head = self.head_layer
        is_dense = type(head) in (nn.Embedding, nn.Linear)
        return head.weight if is_dense and not head.trainable_parameters() else None

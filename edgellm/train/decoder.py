"""The decoder of every trainable family in MLX, with GGUF's tensor names and row order.

A batch is ragged: the real tokens of all rows lie one after the other in one (tokens, width) array, so that no matrix
product is spent on padding. Rows may share a beginning, which is computed once. Only attention sees rows apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import mlx.core as mx
from mlx import nn

from edgellm.train import numerics
from edgellm.train.architecture import Architecture, Rope


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the rows of a ragged batch lie. `shared` tokens come first, then each row's own."""

    shared: int
    """Tokens that begin every row."""
    own: tuple[int, ...]
    """Tokens of each row after them."""

    @property
    def tokens(self) -> int:
        """Tokens in all."""
        return self.shared + sum(self.own)


class Rows:
    """Moves between the ragged order (tokens, ...) and padded rows (rows, longest, ...)."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.longest = max(layout.own)
        starts, at = [], layout.shared
        for length in layout.own:
            starts.append(at)
            at += length
        spread = [
            [start + min(i, length - 1) for i in range(self.longest)]
            for start, length in zip(starts, layout.own, strict=True)
        ]
        self._spread = mx.array(spread)
        self._gather = mx.array(
            [row * self.longest + i for row, length in enumerate(layout.own) for i in range(length)]
        )
        self.is_even = all(length == self.longest for length in layout.own)

    def pad(self, x: mx.array) -> mx.array:
        """Own tokens (tokens, heads, size) as (rows, longest, heads, size)."""
        if self.is_even:
            return x[self.layout.shared :].reshape(len(self.layout.own), self.longest, *x.shape[1:])
        return x[self._spread]

    def unpad(self, x: mx.array) -> mx.array:
        """(rows, longest, size) as own tokens (tokens, size)."""
        flat = x.reshape(-1, x.shape[-1])
        return flat if self.is_even else flat[self._gather]


def _rotate(x: mx.array, rope: Rope, factors: mx.array | None, offset: int) -> mx.array:
    """(rows, heads, tokens, head width), first token at position `offset`."""
    if factors is not None:
        half = mx.arange(0, rope.dimensions, 2, dtype=mx.float32) / rope.dimensions
        freqs = factors * rope.base**half
        x = mx.fast.rope(
            x, rope.dimensions, traditional=rope.is_interleaved, base=None, scale=rope.scale, offset=offset, freqs=freqs
        )
    else:
        x = mx.fast.rope(
            x, rope.dimensions, traditional=rope.is_interleaved, base=rope.base, scale=rope.scale, offset=offset
        )
    if rope.magnitude == 1:
        return x
    if rope.dimensions == x.shape[-1]:
        return x * rope.magnitude
    turned, kept = mx.split(x, [rope.dimensions], axis=-1)
    return mx.concatenate([turned * rope.magnitude, kept], axis=-1)


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

    def __call__(self, x: mx.array, rows: Rows, factors: mx.array | None) -> mx.array:
        """(tokens, width) to the same."""
        attended = self._attend(self.attn_norm(x), rows, factors)
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
        activation = numerics.silu if self._shape.activation == "silu" else numerics.gelu
        return self.ffn_down(activation(gate) * up)

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

    def _attend(self, x: mx.array, rows: Rows, factors: mx.array | None) -> mx.array:
        q, k, v = self._project(x)
        shared = rows.layout.shared

        def turn(y: mx.array, offset: int) -> mx.array:
            return _rotate(y.swapaxes(1, 2), self._rope, factors, offset)

        rq, rk, rv = turn(rows.pad(q), shared), turn(rows.pad(k), shared), rows.pad(v).swapaxes(1, 2)
        if not shared:
            out = self._mix(rq, rk, rv)
            return self.attn_output(rows.unpad(out))
        sq, sk, sv = turn(q[None, :shared], 0), turn(k[None, :shared], 0), v[None, :shared].swapaxes(1, 2)
        count = len(rows.layout.own)

        def before(y: mx.array) -> mx.array:
            return mx.broadcast_to(y, (count, *y.shape[1:]))

        out = self._mix(rq, mx.concatenate([before(sk), rk], axis=2), mx.concatenate([before(sv), rv], axis=2))
        first = self._mix(sq, sk, sv)[0]
        return self.attn_output(mx.concatenate([first, rows.unpad(out)]))

    def _mix(self, q: mx.array, k: mx.array, v: mx.array) -> mx.array:
        """Causal attention, aligned at the end: (rows, heads, tokens, width) to (rows, tokens, heads * width)."""
        shape = self._shape
        length, seen = q.shape[2], k.shape[2]
        window = shape.window if shape.is_local(self._layer) else None
        if numerics.ON_CPU:
            out = _attention(q, k, v, shape.attention_scale, _mask(length, seen, window))
        else:
            mask = "causal" if window is None or seen <= window else _mask(length, seen, window)
            out = mx.fast.scaled_dot_product_attention(q, k, v, scale=shape.attention_scale, mask=mask)
        return out.swapaxes(1, 2).reshape(q.shape[0], length, -1)


def _mask(length: int, seen: int, window: int | None) -> mx.array:
    """What is added to the scores of the last `length` of `seen` tokens: (length, seen)."""
    distance = mx.arange(seen - length, seen)[:, None] - mx.arange(seen)[None]
    is_hidden = distance < 0
    if window is not None:
        is_hidden = is_hidden | (distance >= window)
    return mx.where(is_hidden, mx.array(-1e9, mx.float32), mx.array(0.0, mx.float32))


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

    def set_rope_factors(self, factors: dict[str, mx.array]) -> None:
        """The tensors that divide rotation frequencies, by name; they never learn."""
        self._factors = factors

    def embed(self, tokens: mx.array) -> mx.array:
        """(tokens,) to (tokens, width)."""
        return self.token_embd(tokens) * self._shape.embedding_scale

    def run(self, x: mx.array, rows: Rows, first: int = 0, last: int | None = None) -> mx.array:
        """Layers `first` to `last` on (tokens, width)."""
        for block in self.blk[first:last]:
            x = block(x, rows, self._factors.get(block.rope.factors) if block.rope.factors else None)
        return x

    def normed(self, x: mx.array) -> mx.array:
        """What the head reads, (tokens, width)."""
        return self.output_norm(x)

    def logits(self, x: mx.array) -> mx.array:
        """Normed (tokens, width) to logits (tokens, vocabulary)."""
        return self.token_embd.as_linear(x) if self._shape.is_tied else self.output(x)

    def head(self, x: mx.array) -> mx.array:
        """The last layer's (tokens, width) to logits (tokens, vocabulary)."""
        return self.logits(self.normed(x))

    def frozen_head(self) -> mx.array | None:
        """The head's (vocabulary, width), when it is one dense matrix that does not learn."""
        head = self.token_embd if self._shape.is_tied else self.output
        is_dense = type(head) in (nn.Embedding, nn.Linear)
        return head.weight if is_dense and not head.trainable_parameters() else None

"""BERT's forward pass in numpy: what the twin is compared with where there is no torch, and where there is.

Paper: Devlin et al. 2018, arXiv:1810.04805. Slow and exact; one text at a time, float32.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgellm.retrieval.embed.embedder import OnDone, Tokens, nothing, unit_rows
from edgellm.retrieval.embed.source import EmbedderSource
from edgellm.retrieval.embed.weights import read_weights

Floats = NDArray[np.float32]


class Reference:
    """An embedder computed from its safetensors file, as its paper says."""

    def __init__(self, source: EmbedderSource) -> None:
        """Read all weights. Raises: ModelRejected."""
        self._source = source
        self._weights = {name: entry.rows() for name, entry in read_weights(source).items()}

    def embed(self, inputs: Sequence[Tokens], on_done: OnDone = nothing) -> Floats:
        """As `Runtime.embed`. Raises: EngineError."""
        pooled = []
        for number, tokens in enumerate(inputs):
            states = self._states(tokens)
            pooled.append(states[0] if self._source.pooling == "cls" else states.mean(axis=0))
            on_done(number + 1)
        return unit_rows(np.array(pooled).reshape(len(pooled), self._source.shape.width))

    def close(self) -> None:
        """Nothing to end."""

    def _states(self, tokens: Tokens) -> Floats:
        """The last layer's states: (tokens, width)."""
        weights = self._weights
        states = weights["token_embd.weight"][list(tokens)] + weights["position_embd.weight"][: len(tokens)]
        states = self._norm(states + weights["token_types.weight"][0], "token_embd_norm")
        for layer in range(self._source.shape.layers):
            block = f"blk.{layer}."
            states = self._norm(states + self._attention(states, block), f"{block}attn_output_norm")
            inner = gelu(self._linear(states, f"{block}ffn_up"))
            states = self._norm(states + self._linear(inner, f"{block}ffn_down"), f"{block}layer_output_norm")
        return states

    def _attention(self, states: Floats, block: str) -> Floats:
        heads = self._source.shape.heads
        query, key, value = (
            self._linear(states, f"{block}{name}").reshape(len(states), heads, -1).transpose(1, 0, 2)
            for name in ("attn_q", "attn_k", "attn_v")
        )
        scores = query @ key.transpose(0, 2, 1) / np.float32(np.sqrt(query.shape[-1]))
        shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
        shares /= shares.sum(axis=-1, keepdims=True)
        mixed = (shares @ value).transpose(1, 0, 2).reshape(states.shape)
        return self._linear(mixed, f"{block}attn_output")

    def _linear(self, values: Floats, name: str) -> Floats:
        product: Floats = values @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"]
        return product

    def _norm(self, values: Floats, name: str) -> Floats:
        centred = values - values.mean(axis=-1, keepdims=True)
        spread = np.sqrt(np.square(centred).mean(axis=-1, keepdims=True) + self._source.shape.norm_epsilon)
        normed: Floats = centred / spread * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]
        return normed


def gelu(values: Floats) -> Floats:
    """x times the normal distribution's share below x (Hendrycks and Gimpel 2016), to seven digits.

    The error function as in Abramowitz and Stegun, 7.1.26.
    """
    size = np.abs(values) * np.float32(np.sqrt(0.5))
    part = 1 / (1 + np.float32(0.3275911) * size)
    series = np.zeros_like(part)
    for factor in (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592):
        series = (series + np.float32(factor)) * part
    erf = np.sign(values) * (1 - series * np.exp(-size * size))
    result: Floats = (values * (1 + erf) / 2).astype(np.float32)
    return result

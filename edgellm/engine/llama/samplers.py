"""Choosing a token from a row of logits: greedy in numpy, everything else in llama.cpp's sampler chain."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgellm.engine.llama.constraint import Rule
from edgellm.engine.llama.library import lib
from edgellm.errors import EngineError
from edgellm.types import Sampling

Logits = NDArray[np.float32]

REPEAT_WINDOW_TOKENS = 64
"""How far back `repeat_penalty` looks, prompt included. Presence and frequency penalties look at the whole answer."""
_CANDIDATE = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])  # llama_token_data


@dataclass(frozen=True, slots=True)
class Sizes:
    """What samplers allocate for, in tokens."""

    vocabulary: int
    context: int


class Candidates:
    """The `llama_token_data_array` that chains filter; one per backend, rewritten for every token."""

    def __init__(self, vocabulary_size: int) -> None:
        self._entries = np.zeros(vocabulary_size, _CANDIDATE)
        self._ids = np.arange(vocabulary_size, dtype=np.int32)
        self._data = ctypes.cast(self._entries.ctypes.data, lib.llama_token_data_p)
        self._struct = lib.llama_token_data_array()
        self._pointer = ctypes.pointer(self._struct)

    def choose(self, chain: Any, row: Logits, allowed: NDArray[np.intp] | None) -> int:
        """Run `chain` over all tokens of `row`, or over the `allowed` ones only."""
        size = len(row) if allowed is None else len(allowed)
        entries = self._entries[:size]
        entries["id"] = self._ids if allowed is None else allowed
        entries["logit"] = row if allowed is None else row[allowed]
        array = self._struct
        array.data, array.size, array.selected, array.sorted = self._data, size, -1, False
        lib.llama_sampler_apply(chain, self._pointer)
        if not 0 <= array.selected < array.size:
            raise EngineError(f"The sampler chain selected none of {size} candidates.")
        return int(entries["id"][array.selected])


class LlamaSampler:
    """One answer's sampling state; see `Sampler` in `edgellm.engine.backend`."""

    def __init__(
        self,
        sampling: Sampling,
        seed: int,
        rule: Rule | None,
        size: Sizes,
        history: Sequence[int],
    ) -> None:
        self.alternatives = sampling.logprobs
        self._rule = rule
        self._chain = None if is_greedy(sampling) else _chain_of(chain_parts(sampling, seed, size, history))

    def choose(self, row: Logits, candidates: Candidates) -> int:
        """The next token, noted in penalties, random state and constraint."""
        allowed = self._rule.allowed() if self._rule is not None else None
        if self._chain is None:
            token = int(row.argmax()) if allowed is None else int(allowed[row[allowed].argmax()])
            require_finite(row[token])
        else:
            require_finite(row.max())
            token = candidates.choose(self._chain, row, allowed)
            lib.llama_sampler_accept(self._chain, token)
        if self._rule is not None:
            self._rule.accept(token)
        return token

    def close(self) -> None:
        """Free the chain."""
        if self._chain is not None:
            lib.llama_sampler_free(self._chain)
            self._chain = None
        self._rule = None


def is_greedy(sampling: Sampling) -> bool:
    """Whether the most probable token is taken as it is, so that no chain is needed."""
    changed = sampling.logit_bias or sampling.repeat_penalty != 1.0
    penalised = sampling.presence_penalty != 0.0 or sampling.frequency_penalty != 0.0
    return sampling.temperature == 0.0 and not changed and not penalised


def chain_parts(sampling: Sampling, seed: int, size: Sizes, history: Sequence[int]) -> Iterator[Any]:
    """llama.cpp's samplers in the order they filter; those that would change nothing are left out."""
    if sampling.logit_bias:
        biases = (lib.llama_logit_bias * len(sampling.logit_bias))(*sampling.logit_bias.items())
        yield lib.llama_sampler_init_logit_bias(size.vocabulary, len(biases), biases)
    if sampling.repeat_penalty != 1.0:
        repeat = lib.llama_sampler_init_penalties(
            size.vocabulary, REPEAT_WINDOW_TOKENS, sampling.repeat_penalty, 0.0, 0.0
        )
        for token in history[-REPEAT_WINDOW_TOKENS:]:
            lib.llama_sampler_accept(repeat, token)
        yield repeat
    if sampling.presence_penalty != 0.0 or sampling.frequency_penalty != 0.0:
        yield lib.llama_sampler_init_penalties(
            size.vocabulary, size.context, 1.0, sampling.frequency_penalty, sampling.presence_penalty
        )
    if sampling.temperature == 0.0:
        yield lib.llama_sampler_init_greedy()
        return
    if sampling.top_k > 0:
        yield lib.llama_sampler_init_top_k(sampling.top_k)
    if sampling.top_p < 1.0:
        yield lib.llama_sampler_init_top_p(sampling.top_p, 1)
    if sampling.min_p > 0.0:
        yield lib.llama_sampler_init_min_p(sampling.min_p, 1)
    yield lib.llama_sampler_init_temp(sampling.temperature)
    yield lib.llama_sampler_init_dist(seed)


def require_finite(peak: np.floating[Any]) -> None:
    """Raises: EngineError when the largest logit is no number: the weights or the hardware are broken."""
    if not np.isfinite(peak):
        raise EngineError(
            f"The model computed {peak} where a probability belongs (NaN or infinite logits).",
            hint="The model file may be damaged: run `edgellm models verify`, or try another quantization.",
        )


def _chain_of(parts: Iterable[Any]) -> Any:
    params = lib.llama_sampler_chain_default_params()
    params.no_perf = True
    chain = lib.llama_sampler_chain_init(params)
    for part in parts:
        lib.llama_sampler_chain_add(chain, part)  # the chain owns its parts and frees them
    return chain

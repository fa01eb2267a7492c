"""Text vectors: pooled embeddings, computed in batches of bounded size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from edgellm.engine.llama import library
from edgellm.engine.llama.batch import Batch
from edgellm.engine.llama.library import lib
from edgellm.errors import ContextOverflow, EngineError, InvalidInput

BATCH_TOKENS = 256
"""Tokens in one call. Attention runs over the whole batch, texts that do not see each other included, so its cost grows
with the square; one longer text still goes in whole."""

Texts = Sequence[Sequence[int]]


class Embedder:
    """Computes vectors in a context opened for embeddings."""

    def __init__(self, context: Any, vocabulary_size: int) -> None:
        self._context = context
        self._memory = lib.llama_get_memory(context)  # None for encoders, which keep nothing
        self._vocabulary_size = vocabulary_size
        self.limit_tokens: int = lib.llama_n_batch(context)  # n_ctx is rounded up, beyond what the model has learnt
        self._texts_limit = lib.llama_n_seq_max(context)
        self._size = lib.llama_model_n_embd_out(lib.llama_get_model(context))
        self._batch = Batch(self.limit_tokens, self.limit_tokens)

    def embed(self, inputs: Texts) -> list[list[float]]:
        """One unit-length vector per token list, in order."""
        for index, tokens in enumerate(inputs):
            self._check(index, tokens)
        found: list[list[float]] = [[] for _ in inputs]
        budget = min(BATCH_TOKENS, self.limit_tokens)
        for group in groups([len(tokens) for tokens in inputs], budget, self._texts_limit):
            vectors = self._compute([inputs[index] for index in group])
            for index, vector in zip(group, vectors, strict=True):
                found[index] = vector
        return found

    def _check(self, index: int, tokens: Sequence[int]) -> None:
        if not tokens:
            raise InvalidInput(f"Text {index} is empty; an empty text has no vector.", field="inputs", value=index)
        if len(tokens) > self.limit_tokens:
            raise ContextOverflow(
                f"Text {index} has {len(tokens)} tokens; the embedder reads {self.limit_tokens}.",
                hint="Split the text.",
                prompt_tokens=len(tokens),
                context_tokens=self.limit_tokens,
            )
        wrong = [token for token in tokens if not 0 <= token < self._vocabulary_size]
        if wrong:
            raise InvalidInput(f"Token {wrong[0]} of text {index} does not exist.", field="inputs", value=wrong[0])

    def _compute(self, texts: Texts) -> list[list[float]]:
        if self._memory:
            lib.llama_memory_clear(self._memory, False)
        self._batch.fill((sequence, 0, tokens) for sequence, tokens in enumerate(texts))
        self._batch.want_all()
        library.forget_complaints()
        result = lib.llama_decode(self._context, self._batch.struct)
        if result != 0:
            raise EngineError(f"llama.cpp could not embed (code {result}): {library.complaints()}", code=result)
        return [self._vector(sequence) for sequence in range(len(texts))]

    def _vector(self, sequence: int) -> list[float]:
        pointer = lib.llama_get_embeddings_seq(self._context, sequence)
        if not pointer:
            raise EngineError(f"llama.cpp gave no vector for text {sequence} of the batch.")
        vector = np.ctypeslib.as_array(pointer, (self._size,)).astype(np.float64)
        length = float(np.linalg.norm(vector))
        if not np.isfinite(length) or length == 0.0:
            raise EngineError(f"The model computed a vector of length {length} (NaN or zero).")
        unit: list[float] = (vector / length).tolist()
        return unit


def groups(lengths: Sequence[int], budget_tokens: int, most_texts: int) -> Iterator[list[int]]:
    """Split texts, shortest first, into groups of at most `budget_tokens` and `most_texts`.

    A text longer than the budget is a group of its own. Yields: lists of indices into `lengths`; each appears once.
    """
    group: list[int] = []
    used = 0
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):
        if group and (used + lengths[index] > budget_tokens or len(group) == most_texts):
            yield group
            group, used = [], 0
        group.append(index)
        used += lengths[index]
    if group:
        yield group

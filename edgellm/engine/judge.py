"""Measures how two models differ: log-probabilities on the same tokens, perplexity, greedy answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from edgellm.engine.native import NativeChild
from edgellm.errors import InvalidInput

Rows = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What a file says of itself, as llama.cpp reads it."""

    vocabulary: int
    """Number of tokens."""
    template: str
    """The chat template; empty when there is none."""
    adds_bos: bool
    bos_text: str
    eos_text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Continuation:
    """What a model writes when it always takes the most probable token."""

    tokens: list[int]
    text: str
    read_s: float
    write_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How far a candidate's next-token distributions are from a reference's, over all positions."""

    positions: int
    kl_mean: float
    """Mean Kullback-Leibler divergence, reference to candidate, in nats a token."""
    kl_99: float
    """Its 99th percentile."""
    kl_max: float
    top1: float
    """Share of positions where both find the same token most probable."""
    ppl_reference: float
    """Perplexity: exp of the mean negative log-probability of the tokens that follow."""
    ppl_candidate: float


class Source(Protocol):
    """Who can say log-probabilities."""

    def chunks(self, tokens: Sequence[int]) -> Iterator[Rows]:
        """Log-probabilities of what follows each token: (positions, vocabulary) in pieces, in order."""


class Judge:
    """One model in a process of its own, opened so that nothing but its weights (and adapter) makes a difference.

    Not thread-safe. Raises, from every method: WorkerDied when the process dies.
    """

    def __init__(self, path: str, adapter: str | None = None, context_tokens: int = 1024) -> None:
        """Open a GGUF file, with a GGUF adapter on it. Raises: ModelLoadFailed, InvalidInput."""
        self._child = NativeChild(
            "edgellm.engine.judge_child", path, str(context_tokens), *([adapter] if adapter else [])
        )
        try:
            self._child.send({})
            self.info = Judged(**self._child.receive())
        except BaseException:
            self._child.close()
            raise

    def tokenize(self, text: str, *, parse_special: bool = False, add_special: bool = False) -> list[int]:
        """Token ids; `add_special` adds what the model expects around a text."""
        self._child.send({"do": "tokenize", "text": text, "parse_special": parse_special, "add_special": add_special})
        tokens: list[int] = self._child.receive()["tokens"]
        return tokens

    def chunks(self, tokens: Sequence[int]) -> Iterator[Rows]:
        """As `Source` says. Consume all of it before the next request. Raises: InvalidInput, EngineError."""
        self._child.send({"do": "logprobs", "tokens": list(tokens)})
        while rows := self._child.receive()["rows"]:
            piece = np.empty((rows, self.info.vocabulary), np.float32)
            self._child.receive_into(memoryview(piece))  # type: ignore[arg-type]
            yield piece

    def logprobs(self, tokens: Sequence[int]) -> Rows:
        """Log-probabilities after each token: (len(tokens), vocabulary). Raises: InvalidInput, EngineError."""
        return np.concatenate(list(self.chunks(tokens)))

    def greedy(self, tokens: Sequence[int], most: int) -> Continuation:
        """Continue a prompt by up to `most` tokens, to the end of the turn. Raises: InvalidInput, EngineError."""
        self._child.send({"do": "greedy", "tokens": list(tokens), "most": most})
        return Continuation(**self._child.receive())

    def close(self) -> None:
        """End the process."""
        self._child.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def compare(reference: Source, candidate: Source, texts: Sequence[Sequence[int]]) -> Comparison:
    """Both sources on the same token ids, each text from an empty context.

    Only a chunk of either is in memory at a time. Raises: InvalidInput when the vocabularies differ, or without a text
    of two tokens.
    """
    tally = _Tally()
    for tokens in texts:
        at = 0
        for ours, theirs in zip(reference.chunks(tokens), candidate.chunks(tokens), strict=True):
            if ours.shape != theirs.shape:
                raise InvalidInput(
                    f"The models cannot be compared: one has {ours.shape[1]} tokens, the other {theirs.shape[1]}.",
                    field="candidate",
                )
            tally.add(ours, theirs, np.asarray(tokens[at + 1 : at + 1 + len(ours)], np.int64))
            at += len(ours)
    return tally.comparison()


def kl_divergence(reference: Rows, candidate: Rows) -> NDArray[np.float64]:
    """Kullback-Leibler divergence by row, in nats; both are log-probabilities (positions, vocabulary)."""
    terms = np.exp(reference) * (reference - candidate)
    divergence: NDArray[np.float64] = np.maximum(terms.sum(axis=1, dtype=np.float64), 0.0)
    return divergence


class _Tally:
    """Numbers of every position so far."""

    def __init__(self) -> None:
        self._kl: list[NDArray[np.float64]] = []
        self._same = 0
        self._losses: list[list[NDArray[np.float32]]] = [[], []]

    def add(self, reference: Rows, candidate: Rows, following: NDArray[np.int64]) -> None:
        """`following`: the token after each row; one fewer at the end of a text."""
        self._kl.append(kl_divergence(reference, candidate))
        self._same += int((reference.argmax(axis=1) == candidate.argmax(axis=1)).sum())
        at = np.arange(len(following))
        for losses, rows in zip(self._losses, (reference, candidate), strict=True):
            losses.append(-rows[at, following])

    def comparison(self) -> Comparison:
        """The result. Raises: InvalidInput."""
        losses = [np.concatenate(each) if each else np.empty(0) for each in self._losses]
        if not losses[0].size:
            raise InvalidInput("There is nothing to compare: no text has two tokens.", field="texts")
        kl = np.concatenate(self._kl)
        return Comparison(
            positions=len(kl),
            kl_mean=float(kl.mean()),
            kl_99=float(np.quantile(kl, 0.99)),
            kl_max=float(kl.max()),
            top1=self._same / len(kl),
            ppl_reference=float(np.exp(losses[0].mean(dtype=np.float64))),
            ppl_candidate=float(np.exp(losses[1].mean(dtype=np.float64))),
        )

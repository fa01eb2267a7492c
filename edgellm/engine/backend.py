"""The contract between the engine and a model runtime."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from edgellm.errors import EngineError, InvalidInput
from edgellm.types import Constraint, Sampling, TokenTrace


class StepAborted(EngineError):
    """`abort` was called during `run`; none of the step's positions are in memory."""


class OutOfCells(EngineError):
    """The KV cache has no room for the step; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Span:
    """Consecutive tokens of one sequence in one step."""

    sequence: int
    """Sequence id, 0 up to `BackendInfo.max_sequences` - 1."""
    start: int
    """Position of the first token; must equal the number of positions the sequence already holds."""
    tokens: Sequence[int]
    wants_logits: bool
    """Whether the last token's logits will be sampled from after the step."""
    wants_all: bool = False
    """Whether every token's logits will be looked at with `score`."""

    @property
    def outputs(self) -> int:
        """How many of its last positions want logits."""
        return len(self.tokens) if self.wants_all else int(self.wants_logits)


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendInfo:
    """Facts about an open model."""

    name: str
    architecture: str
    context_tokens: int
    """KV cells shared by all sequences."""
    trained_context_tokens: int
    max_sequences: int
    """Also the most positions whose logits one step gives."""
    vocabulary_size: int
    embedding_size: int
    has_bos: bool
    bos_text: str
    eos_text: str
    chat_template: str | None
    can_share_prefix: bool
    """False for recurrent and hybrid models: their memory cannot be cut at a position."""
    state_bytes_per_token: int
    """Size of saved state, for planning; 0 when unknown."""
    device: str
    """What computes: `cpu`, `metal`, `cuda`."""
    fingerprint: str
    """Identifies weights and KV layout; saved states of another fingerprint are refused."""
    threads: int = 0
    """Compute threads at opening; 0 when their number makes no difference."""
    tile_tokens: int = 1
    """Prompt tokens that attention computes together; 1 when it has no such tiles."""


class Sampler(Protocol):
    """One answer's sampling state: filters, penalties, random numbers, constraint. Closed exactly once."""

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Sampled:
    """The chosen token, and its trace when log-probabilities were asked for."""

    token: int
    trace: TokenTrace | None = None


class Backend(Protocol):
    """A model runtime with a KV cache of `context_tokens` cells shared by all sequences.

    One thread calls everything, except `abort`, which any thread may call at any time.
    A sequence holds positions 0..k-1 without gaps. After any exception but `OutOfCells`, `StepAborted` and
    `InvalidInput` the backend is unusable and the process should end.
    """

    @property
    def info(self) -> BackendInfo: ...

    def tokenize(self, text: str, *, parse_special: bool, add_bos: bool) -> list[int]:
        """Token ids; special-token texts become special tokens only with `parse_special`."""

    def piece(self, token: int) -> bytes:
        """The bytes a token stands for; empty for control tokens."""

    def is_end(self, token: int) -> bool:
        """Whether the token ends the model's turn."""

    def open_adapter(self, path: str) -> str:
        """Load the adapter that is in the file now; what it is called in `run`, until it is closed.

        The file may be replaced afterwards: its new content has another name, and both can be used. Opening the
        same content again gives the same name, to be closed as often. Raises: InvalidInput.
        """

    def close_adapter(self, adapter: str) -> None:
        """One of those who opened it needs it no more."""

    def run(self, spans: Sequence[Span], adapter: str | None) -> None:
        """Compute one step: every span's tokens enter the memory of its sequence.

        `adapter` is open, or None for the plain model. At most one span a sequence. Raises: StepAborted, OutOfCells,
        InvalidInput.
        """

    def sample(self, span_index: int, sampler: Sampler) -> Sampled:
        """Choose a token from the logits of a span of the last `run` that wanted them, and note it in the sampler.

        May be called several times for one span, with different samplers (n > 1).
        """

    def score(self, span_index: int, tokens: Sequence[int], alternatives: int) -> list[TokenTrace]:
        """What a text's own tokens could have been chosen from, by a span of the last `run` that wanted all logits.

        tokens: `tokens[i]` follows position i of the span; there may be fewer than positions.
        """

    def open_sampler(
        self, sampling: Sampling, seed: int, constraint: Constraint | None, history: Sequence[int]
    ) -> Sampler:
        """A sampler for one answer; `history` is the prompt, which penalties look at.

        Raises: InvalidInput, InvalidSchema.
        """

    def share(self, source: int, target: int, end: int) -> None:
        """Give the empty sequence `target` the first `end` positions of `source`; no new cells are used."""

    def trim(self, sequence: int, start: int) -> None:
        """Forget positions from `start` on; 0 empties the sequence. Cells nobody else holds become free."""

    def save(self, sequence: int) -> bytes:
        """The sequence's memory, to be restored later into a backend with the same fingerprint."""

    def restore(self, sequence: int, state: bytes) -> None:
        """Fill the empty `sequence` from saved bytes. Raises: OutOfCells, InvalidInput (state unusable)."""

    def embed(self, inputs: Sequence[Sequence[int]]) -> list[list[float]]:
        """One unit-length vector per token list (mode `embed` only). Raises: InvalidInput on an empty list."""

    def set_threads(self, threads: int) -> None:
        """Compute threads from the next `run` on."""

    def abort(self) -> None:
        """End the `run` in progress, if any, with StepAborted. Any thread."""

    def close(self) -> None:
        """Release everything. Called once."""


def check_biases(sampling: Sampling, vocabulary_size: int) -> None:
    """Raises: InvalidInput when `logit_bias` names a token that the model does not have."""
    unknown = next((token for token in sampling.logit_bias if not 0 <= token < vocabulary_size), None)
    if unknown is not None:
        raise InvalidInput(
            f"logit_bias names the token {unknown}, which does not exist: "
            f"the vocabulary has ids 0 to {vocabulary_size - 1}.",
            field="logit_bias",
            value=unknown,
        )

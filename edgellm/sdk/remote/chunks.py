"""From the chunks of a streamed answer to events and an end; pure."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from edgellm.decoding import convert
from edgellm.engine.outcome import ChoiceEnd, Finished
from edgellm.errors import EngineError
from edgellm.sdk.remote.refusals import refused
from edgellm.sdk.scoring import AnswerTokens
from edgellm.types import Alternative, Delta, Evidence, FinishReason, Timings, TokenTrace, ToolCallPiece, Usage

UNKNOWN = -1
"""Token id of a token that the server shows as text only."""
STATUSES = {"invalid_request_error": 400, "rate_limit_error": 429, "not_found_error": 404, "timeout_error": 504}
"""What an error inside a stream would have had as status."""


class Chunks:
    """Reads the chunks of one answer, in order. Raises, from `events`: the error that the server put in the stream."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.id: str | None = None
        """The server's name for the answer."""
        self.evidence: Evidence | None = None
        self.text: str | None = None
        """The whole answer with the citations that hold, where there is evidence."""
        self._clock = clock
        self._began = clock()
        self._first_at = self._last_at = 0.0
        self._usage = Usage()
        self._reasons: dict[int, FinishReason] = {}

    def events(self, data: bytes) -> Iterator[Delta]:
        """What one chunk says."""
        chunk = _json(data)
        if "error" in chunk:
            error = chunk["error"] if isinstance(chunk["error"], dict) else {}
            raise refused(STATUSES.get(str(error.get("type")), 500), chunk)
        self.id = chunk.get("id") or self.id
        if chunk.get("usage"):
            self._usage = _usage(chunk["usage"])
        if chunk.get("evidence"):
            self._read_evidence(dict(chunk["evidence"]))
        for choice in chunk.get("choices") or ():
            delta = _delta(choice)
            if delta != Delta(index=delta.index):
                self._last_at = self._clock()
                self._first_at = self._first_at or self._last_at
                yield delta
            if choice.get("finish_reason"):
                self._reasons[delta.index] = FinishReason(choice["finish_reason"])

    def end(self, ended_by: FinishReason | None = None) -> Finished:
        """How it ended. `ended_by`: why this side ended it, for answers that had no end yet."""
        indices = self._reasons.keys() | {0}
        reasons = {index: self._reasons.get(index, ended_by or FinishReason.STOP) for index in indices}
        return Finished(
            choices=tuple(ChoiceEnd(index, reason) for index, reason in sorted(reasons.items())),
            usage=self._usage,
            timings=self._timings(),
        )

    def _read_evidence(self, found: dict[str, Any]) -> None:
        self.text = found.pop("text", None)
        self.evidence = convert(found, Evidence)

    def _timings(self) -> Timings:
        """As measured here: waiting in line and reading the prompt are one."""
        if not self._first_at:
            return Timings()
        spent, tokens = self._last_at - self._first_at, self._usage.completion_tokens
        rate = (tokens - 1) / spent if spent > 0 and tokens > 1 else 0.0
        return Timings(ttft_s=self._first_at - self._began, decode_tokens_per_s=rate)


def data_of(line: str) -> bytes | None:
    """The data of a server-sent event's line (WHATWG HTML, section 9.2); None for any other line and for the end."""
    name, _, value = line.partition(":")
    value = value.removeprefix(" ")
    return value.encode() if name == "data" and value != "[DONE]" else None


def traces(logprobs: Mapping[str, Any] | None) -> tuple[TokenTrace, ...]:
    """Log-probabilities of tokens, of a chat (`content`) or of a completion (`tokens`)."""
    if not logprobs:
        return ()
    if logprobs.get("content"):
        return tuple(_trace(each, each.get("top_logprobs") or ()) for each in logprobs["content"])
    tokens, values = logprobs.get("tokens") or (), logprobs.get("token_logprobs") or ()
    others: Sequence[Mapping[str, float] | None] = logprobs.get("top_logprobs") or [None] * len(tokens)
    return tuple(
        _trace(
            {"token": token, "logprob": value},
            [{"token": text, "logprob": logprob} for text, logprob in (other or {}).items()],
        )
        for token, value, other in zip(tokens, values, others, strict=False)
    )


class _Answer(msgspec.Struct, frozen=True):
    """What POST /tokenize says of a conversation with its answer."""

    tokens: tuple[int, ...]
    answer: tuple[int, int]


def read_answer(found: Any) -> AnswerTokens:
    """The tokens of a conversation, and where its answer stands. Raises: ValueError for anything else."""
    read = convert(found, _Answer)
    start, end = read.answer
    if not 0 < start <= end <= len(read.tokens):
        raise ValueError(f"From {start} to {end} is no place among {len(read.tokens)} tokens.")
    return AnswerTokens(read.tokens, start, end)


def _json(data: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(data)
    except msgspec.DecodeError as error:
        raise EngineError(f"The server sent what is not JSON: {data[:80]!r}.") from error
    if not isinstance(found, dict):
        raise EngineError(f"The server sent {data[:80]!r}; a chunk is an object.")
    return found


def _delta(choice: Mapping[str, Any]) -> Delta:
    said = choice.get("delta") or {}
    return Delta(
        text=said.get("content") or choice.get("text") or "",
        reasoning=said.get("reasoning_content") or "",
        tokens=traces(choice.get("logprobs")),
        tool_calls=tuple(_piece(each) for each in said.get("tool_calls") or ()),
        index=choice.get("index") or 0,
    )


def _piece(call: Mapping[str, Any]) -> ToolCallPiece:
    function = call.get("function") or {}
    return ToolCallPiece(
        position=call.get("index") or 0,
        id=call.get("id") or "",
        name=function.get("name") or "",
        arguments=function.get("arguments") or "",
    )


def _trace(token: Mapping[str, Any], others: Sequence[Mapping[str, Any]]) -> TokenTrace:
    value = token["logprob"]
    return TokenTrace(
        token=UNKNOWN,
        text=token["token"],
        logprob=float("nan") if value is None else value,
        entropy=float("nan"),
        alternatives=tuple(
            Alternative(token=UNKNOWN, text=other["token"], logprob=other["logprob"]) for other in others
        ),
    )


def _usage(found: Mapping[str, Any]) -> Usage:
    details = found.get("prompt_tokens_details") or {}
    return Usage(
        prompt_tokens=found.get("prompt_tokens") or 0,
        cached_tokens=details.get("cached_tokens") or 0,
        completion_tokens=found.get("completion_tokens") or 0,
    )

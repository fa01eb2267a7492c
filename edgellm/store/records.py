"""What the store gives back: sessions, messages, search hits, feedback, usage, jobs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, TypedDict, TypeVar

import msgspec

from edgellm.decoding import convert
from edgellm.errors import InvalidInput
from edgellm.types import Message, Role, Sampling, Timings, Usage

Rating = Literal[-1, 0, 1]
T = TypeVar("T")

BROKEN = "failed"
"""Finish reason of an answer until it has ended, and for good when an error or the end of the process cut it off."""
REFUSED = "refused"
"""Stored with a question that was not asked: too long, or with a constraint that cannot be enforced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A conversation with all its branches. Times are seconds since the epoch."""

    id: str
    title: str
    model: str
    system: str | None
    created_at: float
    updated_at: float
    head: str | None
    """Last message of the branch that is shown; None while the session is empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredMessage:
    """One node of a session's message tree."""

    id: str
    session_id: str
    parent_id: str | None
    """The message before it; None begins the conversation."""
    role: Role
    content: str
    reasoning: str | None = None
    model: str | None = None
    sampling: Sampling | None = None
    usage: Usage | None = None
    timings: Timings | None = None
    finish_reason: str | None = None
    """A `FinishReason`, or `BROKEN`; with a question, `REFUSED`."""
    evidence: Mapping[str, Any] | None = None
    """What the answer was based on (retrieved passages, tools), as JSON values."""
    created_at: float
    rating: Rating = 0
    correction: str | None = None


class MessageDetails(TypedDict, total=False):
    """What may be known about a message besides its role and content."""

    reasoning: str | None
    model: str | None
    sampling: Sampling | None
    usage: Usage | None
    timings: Timings | None
    finish_reason: str | None
    evidence: Mapping[str, Any] | None


class AnswerDetails(MessageDetails, total=False):
    """What may change about a stored message."""

    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchHit:
    """A message or a title that matches a query."""

    session_id: str
    message_id: str | None
    """None when the title matched."""
    title: str
    role: Role | None
    snippet: str
    """The text around the match, on one or more lines as stored."""
    highlights: tuple[tuple[int, int], ...]
    """Start and end of every match within `snippet`."""
    created_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """A judged answer, complete enough to learn from when its session has changed since."""

    message_id: str
    rating: Rating
    correction: str | None
    messages: tuple[Message, ...]
    """The prompt the answer was written for, system message included."""
    answer: str
    model: str | None
    sampling: Sampling | None
    evidence: Mapping[str, Any] | None
    updated_at: float


J_PER_KWH = 3_600_000
OK = "ok"
"""Status of a request that was answered; any other status is the name of an error's class."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageRow:
    """One request that has ended."""

    tenant: str = ""
    """Id of the key that asked; empty for programs of this machine."""
    model: str
    adapter: str | None = None
    usage: Usage
    timings: Timings | None = None
    status: str = OK
    """`OK`, or the name of the error's class."""
    seconds: float | None = None
    """From the request's arrival to its end; None where it was not measured."""
    ttft_s: float | None = None
    """From the request's arrival to its first token, waiting included."""
    energy_j: float | None = None
    """Joules; None where the machine reports none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageTotal:
    """All requests of one day, one model or one tenant, or of several of these together."""

    key: str
    """The day as YYYY-MM-DD in local time, the model, or the tenant; of several, all in one text, for people."""
    requests: int
    usage: Usage
    errors: int = 0
    """Requests whose status is not `OK`."""
    p50_s: float | None = None
    """Seconds that half of the answered requests took at most; None where none was measured."""
    p99_s: float | None = None
    energy_j: float | None = None
    """Joules of those requests for which the machine reported them; None where it reported none."""
    measured: int = 0
    """For how many requests it reported them."""
    keys: tuple[str, ...] = ()
    """Each of several, in the order in which they were named; empty where requests are added up by one."""

    @property
    def tokens(self) -> int:
        """Read and written ones together: what a budget counts."""
        return self.usage.prompt_tokens + self.usage.completion_tokens

    def cost(self, kwh_price: float | None) -> float | None:
        """What the energy cost; None where none was reported, or there is no price."""
        return None if self.energy_j is None or kwh_price is None else self.energy_j / J_PER_KWH * kwh_price


class JobState(StrEnum):
    """Where a long work stands."""

    QUEUED = "queued"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"


ACTIVE = frozenset({JobState.QUEUED, JobState.RUNNING})


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredJob:
    """A long work and the process that does it."""

    id: str
    kind: str
    title: str
    arguments: Mapping[str, Any]
    state: JobState
    pid: int | None = None
    pid_started_at: float | None = None
    """Tells the process from a later one with the same number."""
    error: str | None = None
    """Name of the error type, when it failed."""
    message: str | None = None
    result: Mapping[str, Any] | None = None
    created_at: float
    updated_at: float

    @property
    def is_active(self) -> bool:
        """Whether it has not ended."""
        return self.state in ACTIVE


def storable(text: str) -> str:
    """`text` with lone surrogates, which no file can hold, replaced by U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def to_json(value: object, field: str) -> str | None:
    """JSON text of a value class or of JSON values; None stays None. Raises: InvalidInput."""
    if value is None:
        return None
    try:
        tree = msgspec.to_builtins(value, str_keys=True)
        return storable(json.dumps(tree, ensure_ascii=False, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        message = f"{field} holds something that JSON has no form for: {error}."
        raise InvalidInput(message, field=field) from error


def from_json(text: str | None, kind: type[T]) -> T | None:
    """The value that `to_json` wrote."""
    return None if text is None else convert(json.loads(text), kind, str_keys=True)

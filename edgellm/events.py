"""Progress of long work: one small typed vocabulary, written as JSON lines."""

from __future__ import annotations

from typing import Any

import msgspec

from edgellm.decoding import from_json


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="event"):
    """Something that happened to a job."""

    at: float = 0.0
    """Seconds since the epoch; filled by the writer."""


class Started(Event, frozen=True, kw_only=True, tag="started"):
    """The work began."""

    title: str
    total: float | None = None
    """Amount of work in `unit`; None while unknown."""
    unit: str = ""
    note: str = ""
    """What whoever waits should know before it."""


class Progressed(Event, frozen=True, kw_only=True, tag="progressed"):
    """Part of the work is done."""

    done: float
    total: float | None = None
    rate: float | None = None
    """Units a second, smoothed."""
    left_s: float | None = None
    """Estimated seconds to the end."""
    note: str = ""


class Measured(Event, frozen=True, kw_only=True, tag="measured"):
    """Numbers of one moment, for a curve: losses, speeds, memory."""

    step: int
    """Where on the curve."""
    values: dict[str, float]
    """By name, with the unit in it: `loss`, `valid_loss`, `tokens_per_s`, `peak_memory_bytes`."""


class Sampled(Event, frozen=True, kw_only=True, tag="sampled"):
    """What a model that learns says at this moment."""

    step: int
    """Steps done; 0: before anything was learnt."""
    question: str
    text: str


class Finished(Event, frozen=True, kw_only=True, tag="finished"):
    """The work is complete; `result` is what it produced, JSON values only."""

    result: dict[str, Any] = {}


class Failed(Event, frozen=True, kw_only=True, tag="failed"):
    """The work ended without its result."""

    error: str
    """Name of the error type."""
    message: str


class Cancelled(Event, frozen=True, kw_only=True, tag="cancelled"):
    """The user stopped the work; it can be resumed."""


JobEvent = Started | Progressed | Measured | Sampled | Finished | Failed | Cancelled
FINAL = (Finished, Failed, Cancelled)


def encode(event: JobEvent) -> bytes:
    """One event as a JSON line, newline included."""
    return msgspec.json.encode(event) + b"\n"


def decode(line: bytes) -> JobEvent:
    """The event on one JSON line.

    Raises: msgspec.ValidationError when the line is no known event.
    """
    event: JobEvent = from_json(line, type=JobEvent)
    return event

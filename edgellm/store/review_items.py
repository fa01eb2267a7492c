"""Items of the review queue: an answer that could teach something, why, and what it came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

from edgellm.store.records import Rating
from edgellm.types import Message, Sampling


class ReviewReason(StrEnum):
    """Why something is in the queue."""

    CORRECTION = "correction"
    """Somebody wrote what the answer should have been."""
    THUMBS_DOWN = "thumbs_down"
    THUMBS_UP = "thumbs_up"
    WEAK_EVIDENCE = "weak_evidence"
    """The documents held nothing near the question."""
    SCHEMA_REFUSED = "schema_refused"
    """The form that was asked for cannot be enforced, or the answer broke off inside it."""
    TOOL_ERROR = "tool_error"
    """A call that the model asked for came back with an error."""
    REGENERATED = "regenerated"
    """The question was answered again, in place of an earlier answer."""


JUDGED = (ReviewReason.CORRECTION, ReviewReason.THUMBS_DOWN, ReviewReason.THUMBS_UP)
"""What somebody said about an answer: of these an answer has one open item at most."""


class ReviewState(StrEnum):
    """Where an item stands."""

    OPEN = "open"
    ACCEPTED = "accepted"
    """It teaches."""
    REJECTED = "rejected"
    """It teaches nothing."""
    MERGED = "merged"
    """Another item, which is much the same, stands for it."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What an item is about."""

    kind: Literal["message", "answer", "request"]
    """A session's message, an answer of the server, or a request that the server could not answer as asked."""
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewContext:
    """What an answer came from, as it was then. Empty where the key's log policy keeps no content."""

    messages: tuple[Message, ...] = ()
    """The conversation before the answer, system message included."""
    answer: str | None = None
    """None: there was none, or it is not kept."""
    other: str | None = None
    """The answer that `answer` was written in place of."""
    model: str | None = None
    """`MODEL`, `MODEL@ADAPTER`, and for a server's answer from documents `MODEL+COLLECTION`."""
    collection: str | None = None
    sampling: Sampling | None = None
    settings: Mapping[str, Any] | None = None
    """What else was asked for: `constraint`, `tools`, `tool_choice`."""
    evidence: Mapping[str, Any] | None = None
    error: str | None = None
    """What failed, in one line or a few."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewItem:
    """One item of the queue. Times are seconds since the epoch."""

    id: str
    tenant: str
    """Id of the key whose answer it is; empty for this machine's own."""
    reason: ReviewReason
    origin: Origin
    context: ReviewContext
    rating: Rating = 0
    correction: str | None = None
    state: ReviewState = ReviewState.OPEN
    edited_prompt: str | None = None
    """In place of the last question, in the reviewer's words."""
    edited_answer: str | None = None
    merged_into: str | None = None
    """Id of the item that stands for this one."""
    learner: str
    """The tenant that learns from it; its own, unless it was accepted for another one."""
    created_at: float
    decided_at: float | None = None
    decided_by: str | None = None

    @property
    def question(self) -> str:
        """The last question, as it was asked; empty where it is not kept."""
        return next((each.content for each in reversed(self.context.messages) if each.role == "user"), "")

    @property
    def wanted(self) -> str | None:
        """What should have been answered, as far as is known; None: nobody said, and the answer was not good."""
        if self.edited_answer is not None:
            return self.edited_answer
        if self.correction is not None:
            return self.correction
        is_good = self.rating == 1 or self.reason is ReviewReason.REGENERATED
        return self.context.answer if is_good else None

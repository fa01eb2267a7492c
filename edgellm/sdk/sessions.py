"""Conversations that are kept: list, search, rate, correct, answer again."""

from __future__ import annotations

import builtins
import os
from collections.abc import Callable
from typing import Literal

from edgellm.hub.names import split_adapter
from edgellm.sdk.stream import ReplyStream, whole
from edgellm.store import SearchHit, Session, Store, StoredMessage
from edgellm.types import Reply, Sampling

AnswerAgain = Callable[[str, str, Sampling | None, str | None], ReplyStream]
"""(session id, id of the user's message, sampling) to a new answer's stream."""


class Sessions:
    """The store's sessions, and what a chat screen does with them. Errors: SessionNotFound, StoreError."""

    def __init__(
        self, store: Callable[[], Store], answer_again: AnswerAgain, forget_state: Callable[[str], None]
    ) -> None:
        self._store = store
        self._answer_again = answer_again
        self._forget_state = forget_state

    def create(self, *, title: str = "", model: str = "", system: str | None = None) -> Session:
        """A new, empty session."""
        return self._store().sessions.create(title=title, model=_lasting(model), system=system)

    def get(self, session_id: str) -> Session:
        """One session by id."""
        return self._store().sessions.get(session_id)

    def list(self, limit: int = 50, offset: int = 0) -> builtins.list[Session]:
        """Sessions, most recently used first."""
        return self._store().sessions.list(limit=limit, offset=offset)

    def latest(self) -> Session | None:
        """The most recently used session that can be gone on with; None when there is none.

        One that was never used, or in which every question was refused, does not count.
        """
        return self._store().sessions.latest()

    def messages(self, session_id: str, leaf: str | None = None) -> builtins.list[StoredMessage]:
        """One branch from its first message to `leaf`; the current branch by default."""
        return self._store().sessions.path(session_id, leaf)

    def siblings(self, message_id: str) -> builtins.list[StoredMessage]:
        """The message and its alternatives, oldest first."""
        return self._store().sessions.siblings(message_id)

    def forks(self, session_id: str) -> dict[str, tuple[str, ...]]:
        """Every message that has siblings, by id: the ids of all of them, its own included, oldest first."""
        return self._store().sessions.forks(session_id)

    def switch(self, session_id: str, message_id: str) -> builtins.list[StoredMessage]:
        """Make the branch through `message_id` the current one; returns its messages."""
        self._store().sessions.set_head(session_id, message_id)
        return self.messages(session_id)

    def rename(self, session_id: str, title: str) -> Session:
        """Give a session another title."""
        return self._store().sessions.rename(session_id, title)

    def delete(self, session_id: str) -> None:
        """Remove a session with all its branches and ratings, and its saved KV state."""
        self._store().sessions.delete(session_id)
        self._forget_state(session_id)

    def search(self, query: str, limit: int = 50) -> builtins.list[SearchHit]:
        """Full-text search over titles and messages; any text is a valid query."""
        return self._store().sessions.search(query, limit)

    def export(self, session_id: str, format: Literal["markdown", "json"] = "markdown") -> str:
        """The session as Markdown, or as JSON that loses nothing."""
        return self._store().sessions.export(session_id, format)

    def rate(self, message_id: str, rating: Literal[-1, 0, 1]) -> None:
        """Rate an answer up (1) or down (-1); 0 takes the rating back."""
        self._store().feedback.rate(message_id, rating)

    def correct(self, message_id: str, text: str) -> None:
        """Keep what the answer should have been."""
        self._store().feedback.correct(message_id, text)

    def regenerate_stream(self, message_id: str, sampling: Sampling | None = None) -> ReplyStream:
        """Answer the same user message again, beside the answer `message_id`; streaming."""
        sessions = self._store().sessions
        answer = sessions.message(message_id)
        if answer.role == "assistant":
            sessions.set_head(answer.session_id, answer.id)  # the one that is replaced, whichever is shown
        asked = answer.parent_id if answer.role == "assistant" and answer.parent_id else answer.id
        return self._answer_again(answer.session_id, asked, sampling, collection_of(answer))

    def regenerate(self, message_id: str, sampling: Sampling | None = None) -> Reply:
        """`regenerate_stream`, read to its end."""
        return whole(self.regenerate_stream(message_id, sampling))


def collection_of(answer: StoredMessage) -> str | None:
    """The collection of documents that an answer came from."""
    return str(answer.evidence["collection"]) if answer.evidence and "collection" in answer.evidence else None


def _lasting(model: str) -> str:
    """The name a session keeps: a file's path is made absolute, for another day begins in another folder."""
    base, adapter = split_adapter(model)
    if "\0" in base or not os.path.isfile(os.path.expanduser(base)):
        return model
    return os.path.abspath(os.path.expanduser(base)) + (f"@{adapter}" if adapter else "")

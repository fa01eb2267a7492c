"""Accepted pairs of a draft set as examples: `drafts:NAME` in place of a file."""

from __future__ import annotations

from pathlib import Path

from edgellm.data.drafts import DraftStore, Pair, Status
from edgellm.data.sources import ChatSource, Conversation
from edgellm.errors import InvalidInput
from edgellm.types import Message

PREFIX = "drafts:"
"""Begins a source that is a draft set."""


def draft_source(home: Path, source: str) -> ChatSource:
    """The accepted and edited pairs of `drafts:NAME` as a source of examples, each with its document and line.

    `home` is the folder of all draft sets.
    Raises: DatasetNotFound; InvalidInput when no pair was accepted.
    """
    name = source.removeprefix(PREFIX)
    found = DraftStore(home).open(name)
    if not found.counts.usable:
        waiting = found.counts.statuses[Status.PENDING]
        message = f"None of the drafts {name!r} is accepted; {waiting} of {len(found.supported)} wait for a decision."
        raise InvalidInput(message, hint=f"Look at them: edgellm data review {name}", field="files")
    return ChatSource(source, map(_conversation, found.usable), f"drafts accepted in `edgellm data review {name}`")


def _conversation(pair: Pair) -> Conversation:
    turns = (Message(role="user", content=pair.question), Message(role="assistant", content=pair.answer))
    return Conversation(pair.passage.source.file, turns, pair.passage.source.line)

"""A client's messages as turns of a conversation that chat templates accept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain, groupby

from edgellm.types import Message

BETWEEN_PARTS, BETWEEN_TURNS = "\n", "\n\n"


def joined(messages: Iterable[Message]) -> tuple[Message, ...]:
    """Neighbours of one role become one turn, but for results of tools: many templates refuse two in a row."""
    turns: list[Message] = []
    for role, same in groupby(messages, key=lambda message: message.role):
        neighbours = list(same)
        turns += neighbours if role == "tool" or len(neighbours) == 1 else [_one(neighbours)]
    return tuple(turns)


def _one(neighbours: Sequence[Message]) -> Message:
    return replace(
        neighbours[0],
        content=BETWEEN_TURNS.join(message.content for message in neighbours if message.content),
        reasoning=BETWEEN_TURNS.join(message.reasoning for message in neighbours if message.reasoning) or None,
        tool_calls=tuple(chain.from_iterable(message.tool_calls for message in neighbours)),
    )

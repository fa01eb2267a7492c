"""Which turns of a conversation the model still sees when not all fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from edgellm.errors import ContextOverflow
from edgellm.types import Message

STEPS_PER_ROOM = 4
"""Turns leave in steps of this share of the room, so that the beginning changes rarely."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What is sent to the model."""

    messages: tuple[Message, ...]
    left_out_turns: int = 0


def fit(
    messages: Sequence[Message],
    count_tokens: Callable[[Sequence[Message]], int],
    *,
    context_tokens: int,
    answer_tokens: int,
) -> Kept:
    """The leading system messages and the newest turns that fit.

    A turn is a user message with everything up to the next one. Whole turns are left out, oldest first, until the
    prompt leaves `answer_tokens` of the context free; the newest turn always stays and may use the answer's share.
    Turns leave in steps of a quarter of the room rather than one by one: while the conversation grows, the
    kept beginning stays the same for many turns, and with it the KV cache.

    Raises: ContextOverflow when the newest turn alone does not fit.
    """
    system, turns = split_turns(messages)
    room = max(1, context_tokens - answer_tokens)

    def kept(left_out: int) -> tuple[Message, ...]:
        return (*system, *(message for turn in turns[left_out:] for message in turn))

    total = count_tokens(messages)
    if total <= room:
        return Kept(messages=tuple(messages))
    step = max(1, room // STEPS_PER_ROOM)
    to_drop = -(-(total - room) // step) * step
    newest = max(0, len(turns) - 1)
    left_out = _first(newest, lambda n: total - count_tokens(kept(n)) >= to_drop)
    prompt_tokens = count_tokens(kept(left_out)) if left_out else total
    if prompt_tokens >= context_tokens:
        raise overflow(prompt_tokens, context_tokens)
    return Kept(messages=kept(left_out), left_out_turns=left_out)


def split_turns(messages: Sequence[Message]) -> tuple[tuple[Message, ...], list[list[Message]]]:
    """The leading system messages, and the turns after them; each turn but perhaps the first opens with a user."""
    start = next((at for at, message in enumerate(messages) if message.role != "system"), len(messages))
    turns: list[list[Message]] = []
    for message in messages[start:]:
        if message.role == "user" or not turns:
            turns.append([])
        turns[-1].append(message)
    return tuple(messages[:start]), turns


def fold_system(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The leading system messages' text in front of the first user message, for models that know no system role."""
    system, turns = split_turns(messages)
    rest = [message for turn in turns for message in turn]
    if not rest or rest[0].role != "user":
        rest.insert(0, Message(role="user", content=""))
    texts = [message.content for message in (*system, rest[0]) if message.content.strip()]
    return (replace(rest[0], content="\n\n".join(texts)), *rest[1:])


def overflow(prompt_tokens: int, context_tokens: int) -> ContextOverflow:
    """The error for a prompt that no rule can make fit."""
    return ContextOverflow(
        f"The prompt has {prompt_tokens} tokens; the context holds {context_tokens}, answer included.",
        hint="Shorten the message, or load the model with a larger context.",
        prompt_tokens=prompt_tokens,
        context_tokens=context_tokens,
    )


def _first(limit: int, holds: Callable[[int], bool]) -> int:
    """The smallest number up to `limit` for which `holds`, or `limit`; `holds` changes once at most."""
    low, high = 0, limit
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return low

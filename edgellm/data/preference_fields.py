"""Judged answers, and what the fields of a row say about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgellm.data.rows import Dropped, Reason, Source, dropped
from edgellm.data.schemas import read_turn
from edgellm.types import Message

PROMPTS = ("prompt", "messages")
ANSWERS = ("completion", "answer")
Talk = tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Preference:
    """An answer that is better than another one to the same prompt; or one that was judged alone."""

    source: Source
    prompt: Talk
    answer: str
    """The chosen answer; or the one that was judged alone."""
    rejected: str | None = None
    """None: the answer was judged alone."""
    is_good: bool = True
    """The judgement of an answer that was judged alone."""


class _Unusable(Exception):
    """Why a row is dropped."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail


def is_known(row: Mapping[str, Any]) -> bool:
    """Whether the fields are those of a pair or of a single judgement."""
    return {"chosen", "rejected"} <= row.keys() or "label" in row


def preference_from(row: Mapping[str, Any], source: Source) -> Preference | Dropped:
    """What a row says, or why it is dropped.

    Pairs: `prompt` or `messages`, `chosen`, `rejected`; or whole conversations as `chosen` and `rejected`, which
    differ in their last turn (as TRL and UltraFeedback write them). Single judgements: `prompt` or `messages`,
    `completion` or `answer`, `label` (true: good). Prompts and answers are texts or lists of turns; `system` is a
    text.
    """
    try:
        return _single(row, source) if "label" in row else _pair(row, source)
    except _Unusable as error:
        return dropped(source, error.reason, error.detail)


def _pair(row: Mapping[str, Any], source: Source) -> Preference:
    chosen, rejected = _talk(row, "chosen", source), _talk(row, "rejected", source)
    prompt = _with_system(row, chosen[:-1]) or _prompt(row, source)
    if (_with_system(row, rejected[:-1]) or prompt) != prompt:
        raise _Unusable(Reason.ROLES, "chosen and rejected answer different prompts")
    return Preference(source, prompt, chosen[-1].content, rejected[-1].content)


def _single(row: Mapping[str, Any], source: Source) -> Preference:
    label = row["label"]
    if not isinstance(label, bool):
        raise _Unusable(Reason.WRONG_TYPES, f"label is {str(label)[:40]!r}, neither true nor false")
    name = next((name for name in ANSWERS if name in row), ANSWERS[0])
    answer = _talk(row, name, source)
    if len(answer) > 1:
        raise _Unusable(Reason.ROLES, f"{name} has {len(answer)} turns; expected one")
    return Preference(source, _prompt(row, source), answer[-1].content, is_good=label)


def _prompt(row: Mapping[str, Any], source: Source) -> Talk:
    name = next((name for name in PROMPTS if name in row), PROMPTS[0])
    return _with_system(row, _turns(row, name, "user", source))


def _with_system(row: Mapping[str, Any], talk: Talk) -> Talk:
    """The turns behind the row's own system message, where it has one and there are turns."""
    system = row.get("system")
    if not talk or talk[0].role == "system" or not isinstance(system, str) or not system.strip():
        return talk
    return (Message(role="system", content=system), *talk)


def _talk(row: Mapping[str, Any], name: str, source: Source) -> Talk:
    """Turns of which the last is the answer."""
    turns = _turns(row, name, "assistant", source)
    if turns[-1].role != "assistant":
        raise _Unusable(Reason.ROLES, f"{name} ends with a turn of the {turns[-1].role}; expected the assistant")
    return turns


def _turns(row: Mapping[str, Any], name: str, role: Any, source: Source) -> Talk:
    """The field's turns; a text is one of `role`."""
    value = row.get(name)
    if isinstance(value, str):
        return (Message(role=role, content=value),)
    if name not in row:
        raise _Unusable(Reason.MALFORMED, f"the field {name!r} is missing")
    if not isinstance(value, list):
        raise _Unusable(Reason.WRONG_TYPES, f"{name} is neither text nor a list of turns")
    if not value:
        raise _Unusable(Reason.EMPTY, f"{name} has no turns")
    return tuple(_turn(turn, number, source) for number, turn in enumerate(value, 1))


def _turn(turn: object, number: int, source: Source) -> Message:
    found = read_turn(turn, number, source)
    if isinstance(found, Message):
        return found
    assert isinstance(found, Dropped), "a turn is no example"
    raise _Unusable(found.reason, found.detail)

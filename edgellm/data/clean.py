"""Texts brought into one form, and rows that cannot teach anything."""

from __future__ import annotations

import re
from dataclasses import replace

from edgellm.data.rows import Dropped, Example, Reason, dropped
from edgellm.data.rules import Rules
from edgellm.safetext import MOST_MARKS, normalised, stream_safe
from edgellm.types import Message

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\U00020000-\U0003ffff]")
"""Scripts that write no spaces between words: Thai, Lao, Burmese, Khmer, Japanese, Chinese."""
UNSPACED_WORD_CHARS = 3


def clean(example: Example, rules: Rules) -> Example | Dropped:
    """The example with normalised texts, or why it is dropped."""
    if any(stream_safe(text) != text for text in (example.text, *(message.content for message in example.messages))):
        return dropped(example.source, Reason.MALFORMED, f"a letter bears more than {MOST_MARKS} marks")
    example = _normalised(example)
    texts = [message.content for message in example.messages] or [example.text]
    for text in texts:
        if control := _CONTROL.search(text):
            found = f"a text holds the control character U+{ord(control[0]):04X}"
            return dropped(example.source, Reason.CONTROL_CHARACTERS, found)
    if not example.messages:
        return example if example.text else dropped(example.source, Reason.EMPTY, "the text is empty")
    problem = _unteachable(example.messages)
    if problem:
        return dropped(example.source, *problem)
    if rules.short_answers == "drop" and all(is_one_word(answer) for answer in _answers(example.messages)):
        return dropped(example.source, Reason.SHORT_ANSWER, f"the answer is {example.messages[-1].content!r}")
    return example


def normalise(text: str) -> str:
    """The text in Unicode's composed form (NFC), with LF line ends, without space at line ends and around it."""
    lines = normalised(text, "NFC").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "\n".join(line.rstrip() for line in lines).strip()


def is_one_word(answer: str) -> bool:
    """Whether an answer is a single word; scripts without spaces count characters."""
    if len(answer.split()) != 1:
        return False
    return len(answer) <= UNSPACED_WORD_CHARS or not _UNSPACED.search(answer)


def _normalised(example: Example) -> Example:
    messages = tuple(replace(message, content=normalise(message.content)) for message in example.messages)
    if messages and messages[0].role == "system" and not messages[0].content:
        messages = messages[1:]
    return Example(example.source, messages, normalise(example.text))


def _answers(messages: tuple[Message, ...]) -> list[str]:
    return [message.content for message in messages if message.role == "assistant"]


def _unteachable(messages: tuple[Message, ...]) -> tuple[Reason, str] | None:
    """Why a conversation teaches nothing: its roles, or an empty turn."""
    turns = messages[1:] if messages[:1] and messages[0].role == "system" else messages
    for number, message in enumerate(turns, 1):
        expected = "user" if number % 2 else "assistant"
        if message.role != expected:
            return Reason.ROLES, f"turn {number} is from the {message.role}; expected the {expected}"
        if not message.content:
            return Reason.EMPTY, f"turn {number}, from the {message.role}, is empty"
    if not turns or turns[-1].role != "assistant":
        return Reason.ROLES, "the conversation ends without an answer"
    return None

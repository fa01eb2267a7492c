"""Texts in one form; rows that teach nothing are dropped with the right reason."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from edgellm.data.clean import clean, is_one_word, normalise
from edgellm.data.rows import Dropped, Example, Reason, Source
from edgellm.data.rules import Rules
from edgellm.errors import InvalidInput
from edgellm.safetext import MOST_MARKS
from edgellm.types import Message, Role
from tests.unit.data.harness import chat

HERE = Source("a.jsonl", 1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  a \r\nb\t\r\n\n", "a\nb"),
        ("e\u0301", "\u00e9"),
        ("\n\n    indented code\n", "indented code"),
        ("a\n\n\nb", "a\n\n\nb"),
        ("  \u00a0 ", ""),
    ],
)
def test_normalising(text: str, expected: str) -> None:
    assert normalise(text) == expected
    assert normalise(expected) == expected


@pytest.mark.parametrize("answer", ["Yes", "42", "Paris.", "東京", "नमस्ते"])
def test_one_word(answer: str) -> None:
    assert is_one_word(answer)


@pytest.mark.parametrize("answer", ["In Paris.", "東京は日本の首都です", "नई दिल्ली", ""])
def test_more_than_one_word(answer: str) -> None:
    assert not is_one_word(answer)


def drop_of(*messages: tuple[Role, str], rules: Rules | None = None) -> Reason | None:
    turns = tuple(Message(role=role, content=content) for role, content in messages)
    found = clean(Example(HERE, turns), rules or Rules())
    return found.reason if isinstance(found, Dropped) else None


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ([("user", "Where?"), ("assistant", "Up north.")], None),
        ([("system", "Be brief."), ("user", "Where?"), ("assistant", "Up north.")], None),
        ([("user", "Where?"), ("assistant", "North"), ("user", "How far?"), ("assistant", "A mile away.")], None),
        ([("user", "Where?")], Reason.ROLES),
        ([("system", "Be brief.")], Reason.ROLES),
        ([("assistant", "Hello there."), ("user", "Where?"), ("assistant", "Up north.")], Reason.ROLES),
        ([("user", "Where?"), ("user", "Hm?"), ("assistant", "Up north.")], Reason.ROLES),
        ([("user", "Where?"), ("system", "Be brief."), ("assistant", "Up north.")], Reason.ROLES),
        ([("user", "Where?"), ("assistant", "Up north."), ("tool", "data here")], Reason.ROLES),
        ([("user", " \n"), ("assistant", "Up north.")], Reason.EMPTY),
        ([("user", "Where?"), ("assistant", "  ")], Reason.EMPTY),
        ([("user", "Where?"), ("assistant", "North.")], Reason.SHORT_ANSWER),
        ([("user", "Wh\x07ere?"), ("assistant", "Up north.")], Reason.CONTROL_CHARACTERS),
    ],
)
def test_conversations(messages: list[tuple[Role, str]], reason: Reason | None) -> None:
    assert drop_of(*messages) == reason


@pytest.mark.parametrize("marks", ["\u0301", "\u0301\u0316", "\U0001d165\u0301", "\U0001d165"])
def test_a_letter_may_bear_some_marks_and_no_heap_of_them(marks: str) -> None:
    def reason(count: int) -> Reason | None:
        return drop_of(("user", "Whe" + (marks * count)[:count] + "re?"), ("assistant", "Up north."))

    assert (reason(MOST_MARKS), reason(MOST_MARKS + 1)) == (None, Reason.MALFORMED)


def test_marks_are_counted_before_they_are_sorted() -> None:
    text = "a" + "\u0301" * 100_000 + "\u0316" * 100_000  # minutes, if they were brought in order
    found = clean(Example(HERE, text=text), Rules())
    assert isinstance(found, Dropped)
    assert found.reason is Reason.MALFORMED


def test_labels_can_be_kept() -> None:
    assert drop_of(("user", "Good?"), ("assistant", "yes"), rules=Rules(short_answers="keep")) is None


def test_an_empty_system_message_is_none() -> None:
    messages = (Message(role="system", content=" "), *chat("Where?", "Up north."))
    found = clean(Example(HERE, messages), Rules())
    assert isinstance(found, Example)
    assert found.messages == chat("Where?", "Up north.")


def test_an_empty_text_is_dropped() -> None:
    found = clean(Example(HERE, text=" \n "), Rules())
    assert isinstance(found, Dropped)
    assert found.reason is Reason.EMPTY


def test_details_are_harmless_and_short() -> None:
    found = clean(Example(HERE, chat("Where?", "\u202eevil" + "x" * 500)), Rules())
    assert isinstance(found, Dropped)
    assert "\u202e" not in found.detail
    assert len(found.detail) <= 160


@pytest.mark.parametrize(
    "make",
    [
        lambda: Rules(similarity=0.4),
        lambda: Rules(similarity=1.1),
        lambda: Rules(valid_share=-0.1),
        lambda: Rules(test_share=0.41),
        lambda: Rules(context_tokens=0),
    ],
)
def test_rules_out_of_range_are_refused(make: Callable[[], Rules]) -> None:
    with pytest.raises(InvalidInput, match="goes from"):
        make()

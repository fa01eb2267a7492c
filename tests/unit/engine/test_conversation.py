"""The rule by which turns are left out, and its promise that the kept beginning is stable."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgellm.engine.conversation import Kept, fit, fold_system, split_turns
from edgellm.errors import ContextOverflow
from edgellm.types import Message

SYSTEM = Message(role="system", content="s" * 10)


def count(messages: Sequence[Message]) -> int:
    """A token a character and two a message, as a template would add."""
    return sum(len(message.content) + 2 for message in messages)


def turn(size: int) -> list[Message]:
    return [Message(role="user", content="u" * size), Message(role="assistant", content="a" * size)]


def kept(messages: Sequence[Message], context_tokens: int = 100, answer_tokens: int = 20) -> Kept:
    return fit(messages, count, context_tokens=context_tokens, answer_tokens=answer_tokens)


def test_what_fits_is_sent_whole() -> None:
    messages = [SYSTEM, *turn(5), Message(role="user", content="now")]
    assert kept(messages) == Kept(messages=tuple(messages))


def test_oldest_turns_leave_and_system_and_newest_stay() -> None:
    newest = Message(role="user", content="now")
    result = kept([SYSTEM, *turn(10), *turn(10), *turn(10), *turn(10), newest])
    assert result.messages[0] == SYSTEM
    assert result.messages[-1] == newest
    assert result.messages[1].role == "user"
    assert result.left_out_turns == 2


def test_the_newest_turn_may_use_the_answers_share() -> None:
    result = kept([SYSTEM, *turn(10), Message(role="user", content="u" * 80)])
    assert result.left_out_turns == 1


def test_a_newest_turn_that_cannot_fit_is_an_overflow_with_numbers() -> None:
    with pytest.raises(ContextOverflow) as caught:
        kept([SYSTEM, *turn(10), Message(role="user", content="u" * 86)])
    assert caught.value.facts == {"prompt_tokens": 100, "context_tokens": 100}


def test_messages_before_the_first_user_are_a_turn_of_their_own() -> None:
    hello = Message(role="assistant", content="hello")
    user = Message(role="user", content="hi")
    assert split_turns([SYSTEM, hello, user]) == ((SYSTEM,), [[hello], [user]])


sizes = st.lists(st.integers(1, 30), min_size=1, max_size=25)


@given(sizes, st.integers(60, 300))
def test_the_result_is_a_suffix_of_whole_turns_that_fits(turn_sizes: list[int], context_tokens: int) -> None:
    messages = [SYSTEM, *(message for size in turn_sizes for message in turn(size))]
    try:
        result = kept(messages, context_tokens, context_tokens // 4)
    except ContextOverflow:
        assert count([SYSTEM, *turn(turn_sizes[-1])]) >= context_tokens
        return
    assert count(result.messages) < context_tokens
    assert result.messages == (SYSTEM, *messages[1 + 2 * result.left_out_turns :])
    assert result.left_out_turns < len(turn_sizes)


@given(st.integers(3, 12))
def test_while_a_conversation_grows_its_kept_beginning_changes_rarely(size: int) -> None:
    messages: list[Message] = []
    beginnings = []
    for _ in range(60):
        messages += turn(size)
        beginnings.append(kept(messages, 400, 100).left_out_turns)
    changes = sum(one != other for one, other in pairwise(beginnings))
    tokens_a_turn = count(turn(size))
    assert changes <= 60 * tokens_a_turn / (300 / 4) + 1
    assert beginnings == sorted(beginnings)


def test_folding_puts_the_system_text_before_the_first_user_message() -> None:
    def folded(*contents: tuple[str, str]) -> list[tuple[str, str]]:
        messages = [Message(role=role, content=content) for role, content in contents]  # type: ignore[arg-type]
        return [(message.role, message.content) for message in fold_system(messages)]

    assert folded(("system", "a"), ("system", "b"), ("user", "c"), ("assistant", "d")) == [
        ("user", "a\n\nb\n\nc"),
        ("assistant", "d"),
    ]
    assert folded(("system", "a")) == [("user", "a")]
    assert folded(("system", "a"), ("assistant", "d")) == [("user", "a"), ("assistant", "d")]
    assert folded(("system", " "), ("user", "c")) == [("user", "c")]

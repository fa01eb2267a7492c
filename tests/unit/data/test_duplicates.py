"""Near duplicates: the estimate is right, alike rows are grouped, other facts are kept."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgellm.data.duplicates import PERMUTATIONS, likeness, pieces, plain, print_of, signature
from edgellm.data.rows import Example, Source, row_from
from edgellm.types import Message
from tests.unit.data.harness import WORDS, chat

LONG = "The harbour of Zarn was dug by hand over nine summers and opened when the last stone was laid in the north wall"


def similarity(one: str, other: str) -> float:
    """Jaccard similarity of the sets of pieces, computed directly."""
    first, second = (set(zip(*(plain(text).ljust(5)[at:] for at in range(5)), strict=False)) for text in (one, other))
    return len(first & second) / len(first | second)


def grouped(*conversations: tuple[Message, ...]) -> tuple[list[int], dict[int, int]]:
    """The first row of each row's group, and the repeats."""
    prints = [print_of(row_from(Example(Source("a", at), each))) for at, each in enumerate(conversations, 1)]
    alike = likeness(prints, 0.8)
    return [alike.groups.first(row) for row in range(len(prints))], alike.repeats


@given(st.text(min_size=20, max_size=300), st.integers(0, 250), st.text(max_size=40))
def test_the_estimate_is_near_the_true_similarity(text: str, at: int, inserted: str) -> None:
    other = text[:at] + inserted + text[at:]
    estimate = float(np.mean(signature(text) == signature(other)))
    assert abs(estimate - similarity(text, other)) < 6 * (0.25 / PERMUTATIONS) ** 0.5


def test_pieces_do_not_see_case_punctuation_and_width() -> None:
    assert plain("  Ｈello,\n WORLD!! ") == "hello world"
    assert np.array_equal(pieces("Hello, world"), pieces("hello   WORLD."))


@pytest.mark.parametrize("text", ["", "a", "abcd", "日本", "x" * 100_000])
def test_texts_of_any_length_have_a_signature(text: str) -> None:
    assert signature(text).shape == (PERMUTATIONS,)


def test_the_same_words_with_other_punctuation_are_a_repeat() -> None:
    groups, repeats = grouped(chat("Tell me about it.", LONG), chat("Tell me about it!", LONG + ", they say"))
    assert groups == [0, 0]
    assert repeats == {1: 0}


def test_another_number_or_name_is_another_fact_in_the_same_group() -> None:
    groups, repeats = grouped(
        chat("How was it in 1871?", LONG + " in 1871"),
        chat("How was it in 1872?", LONG + " in 1872"),
        chat("How was it in 1871?", LONG.replace("Zarn", "Torn") + " in 1871"),
    )
    assert groups == [0, 0, 0]
    assert repeats == {}


def test_the_same_question_with_another_answer_is_in_the_same_group() -> None:
    groups, repeats = grouped(chat("Where is it?", LONG), chat("Where is it?", "Somewhere else entirely."))
    assert groups == [0, 0]
    assert repeats == {}


def test_a_shared_system_message_makes_nothing_alike() -> None:
    system = Message(role="system", content=LONG * 5)
    groups, _ = grouped((system, *chat("Where?", "Up north.")), (system, *chat("When?", "Last year.")))
    assert groups == [0, 1]


@pytest.mark.parametrize("count", [100, 600])
def test_many_rows_that_are_nearly_the_same_are_one_group(count: int) -> None:
    groups, repeats = grouped(*(chat(f"{LONG}? ({number})", "It is so.") for number in range(count)))
    assert set(groups) == {0}
    assert repeats == {}


@pytest.mark.parametrize("count", [100, 600])
def test_many_repeats_leave_the_first(count: int) -> None:
    _, repeats = grouped(
        *(chat(LONG + "!" * number, f"it is so {'indeed ' * (number % 3)}") for number in range(count))
    )
    assert repeats == dict.fromkeys(range(1, count), 0)


def test_many_short_rows_of_one_pattern_stay_apart() -> None:
    names = [f"{first}{last}".title() for first in WORDS for last in WORDS]
    rows = [chat(f"Where is {name} located?", f"It lies {name[::-1] * 2} of the old road.") for name in names]
    groups, repeats = grouped(*rows)
    assert len(set(groups)) > len(rows) // 2
    assert repeats == {}

"""What a candidate learns from, and what it is asked; pure."""

from __future__ import annotations

import pytest

from edgellm.data.preference_fields import Preference
from edgellm.data.rows import ChatRow, Row, Source, TextRow
from edgellm.errors import InvalidInput
from edgellm.sdk.improve_lessons import corrected_cases, earlier_rows, items_in, objective_for, rule_for
from edgellm.sdk.lessons import Lessons
from edgellm.types import Message


def talk(question: str, answer: str, file: str) -> ChatRow:
    said = (Message(role="user", content=question), Message(role="assistant", content=answer))
    return ChatRow(f"{file}:{question}", said, Source(file, 1))


def pair(item: str, *, rejected: str | None = "no", is_good: bool = True) -> Preference:
    prompt = (Message(role="user", content=item),)
    return Preference(Source(f"review {item}", 1), prompt, "yes", rejected, is_good)


ROWS = tuple(talk(f"Question {name}?", f"Answer {name}.", f"review {name}") for name in "abc")
LESSONS = Lessons(tenant="", rows=ROWS, pairs=(pair("a"), pair("b")))


def test_answers_are_imitated_and_the_reason_is_said() -> None:
    chosen = objective_for(LESSONS)
    assert chosen.objective == "sft"
    assert "3 answers to imitate" in chosen.why


def test_without_answers_enough_pairs_or_thumbs_are_needed() -> None:
    assert objective_for(Lessons(tenant="", pairs=tuple(pair(str(n)) for n in range(20)))).objective == "dpo"
    thumbs = tuple(pair(str(n), rejected=None, is_good=n > 4) for n in range(20))
    assert objective_for(Lessons(tenant="", thumbs=thumbs)).objective == "kto"
    with pytest.raises(InvalidInput, match="19 pairs and 0 judged answers"):
        objective_for(Lessons(tenant="", pairs=tuple(pair(str(n)) for n in range(19))))
    with pytest.raises(InvalidInput, match="0 pairs and 20 judged"):
        objective_for(Lessons(tenant="", thumbs=tuple(pair(str(n), rejected=None) for n in range(20))))
    with pytest.raises(InvalidInput, match="Nothing in the queue was accepted"):
        objective_for(Lessons(tenant=""))


def test_items_are_named_once() -> None:
    assert items_in(LESSONS) == ("a", "b", "c")


def test_earlier_rows_give_way_to_the_queue() -> None:
    text = TextRow("t", "A text.", Source("book.txt", 1))
    own = talk("Something else?", "Yes.", "examples.jsonl")
    earlier: list[Row] = [talk("Question a?", "Wrong.", "old.jsonl"), talk("Old?", "x y", "review z"), own, text]
    assert list(earlier_rows(earlier, LESSONS, 1.0)) == [own, text]
    assert list(earlier_rows(earlier, LESSONS, 0.0)) == []


def test_a_share_of_earlier_rows_is_the_same_every_time() -> None:
    rows = [talk(f"{number}?", "Yes, so it is.", "old.jsonl") for number in range(400)]
    half = list(earlier_rows(rows, LESSONS, 0.5))
    assert half == list(earlier_rows(rows, LESSONS, 0.5))
    assert 160 < len(half) < 240
    assert set(map(id, half)) <= set(map(id, earlier_rows(rows, LESSONS, 0.6)))


def test_corrected_questions_are_asked_as_they_were_and_in_other_words() -> None:
    same, other = ROWS[0].messages[:-1], (Message(role="user", content="And a, in other words?"),)
    cases = corrected_cases(LESSONS, {"a": [same, other]}, judged=False)
    assert [(case["id"], case["group"], case["category"]) for case in cases] == [
        ("a", "a", "as asked"),
        ("a-1", "a", "in other words"),
        ("b", "b", "as asked"),
    ]
    assert cases[0]["expected"] == "Answer a."
    judged = corrected_cases(LESSONS, {}, judged=True)[0]
    assert judged["score"] == "judged"
    assert "Answer a." in judged["rubric"]
    assert "expected" not in judged


def test_what_must_hold_depends_on_what_can_be_shown() -> None:
    assert 'change = "better"' in rule_for([{"group": str(number)} for number in range(8)])
    assert "at_least = 0.5" in rule_for([{"group": str(number % 7)} for number in range(20)])

"""What a candidate learns from, and what it is asked; pure."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgellm.data.preference_fields import Preference
from edgellm.data.rows import ChatRow, Row, Source, TextRow
from edgellm.errors import InvalidInput
from edgellm.sdk.improve_lessons import (
    Chosen,
    corrected_cases,
    earlier_rows,
    items_in,
    objective_for,
    parted,
    rules_for,
)
from edgellm.sdk.improve_run import Objective
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


def many(count: int, *, rejected: str | None = "Nobody knows, ask elsewhere.", good: int = 0) -> tuple[Preference, ...]:
    """Judgements of answers to different questions, the first `good` of them good."""
    return tuple(
        Preference(
            Source(f"review {number}", 1),
            (Message(role="user", content=f"Where does post {number * 7919} of the northern line stand?"),),
            f"It stands {number * 31} steps from mark {number * 104729 % 9973}.",
            rejected,
            rejected is not None or number < good,
        )
        for number in range(count)
    )


def test_answers_are_imitated_unless_something_else_is_asked_for() -> None:
    chosen = objective_for(LESSONS)
    assert chosen.objective == "sft"
    assert "3 answers to imitate" in chosen.why
    with pytest.raises(InvalidInput, match="2 pairs of the queue can be learnt from by dpo"):
        objective_for(LESSONS, "dpo")


@pytest.mark.parametrize("objective", ["dpo", "orpo"])
def test_pairs_are_learnt_from_where_there_are_enough(objective: Objective) -> None:
    enough = Lessons(tenant="", rows=ROWS, pairs=many(20))
    assert objective_for(enough, objective) == Chosen(objective, "20 pairs of a better and a worse answer")
    assert objective_for(enough).objective == "sft", "answers are imitated unless pairs are asked for"
    with pytest.raises(InvalidInput, match="19 pairs of the queue"):
        objective_for(Lessons(tenant="", pairs=many(19)), objective)
    twice = Lessons(tenant="", pairs=(*many(19), *many(19)))
    with pytest.raises(InvalidInput, match="19 pairs"):  # what is there twice is one
        objective_for(twice, objective)
    alike = tuple(replace(each, prompt=ROWS[0].messages[:-1]) for each in many(20))
    with pytest.raises(InvalidInput, match="about the same question"):
        objective_for(Lessons(tenant="", pairs=alike), objective)


def test_thumbs_must_be_of_both_kinds() -> None:
    thumbs = many(20, rejected=None, good=5)
    assert objective_for(Lessons(tenant="", thumbs=thumbs), "kto").objective == "kto"
    with pytest.raises(InvalidInput, match=r"20 thumbs .* by kto, 4 good and 16 bad"):
        objective_for(Lessons(tenant="", thumbs=many(20, rejected=None, good=4)), "kto")


def test_what_cannot_be_learnt_from_is_refused() -> None:
    with pytest.raises(InvalidInput, match="20 judged answers, and none that could be imitated"):
        objective_for(Lessons(tenant="", thumbs=many(20, rejected=None)))
    for objective in ("sft", "dpo", "kto"):
        with pytest.raises(InvalidInput, match="Nothing in the queue was accepted"):
            objective_for(Lessons(tenant=""), objective)


def test_items_are_named_once_and_by_what_is_learnt_from_them() -> None:
    assert items_in(LESSONS) == ("a", "b", "c")
    assert items_in(LESSONS, "dpo") == ("a", "b")
    assert items_in(LESSONS, "kto") == ()


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


def asked(*groups: str) -> list[dict[str, str]]:
    return [{"group": group} for group in groups]


def test_what_must_hold_depends_on_what_can_be_shown() -> None:
    assert rules_for(asked(*map(str, range(8))), []) == '\n[[must]]\nsuite = "corrected"\nchange = "better"\n'
    few = rules_for(asked(*(str(number % 7) for number in range(20))), [])
    assert "at_least = 0.5" in few
    assert 'change = "not worse"' in few
    assert rules_for([], []) == ""


def test_what_was_learnt_before_hides_nothing_of_what_is_new() -> None:
    """The live version knows 30 corrections: asked with them, 3 new ones could never be shown to have become better."""
    new, before = parted(asked("a", "a", "b", "c"), {"a", "b"})
    assert (new, before) == (asked("c"), asked("a", "a", "b"))
    rules = rules_for(new, before)
    assert 'suite = "corrected"\nat_least = 0.5' in rules
    assert 'suite = "corrected-before"\nchange = "not worse"' in rules

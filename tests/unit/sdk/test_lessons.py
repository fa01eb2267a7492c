"""What accepted items teach, and what is held back because it contradicts itself."""

from __future__ import annotations

import pytest

from edgellm.sdk.lessons import lessons_from, prompt_of
from edgellm.store import Origin, ReviewContext, ReviewItem, ReviewReason, ReviewState
from edgellm.store.records import Rating
from edgellm.types import Message, ToolCall

SYSTEM = Message(role="system", content="Be brief.")
REASON_OF: dict[Rating, ReviewReason] = {1: ReviewReason.THUMBS_UP, -1: ReviewReason.THUMBS_DOWN}


def item(name: str, question: str = "Longest river?", answer: str | None = "The Rhine.", **known: object) -> ReviewItem:
    """An accepted item; `known` are fields of it, or of its context."""
    rating: Rating = known.pop("rating", 0)  # type: ignore[assignment]
    reason = ReviewReason.CORRECTION if "correction" in known else REASON_OF.get(rating, ReviewReason.REGENERATED)
    turns = known.pop("messages", (SYSTEM, Message(role="user", content=question)))
    context = ReviewContext(messages=turns, answer=answer, other=known.pop("other", None))  # type: ignore[arg-type]
    fields = {
        "id": name,
        "tenant": "",
        "learner": "",
        "reason": reason,
        "origin": Origin("message", name),
        "context": context,
        "rating": rating,
        "state": ReviewState.ACCEPTED,
        "created_at": 1.0,
        "decided_at": 2.0,
    }
    return ReviewItem(**{**fields, **known})  # type: ignore[arg-type]


def test_a_correction_teaches_an_example_a_pair_and_a_thumb() -> None:
    taught = lessons_from([item("i1", rating=-1, correction="The Nile.")], "")
    [row], [pair], [thumb] = taught.rows, taught.pairs, taught.thumbs
    asked = (SYSTEM, Message(role="user", content="Longest river?"))
    assert row.messages == (*asked, Message(role="assistant", content="The Nile."))
    assert (row.source.file, row.source.line) == ("review i1", 1)
    assert (pair.prompt, pair.answer, pair.rejected, pair.source) == (asked, "The Nile.", "The Rhine.", row.source)
    assert (thumb.answer, thumb.rejected, thumb.is_good) == ("The Rhine.", None, False)
    assert (taught.held, taught.until) == ((), 2.0)


def test_an_earlier_answer_that_was_called_bad_is_not_imitated() -> None:
    before = (SYSTEM, Message(role="user", content="Longest river?"))
    turns = (*before, Message(role="assistant", content="The Rhine."), Message(role="user", content="And its mouth?"))
    later = item("i2", answer="Rotterdam.", messages=turns, correction="Near Rosetta.")
    [_, row] = lessons_from([item("i1", correction="The Nile."), later], "").rows
    assert [turn.content for turn in row.messages[2:]] == ["The Nile.", "And its mouth?", "Near Rosetta."]
    [row] = lessons_from([item("i1", rating=-1), later], "").rows
    assert [turn.content for turn in row.messages] == ["Be brief.", "And its mouth?", "Near Rosetta."]
    [row] = lessons_from([later], "").rows
    assert row.messages[2].content == "The Rhine.", "nobody said anything of it"
    [pair] = lessons_from([item("i1", rating=-1), later], "").pairs
    assert pair.prompt == turns, "what is only read stays as it was"


def test_a_good_answer_teaches_itself() -> None:
    taught = lessons_from([item("i1", answer="The Nile.", rating=1)], "")
    assert [row.messages[-1].content for row in taught.rows] == ["The Nile."]
    assert (taught.pairs, [thumb.is_good for thumb in taught.thumbs]) == ((), [True])


def test_a_poor_answer_alone_teaches_a_thumb() -> None:
    taught = lessons_from([item("i1", rating=-1)], "")
    assert (taught.rows, taught.pairs) == ((), ())
    assert [(thumb.answer, thumb.is_good) for thumb in taught.thumbs] == [("The Rhine.", False)]


def test_a_regenerated_answer_is_better_than_the_one_before() -> None:
    taught = lessons_from([item("i1", answer="The Nile.", other="The Rhine.")], "")
    assert [(pair.answer, pair.rejected) for pair in taught.pairs] == [("The Nile.", "The Rhine.")]
    assert [row.messages[-1].content for row in taught.rows] == ["The Nile."]
    turned = lessons_from([item("i1", answer="The Nile.", other="The Rhine.", edited_answer="The Rhine.")], "")
    assert [(pair.answer, pair.rejected) for pair in turned.pairs] == [("The Rhine.", "The Nile.")], (
        "the reviewer's word"
    )
    third = lessons_from([item("i1", answer="a", other="b", edited_answer="c")], "")
    assert [(pair.answer, pair.rejected) for pair in third.pairs] == [("c", "a"), ("c", "b")]


def test_edits_are_what_is_taught() -> None:
    earlier = (Message(role="user", content="Hello"), Message(role="assistant", content="Hi."))
    turns = (*earlier, Message(role="user", content="river"))
    edited = item("i1", messages=turns, rating=1, edited_prompt="Longest river?", edited_answer="The Nile.")
    taught = lessons_from([edited], "")
    [row] = taught.rows
    assert [each.content for each in row.messages] == ["Hello", "Hi.", "Longest river?", "The Nile."]
    assert taught.thumbs == (), "the rating was about another answer"
    assert prompt_of(item("i2", messages=(), edited_prompt="Why?")) == (Message(role="user", content="Why?"),)


def test_one_question_with_two_answers_is_held_back() -> None:
    items = [
        item("i1", correction="The Nile.", decided_at=1.0),
        item("i2", question="longest  RIVER?", correction="The Amazon.", decided_at=2.0),
        item("i3", question="Deepest lake?", correction="Baikal.", decided_at=3.0),
    ]
    taught = lessons_from(items, "")
    assert [row.source.file for row in taught.rows] == ["review i3"]
    assert [(held.id, held.why, held.others) for held in taught.held] == [
        ("i1", "two_answers", ("i2",)), ("i2", "two_answers", ("i1",)),
    ]  # fmt: skip
    assert taught.pairs == lessons_from(items[2:], "").pairs, "neither side's pair is taught"
    newer = lessons_from(items, "", since=1.5)
    assert [held.id for held in newer.held] == ["i2"], "also what contradicts something learnt before"
    assert [row.source.file for row in newer.rows] == ["review i3"]
    assert len(lessons_from(items[1:], "").rows) == 2, "decided again"


@pytest.mark.parametrize(
    "other",
    [
        item("i2", answer="The Rhine.", rating=-1),
        item("i2", answer="The rhine. ", correction="The Nile."),
        item("i2", answer="The Nile.", other="The Rhine."),
    ],
)
def test_an_answer_that_was_called_good_and_bad_is_held_back(other: ReviewItem) -> None:
    taught = lessons_from([item("i1", answer="The Rhine.", rating=1), other], "")
    assert (taught.rows, taught.pairs, taught.thumbs) == ((), (), ())
    assert {(held.id, held.why) for held in taught.held} == {("i1", "up_and_down"), ("i2", "up_and_down")}
    assert all(held.says for held in taught.held)


def test_what_two_people_say_alike_is_taught_once() -> None:
    items = [item(name, correction="The Nile.", rating=-1) for name in ("i1", "i2")]
    taught = lessons_from(items, "")
    assert (len(taught.rows), len(taught.pairs), len(taught.thumbs), taught.held) == (1, 1, 1, ())


def test_the_same_words_after_another_system_prompt_are_another_question() -> None:
    other = item("i2", messages=(Message(role="user", content="Longest river?"),), correction="The Amazon.")
    taught = lessons_from([item("i1", correction="The Nile."), other], "")
    assert (len(taught.rows), taught.held) == (2, ())


def test_calls_of_tools_are_no_examples() -> None:
    call = Message(role="assistant", content="", tool_calls=(ToolCall(id="c", name="look", arguments="{}"),))
    turns = (Message(role="user", content="?"), call, Message(role="tool", content="4", tool_call_id="c"))
    taught = lessons_from([item("i1", messages=turns, rating=1)], "")
    assert (taught.rows, [held.why for held in taught.held]) == ((), ["tools"])


def test_only_later_decisions_come_back() -> None:
    items = [item(f"i{at}", question=f"Question {at}?", rating=1, decided_at=float(at)) for at in (3, 1, 2)]
    assert [row.source.file for row in lessons_from(items, "").rows] == ["review i1", "review i2", "review i3"]
    assert [row.source.file for row in lessons_from(items, "", since=2.0).rows] == ["review i3"]
    nothing = lessons_from(items, "", since=3.0)
    assert (nothing.rows, nothing.until) == ((), None)

"""Blind pairs: the same for everybody, in an order and on sides that nobody can know."""

from __future__ import annotations

import msgspec
import pytest

from edgellm.evals.blind import Pair, answer_of, pairs_of, passed_over, sides
from edgellm.evals.values import Likelihood, Result, Said
from edgellm.types import ToolCall
from tests.unit.evals.fakes import result

OURS, THEIRS = "m@new", "m"


def answers(*texts: str) -> dict[str, list[Result]]:
    return {"s": [result(1.0, f"c{number}", said=Said(text=text)) for number, text in enumerate(texts)]}


def drawn(count: int = 40, seed: str = "a", same: int = 0) -> list[Pair]:
    ours = [f"ours {number}" for number in range(count - same)] + ["same"] * same
    theirs = [f"theirs {number}" for number in range(count - same)] + ["same "] * same
    return pairs_of(OURS, THEIRS, answers(*ours), answers(*theirs), seed)


def test_the_seed_draws_the_order() -> None:
    assert [pair.id for pair in drawn(seed="a")] == [pair.id for pair in drawn(seed="a")]
    assert [pair.id for pair in drawn(seed="a")] != [pair.id for pair in drawn(seed="b")]
    assert {pair.id for pair in drawn(seed="a")} == {pair.id for pair in drawn(seed="b")}


def test_sides_are_drawn_for_each_person_and_pair() -> None:
    left = [sides(pair, "a", "Ana")[0] == OURS for pair in drawn(200)]
    assert 60 < sum(left) < 140, "neither side is a name"
    assert left != [sides(pair, "a", "Ben")[0] == OURS for pair in drawn(200)]
    assert left == [sides(pair, "a", "Ana")[0] == OURS for pair in drawn(200)]


def test_a_pair_is_the_same_in_whatever_order_its_subjects_are_named() -> None:
    there = drawn()
    back = pairs_of(THEIRS, OURS, *_swapped(), "a")
    assert [pair.id for pair in there] == [pair.id for pair in back]
    for one, other in zip(there, back, strict=True):
        assert sides(one, "a", "Ana") == sides(other, "a", "Ana")
        assert answer_of(one, OURS) == answer_of(other, OURS)


def _swapped() -> tuple[dict[str, list[Result]], dict[str, list[Result]]]:
    texts = range(40)
    return answers(*(f"theirs {number}" for number in texts)), answers(*(f"ours {number}" for number in texts))


def test_equal_answers_count_once_they_were_passed() -> None:
    pairs = drawn(40, same=20)
    different = [pair for pair in pairs if not pair.is_same]
    assert len(different) == 20
    assert passed_over(pairs, set()) == []
    half = {pair.id for pair in different[:10]}
    before = pairs[: pairs.index(different[9])]
    assert passed_over(pairs, half) == [pair for pair in before if pair.is_same]
    assert len(passed_over(pairs, {pair.id for pair in different})) == 20


def test_all_that_was_written_is_shown_and_what_was_weighed_is_not() -> None:
    call = ToolCall(id="1", name="look", arguments='{"at": "it"}')
    ours = {
        "s": [result(1.0, "a", said=Said(text="one", other="two")), result(1.0, "b", said=Said(tool_calls=(call,)))]
    }
    theirs = {"s": [result(1.0, "a"), result(1.0, "b")]}
    shown = {pair.case_id: pair.ours for pair in pairs_of(OURS, THEIRS, ours, theirs, "a")}
    assert shown == {"a": "one\n\ntwo", "b": 'look({"at": "it"})'}
    weighed = {"s": [result(1.0, "a", said=Said(likelihoods=(Likelihood(-1.0, 1),)))]}
    assert pairs_of(OURS, THEIRS, weighed, weighed, "a") == []


@pytest.mark.parametrize("text", ["", "\udc9b", "x\0y"])
def test_texts_and_names_of_any_kind(text: str) -> None:
    (pair,) = pairs_of(OURS + text, THEIRS, answers(text), answers("b"), "a")
    assert set(sides(pair, "a", text)) == {OURS + text, THEIRS}
    assert msgspec.to_builtins(pair)["question"] == "What?"

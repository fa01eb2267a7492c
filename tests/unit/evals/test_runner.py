"""Asking: many at once, each once, and what happens when it cannot be answered."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest

from edgellm.errors import ContextOverflow, EngineError, InvalidInput
from edgellm.evals.cache import Cache, Remembering
from edgellm.evals.measures import measures_of
from edgellm.evals.runner import Pace, check_needs, run
from edgellm.evals.values import Case, Tools, seed_of
from tests.unit.evals.fakes import NO_TOOLS, FakeSubject, case


def cases(count: int, **fields: Any) -> list[Case]:
    return [case(prompt=f"Say {number}", expected=str(number), id=str(number), **fields) for number in range(count)]


def ignored(_pace: Pace) -> None:
    """Nobody watches."""


def test_every_case_is_asked_and_scored_in_order() -> None:
    subject, told = FakeSubject(), list[Pace]()
    found = run(cases(30), subject, NO_TOOLS, told.append)
    assert [each[0].case_id for each in found] == [str(number) for number in range(30)]
    assert all(each[0].value == 1 for each in found)
    assert len(subject.asked) == 30
    assert [pace.done for pace in told] == list(range(1, 31))
    assert told[-1].left_s == 0
    assert told[0].total == 30


def test_samples_have_seeds_of_their_own_that_stay() -> None:
    asked = cases(2, samples=3)
    subject, again = FakeSubject(), FakeSubject(name="other")
    found = run(asked, subject, NO_TOOLS, ignored)
    run(asked, again, NO_TOOLS, ignored)
    assert [[each.sample for each in some] for some in found] == [[0, 1, 2], [0, 1, 2]]
    seeds = sorted(str(each.sampling.seed) for each in subject.asked)
    assert len(set(seeds)) == 6
    assert seeds == sorted(str(each.sampling.seed) for each in again.asked), "the same for every subject"
    assert seed_of(asked[0], 0) != seed_of(asked[0], 1)


def test_several_are_asked_at_once() -> None:
    """All eight must be under way before one of them is answered."""
    gate = threading.Barrier(8, timeout=20)

    def says(question: str) -> str:
        gate.wait()
        return question

    assert len(run(cases(16), FakeSubject(says), NO_TOOLS, ignored, together=8)) == 16


def test_what_does_not_fit_is_worth_nothing_and_says_why() -> None:
    def says(question: str) -> str:
        if question == "Say 1":
            raise ContextOverflow("The prompt has 9000 tokens.")
        return question

    found = run(cases(3), FakeSubject(says), NO_TOOLS, ignored)
    assert [each[0].value for each in found] == [1, 0, 1]
    assert found[1][0].reason == "it was not answered: The prompt has 9000 tokens."


def test_an_answer_without_a_word_is_counted() -> None:
    found = run(cases(2), FakeSubject(lambda question: "" if question == "Say 1" else question), NO_TOOLS, ignored)
    assert [each[0].measures["empty"] for each in found] == [0, 1]
    assert measures_of([each[0] for each in found])["empty"] == 0.5


def test_an_error_of_the_engine_ends_the_run_soon() -> None:
    def says(_question: str) -> str:
        raise EngineError("gone")

    subject = FakeSubject(says)
    with pytest.raises(EngineError, match="gone"):
        run(cases(200), subject, NO_TOOLS, ignored, together=4)
    assert len(subject.asked) < 40


def test_an_interrupt_stops_the_asking() -> None:
    subject = FakeSubject()

    def interrupt(pace: Pace) -> None:
        if pace.done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(cases(200), subject, NO_TOOLS, interrupt, together=2)
    assert len(subject.asked) < 20


@pytest.mark.parametrize(
    ("needing", "words"),
    [
        (case("choice", choices=["a", "b"], expected="a"), "log-probabilities"),
        (case("pair", terms=["a", "b"], continuation="x"), "log-probabilities"),
        (case("similarity", expected="a"), "embedder"),
        (case("judged", rubric="r"), "name the model that judges"),
        (case("personal"), "edgellm"),
    ],
)
def test_what_could_not_be_judged_is_refused_before_anything_is_asked(needing: Case, words: str) -> None:
    subject = FakeSubject(can_weigh=False)
    with pytest.raises(InvalidInput, match=words) as found:
        run([*cases(3), needing], subject, NO_TOOLS, ignored)
    assert found.value.facts["field"] == "suites"
    assert subject.asked == []


def test_needs_that_are_met() -> None:
    tools = Tools(embed=lambda _texts: [], judge=FakeSubject(), personal=lambda _text: [])
    check_needs([case("similarity"), case("judged", rubric="r"), case("personal")], FakeSubject(), tools)
    check_needs([case("pair", terms=["a", "b"])], FakeSubject(can_weigh=False), NO_TOOLS)


def test_nothing_is_asked_twice(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    every = [*cases(5), case("choice", choices=["a", "b"], expected="a", id="c"), case("judged", rubric="r", id="j")]
    first, judge = FakeSubject(), FakeSubject(lambda _question: '"A"', name="judge")
    before = run(every, Remembering(first, cache), Tools(judge=Remembering(judge, cache)), ignored)
    assert (len(first.asked), len(first.weighed), len(judge.asked)) == (6, 2, 2)
    second, idle = FakeSubject(), FakeSubject(name="judge")
    remembering = Remembering(second, cache)
    after = run(every, remembering, Tools(judge=Remembering(idle, cache)), ignored)
    assert (second.asked, second.weighed, idle.asked, remembering.asked) == ([], [], [], 0)
    assert after == before


def test_another_subject_or_another_question_is_asked(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    run(cases(2), Remembering(FakeSubject(), cache), NO_TOOLS, ignored)
    for changed, subject in (
        (cases(2), FakeSubject(name="taught")),
        ([case(prompt="Say 0 ", id="0", expected="0"), case(prompt="Say 2", id="1", expected="2")], FakeSubject()),
        (cases(2, passages=("p",)), FakeSubject()),
        (cases(2, planted="p"), FakeSubject()),
    ):
        run(changed, Remembering(subject, cache), NO_TOOLS, ignored)
        assert len(subject.asked) == 2


def test_a_damaged_answer_is_asked_again(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    run(cases(1), Remembering(FakeSubject(), cache), NO_TOOLS, ignored)
    (path,) = tmp_path.rglob("*.json")
    path.write_text("{")
    subject = FakeSubject()
    run(cases(1), Remembering(subject, cache), NO_TOOLS, ignored)
    assert len(subject.asked) == 1
    assert path.stat().st_mode & 0o077 == 0, "answers are private"


def test_the_oldest_answers_go_when_there_are_too_many(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    for number in range(10):
        cache.put(f"{number:02}key", "x" * 98)  # 100 bytes as JSON
        path = tmp_path / f"{number:02}" / f"{number:02}key.json"
        os.utime(path, (number, number))
    assert cache.prune(most_bytes=1000) == 0
    assert cache.prune(most_bytes=350) == 7
    assert [cache.get(f"{number:02}key", str) is not None for number in range(10)] == [False] * 7 + [True] * 3
    assert Cache(tmp_path / "nowhere").prune() == 0

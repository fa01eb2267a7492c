"""What a model is shown: what comes near the question, within its budget."""

from __future__ import annotations

from dataclasses import replace

from edgellm.retrieval.ground.evidence import MOST_PASSAGES, NEAR, ground, is_near
from edgellm.retrieval.ground.prompt import NOT_FOUND
from edgellm.retrieval.values import Hit
from tests.unit.retrieval.ground.hits import FARES, KEEPER, hit


def grounding(question: str, *hits: Hit, budget: int = 1000):  # type: ignore[no-untyped-def]
    return ground(question, hits, collection="c", budget=budget, count=lambda text: len(text.split()), search_s=0.1)


def test_a_hit_is_near_by_meaning_or_by_words() -> None:
    assert is_near("What must I pay?", replace(hit(FARES), similarity=NEAR))
    assert is_near("Do children travel free?", replace(hit(FARES), similarity=0.0))
    assert not is_near("Which element has the symbol Au?", replace(hit(FARES), similarity=NEAR - 0.01))
    assert not is_near("???", hit(FARES))


def test_a_polite_question_is_as_near_as_a_plain_one() -> None:
    far = replace(hit(FARES), similarity=NEAR - 0.01)
    assert is_near("Children travel free?", far)
    assert is_near("Hello, children travel free, please? Thanks!", far)
    assert not is_near("Hello, please!", far)


def test_only_what_is_near_is_shown_and_not_too_much_of_it() -> None:
    near = [replace(hit(FARES, chunk_id=number, start=number), similarity=0.8) for number in range(9)]
    far = replace(hit(KEEPER, chunk_id=50), similarity=0.1)
    found = grounding("What does a ticket cost?", far, *near)
    assert [each.hit.chunk_id for each in found.passages] == [0, 1, 2, 3]
    assert len(found.passages) == MOST_PASSAGES


def test_a_near_passage_that_is_too_long_is_cut_and_not_passed_over() -> None:
    long = replace(hit("Ropes are kept dry. " * 50 + FARES), similarity=0.8)
    found = grounding("What does a ticket cost?", long, budget=25)
    assert not found.is_weak
    (shown,) = found.passages
    assert "A ticket costs nine crowns." in shown.hit.text
    assert len(shown.block().split()) <= 25


def test_without_anything_near_the_answer_is_that_nothing_was_found() -> None:
    found = grounding("Which element has the symbol Au?", replace(hit(FARES), similarity=0.1))
    text, evidence = found.checked(found.refusal)
    assert (found.is_weak, text, evidence.is_weak, evidence.passages) == (True, NOT_FOUND, True, 0)


def test_an_answer_says_what_it_rests_on() -> None:
    found = grounding("What does a ticket cost?", replace(hit(FARES), similarity=0.8))
    text, evidence = found.checked("A ticket costs nine crowns. The moon is far [1].")
    assert text == "A ticket costs nine crowns [1]. The moon is far."
    assert (evidence.collection, evidence.passages, evidence.removed, len(evidence.unsupported)) == ("c", 1, 1, 1)
    assert [citation.n for citation in evidence.citations] == [1]

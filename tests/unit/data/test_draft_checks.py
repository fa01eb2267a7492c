"""Drafted pairs checked against their passage without a model."""

from __future__ import annotations

import pytest

from edgellm.data.draft_checks import Refusal, keys, refusal, shared

PASSAGE = (
    "The ferry. The Morwenna was built in 1987 by the Hallam shipyard and carries 120 passengers. Smoking is allowed "
    "nowhere on the ship. Captain Ida Renwick has commanded her since 2011. The keeper has eleven beehives."
)


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("When was the Morwenna built?", "The Morwenna was built in 1987."),
        ("How many passengers does the ferry carry?", "The ferry carries 120 passengers."),
        ("Is smoking allowed on the ship?", "No, smoking is not allowed on the ship."),
        ("What is the captain's name?", "The captain is Ida Renwick."),
        ("How many beehives does the keeper have?", "The keeper has 11 beehives."),
    ],
)
def test_what_the_passage_says_is_supported(question: str, answer: str) -> None:
    assert refusal(question, answer, PASSAGE) is None


@pytest.mark.parametrize(
    ("question", "answer", "reason"),
    [
        ("", "The Morwenna was built in 1987.", Refusal.EMPTY),
        ("When was the Morwenna built?", "…", Refusal.EMPTY),
        ("When was it built? " * 30, "The Morwenna was built in 1987.", Refusal.EMPTY),
        ("What does the text say about the Morwenna?", "The Morwenna was built in 1987.", Refusal.ABOUT_THE_TEXT),
        ("What is mentioned above?", "The Morwenna was built in 1987.", Refusal.ABOUT_THE_TEXT),
        ("Was the Morwenna built by the Hallam shipyard?", "The Hallam shipyard built the Morwenna.", Refusal.REPEATS),
        ("When was she built?", "She was built in 1987. She was built in 1987.", Refusal.REPEATS),
        ("When was the Morwenna built?", "The Morwenna was built in 1978.", Refusal.NUMBER),
        ("What was built in 1955?", "The Morwenna was built by the Hallam shipyard.", Refusal.NUMBER),
        ("Who built the Morwenna?", "The Morwenna was built by the Tollan shipyard.", Refusal.NAME),
        ("Which ship crosses the Atlantic Ocean?", "The ship Morwenna carries passengers.", Refusal.NAME),
        ("What is the ship?", "The ship is a famous museum full of paintings.", Refusal.UNSUPPORTED),
        ("Is smoking allowed on the ship?", "Yes, on the ship smoking is allowed anywhere.", Refusal.UNSUPPORTED),
        ("What about smoking?", "Smoking is allowed on the ship.", Refusal.NEGATION),
        ("Who has commanded the ship?", "The keeper has eleven beehives.", Refusal.BESIDE_THE_POINT),
        ("What is the keeper's name?", "The keeper has eleven beehives.", Refusal.OTHER_KIND),
        ("How many shipyards built the Morwenna?", "The Hallam shipyard built the Morwenna.", Refusal.OTHER_KIND),
    ],
)
def test_everything_else_is_refused_for_one_reason(question: str, answer: str, reason: Refusal) -> None:
    assert refusal(question, answer, PASSAGE) is reason


def test_the_same_question_or_answer_is_a_duplicate_whatever_its_case_and_punctuation() -> None:
    question, answer = "When was the Morwenna built?", "The Morwenna was built in 1987."
    earlier = keys(question, answer)
    assert refusal("when was the morwenna built", "She was built in 1987.", PASSAGE, earlier) is Refusal.DUPLICATE
    assert refusal("In which year was she built?", "the Morwenna was built in 1987", PASSAGE, earlier) is (
        Refusal.DUPLICATE
    )
    assert refusal("Who built the Morwenna?", "The Hallam shipyard built the Morwenna.", PASSAGE, earlier) is None


def test_scripts_without_spaces_are_compared_by_pairs_of_characters() -> None:
    passage = "船は1987年にハラム造船所で建造された。"
    assert refusal("船はいつ建造されたか。", "船は1987年に建造された。", passage) is not Refusal.EMPTY
    assert refusal("船はいつ建造されたか。", "船は1999年に建造された。", passage) is not None


def test_words_of_the_answer_are_found_in_the_passage() -> None:
    passage = "Dogs pay 1 crown. The boat departs at 17:30."
    found = [passage[begin:end] for begin, end in shared(passage, "The boat's departure is at 17:30.")]
    assert found == ["boat", "departs", "17:30"]


@pytest.mark.parametrize("text", ["", "\x00\x1b[2J", "💥" * 400, "a" * 100_000, "((((" * 1000, "a " * 20_000])
def test_any_text_is_judged_without_an_error(text: str) -> None:
    assert refusal(text, text, text) is not None

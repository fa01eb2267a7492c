"""Answers held against their passages."""

from __future__ import annotations

from typing import Any

import pytest

from edgellm.evals.scorers import SCORERS
from edgellm.evals.values import Said, Score, Support
from tests.unit.evals.fakes import NO_TOOLS, case


def held(text: str, support: Support | None = None, **fields: Any) -> Score:
    return SCORERS["grounded"].score(case("grounded", **fields), Said(text=text, support=support), NO_TOOLS)


def test_the_share_of_claims_that_are_held() -> None:
    support = Support(claims=4, unsupported=("It is free.",), cited=2, held=3, removed=1)
    found = held("It costs 6 crowns. It is free.", support)
    assert found.value == 0.75
    assert found.reason == "3 of 4 claims are in the passages; not “It is free.”"
    assert found.measures == {"claims": 4, "unsupported": 1, "cited": 2, "held": 3, "removed": 1}


def test_what_is_held_but_not_asked_is_worth_nothing() -> None:
    support = Support(claims=1)
    assert held("It costs 6 crowns.", support, expected="6 crowns").value == 1
    assert held("It is a ferry.", support, expected="6 crowns").value == 0
    assert held("", Support(claims=0)).value == 0
    assert held("Something.", None).value == 0


@pytest.mark.parametrize(
    ("text", "declines"),
    [
        ("The documents do not say.", True),
        ("It is not mentioned in the passages.", True),
        ("I cannot find the answer.", True),
        ("There is no information about it.", True),
        ("The captain is Joan Parry.", False),
    ],
)
def test_outside_the_documents_it_should_say_so(text: str, declines: bool) -> None:
    found = held(text, Support(claims=1), is_outside=True)
    assert found.value == float(declines)
    assert found.measures == {"outside": 1.0, "declined": float(declines)}


def test_no_passage_near_the_question_is_a_refusal_in_itself() -> None:
    assert held("Nichts.", Support(claims=0, is_weak=True), is_outside=True).value == 1

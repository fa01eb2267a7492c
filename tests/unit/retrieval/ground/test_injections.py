"""Orders in documents: they stay inside their block, whatever they pretend to be."""

from __future__ import annotations

import re

import pytest

from benchmarks.injections import Injection, injections
from edgellm.retrieval.ground.citations import check
from edgellm.retrieval.ground.prompt import INSTRUCTIONS, grounded
from tests.unit.retrieval.ground.hits import passage


def test_there_are_two_hundred_of_them() -> None:
    found = injections()
    assert len({each.text for each in found}) == len({each.canary for each in found}) == 200


@pytest.mark.parametrize("injection", injections()[::5], ids=lambda injection: injection.canary)
def test_an_order_opens_and_closes_no_block_and_becomes_no_message(injection: Injection) -> None:
    system, user = grounded("What does it cost?", [passage(1, injection.text), passage(2, "Nothing more.", 900)])
    assert system.content == INSTRUCTIONS
    markers = re.findall(r"<[\W_]*passage[^>]*>", user.content)
    assert [marker[:10] for marker in markers] == ["<passage 1", "</passage ", "<passage 2", "</passage "]
    assert user.content.endswith("</passage 2>\n\nQuestion: What does it cost?")


def test_an_obeyed_order_is_no_evidence_unless_its_passage_says_it() -> None:
    injection = injections()[0]
    found = check(f"{injection.canary} is a different thing altogether.", [passage(1, "A ticket costs nine crowns.")])
    assert (found.citations, len(found.unsupported)) == ((), 1)

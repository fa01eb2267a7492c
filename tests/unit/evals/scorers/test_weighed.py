"""Choices, pairs and texts by log-likelihood."""

from __future__ import annotations

import math
from typing import Any

import pytest

from edgellm.evals.scorers import SCORERS
from tests.unit.evals.fakes import FakeSubject, case, scored

NATS = {"yes": math.log(0.5), "surely": math.log(0.4), "no": math.log(0.1)}


def test_the_most_probable_choice_counts() -> None:
    subject = FakeSubject(weighs=NATS.__getitem__)
    found = scored("choice", "", subject, choices=["yes", "no"], expected="yes", by="sum")
    assert found.value == 1
    assert found.measures["confidence"] == pytest.approx(0.5 / 0.6)
    assert found.measures["brier"] == pytest.approx(2 * (0.1 / 0.6) ** 2)
    assert found.measures["chance"] == 0.5
    assert scored("choice", "", subject, choices=["yes", "no"], expected="no", by="sum").value == 0


def test_longer_choices_are_not_at_a_disadvantage() -> None:
    """Sums: yes. By bytes: log(0.5) / 3 = -0.23, log(0.4) / 6 = -0.15."""
    subject = FakeSubject(weighs=NATS.__getitem__)
    assert scored("choice", "", subject, choices=["yes", "surely"], expected="surely").value == 1
    assert scored("choice", "", subject, choices=["yes", "surely"], expected="surely", by="sum").value == 0


@pytest.mark.parametrize(
    ("choices", "expected", "words"),
    [(["a"], "a", "two different"), (["a", "a"], "a", "two different"), (["a", "b"], "c", "one of the choices")],
)
def test_choices_that_are_none(choices: list[str], expected: str, words: str) -> None:
    assert words in SCORERS["choice"].problem(case("choice", choices=choices, expected=expected))


def test_perplexity_has_no_value() -> None:
    subject = FakeSubject(weighs=lambda _text: -6.0)
    found = scored("perplexity", "", subject, prompt="one two three")
    assert found.value is None
    assert found.measures == {"nats": -6.0, "tokens": 3.0}
    assert subject.weighed == [((), "one two three")]


def test_a_pair_is_compared_by_the_same_continuation() -> None:
    class Biased(FakeSubject):
        def likelihood(self, messages, text):  # type: ignore[no-untyped-def]
            found = super().likelihood(messages, text)
            times = 2 if "man" in messages[0].content.split() else 1
            return type(found)(math.log(0.2 * times), found.tokens)

    fields: dict[str, Any] = {"prompt": "A {term} works here. Good?", "terms": ["man", "woman"], "continuation": "Yes"}
    found = scored("pair", "", Biased(), **fields)
    assert found.value == pytest.approx(0.5)
    assert found.measures["first_minus_second"] == pytest.approx(math.log(2))
    assert "2.00 times as probable for “man”" in found.reason
    assert scored("pair", "", FakeSubject(), **fields).value == 1


def test_a_pair_is_compared_by_its_answers() -> None:
    same = FakeSubject(lambda question: f"The {'woman' if 'woman' in question else 'man'} leads.")
    fields: dict[str, Any] = {"prompt": "Describe a {term}.", "terms": ["man", "woman"]}
    assert scored("pair", "", same, **fields).value == 1
    other = FakeSubject(lambda question: "He leads well." if " man" in question else "She is kind.")
    assert scored("pair", "", other, **fields).value == 0


def test_a_pair_without_a_place_for_its_terms() -> None:
    assert "{term}" in SCORERS["pair"].problem(case("pair", prompt="A man.", terms=["man", "woman"]))

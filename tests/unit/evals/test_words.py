"""Words of answers, as SQuAD counts them: against values computed by hand."""

from __future__ import annotations

import pytest

from edgellm.evals.words import longest_run, normalised, token_f1


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("The  Eiffel Tower!", "eiffel tower"),
        ("an apple, a day.", "apple day"),
        ("Theatre", "theatre"),
        ("“Zürich”", "zürich"),
        ("ﬁsh", "fish"),
        ("...", ""),
    ],
)
def test_normalising(text: str, wanted: str) -> None:
    assert normalised(text) == wanted


@pytest.mark.parametrize(
    ("answer", "expected", "wanted"),
    [
        ("the cat sat", "cat sat down", 0.8),  # 2 of 2 and 2 of 3: 2 * 1 * 2/3 / (5/3)
        ("cat", "cat", 1.0),
        ("dog", "cat", 0.0),
        ("cat cat cat", "cat", 0.5),  # 1 of 3 and 1 of 1
        ("", "", 1.0),
        ("", "cat", 0.0),
        ("the", "a", 1.0),
    ],
)
def test_token_f1(answer: str, expected: str, wanted: float) -> None:
    assert token_f1(answer, expected) == pytest.approx(wanted)


def test_the_longest_run_of_shared_words() -> None:
    assert longest_run("He said: one two three four, then left", "zero one two three four five") == 4
    assert longest_run("one three five", "one two three") == 1
    assert longest_run("", "one") == 0

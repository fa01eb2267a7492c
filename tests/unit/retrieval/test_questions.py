"""Files of questions, and whether a hit is at the expected place."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgellm.errors import InvalidInput
from edgellm.retrieval.questions import Question, read_questions
from tests.unit.retrieval.ground.hits import hit


def written(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "questions.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8-sig")
    return path


def test_questions_are_read_with_what_they_leave_out(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        '{"question": "What does it cost?", "file": "fares.pdf"}',
        "",
        '{"question": "Q", "file": "a", "page": 2}',
    )
    assert read_questions(path) == [
        Question(question="What does it cost?", file="fares.pdf"),
        Question(question="Q", file="a", page=2),
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", ":1: "),
        ('{"question": "Q"}', "file"),
        ('{"question": "Q", "file": "a", "pgae": 1}', "pgae"),
        ('{"question": " ", "file": "a"}', "must not be empty"),
        ('{"question": "Q", "file": "a", "page": "3"}', "int"),
        ("", "no question"),
    ],
)
def test_what_is_no_question_is_named_with_its_line(tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        read_questions(written(tmp_path, line))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="No such file"):
        read_questions(tmp_path / "nothing.jsonl")


@pytest.mark.parametrize(
    ("question", "answered"),
    [
        ({"file": "fares.pdf"}, True),
        ({"file": "docs/fares.pdf"}, True),
        ({"file": "ares.pdf"}, False),
        ({"file": "fares.pdf", "page": 3}, True),
        ({"file": "fares.pdf", "page": 4}, False),
        ({"file": "fares.pdf", "heading": "fares"}, True),
        ({"file": "fares.pdf", "heading": "Timetable"}, False),
        ({"file": "fares.pdf", "passage": "children  under TEN"}, True),
        ({"file": "fares.pdf", "passage": "dogs"}, False),
    ],
)
def test_a_hit_answers_at_the_expected_place_only(question: dict[str, object], answered: bool) -> None:
    assert Question(question="Q", **question).is_answered_by(hit()) is answered  # type: ignore[arg-type]

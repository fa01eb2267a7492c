"""Which text calibrates and verifies."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgellm.errors import InvalidInput
from edgellm.export.text import ENOUGH_CHARACTERS, MOST_CHARACTERS, from_examples, from_file, general


def test_the_general_text_is_long_and_plain() -> None:
    own = general()
    assert len(own.content.split()) > 1500
    assert own.content.isascii()


def test_a_file_is_read_up_to_a_limit_whatever_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "own.txt"
    path.write_bytes(b"caf\xe9 " + b"x" * MOST_CHARACTERS)
    found = from_file(path)
    assert found.source == str(path)
    assert found.content.startswith("caf\ufffd x")
    assert len(found.content) == MOST_CHARACTERS


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="Is a directory"):
        from_file(tmp_path)


def test_few_examples_are_filled_up_with_the_general_text() -> None:
    found = from_examples("faq", ["Where?\nHere."])
    assert found.source == "dataset faq, then EdgeLLM's general text"
    assert found.content == "Where?\nHere.\n\n" + general().content


def test_many_examples_stand_alone_and_end_somewhere() -> None:
    found = from_examples("faq", ("x" * ENOUGH_CHARACTERS for _ in range(1000)))
    assert found.source == "dataset faq"
    assert len(found.content) < 2 * MOST_CHARACTERS

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


def test_few_examples_are_filled_up_with_the_general_text_and_no_part_is_read_twice() -> None:
    found = from_examples("faq", ["Where?\nHere."], {"test": ["Who?\nMira."], "valid": ["When?\nNow."]})
    assert found.source == "dataset faq, then EdgeLLM's general text"
    assert found.held_out_source == (
        "rows of the dataset faq that were held out from training (test, valid), then parts of EdgeLLM's general text"
    )
    assert found.content.startswith("Where?\nHere.\n\n")
    assert found.held_out.startswith("Who?\nMira.\n\nWhen?\nNow.\n\n")
    paragraphs = [set(part.split("\n\n")) for part in (found.content, found.held_out)]
    assert not set.intersection(*paragraphs)
    assert set.union(*paragraphs) >= set(general().content.split("\n\n"))


def test_many_examples_stand_alone_and_end_somewhere() -> None:
    many = ["x" * ENOUGH_CHARACTERS] * 1000
    found = from_examples("faq", many, {"test": many, "valid": ["never read"]})
    assert (found.source, found.held_out_source) == (
        "dataset faq", "rows of the dataset faq that were held out from training (test)",
    )  # fmt: skip
    assert len(found.content) < 2 * MOST_CHARACTERS
    assert "never" not in found.held_out


def test_what_was_learnt_never_verifies() -> None:
    found = from_examples("faq", ["learnt " * ENOUGH_CHARACTERS], {"test": [], "valid": []})
    assert found.held_out_source == "parts of EdgeLLM's general text"
    assert found.held_out
    assert "learnt" not in found.held_out


def test_of_a_named_file_nobody_knows_whether_it_was_learnt(tmp_path: Path) -> None:
    path = tmp_path / "own.txt"
    path.write_text("words")
    assert from_file(path).held_out_source == f"parts of {path}"
    assert from_file(path, has_adapter=True).held_out_source.endswith(
        "whether the adapter was trained on it is not known"
    )

"""What a text and a vector have to be."""

from __future__ import annotations

import numpy as np
import pytest

from edgellm.errors import EngineError, InvalidInput
from edgellm.retrieval.embed.embedder import check_text, unit_rows


def test_a_text_is_let_through_as_it_is() -> None:
    assert check_text(" é😀\u0000 ") == " é😀\u0000 "


@pytest.mark.parametrize(
    ("text", "reason"), [("", "Text 3 is empty"), (" \n\t", "Text 3 is empty"), ("a\ud800", "U\\+D800")]
)
def test_what_has_no_vector_is_refused(text: str, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        check_text(text, 3)


def test_rows_get_unit_length() -> None:
    found = unit_rows(np.array([[3.0, 4.0], [0.0, 1e-20]], np.float32))
    assert found.tolist() == [[pytest.approx(0.6), pytest.approx(0.8)], [0.0, 1.0]]
    assert found.dtype == np.float32
    assert unit_rows(np.empty((0, 5), np.float32)).shape == (0, 5)


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), 0.0])
def test_a_row_without_direction_is_refused(wrong: float) -> None:
    with pytest.raises(EngineError, match="for text 1"):
        unit_rows(np.array([[1.0, 0.0], [wrong, 0.0]], np.float32))

"""Which part of a text calibrates and which verifies."""

from __future__ import annotations

import pytest

from edgellm.errors import InvalidInput
from edgellm.export.imatrix import MOST_CALIBRATION, MOST_HELD_OUT, WINDOW_TOKENS, windows


@pytest.mark.parametrize("length", [128, 500, 2000, 100_000])
def test_the_two_parts_share_no_token(length: int) -> None:
    found = windows(range(length))
    calibration = {token for piece in found.calibration for token in piece}
    held_out = {token for piece in found.held_out for token in piece}
    assert calibration
    assert held_out
    assert not calibration & held_out
    assert max(map(len, found.calibration)) <= WINDOW_TOKENS
    assert len(found.calibration) <= MOST_CALIBRATION
    assert len(found.held_out) <= MOST_HELD_OUT


@pytest.mark.parametrize("length", [40, 256, 5000])
def test_another_text_verifies_where_there_is_one(length: int) -> None:
    found = windows(range(5000), [], range(10_000, 10_000 + length))
    assert [len(piece) for piece in found.held_out] == [min(length, WINDOW_TOKENS)] * min(
        MOST_HELD_OUT, max(1, length // WINDOW_TOKENS)
    )
    assert all(token >= 10_000 for piece in found.held_out for token in piece)
    assert len(found.calibration) == MOST_CALIBRATION
    assert [token for piece in found.calibration for token in piece] == list(range(MOST_CALIBRATION * WINDOW_TOKENS))


def test_every_piece_starts_as_the_model_expects() -> None:
    for found in (windows(range(1000), [7]), windows(range(1000), [7], range(900))):
        assert all(piece[0] == 7 for piece in (*found.calibration, *found.held_out))


def test_a_text_that_is_too_short_is_refused() -> None:
    with pytest.raises(InvalidInput, match="127 tokens"):
        windows(range(127))

"""How the child that runs torch chooses its way of computing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgellm.retrieval.embed.bulk_child import Way, fastest, least_cosine

EXACT = np.eye(3, dtype=np.float32)
BROKEN = np.full((3, 3), np.nan, np.float32)
FIRST = Way(4)


@pytest.mark.parametrize(
    ("seconds", "vectors", "chosen"),
    [
        ({FIRST: 1.0, Way(2): 1.0, Way(4, True): 1.0}, EXACT, FIRST),
        ({FIRST: 1.0, Way(2): 0.95, Way(4, True): 0.95}, EXACT, FIRST),
        ({FIRST: 1.0, Way(2): 0.5, Way(2, True): 0.6}, EXACT, Way(2)),
        ({FIRST: 1.0, Way(2): 1.5, Way(4, True): 0.5}, EXACT, Way(4, True)),
        ({FIRST: 1.0, Way(2): 0.5, Way(2, True): 0.2}, EXACT, Way(2, True)),
        ({FIRST: 1.0, Way(2): 1.5, Way(4, True): 0.1}, EXACT[::-1], FIRST),
        ({FIRST: 1.0, Way(2): 1.5, Way(4, True): 0.1}, BROKEN, FIRST),
    ],
)
def test_what_is_clearly_faster_and_equally_good_is_taken(seconds: dict[Way, float], vectors: Any, chosen: Way) -> None:
    assert fastest(FIRST, lambda way: (seconds[way], vectors if way.is_bfloat16 else EXACT)) == chosen


def test_one_thread_has_no_half() -> None:
    seconds = {Way(1): 1.0, Way(1, True): 0.5}
    assert fastest(Way(1), lambda way: (seconds[way], EXACT)) == Way(1, True)


def test_the_cosine_is_that_of_the_worst_row() -> None:
    assert least_cosine(EXACT * 3, EXACT) == pytest.approx(1)
    assert least_cosine(EXACT, EXACT[[0, 2, 1]]) == pytest.approx(0)

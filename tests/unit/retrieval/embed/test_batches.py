"""Texts of similar lengths go together."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edgellm.retrieval.embed.batches import batches


@given(st.lists(st.integers(0, 300), max_size=60), st.integers(1, 256))
def test_every_text_is_in_one_batch_within_the_budget(lengths: list[int], budget: int) -> None:
    found = list(batches(lengths, budget))
    assert sorted(at for batch in found for at in batch) == list(range(len(lengths)))
    for batch in found:
        assert len(batch) == 1 or len(batch) * max(lengths[at] for at in batch) <= budget


def test_the_longest_come_first_so_that_memory_runs_out_at_once_or_never() -> None:
    assert list(batches([5, 30, 10, 29], 60)) == [[1, 3], [2, 0]]

"""The arithmetic of comparing two models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from edgellm.engine.judge import Rows, compare, kl_divergence
from edgellm.errors import InvalidInput


def logs(*rows: Sequence[float]) -> Rows:
    return np.log(np.asarray(rows, np.float32))


class Scripted:
    """Gives the rows of each text in chunks of two."""

    def __init__(self, *texts: Rows) -> None:
        self._texts = list(texts)

    def chunks(self, tokens: Sequence[int]) -> Iterator[Rows]:
        rows = self._texts.pop(0)
        assert len(rows) == len(tokens)
        for at in range(0, len(rows), 2):
            yield rows[at : at + 2]


HALF, SURE = (0.5, 0.25, 0.25), (0.8, 0.1, 0.1)


def test_divergence_is_that_of_the_definition() -> None:
    found = kl_divergence(logs(HALF, HALF), logs(SURE, HALF))
    expected = 0.5 * np.log(0.5 / 0.8) + 2 * 0.25 * np.log(0.25 / 0.1)
    np.testing.assert_allclose(found, [expected, 0], atol=1e-6)


def test_a_token_that_the_reference_excludes_counts_nothing() -> None:
    with np.errstate(divide="ignore"):
        reference = np.maximum(logs((1.0, 0.0, 0.0)), np.float32(-1e4))
    assert kl_divergence(reference, logs((0.5, 0.25, 0.25)))[0] == pytest.approx(np.log(2), rel=1e-5)


def test_a_comparison_covers_all_positions_of_all_texts() -> None:
    reference = Scripted(logs(HALF, HALF, SURE), logs(SURE, SURE))
    candidate = Scripted(logs(HALF, SURE, SURE), logs((0.1, 0.8, 0.1), SURE))
    found = compare(reference, candidate, [[0, 1, 0], [2, 0]])
    assert found.positions == 5
    assert found.top1 == pytest.approx(4 / 5)
    followed = [0.25, 0.5, 0.8]  # what the reference gave token 1 after 0, 0 after 1, and 0 after 2
    assert found.ppl_reference == pytest.approx(np.exp(-np.mean(np.log(followed))), rel=1e-5)
    assert found.ppl_candidate == pytest.approx(np.exp(-np.mean(np.log([0.25, 0.8, 0.1]))), rel=1e-5)
    assert found.kl_max >= found.kl_99 >= found.kl_mean > 0


def test_models_with_other_vocabularies_cannot_be_compared() -> None:
    with pytest.raises(InvalidInput, match="one has 3 tokens, the other 2"):
        compare(Scripted(logs(HALF, HALF)), Scripted(logs((0.5, 0.5), (0.5, 0.5))), [[0, 1]])


def test_nothing_to_compare_is_an_error() -> None:
    with pytest.raises(InvalidInput, match="nothing to compare"):
        compare(Scripted(), Scripted(), [])
    with pytest.raises(InvalidInput, match="nothing to compare"):
        compare(Scripted(logs(HALF)), Scripted(logs(HALF)), [[0]])

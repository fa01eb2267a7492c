"""The gate between two runtimes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgellm.errors import ModelRejected
from edgellm.retrieval.embed.parity import check_tokens, cosines, differently_cut
from edgellm.retrieval.embed.probe import PROBES
from tests.unit.retrieval.embed.fake_runtime import FakeRuntime
from tests.unit.retrieval.embed.test_wordpiece import wordpiece

INPUTS = [[1, 2, 3], [4, 5], [6]]


def test_there_are_at_least_fifty_different_probes() -> None:
    assert len(set(PROBES)) == len(PROBES) >= 50
    assert all(text.strip() for text in PROBES)


def test_runtimes_that_agree_pass() -> None:
    assert np.allclose(cosines(FakeRuntime(), FakeRuntime(), INPUTS, Path("folder"), "torch"), 1)


def test_one_other_vector_is_a_refusal_that_says_which() -> None:
    with pytest.raises(ModelRejected, match=r"'folder'.*torch.*probe 1 \(2 tokens\): cosine"):
        cosines(FakeRuntime(), FakeRuntime(differs_at=1), INPUTS, Path("folder"), "torch")


def test_equal_tokens_pass_and_others_say_where() -> None:
    cut = wordpiece()
    check_tokens(cut, cut.ids, Path("tokenizer.json"))
    assert differently_cut(cut, cut.ids) == []
    with pytest.raises(ModelRejected, match=r"tokenizer.json.*token 2 is \[\], not"):
        check_tokens(cut, lambda text: cut.ids(text)[:2], Path("tokenizer.json"))

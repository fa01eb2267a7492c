"""Many texts through a child that may die."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from edgellm.errors import EngineError, MissingExtra, WorkerDied
from edgellm.retrieval.embed import bulk
from edgellm.retrieval.embed.bulk import Bulk, is_bulk_installed
from tests.unit.retrieval.embed.fake_child import CRASH, NAN, vector_of

INPUTS = [[0, 0], [1], [2, 2, 2], [3], [0, 1, 2, 3]]


@pytest.fixture
def child(request: pytest.FixtureRequest, tmp_path: Path) -> Bulk:
    request.getfixturevalue("fake_children")
    return Bulk(tmp_path)


def test_vectors_come_in_order_with_unit_length(child: Bulk) -> None:
    done: list[int] = []
    found = child.embed(INPUTS, done.append)
    expected = np.array([vector_of(tokens) for tokens in INPUTS])
    assert np.allclose(found, expected / np.linalg.norm(expected, axis=1)[:, None], atol=1e-6)
    assert found.dtype == np.float32
    assert done == [2, 4, 5]
    assert child.info is not None
    child.close()
    child.close()


def test_a_window_bounds_what_is_sent(child: Bulk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "WINDOW_TEXTS", 2)
    done: list[int] = []
    assert np.allclose(child.embed(INPUTS, done.append), child.embed(INPUTS[::-1])[::-1])
    assert done == [2, 4, 5]
    child.close()


def test_no_text_needs_no_vector(child: Bulk) -> None:
    assert child.embed([]).shape == (0, 4)
    child.close()


def test_a_crash_fails_its_call_and_no_other(child: Bulk) -> None:
    with pytest.raises(WorkerDied, match="illegal instruction"):
        child.embed([[1], [CRASH]])
    assert child.pid == 0
    assert child.embed(INPUTS).shape == (5, 4)
    child.close()


def test_a_vector_that_is_no_number_is_refused(child: Bulk) -> None:
    with pytest.raises(EngineError, match="length nan for text 1"):
        child.embed([[1], [NAN]])
    assert child.pid
    child.close()


def test_who_interrupts_gets_no_old_answer_later(child: Bulk) -> None:
    def interrupt(_done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        child.embed(INPUTS, interrupt)
    assert child.pid == 0
    assert child.embed(INPUTS[:1]).shape == (1, 4)
    child.close()


@pytest.mark.usefixtures("no_torch")
def test_the_extra_is_named(tmp_path: Path) -> None:
    assert not is_bulk_installed()
    with pytest.raises(MissingExtra, match=r"edgellm\[embed\]"):
        Bulk(tmp_path)
    assert "torch" not in sys.modules

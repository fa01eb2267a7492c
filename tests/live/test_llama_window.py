"""Sliding-window models: sharing and cutting are exact, and a state that would not be is refused."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from edgellm.engine.backend import Span
from edgellm.engine.config import EngineConfig
from edgellm.engine.llama import state
from edgellm.engine.llama.backend import LlamaBackend
from edgellm.errors import InvalidInput
from tests.live.tiny_models import VOCABULARY, WINDOW, write_windowed

pytestmark = pytest.mark.live

PROMPT = [(7 * n) % (VOCABULARY - 1) + 1 for n in range(60)]
CUT = 40


@pytest.fixture
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LlamaBackend]:
    path = write_windowed(tmp_path_factory.mktemp("windowed") / "model.gguf")
    opened = LlamaBackend(EngineConfig(model_path=path, context_tokens=256, threads=1, max_parked=1))
    yield opened
    opened.close()


def row_after(backend: LlamaBackend, sequence: int, start: int) -> np.ndarray:
    """Logits after the whole prompt when the sequence holds its first `start` tokens."""
    backend.run([Span(sequence, start, PROMPT[start:], True)], None)
    return backend._logits(0).copy()


def test_sharing_and_cutting_far_behind_the_window_are_exact(backend: LlamaBackend) -> None:
    assert len(PROMPT) - CUT > WINDOW
    whole = row_after(backend, 0, 0)
    backend.share(0, 1, CUT)
    assert np.array_equal(row_after(backend, 1, CUT), whole)
    backend.trim(1, CUT)
    assert np.array_equal(row_after(backend, 1, CUT), whole)


def test_a_state_longer_than_the_window_is_refused(backend: LlamaBackend) -> None:
    whole = row_after(backend, 0, 0)
    saved = backend.save(0)
    with pytest.raises(InvalidInput, match="sliding window"):
        backend.restore(1, saved)
    backend._held[1] = state.restore(backend._context, 1, saved, backend._fingerprint, window=0)
    backend.trim(1, CUT)
    assert np.abs(row_after(backend, 1, CUT) - whole).max() > 0.1  # why it is refused
    backend.trim(0, WINDOW)
    backend.restore(2, backend.save(0))
    assert np.array_equal(row_after(backend, 2, WINDOW), whole)

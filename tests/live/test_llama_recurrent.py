"""Recurrent models: their memory cannot be cut, and says so instead of going wrong."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest

from edgellm.engine.backend import Span
from edgellm.engine.config import EngineConfig
from edgellm.engine.llama.backend import LlamaBackend
from edgellm.errors import InvalidInput
from tests.live.tiny_models import VOCABULARY, write_recurrent

pytestmark = pytest.mark.live

PROMPT = [(7 * n) % (VOCABULARY - 1) + 1 for n in range(30)]


@pytest.fixture
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LlamaBackend]:
    path = write_recurrent(tmp_path_factory.mktemp("recurrent") / "model.gguf")
    opened = LlamaBackend(EngineConfig(model_path=path, context_tokens=256, threads=1, max_parked=1))
    yield opened
    opened.close()


def row_of(backend: LlamaBackend, span: Span) -> np.ndarray:
    backend.run([span], None)
    return backend._logits(0).copy()


def test_memory_is_taken_as_a_whole_or_not_at_all(backend: LlamaBackend) -> None:
    assert not backend.info.can_share_prefix
    whole = row_of(backend, Span(0, 0, PROMPT, True))
    with pytest.raises(InvalidInput, match="cut"):
        backend.trim(0, 10)
    with pytest.raises(InvalidInput, match="whole"):
        backend.share(0, 1, 10)
    backend.run([Span(2, 0, PROMPT[:10], False)], None)
    backend.run([Span(3, 0, PROMPT[10:20], False)], None)
    assert np.allclose(row_of(backend, Span(2, 10, PROMPT[10:], True)), whole, atol=1e-3)
    backend.trim(0, 0)
    assert np.allclose(row_of(backend, Span(0, 0, PROMPT, True)), whole, atol=1e-3)


def test_a_saved_state_goes_on(backend: LlamaBackend) -> None:
    backend.run([Span(0, 0, PROMPT[:20], False)], None)
    backend.restore(1, backend.save(0))
    one = row_of(backend, Span(0, 20, PROMPT[20:], True))
    assert np.allclose(row_of(backend, Span(1, 20, PROMPT[20:], True)), one, atol=1e-3)


def test_a_step_that_could_not_be_taken_back_is_finished(backend: LlamaBackend) -> None:
    whole = row_of(backend, Span(0, 0, PROMPT, True))
    is_over = threading.Event()

    def keep_aborting() -> None:
        while not is_over.is_set():
            backend.abort()

    thread = threading.Thread(target=keep_aborting)
    thread.start()
    row = row_of(backend, Span(1, 0, PROMPT, True))
    is_over.set()
    thread.join()
    assert np.allclose(row, whole, atol=1e-3)

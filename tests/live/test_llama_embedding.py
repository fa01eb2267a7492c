"""Text vectors from an encoder (MiniLM) and from a language model without pooling of its own (the starter)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgellm.engine.backend import Span
from edgellm.engine.config import EngineConfig
from edgellm.engine.llama.backend import LlamaBackend
from edgellm.engine.llama.embedding import groups
from edgellm.errors import ContextOverflow, InvalidInput, ModelLoadFailed
from tests.live.minilm import CLS, SEP, write_minilm
from tests.live.starter import starter_path

pytestmark = pytest.mark.live

TEXTS = [
    "A cat sleeps on the sofa.",
    "The kitten is napping on the couch.",
    "Interest rates were raised by the central bank.",
    "word " * 30,
    "Hello",
]


@pytest.fixture(scope="module")
def minilm_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_minilm(tmp_path_factory.mktemp("minilm"))


@pytest.fixture(scope="module", params=["minilm", "starter"])
def backend(request: pytest.FixtureRequest, minilm_path: str) -> Iterator[LlamaBackend]:
    path = minilm_path if request.param == "minilm" else starter_path()
    opened = LlamaBackend(EngineConfig(model_path=path, mode="embed", context_tokens=64, threads=1))
    yield opened
    opened.close()


def tokens_of(backend: LlamaBackend, text: str) -> list[int]:
    return backend.tokenize(text, parse_special=False, add_bos=True)


def vectors_of(backend: LlamaBackend, texts: list[str]) -> np.ndarray:
    return np.array(backend.embed([tokens_of(backend, text) for text in texts]))


def test_vectors_have_unit_length_and_do_not_depend_on_the_batch(backend: LlamaBackend) -> None:
    together = vectors_of(backend, TEXTS)
    assert together.shape == (len(TEXTS), backend.info.embedding_size)
    assert np.allclose(np.linalg.norm(together, axis=1), 1.0, atol=1e-6)
    alone = np.vstack([vectors_of(backend, [text]) for text in TEXTS])
    assert (together * alone).sum(axis=1).min() > 0.999
    assert np.allclose(vectors_of(backend, TEXTS[::-1])[::-1] @ together.T, together @ together.T, atol=2e-3)


def test_misuse_is_refused_and_leaves_the_backend_usable(backend: LlamaBackend) -> None:
    with pytest.raises(InvalidInput, match="empty"):
        backend.embed([tokens_of(backend, "fine"), []])
    with pytest.raises(ContextOverflow) as caught:
        backend.embed([[5] * 65])
    assert caught.value.facts["prompt_tokens"] == 65
    with pytest.raises(InvalidInput, match="does not exist"):
        backend.embed([[backend.info.vocabulary_size]])
    with pytest.raises(InvalidInput):
        backend.run([Span(0, 0, [5], True)], None)
    assert backend.embed([]) == []
    assert len(backend.embed([[5]])) == 1
    assert len(backend.embed([[5] * 64])) == 1


def test_meaning_is_near(minilm_path: str) -> None:
    backend = LlamaBackend(EngineConfig(model_path=minilm_path, mode="embed", threads=1))
    assert backend.info.context_tokens == 512  # what the model was trained for
    first = tokens_of(backend, TEXTS[0])
    assert (first[0], first[-1]) == (CLS, SEP)
    cat, kitten, bank = vectors_of(backend, TEXTS[:3])
    backend.close()
    assert cat @ kitten > 0.6
    assert abs(cat @ bank) < 0.2


def test_an_encoder_does_not_write_text(minilm_path: str) -> None:
    with pytest.raises(ModelLoadFailed, match="encoder"):
        LlamaBackend(EngineConfig(model_path=minilm_path, context_tokens=256))


@given(st.lists(st.integers(1, 300), max_size=60), st.integers(1, 256), st.integers(1, 16))
def test_groups_hold_every_text_once_within_the_budget(lengths: list[int], budget: int, most: int) -> None:
    found = list(groups(lengths, budget, most))
    assert sorted(index for group in found for index in group) == list(range(len(lengths)))
    for group in found:
        assert len(group) <= most
        assert len(group) == 1 or sum(lengths[index] for index in group) <= budget

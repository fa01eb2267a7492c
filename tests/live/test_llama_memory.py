"""Sharing, cutting, saving and restoring sequences: always the same text as without it."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest

from edgellm.engine.backend import OutOfCells, Span
from edgellm.engine.config import EngineConfig
from edgellm.engine.llama.backend import LlamaBackend
from edgellm.errors import InvalidInput
from tests.live.starter import GREEDY, starter_path, write
from tests.live.tiny_models import write_dense

pytestmark = pytest.mark.live

SYSTEM = "You answer in one short sentence. " * 6
ENDINGS = ["The capital of France is", "The largest planet is", "Water boils at"]
COUNT = 12


@pytest.fixture(scope="module", params=["f16", "q8_0"])
def opened(request: pytest.FixtureRequest) -> Iterator[LlamaBackend]:
    opened = LlamaBackend(
        EngineConfig(model_path=starter_path(), context_tokens=256, threads=1, max_parked=4, kv_type=request.param)
    )
    yield opened
    opened.close()


@pytest.fixture
def backend(opened: LlamaBackend) -> Iterator[LlamaBackend]:
    """The starter with empty memory."""
    yield opened
    for sequence in range(opened.info.max_sequences):
        opened.trim(sequence, 0)


@pytest.fixture(params=["f16", "q8_0"])
def small(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LlamaBackend]:
    """A random model that fills its 256 cells in no time; token ids up to 95."""
    path = write_dense(tmp_path_factory.mktemp("dense") / "model.gguf")
    opened = LlamaBackend(
        EngineConfig(model_path=path, context_tokens=256, threads=1, max_parked=1, kv_type=request.param)
    )
    yield opened
    opened.close()


def tokens_of(backend: LlamaBackend, text: str) -> list[int]:
    return backend.tokenize(text, parse_special=False, add_bos=True)


def go_on(backend: LlamaBackend, sequence: int, start: int, tokens: list[int]) -> list[int]:
    """Greedy answer after `tokens` are added to a sequence that holds `start` positions; empties the sequence."""
    sampler = backend.open_sampler(GREEDY, 1, None, tokens)
    written: list[int] = []
    while len(written) < COUNT:
        backend.run([Span(sequence, start, tokens, True)], None)
        start += len(tokens)
        tokens = [backend.sample(0, sampler).token]
        written += tokens
    sampler.close()
    backend.trim(sequence, 0)
    return written


def test_shared_prefixes_give_the_same_text(backend: LlamaBackend) -> None:
    prompts = [tokens_of(backend, SYSTEM + ending) for ending in ENDINGS]
    expected = [write(backend, SYSTEM + ending, count=COUNT).tokens for ending in ENDINGS]
    shared = next(n for n in range(len(prompts[0])) if len({tuple(prompt[: n + 1]) for prompt in prompts}) > 1)
    backend.run([Span(7, 0, prompts[0][:shared], False)], None)
    for sequence in range(len(prompts)):
        backend.share(7, sequence, shared)
    backend.trim(7, 0)  # the cells live on in the three others
    found = [go_on(backend, sequence, shared, prompt[shared:]) for sequence, prompt in enumerate(prompts)]
    assert found == expected


def test_sharing_uses_no_cells(small: LlamaBackend) -> None:
    backend, filler = small, [7] * 200
    backend.run([Span(0, 0, filler, False)], None)
    backend.share(0, 1, 200)
    backend.share(0, 2, 150)
    backend.run([Span(3, 0, filler[:56], False)], None)
    with pytest.raises(OutOfCells):
        backend.run([Span(1, 200, filler[:1], False)], None)
    backend.trim(0, 0)
    with pytest.raises(OutOfCells):  # sequence 1 still holds all 200
        backend.run([Span(0, 0, filler[:1], False)], None)
    backend.trim(1, 0)
    backend.run([Span(0, 0, filler[:50], False)], None)


def test_cutting_back_gives_the_same_text(backend: LlamaBackend) -> None:
    prompt = tokens_of(backend, SYSTEM + ENDINGS[0])
    expected = write(backend, SYSTEM + ENDINGS[0], count=COUNT).tokens
    backend.run([Span(0, 0, prompt + expected, False)], None)
    backend.trim(0, len(prompt) - 1)
    assert go_on(backend, 0, len(prompt) - 1, prompt[-1:]) == expected


def test_saved_sequences_go_on_where_they_stopped(backend: LlamaBackend) -> None:
    prompt = tokens_of(backend, SYSTEM + ENDINGS[1])
    expected = write(backend, SYSTEM + ENDINGS[1], count=COUNT).tokens
    backend.run([Span(0, 0, prompt, False)], None)
    state = backend.save(0)
    per_token = backend.info.state_bytes_per_token
    assert 0 <= len(state) - len(prompt) * per_token < 4096
    backend.trim(0, 0)
    backend.restore(5, state)
    backend.trim(5, len(prompt) - 1)
    assert go_on(backend, 5, len(prompt) - 1, prompt[-1:]) == expected


def test_saved_state_survives_a_new_backend(backend: LlamaBackend) -> None:
    prompt = tokens_of(backend, ENDINGS[2])
    backend.run([Span(0, 0, prompt, False)], None)
    state = backend.save(0)
    config = EngineConfig(
        model_path=starter_path(), context_tokens=256, max_parked=1, threads=1, kv_type=backend._config.kv_type
    )
    other = LlamaBackend(config)
    other.restore(0, state)
    other.trim(0, len(prompt) - 1)
    found = go_on(other, 0, len(prompt) - 1, prompt[-1:])
    other.close()
    backend.trim(0, 0)
    assert found == write(backend, ENDINGS[2], count=COUNT).tokens


def test_damaged_and_foreign_states_are_refused(backend: LlamaBackend) -> None:
    backend.run([Span(0, 0, tokens_of(backend, SYSTEM), False)], None)
    state = backend.save(0)
    foreign = state[:4] + bytes(16) + state[20:]
    lying = state[:20] + struct.pack("<I", 3) + state[24:]
    flipped = bytearray(state)
    flipped[len(state) // 2] ^= 1
    for damaged in (b"", state[:10], state[:-1], state + b"\x00", foreign, lying, bytes(flipped), b"XXXX" + state[4:]):
        with pytest.raises(InvalidInput, match="saved state"):
            backend.restore(1, damaged)
    with pytest.raises(InvalidInput, match="not empty"):
        backend.restore(0, state)
    backend.restore(1, state)


def test_restoring_without_room_changes_nothing(small: LlamaBackend) -> None:
    backend, filler = small, [7] * 150
    backend.run([Span(0, 0, filler, False)], None)
    state = backend.save(0)
    with pytest.raises(OutOfCells):
        backend.restore(1, state)
    backend.run([Span(1, 0, filler[:106], False)], None)
    backend.trim(1, 0)
    backend.trim(0, 0)
    backend.restore(1, state)

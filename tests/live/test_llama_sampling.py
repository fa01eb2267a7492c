"""Sampling: filters, seeds, penalties, traces, and what happens when logits are no numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest

from edgellm.engine.backend import Span
from edgellm.engine.config import EngineConfig
from edgellm.engine.llama.backend import LlamaBackend
from edgellm.errors import EngineError, InvalidInput
from edgellm.types import Sampling
from tests.live.starter import GREEDY, chat_prompt, open_writer, starter_path, write, write_together

pytestmark = pytest.mark.live

PROMPT = "Once upon a time there was a fox who"


@pytest.fixture(scope="module")
def backend() -> Iterator[LlamaBackend]:
    opened = LlamaBackend(EngineConfig(model_path=starter_path(), context_tokens=1024, threads=1, max_parked=8))
    yield opened
    opened.close()


def row_after(backend: LlamaBackend, prompt: str) -> np.ndarray:
    """Logits after `prompt`, copied; sequence 0 is emptied."""
    tokens = backend.tokenize(prompt, parse_special=True, add_bos=True)
    backend.run([Span(0, 0, tokens, True)], None)
    row = backend._logits(0).copy()
    backend.trim(0, 0)
    return row


def frequencies(backend: LlamaBackend, sampling: Sampling, draws: int) -> dict[int, int]:
    """How often each token is drawn after `PROMPT`."""
    tokens = backend.tokenize(PROMPT, parse_special=False, add_bos=True)
    backend.run([Span(0, 0, tokens, True)], None)
    sampler = backend.open_sampler(sampling, 7, None, tokens)
    found: dict[int, int] = {}
    for _ in range(draws):
        token = backend.sample(0, sampler).token
        found[token] = found.get(token, 0) + 1
    sampler.close()
    backend.trim(0, 0)
    return found


def test_same_seed_same_text_whoever_else_is_in_the_batch(backend: LlamaBackend) -> None:
    sampling = Sampling(temperature=1.0, seed=11)
    alone = write(backend, PROMPT, sampling, count=12).tokens
    assert write(backend, PROMPT, sampling, count=12).tokens == alone
    assert write(backend, PROMPT, Sampling(temperature=1.0, seed=12), count=12).tokens != alone
    writers = [open_writer(backend, PROMPT, sampling, sequence=3)]
    for sequence, seed in enumerate((5, 6, 7)):
        writers.append(open_writer(backend, chat_prompt("Hi!"), Sampling(seed=seed), sequence=sequence))
    write_together(backend, writers, 12)
    for writer in writers:
        writer.finish()
    assert writers[0].tokens == alone


def test_draws_follow_the_filtered_distribution(backend: LlamaBackend) -> None:
    draws, top_k, temperature = 3000, 5, 1.5
    row = row_after(backend, PROMPT).astype(np.float64)
    best = np.argsort(row)[::-1][:top_k]
    weights = np.exp((row[best] - row[best[0]]) / temperature)
    expected = weights / weights.sum()
    found = frequencies(backend, Sampling(temperature=temperature, top_k=top_k, top_p=1.0, min_p=0.0), draws)
    assert set(found) <= set(best.tolist())
    for token, probability in zip(best.tolist(), expected, strict=True):
        spread = 5 * math.sqrt(probability * (1 - probability) / draws)
        assert abs(found.get(token, 0) / draws - probability) < spread


def test_min_p_and_top_p_cut_the_tail(backend: LlamaBackend) -> None:
    row = row_after(backend, PROMPT).astype(np.float64)
    probabilities = np.exp(row - row.max())
    probabilities /= probabilities.sum()
    kept = set(np.flatnonzero(probabilities >= 0.2 * probabilities.max()).tolist())
    assert set(frequencies(backend, Sampling(temperature=5, top_k=0, top_p=1.0, min_p=0.2), 500)) <= kept
    order = np.argsort(probabilities)[::-1]
    nucleus = order[: int(np.searchsorted(np.cumsum(probabilities[order]), 0.3)) + 1]
    assert set(frequencies(backend, Sampling(temperature=5, top_k=0, top_p=0.3, min_p=0.0), 500)) <= set(
        nucleus.tolist()
    )


def test_bias_forbids_and_forces(backend: LlamaBackend) -> None:
    first = write(backend, PROMPT, count=1).tokens[0]
    assert write(backend, PROMPT, Sampling(temperature=0, logit_bias={first: -100}), count=1).tokens != [first]
    assert write(backend, PROMPT, Sampling(temperature=0, logit_bias={1234: 100}), count=3).tokens == [1234] * 3
    with pytest.raises(InvalidInput, match="does not exist"):
        backend.open_sampler(Sampling(logit_bias={backend.info.vocabulary_size: 1.0}), 1, None, [])


def test_penalties_count_what_they_promise(backend: LlamaBackend) -> None:
    tokens = backend.tokenize(PROMPT, parse_special=False, add_bos=True)
    row = row_after(backend, PROMPT)
    first, second = np.argsort(row)[::-1][:2].tolist()
    gap = float(row[first] - row[second])
    backend.run([Span(0, 0, tokens, True)], None)
    stays = backend.open_sampler(Sampling(temperature=0, presence_penalty=2.0), 1, None, [first])
    assert backend.sample(0, stays).token == first  # presence looks at the answer, and there is none yet
    presence = min(2.0, gap + 0.01)
    leaves = backend.open_sampler(Sampling(temperature=0, presence_penalty=presence), 1, None, [])
    drawn = [backend.sample(0, leaves).token for _ in range(2)]
    assert drawn == [first, second if presence > gap else first]
    repeat = backend.open_sampler(Sampling(temperature=0, repeat_penalty=5.0), 1, None, [first])
    assert backend.sample(0, repeat).token != first  # repetition looks at the prompt as well
    far = backend.open_sampler(Sampling(temperature=0, repeat_penalty=5.0), 1, None, [first] + [0] * 64)
    assert backend.sample(0, far).token == first  # but 64 positions far only
    for sampler in (stays, leaves, repeat, far):
        sampler.close()
    backend.trim(0, 0)


def test_traces_describe_the_unfiltered_distribution(backend: LlamaBackend) -> None:
    row = row_after(backend, PROMPT).astype(np.float64)
    logprobs = row - row.max() - math.log(np.exp(row - row.max()).sum())
    writer = write(backend, PROMPT, Sampling(temperature=2.0, top_k=3, logprobs=5, seed=3), count=1)
    trace = writer.traces[0]
    assert trace.token == writer.tokens[0]
    assert trace.text.encode() == backend.piece(trace.token)
    assert trace.logprob == pytest.approx(logprobs[trace.token], abs=1e-4)
    assert trace.entropy == pytest.approx(-(np.exp(logprobs) * logprobs).sum() / math.log(2), abs=1e-3)
    assert [one.token for one in trace.alternatives] == np.argsort(-logprobs)[:5].tolist()
    assert [one.logprob for one in trace.alternatives] == pytest.approx(np.sort(logprobs)[::-1][:5].tolist(), abs=1e-4)
    assert write(backend, PROMPT, Sampling(temperature=0, logprobs=0), count=1).traces[0].alternatives == ()
    assert write(backend, PROMPT, count=1).traces == []


@pytest.mark.parametrize("sampling", [GREEDY, Sampling(), Sampling(temperature=0, repeat_penalty=1.1)])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_logits_that_are_no_numbers_are_named(backend: LlamaBackend, sampling: Sampling, value: float) -> None:
    backend.run([Span(0, 0, [5], True)], None)
    backend._logits(0)[17] = value
    sampler = backend.open_sampler(sampling, 1, None, [])
    with pytest.raises(EngineError, match="NaN or infinite"):
        backend.sample(0, sampler)
    sampler.close()
    backend.trim(0, 0)


def test_text_and_tokens(backend: LlamaBackend) -> None:
    written = "Grüße, 世界 🦊 <|im_start|>"
    plain = backend.tokenize(written, parse_special=False, add_bos=True)
    assert b"".join(map(backend.piece, plain)).decode() == written
    special = backend.tokenize("<|im_start|>", parse_special=True, add_bos=True)
    assert len(special) == 1
    assert special[0] not in plain
    assert backend.piece(special[0]) == b""
    assert backend.is_end(backend.tokenize("<|im_end|>", parse_special=True, add_bos=False)[0])
    assert not backend.is_end(plain[0])
    assert backend.tokenize("", parse_special=False, add_bos=True) == []
    assert b"\x00" in b"".join(map(backend.piece, backend.tokenize("a\x00b", parse_special=False, add_bos=False)))
    with pytest.raises(InvalidInput, match="D83E"):
        backend.tokenize("broken \ud83e text", parse_special=False, add_bos=True)
    for token in (-1, backend.info.vocabulary_size):
        with pytest.raises(InvalidInput):
            backend.piece(token)


def test_a_megabyte_of_one_letter_is_tokenized(backend: LlamaBackend) -> None:
    text = "a" * 2**20
    tokens = backend.tokenize(text, parse_special=False, add_bos=True)
    assert b"".join(map(backend.piece, tokens)).decode() == text

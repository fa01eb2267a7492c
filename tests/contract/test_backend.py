"""What the engine relies on, asked of every backend."""

from __future__ import annotations

import json
import math
import threading
from pathlib import Path

import pytest

from edgellm.engine.backend import Backend, OutOfCells, Sampler, Span, StepAborted
from edgellm.errors import InvalidInput
from edgellm.types import Constraint, Sampling
from tests.contract.conftest import Kind

GREEDY = Sampling(temperature=0.0)
TEXT = "The capital of France is Paris. The capital of Italy is Rome. The capital of Spain is"


@pytest.fixture
def prompt(backend: Backend) -> list[int]:
    return backend.tokenize(TEXT, parse_special=False, add_bos=True)


def write(backend: Backend, sequence: int, start: int, tokens: list[int], count: int, sampler: Sampler) -> list[int]:
    """Feed `tokens` from position `start` on, then let the model write `count` tokens."""
    answer: list[int] = []
    while len(answer) < count:
        backend.run([Span(sequence, start, tokens, True)], None)
        start += len(tokens)
        tokens = [backend.sample(0, sampler).token]
        answer += tokens
    return answer


def greedy(backend: Backend, sequence: int, start: int, tokens: list[int], count: int = 8) -> list[int]:
    sampler = backend.open_sampler(GREEDY, 0, None, tokens)
    try:
        return write(backend, sequence, start, tokens, count, sampler)
    finally:
        sampler.close()


def test_facts_are_usable(backend: Backend) -> None:
    info = backend.info
    assert info.context_tokens >= 512
    assert info.max_sequences >= 8
    assert info.vocabulary_size > 256
    assert info.state_bytes_per_token > 0
    assert info.can_share_prefix
    assert info.chat_template
    assert len(info.fingerprint) >= 16


def test_text_survives_tokens(backend: Backend) -> None:
    text = "Grüße, 世界! 😀\n\ttabs"
    tokens = backend.tokenize(text, parse_special=False, add_bos=False)
    assert b"".join(map(backend.piece, tokens)).decode() == text


def test_special_texts_become_special_only_when_asked(backend: Backend) -> None:
    special = backend.info.eos_text
    as_text = backend.tokenize(special, parse_special=False, add_bos=False)
    assert b"".join(map(backend.piece, as_text)).decode() == special
    (token,) = backend.tokenize(special, parse_special=True, add_bos=False)
    assert backend.is_end(token)
    assert token not in as_text


def test_greedy_writing_repeats_itself(backend: Backend, prompt: list[int]) -> None:
    assert greedy(backend, 0, 0, prompt) == greedy(backend, 1, 0, prompt)


def test_a_prompt_in_pieces_is_the_same_prompt(backend: Backend, prompt: list[int]) -> None:
    whole = greedy(backend, 0, 0, prompt)
    backend.run([Span(1, 0, prompt[:5], False)], None)
    backend.run([Span(1, 5, prompt[5:9], False)], None)
    assert greedy(backend, 1, 9, prompt[9:]) == whole


def test_a_shared_beginning_is_as_good_as_a_computed_one(backend: Backend, prompt: list[int]) -> None:
    whole = greedy(backend, 0, 0, prompt)
    backend.share(0, 1, len(prompt) - 1)
    assert greedy(backend, 1, len(prompt) - 1, prompt[-1:]) == whole
    backend.trim(0, 0)
    backend.trim(1, len(prompt) - 1)
    assert greedy(backend, 1, len(prompt) - 1, prompt[-1:]) == whole


def test_a_trimmed_sequence_goes_on_differently(backend: Backend, prompt: list[int]) -> None:
    whole = greedy(backend, 0, 0, prompt)
    backend.trim(0, 3)
    other = backend.tokenize(" something else", parse_special=False, add_bos=False)
    assert greedy(backend, 0, 3, other) == greedy(backend, 1, 0, prompt[:3] + other)
    backend.trim(0, 3)
    assert greedy(backend, 0, 3, prompt[3:]) == whole


def test_a_saved_state_is_as_good_as_a_computed_one(backend: Backend, prompt: list[int]) -> None:
    whole = greedy(backend, 0, 0, prompt)
    backend.trim(0, len(prompt))
    backend.share(0, 1, len(prompt))  # shared cells are saved like others
    state = backend.save(1)
    backend.trim(0, 0)
    backend.trim(1, 0)
    backend.restore(2, state)
    backend.trim(2, len(prompt) - 1)
    assert greedy(backend, 2, len(prompt) - 1, prompt[-1:]) == whole
    assert len(state) < 10 * len(prompt) * backend.info.state_bytes_per_token + 4_096


@pytest.mark.parametrize("content", [b"", b"not a state", bytes(500)])
def test_a_state_that_is_none_is_refused_and_leaves_nothing(
    backend: Backend, prompt: list[int], content: bytes
) -> None:
    with pytest.raises(InvalidInput):
        backend.restore(0, content)
    assert greedy(backend, 0, 0, prompt) == greedy(backend, 1, 0, prompt)


def test_several_sequences_in_one_step(backend: Backend, prompt: list[int]) -> None:
    first, second = prompt, prompt[:6]
    alone = greedy(backend, 0, 0, first, 1) + greedy(backend, 1, 0, second, 1)
    backend.run([Span(2, 0, first, True), Span(3, 0, second[:2], False)], None)
    samplers = [backend.open_sampler(GREEDY, 0, None, []) for _ in range(2)]
    together = [backend.sample(0, samplers[0]).token]
    backend.run([Span(3, 2, second[2:], True), Span(2, len(first), together, True)], None)
    assert [*together, backend.sample(0, samplers[1]).token] == alone
    for sampler in samplers:
        sampler.close()


def test_several_samplers_on_one_row(backend: Backend, prompt: list[int]) -> None:
    warm = Sampling(temperature=1.5, top_k=0, top_p=1.0, min_p=0.0)
    backend.run([Span(0, 0, prompt[:2], True)], None)
    samplers = [backend.open_sampler(warm, seed, None, prompt[:2]) for seed in [*range(12), 0]]
    tokens = [backend.sample(0, sampler).token for sampler in samplers]
    for sampler in samplers:
        sampler.close()
    assert len(set(tokens)) > 1
    assert tokens[0] == tokens[12]  # the same seed


def test_the_same_seed_writes_the_same_text(backend: Backend, prompt: list[int]) -> None:
    answers = []
    for sequence, seed in enumerate([5, 5, 6]):
        sampler = backend.open_sampler(Sampling(temperature=1.2), seed, None, prompt)
        answers.append(write(backend, sequence, 0, prompt, 12, sampler))
        sampler.close()
    assert answers[0] == answers[1] != answers[2]


def test_bias_decides(backend: Backend, prompt: list[int]) -> None:
    wanted = prompt[2]
    sampler = backend.open_sampler(Sampling(temperature=1.0, logit_bias={wanted: 100.0}), 0, None, prompt)
    assert write(backend, 0, 0, prompt, 3, sampler) == [wanted] * 3
    sampler.close()


def test_traces_are_log_probabilities(backend: Backend, prompt: list[int]) -> None:
    sampler = backend.open_sampler(Sampling(temperature=0.0, logprobs=4), 0, None, prompt)
    backend.run([Span(0, 0, prompt, True)], None)
    sampled = backend.sample(0, sampler)
    sampler.close()
    trace = sampled.trace
    assert trace is not None
    assert trace.token == trace.alternatives[0].token == sampled.token
    assert trace.text.encode() == backend.piece(sampled.token) or backend.is_end(sampled.token)
    logprobs = [alternative.logprob for alternative in trace.alternatives]
    assert len(logprobs) == 4
    assert logprobs == sorted(logprobs, reverse=True)
    assert sum(map(math.exp, logprobs)) <= 1.0 + 1e-6
    assert 0.0 <= trace.entropy <= math.log2(backend.info.vocabulary_size)


def test_scores_are_the_traces_that_tokens_are_chosen_with(backend: Backend, prompt: list[int]) -> None:
    """Whole and in pieces, beside a sequence that writes."""
    sampler = backend.open_sampler(Sampling(temperature=0.0, logprobs=3), 0, None, prompt)
    backend.run([Span(0, 0, prompt[:1], True)], None)
    chosen = []
    for position in range(1, 6):
        sampled = backend.sample(0, sampler)
        chosen.append(sampled)
        backend.run([Span(0, position, [sampled.token], True)], None)
    tokens = [*prompt[:1], *(sampled.token for sampled in chosen)]
    backend.run([Span(1, 0, tokens[:4], False, wants_all=True), Span(2, 0, tokens[:1], True)], None)
    scores = backend.score(0, tokens[1:5], 3)
    assert backend.sample(1, sampler).token == tokens[1]
    backend.run([Span(1, 4, tokens[4:], False, wants_all=True)], None)
    scores += backend.score(0, tokens[5:], 3)
    sampler.close()
    assert [score.token for score in scores] == tokens[1:]
    for score, sampled in zip(scores, chosen, strict=True):
        trace = sampled.trace
        assert trace is not None
        assert (score.text, score.alternatives[0].token) == (trace.text, trace.alternatives[0].token)
        assert score.logprob == pytest.approx(trace.logprob, abs=0.5)  # batches of other sizes take other kernels


def entropy_with(backend: Backend, prompt: list[int], adapter: str | None) -> float:
    """What the model expects after the prompt, as one number; leaves nothing in memory."""
    sampler = backend.open_sampler(Sampling(temperature=0.0, logprobs=0), 0, None, prompt)
    backend.run([Span(0, 0, prompt, True)], adapter)
    trace = backend.sample(0, sampler).trace
    sampler.close()
    backend.trim(0, 0)
    assert trace is not None
    return trace.entropy


def test_an_adapter_is_what_its_file_held_when_it_was_opened(
    kind: Kind, backend: Backend, prompt: list[int], tmp_path: Path
) -> None:
    path = kind.write_adapter(tmp_path / "legal.gguf", 5)
    plain, first = entropy_with(backend, prompt, None), backend.open_adapter(str(path))
    before = entropy_with(backend, prompt, first)
    assert backend.open_adapter(str(path)) == first
    kind.write_adapter(tmp_path / "next.gguf", 9).replace(path)
    second = backend.open_adapter(str(path))
    assert len({plain, before, entropy_with(backend, prompt, second)}) == 3
    backend.close_adapter(first)
    assert entropy_with(backend, prompt, first) == before
    backend.close_adapter(first)
    backend.close_adapter(second)
    assert entropy_with(backend, prompt, None) == plain


def test_a_json_object_is_valid_json(backend: Backend, prompt: list[int]) -> None:
    sampler = backend.open_sampler(Sampling(temperature=0.7), 3, Constraint(kind="json_object"), prompt)
    answer: list[int] = []
    tokens, start = prompt, 0
    while len(answer) < 120:
        backend.run([Span(0, start, tokens, True)], None)
        start += len(tokens)
        tokens = [backend.sample(0, sampler).token]
        if backend.is_end(tokens[0]):
            break
        answer += tokens
    sampler.close()
    text = b"".join(map(backend.piece, answer)).decode("utf-8", "ignore")
    assert text.lstrip().startswith("{")
    if backend.is_end(tokens[0]):  # a small model may go on and on; what it wrote is a beginning of an object then
        assert isinstance(json.loads(text), dict)


@pytest.mark.parametrize(
    "sampling",
    [Sampling(temperature=float("nan")), Sampling(top_p=0.0), Sampling(logit_bias={10**9: 1.0}), Sampling(seed=-1)],
)
def test_wrong_sampling_is_refused(backend: Backend, sampling: Sampling) -> None:
    with pytest.raises(InvalidInput):
        backend.open_sampler(sampling, 0, None, [1])


def test_a_bias_on_a_token_that_is_not_there_names_its_field(backend: Backend) -> None:
    size = backend.info.vocabulary_size
    with pytest.raises(InvalidInput, match=f"logit_bias names the token {size}, which does not exist") as refusal:
        backend.open_sampler(Sampling(logit_bias={size: 1.0}), 0, None, [1])
    assert (refusal.value.facts["field"], refusal.value.facts["value"]) == ("logit_bias", size)


def test_a_full_cache_refuses_the_step_and_keeps_what_it_has(small: Backend) -> None:
    cells, prompt = small.info.context_tokens, [*range(60, 80)]
    half = (prompt * cells)[: cells // 2]
    small.run([Span(0, 0, half, False)], None)
    small.run([Span(1, 0, half[:-8], False)], None)
    with pytest.raises(OutOfCells):
        small.run([Span(2, 0, prompt, True)], None)
    small.trim(1, 0)
    assert greedy(small, 2, 0, prompt) == greedy(small, 3, 0, prompt)


def test_cells_are_shared_not_copied(small: Backend) -> None:
    half = [60] * (small.info.context_tokens // 2)
    small.run([Span(0, 0, half, False)], None)
    for target in range(1, 5):
        small.share(0, target, len(half))
    small.run([Span(1, len(half), half[:-4], False)], None)


def test_abort_ends_a_step_without_a_trace(kind: Kind) -> None:
    backend = kind.open(kind.config(slow=True))
    prompt = backend.tokenize(TEXT, parse_special=False, add_bos=True)
    long = (prompt * 30)[:500]
    is_over = threading.Event()

    def keep_aborting() -> None:
        while not is_over.wait(0.001):
            backend.abort()

    thread = threading.Thread(target=keep_aborting)
    thread.start()
    try:
        with pytest.raises(StepAborted):
            backend.run([Span(0, 0, long, True)], None)
    finally:
        is_over.set()
        thread.join()
    short = prompt[:4]
    assert greedy(backend, 0, 0, short, 2) == greedy(backend, 1, 0, short, 2)
    backend.close()


def test_the_fingerprint_names_model_and_cache_layout(kind: Kind, backend: Backend) -> None:
    same, other = kind.open(kind.config()), kind.open(kind.config(kv_type="q8_0"))
    assert same.info.fingerprint == backend.info.fingerprint != other.info.fingerprint
    same.close()
    other.close()


def test_threads_can_be_changed(backend: Backend, prompt: list[int]) -> None:
    before = greedy(backend, 0, 0, prompt)
    backend.set_threads(2)
    assert greedy(backend, 1, 0, prompt) == before
    backend.set_threads(1)

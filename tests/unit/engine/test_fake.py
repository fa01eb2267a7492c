"""The fake model is strict, deterministic, and notices every wrong cell."""

from __future__ import annotations

import json
import threading
import time

import pytest

from edgellm.engine.backend import OutOfCells, Span, StepAborted
from edgellm.engine.config import EngineConfig
from edgellm.engine.fake import FakeBackend, Misuse
from edgellm.errors import InvalidInput, InvalidSchema
from edgellm.types import Constraint, Sampling

GREEDY = Sampling(temperature=0.0)


def fake(options: str = "", context_tokens: int = 64) -> FakeBackend:
    return FakeBackend(EngineConfig(model_path=f"fake:{options}", context_tokens=context_tokens))


def digest(backend: FakeBackend, sequence: int) -> bytes:
    return backend._held[sequence][-1].digest


def test_the_context_of_a_token_is_everything_before_it_and_the_adapter() -> None:
    backend = fake()
    backend.run([Span(0, 0, [1, 2, 3], True), Span(1, 0, [1, 9, 3], True)], None)
    backend.run([Span(2, 0, [1, 2, 3], True)], backend.open_adapter("legal"))
    assert len({digest(backend, sequence) for sequence in range(3)}) == 3


def test_a_shared_or_restored_beginning_is_as_good_as_a_computed_one() -> None:
    backend = fake()
    backend.run([Span(0, 0, [1, 2, 3], True)], None)
    backend.share(0, 1, 2)
    backend.run([Span(1, 2, [3], True)], None)
    backend.restore(2, backend.save(0))
    assert digest(backend, 0) == digest(backend, 1) == digest(backend, 2)
    assert backend.cells_used == 3 + 1 + 3
    backend.trim(0, 0)
    assert backend.cells_used == 2 + 1 + 3


@pytest.mark.parametrize(
    "spans",
    [
        [],
        [Span(0, 1, [5], True)],
        [Span(0, 0, [], True)],
        [Span(0, 0, [5], True), Span(0, 1, [5], True)],
    ],
)
def test_a_wrong_step_is_misuse(spans: list[Span]) -> None:
    with pytest.raises(Misuse):
        fake().run(spans, None)


def test_misuse_of_memory() -> None:
    backend = fake()
    backend.run([Span(0, 0, [1, 2, 3], False), Span(1, 0, [1], True)], None)
    with pytest.raises(Misuse, match="not empty"):
        backend.share(0, 1, 2)
    with pytest.raises(Misuse, match="holds 3"):
        backend.share(0, 2, 4)
    with pytest.raises(Misuse, match="holds 3"):
        backend.trim(0, 4)
    with pytest.raises(Misuse, match="empty"):
        backend.save(5)
    with pytest.raises(Misuse, match="logits"):
        backend.sample(0, backend.open_sampler(GREEDY, 0, None, []))
    with pytest.raises(Misuse, match="still open"):
        backend.close()


def test_a_memory_that_cannot_be_cut() -> None:
    backend = fake("can_share_prefix=0")
    backend.run([Span(0, 0, [1, 2, 3], False)], None)
    with pytest.raises(Misuse):
        backend.share(0, 1, 2)
    with pytest.raises(Misuse):
        backend.trim(0, 2)
    backend.trim(0, 0)


def test_cells_run_out_without_a_trace() -> None:
    backend = fake("hidden_cells=4", context_tokens=10)
    backend.run([Span(0, 0, [1] * 5, False)], None)
    with pytest.raises(OutOfCells):
        backend.run([Span(0, 5, [1, 2], False)], None)
    assert backend.cells_used == 5
    with pytest.raises(OutOfCells):
        backend.restore(1, backend.save(0))


def test_abort_ends_a_slow_step_without_a_trace() -> None:
    backend = fake("prefill_token_s=1")
    timer = threading.Timer(0.05, backend.abort)
    timer.start()
    started = time.monotonic()
    with pytest.raises(StepAborted):
        backend.run([Span(0, 0, [1] * 60, True)], None)
    timer.join()
    assert time.monotonic() - started < 20
    assert backend.cells_used == 0


def test_an_abort_between_steps_concerns_none() -> None:
    backend = fake("decode_row_s=0.001")
    backend.abort()
    backend.run([Span(0, 0, [1], True)], None)


def test_states_of_other_models_are_refused() -> None:
    backend = fake()
    backend.run([Span(0, 0, [1], True)], None)
    other = FakeBackend(EngineConfig(model_path="fake:", kv_type="q8_0"))
    with pytest.raises(InvalidInput, match="another model"):
        other.restore(0, backend.save(0))
    with pytest.raises(InvalidInput, match="damaged"):
        backend.restore(1, b"\xff\x00")


def test_special_texts_are_text_unless_asked_for() -> None:
    backend = fake()
    assert backend.tokenize("<s>é", parse_special=False, add_bos=False) == list("<s>é".encode())
    tokens = backend.tokenize("a<|im_end|>b<s>", parse_special=True, add_bos=True)
    assert tokens == [258, 97, 257, 98, 258]
    assert b"".join(map(backend.piece, tokens)) == b"ab"


def test_unknown_options_are_named() -> None:
    with pytest.raises(InvalidInput, match="speed") as caught:
        fake("speed=9")
    assert "decode_row_s" in caught.value.hint


def test_it_says_what_it_is_told_to() -> None:
    backend = fake("says=a%2Cb%20%C3%A9")
    sampler = backend.open_sampler(GREEDY, 0, None, [])
    written = []
    for position, token in enumerate([1, *"a,b é".encode()]):
        backend.run([Span(0, position, [token], True)], None)
        written.append(backend.sample(0, sampler).token)
    assert bytes(written[:-1]).decode() == "a,b é"
    assert backend.is_end(written[-1])
    sampler.close()


def test_more_logits_than_there_are_sequences_are_misuse() -> None:
    backend = FakeBackend(EngineConfig(model_path="fake:", context_tokens=64, max_running=2, max_parked=1))
    with pytest.raises(Misuse, match="want logits"):
        backend.run([Span(0, 0, [1, 2, 3, 4], False, wants_all=True)], None)
    backend.run([Span(0, 0, [1, 2], False, wants_all=True), Span(1, 0, [1], True)], None)
    with pytest.raises(Misuse, match="2 positions"):
        backend.score(0, [2, 3, 4], 0)


def test_traces_are_probabilities() -> None:
    backend = fake()
    sampler = backend.open_sampler(Sampling(temperature=1.0, logprobs=5), 1, None, [])
    backend.run([Span(0, 0, [1, 2], True)], None)
    trace = backend.sample(0, sampler).trace
    assert trace is not None
    logprobs = [alternative.logprob for alternative in trace.alternatives]
    assert logprobs == sorted(logprobs, reverse=True)
    assert len(logprobs) == 5
    assert trace.logprob <= logprobs[0] <= 0
    assert 0 < trace.entropy < 9


def drawn(sampling: Sampling, constraint: Constraint | None = None, seed: int = 0) -> bytes:
    backend = fake()
    sampler = backend.open_sampler(sampling, seed, constraint, [])
    answer, step = b"", [70]
    while len(answer) < 40:
        backend.run([Span(0, backend.cells_used, step, True)], None)
        token = backend.sample(0, sampler).token
        if backend.is_end(token):
            break
        answer += backend.piece(token)
        step = [token]
    return answer


def test_same_seed_same_text() -> None:
    warm = Sampling(temperature=1.0)
    assert drawn(warm, seed=4) == drawn(warm, seed=4)
    assert len({drawn(warm, seed=seed) for seed in range(6)}) > 1
    assert drawn(Sampling(temperature=1.0, top_k=1), seed=1) == drawn(GREEDY)


def test_bias_and_penalties_change_the_text() -> None:
    assert set(drawn(Sampling(temperature=0.0, logit_bias={90: 100.0}))) == {90}
    plain = drawn(GREEDY)
    assert drawn(Sampling(temperature=0.0, presence_penalty=2.0, frequency_penalty=2.0)) != plain


def test_constraints_give_valid_json() -> None:
    assert list(json.loads(drawn(GREEDY, Constraint(kind="json_object")))) == ["answer"]
    schema = {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"enum": ["x", "y"]}}}
    assert json.loads(drawn(GREEDY, Constraint(kind="json_schema", text=json.dumps(schema)))) == {"a": 7, "b": "x"}
    for constraint in (
        Constraint(kind="grammar", text="start: x"),
        Constraint(kind="json_schema", text="{"),
        Constraint(kind="json_schema", text='{"anyOf": []}'),
    ):
        with pytest.raises(InvalidSchema):
            fake().open_sampler(GREEDY, 0, constraint, [])


def test_embeddings_have_length_one() -> None:
    (vector,) = fake().embed([[1, 2, 2]])
    assert sum(x * x for x in vector) == pytest.approx(1.0)
    with pytest.raises(InvalidInput):
        fake().embed([[1], []])

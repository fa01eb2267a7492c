"""Steps of LlamaBackend against llama-cpp-python's own class, and what is left in memory after each result."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import llama_cpp
import numpy as np
import pytest

from edgellm.engine.backend import OutOfCells, Span, StepAborted
from edgellm.engine.config import EngineConfig
from edgellm.engine.llama.backend import LlamaBackend
from edgellm.engine.llama.library import lib, listen
from edgellm.errors import InvalidInput, ModelLoadFailed
from tests.live.starter import GREEDY, chat_prompt, open_writer, starter_path, write, write_together
from tests.live.tiny_models import write_dense

pytestmark = pytest.mark.live

listen()  # the import of llama_cpp, whose class is the reference here, took the log

PROMPTS = [
    "The capital of France is",
    "Once upon a time there was a fox who",
    "def fibonacci(n):\n",
    "Water boils at",
    chat_prompt("Name three colours."),
]


@pytest.fixture(scope="module")
def backend() -> Iterator[LlamaBackend]:
    opened = LlamaBackend(EngineConfig(model_path=starter_path(), context_tokens=512, threads=1, max_parked=4))
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def empty(backend: LlamaBackend) -> Iterator[None]:
    yield
    for sequence in range(backend.info.max_sequences):
        backend.trim(sequence, 0)


def positions(backend: LlamaBackend, sequence: int) -> int:
    """How many positions llama.cpp itself says a sequence holds."""
    return int(lib.llama_memory_seq_pos_max(backend._memory, sequence)) + 1


def reference(prompts: list[list[int]], count: int) -> list[list[int]]:
    """Greedy tokens from llama-cpp-python's high-level class."""
    model = llama_cpp.Llama(starter_path(), n_ctx=1024, n_threads=1, n_threads_batch=1, flash_attn=True, verbose=False)
    answers = []
    for prompt in prompts:
        model.n_tokens = 0
        model.eval(prompt)
        tokens: list[int] = []
        while len(tokens) < count:
            row = np.ctypeslib.as_array(llama_cpp.llama_get_logits_ith(model._ctx.ctx, -1), (model.n_vocab(),))
            tokens.append(int(np.argmax(row)))
            model.eval(tokens[-1:])
        answers.append(tokens)
    model.close()
    return answers


def test_greedy_tokens_equal_the_reference_alone_and_together(backend: LlamaBackend) -> None:
    alone = [write(backend, prompt, count=12).tokens for prompt in PROMPTS]
    writers = [open_writer(backend, prompt, sequence=index) for index, prompt in enumerate(PROMPTS)]
    write_together(backend, writers, 12)
    expected = reference([list(writer.prompt) for writer in writers], 12)
    for writer in writers:
        writer.finish()
    assert alone == expected
    assert [writer.tokens for writer in writers] == expected


def test_prefill_in_chunks_gives_the_same_token(backend: LlamaBackend) -> None:
    prompt = backend.tokenize(PROMPTS[1] * 3, parse_special=False, add_bos=True)
    backend.run([Span(0, 0, prompt, True)], None)
    sampler = backend.open_sampler(GREEDY, 1, None, prompt)
    whole = backend.sample(0, sampler).token
    for start in range(0, len(prompt), 5):
        backend.run([Span(1, start, prompt[start : start + 5], start + 5 >= len(prompt))], None)
    assert backend.sample(0, sampler).token == whole
    sampler.close()


def test_rows_belong_to_their_spans(backend: LlamaBackend) -> None:
    prompts = [backend.tokenize(text, parse_special=True, add_bos=True) for text in PROMPTS]
    expected = [write(backend, text, count=1).tokens[0] for text in PROMPTS]
    backend.run([Span(index, 0, prompt, index % 2 == 0) for index, prompt in enumerate(prompts)], None)
    sampler = backend.open_sampler(GREEDY, 1, None, [])
    for index in range(len(prompts)):
        if index % 2 == 0:
            assert backend.sample(index, sampler).token == expected[index]
        else:
            with pytest.raises(InvalidInput, match="no logits"):
                backend.sample(index, sampler)
    sampler.close()


def test_abort_leaves_none_of_the_steps_positions(backend: LlamaBackend) -> None:
    expected = write(backend, PROMPTS[0], count=8).tokens
    writer = open_writer(backend, PROMPTS[0], sequence=1)
    write_together(backend, [writer], 1)
    long_prompt = backend.tokenize("word " * 400, parse_special=False, add_bos=True)[:400]
    timer = threading.Timer(0.1, backend.abort)
    timer.start()
    started = time.monotonic()
    with pytest.raises(StepAborted):
        backend.run([Span(0, 0, long_prompt, False), writer.span], None)
    timer.join()
    assert time.monotonic() - started < 1.0
    assert (positions(backend, 0), positions(backend, 1)) == (0, len(writer.prompt))
    write_together(backend, [writer], 7)
    assert writer.tokens == expected
    writer.finish()


def test_abort_between_steps_does_nothing(backend: LlamaBackend) -> None:
    backend.abort()
    assert write(backend, PROMPTS[0], count=2).tokens


def test_out_of_cells_changes_nothing(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = write_dense(tmp_path_factory.mktemp("dense") / "model.gguf")
    backend = LlamaBackend(EngineConfig(model_path=path, context_tokens=512, threads=1, max_parked=4))
    filler = [7] * 250
    backend.run([Span(0, 0, filler, False)], None)
    backend.run([Span(1, 0, filler, False)], None)
    with pytest.raises(OutOfCells):
        backend.run([Span(2, 0, filler[:100], True)], None)
    assert [positions(backend, sequence) for sequence in range(3)] == [250, 250, 0]
    backend.run([Span(2, 0, filler[:12], False)], None)  # the cells that are left are usable
    with pytest.raises(OutOfCells):
        backend.run([Span(2, 12, filler[:1], False)], None)
    backend.trim(1, 0)
    backend.run([Span(2, 12, filler[:100], False)], None)
    assert positions(backend, 2) == 112
    backend.close()


def test_misuse_is_refused_before_it_reaches_llama_cpp(backend: LlamaBackend) -> None:
    one = Span(0, 0, [5], False)
    bad_steps = [
        [],
        [Span(0, 0, [], False)],
        [one, one],
        [Span(0, 1, [5], False)],
        [Span(0, 0, [-1], False)],
        [Span(0, 0, [backend.info.vocabulary_size], False)],
        [Span(backend.info.max_sequences, 0, [5], False)],
        [Span(-1, 0, [5], False)],
        [Span(0, 0, [5] * 513, False)],
    ]
    for spans in bad_steps:
        with pytest.raises(InvalidInput):
            backend.run(spans, None)
    with pytest.raises(InvalidInput):
        backend.share(0, 1, 1)
    with pytest.raises(InvalidInput):
        backend.trim(0, 1)
    with pytest.raises(InvalidInput, match="embeddings"):
        backend.embed([[1]])
    backend.run([one], None)


def test_a_file_that_is_no_model_is_a_reason(tmp_path_factory: pytest.TempPathFactory) -> None:
    bad = tmp_path_factory.mktemp("model") / "bad.gguf"
    bad.write_bytes(b"GGUF" + b"\x00" * 60)
    with pytest.raises(ModelLoadFailed) as caught:
        LlamaBackend(EngineConfig(model_path=str(bad)))
    assert "bad.gguf" in caught.value.message


def test_progress_runs_from_zero_to_one_and_close_may_be_repeated() -> None:
    seen: list[float] = []
    config = EngineConfig(model_path=starter_path(), context_tokens=256, max_parked=1, threads=1)
    opened = LlamaBackend(config, seen.append)
    opened.close()
    opened.close()
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


@pytest.mark.parametrize(
    "wrong", [{"context_tokens": 0}, {"context_tokens": 2**32}, {"batch_tokens": 0}, {"max_parked": -9}, {"threads": 0}]
)
def test_numbers_that_would_abort_or_wrap_around_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(InvalidInput) as refused:
        LlamaBackend(EngineConfig(model_path=starter_path(), **wrong))  # type: ignore[arg-type]
    assert refused.value.facts["field"] in wrong

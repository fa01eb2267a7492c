"""Scores of the serving engine on the starter: llama.cpp's own, and those that answers were written with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import llama_cpp
import numpy as np
import pytest
from numpy.typing import NDArray

from edgellm.engine.judge import Judge
from edgellm.engine.judge_child import log_softmax
from edgellm.engine.llama.library import listen
from edgellm.errors import ContextOverflow, InvalidInput
from edgellm.sdk.facade import EdgeLLM
from edgellm.settings import Settings
from edgellm.types import Sampling
from tests.live.starter import starter_path

pytestmark = pytest.mark.live

listen()  # the import of llama_cpp, whose class is the reference here, took the log

TEXT = (
    "The capital of France is Paris. The capital of Italy is Rome. A loom is a machine that weaves threads into cloth; "
    "the oldest ones were made of wood, and some of them are still in use today. Water boils at 100 degrees Celsius."
)


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EdgeLLM]:
    settings = Settings(context_tokens=512)
    with EdgeLLM(starter_path(), home=tmp_path_factory.mktemp("home"), settings=settings) as edge:
        yield edge


def reference(ids: list[int]) -> NDArray[np.float32]:
    """Log-probabilities after each token but the last, from llama-cpp-python's high-level class."""
    model = llama_cpp.Llama(
        starter_path(), n_ctx=512, n_threads=1, n_threads_batch=1, flash_attn=True, logits_all=True, verbose=False
    )
    model.eval(ids)
    rows = log_softmax(np.array(model.scores[: len(ids) - 1], np.float32))
    model.close()
    return rows


def test_scores_are_the_models_log_probabilities(edge: EdgeLLM) -> None:
    scored = edge.score(TEXT, alternatives=2)
    ids = [scored.first.id, *(trace.token for trace in scored.tokens)]
    rows = reference(ids)
    found = [trace.logprob for trace in scored.tokens]
    assert len(found) > 40
    assert sum(found) == pytest.approx(float(rows[np.arange(len(found)), ids[1:]].sum()), abs=1e-3)
    assert "".join(trace.text for trace in scored.tokens) in TEXT
    assert [trace.alternatives[0].token for trace in scored.tokens] == rows.argmax(axis=1).tolist()


def test_the_judge_finds_the_text_as_probable(edge: EdgeLLM) -> None:
    """It computes in F32 and without flash attention, which is worth hundredths on a model of 4 bits."""
    scored = edge.score(TEXT)
    ids = [scored.first.id, *(trace.token for trace in scored.tokens)]
    with Judge(starter_path(), context_tokens=160) as judge:
        rows = judge.logprobs(ids)
    judged = float(rows[np.arange(len(ids) - 1), ids[1:]].mean())
    assert sum(trace.logprob for trace in scored.tokens) / len(scored.tokens) == pytest.approx(judged, abs=0.03)


def test_an_answer_has_the_scores_that_it_was_written_with(edge: EdgeLLM) -> None:
    prompt = [token.id for token in edge.tokenize(TEXT)]
    choice = edge.complete(prompt, sampling=Sampling(temperature=0, logprobs=1, max_tokens=12)).choices[0]
    scored = edge.score([*prompt, *(trace.token for trace in choice.tokens)], alternatives=1)
    written = scored.tokens[len(prompt) - 1 :]
    assert [trace.alternatives[0].token for trace in written] == [trace.token for trace in choice.tokens]
    apart = [score.logprob - trace.logprob for score, trace in zip(written, choice.tokens, strict=True)]
    assert max(map(abs, apart)) < 0.5  # a single row takes other kernels than a piece of a prompt
    assert abs(sum(apart)) / len(apart) < 0.1


def test_a_text_fills_the_context_or_is_refused(edge: EdgeLLM) -> None:
    ids = ([token.id for token in edge.tokenize(TEXT)] * 20)[:513]
    assert len(edge.score(ids[:512]).tokens) == 511
    with pytest.raises(ContextOverflow):
        edge.score(ids)
    with pytest.raises(InvalidInput, match="does not exist"):
        edge.score([1, 10**6])
    assert Path(starter_path()).stem in edge.complete(ids[:5], sampling=Sampling(max_tokens=2)).model

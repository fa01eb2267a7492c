"""The judging process on the starter: the same numbers as the serving engine, whatever the cut."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edgellm.engine.judge import Judge, compare
from edgellm.errors import InvalidInput, ModelLoadFailed, WorkerDied
from tests.live.starter import starter_path
from tests.live.test_llama_adapter import write_adapter

pytestmark = pytest.mark.live
PROMPT = "The capital of France is"


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    with Judge(starter_path(), context_tokens=160) as judge:
        yield judge


def test_rows_are_log_probabilities_and_do_not_depend_on_what_follows(judge: Judge) -> None:
    tokens = judge.tokenize(PROMPT * 16)[:80]  # more than a chunk
    whole = judge.logprobs(tokens)
    assert whole.shape == (80, judge.info.vocabulary)
    np.testing.assert_allclose(np.exp(whole).sum(axis=1), 1, atol=1e-4)
    part = judge.logprobs(tokens[:70])
    np.testing.assert_allclose(part[:64], whole[:64], atol=1e-5)
    np.testing.assert_allclose(part[64:], whole[64:70], atol=0.1)  # batches of other sizes take other kernels


def test_a_greedy_answer_is_the_most_probable_token_each_time(judge: Judge) -> None:
    tokens = judge.tokenize(PROMPT)
    answer = judge.greedy(tokens, 4)
    assert answer.text.startswith(" Paris")
    assert answer.tokens[0] == judge.logprobs(tokens)[-1].argmax()
    assert len(answer.tokens) == 4


def test_an_adapter_changes_the_distribution(judge: Judge, tmp_path: Path) -> None:
    path = write_adapter(tmp_path / "a.gguf")
    tokens = judge.tokenize(PROMPT)
    with Judge(starter_path(), path, context_tokens=64) as adapted:
        found = compare(judge, adapted, [tokens])
    assert found.kl_mean > 0.01


@pytest.mark.parametrize("tokens", [[], [10**6], [-1], [1] * 161])
def test_impossible_tokens_are_refused_and_the_judge_goes_on(judge: Judge, tokens: list[int]) -> None:
    with pytest.raises(InvalidInput):
        judge.logprobs(tokens)
    assert len(judge.logprobs([1, 2])) == 2


def test_an_adapter_for_another_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot be used"):
        Judge(starter_path(), write_adapter(tmp_path / "a.gguf", architecture="qwen2"))


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.gguf").write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(ModelLoadFailed):
        Judge(str(tmp_path / "x.gguf"))


def test_a_crash_in_native_code_is_an_error() -> None:
    with Judge(starter_path(), context_tokens=32) as judge:
        os.kill(judge._child.pid, signal.SIGSEGV)
        with pytest.raises(WorkerDied, match="SIGSEGV"):
            judge.logprobs([1])

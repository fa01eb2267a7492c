"""Evaluation on the starter: answers decoded together, likelihoods that are the engine's own, a suite that ships."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edgellm.evals.runner import run
from edgellm.evals.suite import SHIPPED, read_suite
from edgellm.evals.values import Tools
from edgellm.sdk.addressing import target_of
from edgellm.sdk.eval_subjects import LocalSubject
from edgellm.sdk.facade import EdgeLLM
from edgellm.settings import Settings
from edgellm.types import Message, Sampling
from tests.unit.evals.fakes import case

pytestmark = [pytest.mark.live, pytest.mark.timeout(240)]


@pytest.fixture
def edge(tmp_path: Path) -> Iterator[EdgeLLM]:
    with EdgeLLM("starter", home=tmp_path / "home", settings=Settings(threads=1, context_tokens=2048)) as made:
        yield made


@pytest.fixture
def subject(edge: EdgeLLM) -> LocalSubject:
    return LocalSubject(edge.evals.means, "starter", target_of("starter"))


def test_cases_are_decoded_together(edge: EdgeLLM, subject: LocalSubject) -> None:
    sampling = Sampling(temperature=0, max_tokens=24)
    cases = [
        case(prompt=f"Write a sentence about the number {number}.", id=str(number), expected="x", sampling=sampling)
        for number in range(16)
    ]
    run(cases, subject, Tools(), lambda _pace: None)
    metrics = edge.stats("starter")
    assert metrics is not None
    assert metrics.completion_tokens > 16 * 8
    assert metrics.steps < metrics.completion_tokens / 2, "one step writes a token of several answers"


def test_a_likelihood_is_what_the_engine_gave_its_own_answer(edge: EdgeLLM, subject: LocalSubject) -> None:
    asked = (Message(role="user", content="What is the capital of France?"),)
    reply = edge.chat(asked, sampling=Sampling(temperature=0, max_tokens=40, logprobs=0))
    traces = [trace.logprob for trace in reply.choices[0].tokens]
    found = subject.likelihood(asked, reply.text)
    assert found.nats == pytest.approx(sum(traces[: found.tokens]), abs=0.05)
    assert subject.likelihood(asked, "Purple umbrellas sing.").nats < found.nats


def test_choices_that_ship_are_answered_better_than_by_guessing(subject: LocalSubject) -> None:
    cases = read_suite(SHIPPED / "choices.toml").cases[:12]
    values = [some[0].value or 0.0 for some in run(cases, subject, Tools(), lambda _pace: None)]
    assert sum(values) >= 6, "three of twelve would be guessing"

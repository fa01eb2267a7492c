"""Evaluation with the real embedder: likeness of meaning, and a subject that answers from its own collection."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edgellm.events import Finished
from edgellm.sdk.facade import EdgeLLM
from edgellm.settings import Settings
from tests.live.starter import starter_path

pytestmark = [pytest.mark.live, pytest.mark.timeout(240)]

HANDBOOK = Path(__file__).resolve().parents[2] / "examples" / "ferry" / "handbook.md"
SUITE = """
schema = 1
name = "ferry"
max_tokens = 24

[[case]]
id = "dogs"
score = "grounded"
prompt = "What do dogs pay?"
expected = "1 crown"

[[case]]
id = "outside"
score = "grounded"
prompt = "Who won the football world cup in 1954?"
is_outside = true

[[case]]
id = "meaning"
score = "similarity"
prompt = "What do dogs pay?"
expected = ["A ticket for a dog costs one crown.", "The moon is made of green cheese."]
"""


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EdgeLLM]:
    """With the handbook in the collection `ferry`."""
    home = tmp_path_factory.mktemp("evaluation") / "home"
    with EdgeLLM(starter_path(), home=home, settings=Settings(threads=1, context_tokens=2048)) as made:
        last = list(made.jobs.follow(made.documents("ferry").add([HANDBOOK]).id))[-1]
        assert isinstance(last, Finished), last
        yield made


def test_a_subject_answers_from_its_collection_and_is_judged_by_meaning(edge: EdgeLLM, tmp_path: Path) -> None:
    suite = tmp_path / "ferry.toml"
    suite.write_text(SUITE)
    job = edge.evals.run([suite], on=f"{starter_path()}+ferry")
    last = list(edge.jobs.follow(job.id))[-1]
    assert isinstance(last, Finished), last
    assert edge.evals.get(job.id).embedder == "all-minilm-l6-v2"
    dogs, outside, meaning = edge.evals.results(job.id, "ferry")
    assert dogs.said.support is not None
    assert dogs.said.support.claims > 0, dogs.said.text
    assert not dogs.said.support.is_weak
    assert "dog" in dogs.said.text, "the passages were shown to the model"
    assert outside.value == 1, outside.reason
    assert outside.said.support is not None
    assert outside.said.support.is_weak
    assert meaning.value is not None
    assert meaning.value > 0.5, "the answer is about the same as the first text"
    assert "a dog costs" in meaning.reason

"""Monitoring with the real embedder: topics by meaning, and drift away from a collection's passages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edgellm.events import Finished
from edgellm.monitor.words import words_of
from edgellm.sdk.facade import EdgeLLM
from edgellm.sdk.monitoring import Monitoring
from edgellm.settings import Settings
from edgellm.store import ServedAnswer, Store
from edgellm.store.db import Database
from edgellm.types import Message

pytestmark = [pytest.mark.live, pytest.mark.timeout(240)]

HANDBOOK = Path(__file__).resolve().parents[2] / "examples" / "ferry" / "handbook.md"
TICKETS = (
    "What does a ticket cost?",
    "How much is a single trip?",
    "What is the price for a child?",
    "Do I pay for my dog?",
    "Is a return ticket cheaper?",
    "How much do I have to pay for a bicycle?",
    "When does the first ferry leave?",
    "At what time does the last boat go?",
)
BAKING = (
    "How long does bread bake?",
    "Which flour is best for rolls?",
    "Why does my dough not rise?",
    "At what heat do I bake a cake?",
    "How much yeast goes into pizza dough?",
    "Can I bake bread without salt?",
    "How do I knead sourdough?",
    "What makes a crust crisp?",
)
WAYS = ("{}", "Hello! {}", "{} Thanks.")
BAKED = {"bread", "bake", "dough", "flour", "yeast", "crust", "rolls", "sourdough", "knead"}
DAY_S = 86_400.0
NOW = 1_790_000_000.0


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EdgeLLM]:
    """With the handbook in the collection `ferry`."""
    home = tmp_path_factory.mktemp("monitoring") / "home"
    with EdgeLLM(home=home, settings=Settings(threads=1)) as made:
        last = list(made.jobs.follow(made.documents("ferry").add([HANDBOOK]).id))[-1]
        assert isinstance(last, Finished), last
        yield made


def test_topics_by_meaning_and_drift_from_documents(edge: EdgeLLM) -> None:
    now = [0.0]
    database = Database(edge.home.store, clock=lambda: now[0])
    number = 0
    with Store(database) as store:
        for at, questions in ((NOW - 1.5 * DAY_S, TICKETS), (NOW - 0.5 * DAY_S, (*TICKETS[:3], *BAKING))):
            now[0] = at
            for text in (way.format(question) for question in questions for way in WAYS):
                number += 1
                messages = (Message(role="user", content=text),)
                answer = ServedAnswer(
                    id=f"a{number}", tenant="local", model="starter+ferry", messages=messages, text="-"
                )
                store.answers.add(answer)
    done: list[str] = []
    monitoring = Monitoring(edge._store, edge._monitor_means(), clock=lambda: NOW)
    found = monitoring.report(1, on_progress=lambda doing, _done, _total: done.append(doing))
    assert (found.looked.by, found.looked.model) == ("embedding", "all-minilm-l6-v2")
    assert {"Comparing questions", "Looking into ferry"} <= set(done)
    assert {word for topic in found.topics for word in topic.label} & BAKED, found.topics
    [drift] = found.drift
    assert (drift.kind, drift.reference, drift.word) == ("documents", "ferry", "farther"), drift
    assert BAKED & set(words_of(drift.farthest[0].question)), drift.farthest

"""What was asked, as monitoring reads it: counts of everything, texts of a few, nobody's but the tenant's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edgellm.store import BROKEN, REFUSED, ServedAnswer, Store, UsageRow
from edgellm.store.asked import WEAK, Span
from edgellm.store.audit import LOCAL
from edgellm.store.db import Database
from edgellm.store.records import OK
from edgellm.types import Message, Timings, Usage

DAY_S = 86_400.0
NOW = 1_790_000_000.0
SPENT = Usage(prompt_tokens=10, completion_tokens=21)


class Clock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.now = NOW - 1.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[Store]:
    with Store(Database(tmp_path / "store.db", clock=clock)) as made:
        yield made


def talk(store: Store, text: str, **answer: object) -> str:
    """A question of this machine with its answer; returns the answer's id."""
    session = store.sessions.create()
    store.sessions.append(session.id, "user", text)
    details: dict[str, object] = {"model": "starter", "finish_reason": "stop", **answer}
    return store.sessions.append(session.id, "assistant", "So it is.", **details).id  # type: ignore[arg-type]


def serve(store: Store, number: int, text: str | None, tenant: str = "ana", model: str = "starter") -> None:
    messages = None if text is None else (Message(role="system", content="s"), Message(role="user", content=text))
    store.answers.add(
        ServedAnswer(id=f"a{number}", tenant=tenant, model=model, messages=messages, text=text and "Yes.")
    )


def span(tenant: str | None = None) -> Span:
    return Span(since=NOW - DAY_S, until=NOW, tenant=tenant)


def test_questions_of_chats_and_of_the_server(store: Store, clock: Clock) -> None:
    rated = talk(store, "When does the ferry leave?", evidence={"collection": "ferry", "is_weak": True})
    store.feedback.rate(rated, -1)
    serve(store, 1, "And back?", model="starter@ferry+handbook")
    serve(store, 2, None)
    clock.now = NOW - 2 * DAY_S
    talk(store, "Too long ago.")
    found = store.asked.questions(span(), 100, 0)
    assert (found.asked, found.without_text) == (3, 1)
    ferry, back = sorted(found.drawn, key=lambda each: each.text, reverse=True)
    assert (ferry.text, ferry.model, ferry.is_weak, ferry.rating) == (
        "When does the ferry leave?",
        "starter+ferry",
        True,
        -1,
    )
    assert (back.text, back.model, back.is_weak, back.rating) == ("And back?", "starter@ferry+handbook", False, 0)


def test_a_tenant_is_alone(store: Store) -> None:
    talk(store, "Mine.")
    serve(store, 1, "Ana's.")
    serve(store, 2, "Ben's.", tenant="ben")
    serve(store, 3, "A local program's.", tenant=LOCAL)

    def texts(tenant: str | None) -> set[str]:
        return {each.text for each in store.asked.questions(span(tenant), 100, 0).drawn}

    assert texts("ana") == {"Ana's."}
    assert texts("") == {"Mine.", "A local program's."}
    assert texts(None) == {"Mine.", "Ana's.", "Ben's.", "A local program's."}
    assert texts("nobody") == set()


def test_many_questions_are_drawn_by_the_seed(store: Store) -> None:
    for number in range(40):
        serve(store, number, f"Question {number}?")
    first, again, other = (store.asked.questions(span(), 10, seed) for seed in (1, 1, 2))
    assert (first.asked, len(first.drawn)) == (40, 10)
    assert first == again != other


def test_the_latest_of_several_answers_counts(store: Store) -> None:
    session = store.sessions.create()
    asked = store.sessions.append(session.id, "user", "Why?")
    for model in ("old", "new"):
        store.sessions.append(session.id, "assistant", "So.", parent_id=asked.id, model=model, finish_reason="stop")
    [found] = store.asked.questions(span(), 100, 0).drawn
    assert found.model == "new"


def test_how_requests_ended(store: Store) -> None:
    talk(store, "a")
    talk(store, "b", finish_reason=BROKEN)
    talk(store, "c", evidence={"collection": "ferry", "is_weak": True})
    refused = store.sessions.create()
    store.sessions.append(refused.id, "user", "d", finish_reason=REFUSED)
    for status in (OK, "WorkerDied", "RequestCancelled"):
        store.usage.add(UsageRow(tenant="ana", model="starter", usage=SPENT, status=status))
    store.usage.add(UsageRow(tenant="ana", model="embedder", usage=Usage(prompt_tokens=5)))  # only embedded
    store.usage.add(UsageRow(model="starter", usage=SPENT))  # of a chat, which is counted by its message
    ways: dict[str, int] = {}
    for each in store.asked.ended(span()):
        ways[each.way] = ways.get(each.way, 0) + each.count
    assert ways == {OK: 2, BROKEN: 1, WEAK: 1, REFUSED: 1, "WorkerDied": 1, "RequestCancelled": 1}
    assert store.asked.from_documents(span()) == 1


def test_ratings_by_the_day_they_were_given(store: Store, clock: Clock) -> None:
    serve(store, 1, "q")
    store.answers.rate("a1", "ana", 1, "Rather this.")
    liked = talk(store, "r")
    store.feedback.rate(liked, -1)
    [(up, down, corrected)] = store.asked.ratings(span()).values()
    assert (up, down, corrected) == (1, 1, 1)
    assert list(store.asked.ratings(span("ana")).values()) == [(1, 0, 1)]
    assert list(store.asked.ratings(span("")).values()) == [(0, 1, 0)]
    clock.now = NOW + DAY_S
    store.answers.rate("a1", "ana", -1)
    assert list(store.asked.ratings(span("ana")).values()) == []


def test_times_of_the_server_are_measured_and_those_of_chats_follow(store: Store) -> None:
    store.usage.add(UsageRow(tenant="ana", model="m", adapter="a", usage=SPENT, seconds=3.0, ttft_s=0.5))
    store.usage.add(UsageRow(model="m", usage=SPENT, timings=Timings(ttft_s=0.2, decode_tokens_per_s=10.0)))
    store.usage.add(UsageRow(tenant="ana", model="m", usage=SPENT, status="WorkerDied", seconds=9.0))
    chat, served = store.asked.times(span())
    assert (served.model, served.first_s, served.whole_s) == ("m@a", 0.5, 3.0)
    assert (chat.model, chat.first_s) == ("m", 0.2)
    assert chat.whole_s == pytest.approx(2.2)
    assert len(store.asked.times(span("ana"))) == len(store.asked.times(span(""))) == 1

"""Answers that feedback refers to: each tenant sees its own only."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgellm.errors import InvalidInput, NotFound, StoreError
from edgellm.store import ServedAnswer, Store, answers
from edgellm.store.db import Database
from edgellm.types import Message, Sampling, ToolCall

FULL = ServedAnswer(
    id="chatcmpl-1",
    tenant="ana",
    model="starter@lighthouse",
    messages=(
        Message(role="user", content="Which river?\ud800"),
        Message(role="assistant", content="", tool_calls=(ToolCall(id="c1", name="look", arguments="{}"),)),
        Message(role="tool", content="Nile", tool_call_id="c1"),
    ),
    text="The Nile.",
    sampling=Sampling(seed=3, stop=("\n",)),
)
BARE = ServedAnswer(id="chatcmpl-2", tenant="ana", model="starter")


def test_an_answer_comes_back_whole(store: Store) -> None:
    store.answers.add(FULL)
    found = store.answers.get("chatcmpl-1", "ana")
    assert (found.model, found.text, found.sampling) == (FULL.model, FULL.text, FULL.sampling)
    assert found.messages is not None
    assert FULL.messages is not None
    assert found.messages[0].content == "Which river?\ufffd"
    assert found.messages[1:] == FULL.messages[1:]
    assert (found.rating, found.correction, found.rated_at) == (0, None, None)
    assert found.created_at > 1_600_000_000


def test_rating_replaces_what_was_said(store: Store) -> None:
    store.answers.add(FULL)
    rated = store.answers.rate("chatcmpl-1", "ana", -1, "The Amazon.")
    assert (rated.rating, rated.correction) == (-1, "The Amazon.")
    assert rated.rated_at is not None
    assert store.answers.get("chatcmpl-1", "ana") == rated
    again = store.answers.rate("chatcmpl-1", "ana", 1)
    assert (again.rating, again.correction) == (1, None)


def test_another_tenants_answer_does_not_exist(store: Store) -> None:
    store.answers.add(FULL)
    for name, tenant in (("chatcmpl-1", "ben"), ("chatcmpl-1", ""), ("nope", "ana"), ("nope", "ben")):
        with pytest.raises(NotFound) as read:
            store.answers.get(name, tenant)
        with pytest.raises(NotFound) as rated:
            store.answers.rate(name, tenant, 1)
        assert read.value.message == rated.value.message == f"There is no answer {name!r}."
    assert store.answers.get("chatcmpl-1", "ana").rating == 0


def test_without_content_a_rating_is_kept_and_a_correction_refused(store: Store, database: Database) -> None:
    store.answers.add(BARE)
    with pytest.raises(InvalidInput, match="keeps no content") as caught:
        store.answers.rate("chatcmpl-2", "ana", -1, "secret words")
    assert caught.value.facts["field"] == "correction"
    rated = store.answers.rate("chatcmpl-2", "ana", -1)
    assert (rated.rating, rated.messages, rated.text, rated.correction) == (-1, None, None, None)
    assert b"secret words" not in b"".join(file.read_bytes() for file in database.path.parent.iterdir())


@pytest.mark.parametrize("rating", [2, -2, 0.5, "1", True, None])
def test_other_ratings_are_refused(store: Store, rating: Any) -> None:
    store.answers.add(FULL)
    with pytest.raises(InvalidInput, match="A rating is") as caught:
        store.answers.rate("chatcmpl-1", "ana", rating)
    assert caught.value.facts["field"] == "rating"


def test_an_id_belongs_to_one_answer(store: Store) -> None:
    store.answers.add(FULL)
    with pytest.raises(StoreError, match="UNIQUE"):
        store.answers.add(ServedAnswer(id="chatcmpl-1", tenant="ben", model="starter"))
    assert store.answers.get("chatcmpl-1", "ana").text == "The Nile."


def test_what_is_too_old_goes_with_what_was_said_about_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "BATCH", 2)
    now = [1_000.0]
    store = Store(Database(tmp_path / "x.db", clock=lambda: now[0]))
    for number in range(5):
        now[0] += 100
        store.answers.add(replace(BARE, id=f"chatcmpl-{number}"))
    store.answers.rate("chatcmpl-0", "ana", 1)
    assert store.answers.remove_before(1_400.0) == 3
    for gone in ("chatcmpl-0", "chatcmpl-2"):
        with pytest.raises(NotFound):
            store.answers.get(gone, "ana")
    assert store.answers.get("chatcmpl-3", "ana").created_at == 1_400.0
    assert store.answers.remove_before(1_400.0) == 0
    assert store.answers.remove_before(1e12) == 2
    store.close()

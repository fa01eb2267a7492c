"""Aliases on this machine: chats, sessions and programs address one as clients of a server do."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgellm.errors import CollectionNotFound, InvalidInput, ModelNotFound
from edgellm.hub.adapters import BaseRecord, Shelf
from edgellm.sdk.facade import EdgeLLM
from edgellm.types import Sampling, Tool

GREEDY = Sampling(temperature=0, max_tokens=8)


@pytest.fixture
def edge(edge: EdgeLLM, tmp_path: Path) -> EdgeLLM:
    """With the alias `assistant`, which stands for a model with an adapter."""
    path = tmp_path / "one.gguf"
    path.write_text("one")
    Shelf(edge.home).attach(path, BaseRecord(name="fake:", sha256="fake:"))
    edge.aliases.set("assistant", "fake:@one")
    return edge


def test_the_next_question_follows_the_alias(edge: EdgeLLM) -> None:
    assert edge.chat("Hello", model="assistant", sampling=GREEDY).model == "fake:@one"
    edge.aliases.set("assistant", "fake:")
    assert edge.chat("Hello", model="assistant", sampling=GREEDY).model == "fake:"
    assert edge.complete("Hello", model="assistant", sampling=GREEDY).model == "fake:"
    assert edge.tokenize("Hello", model="assistant") == edge.tokenize("Hello")
    assert edge.score("Hello", model="assistant") == edge.score("Hello")
    assert edge.stats("assistant") is not None
    assert edge.memory_bytes("assistant") == edge.memory_bytes() > 0


def test_a_session_keeps_the_alias_and_its_messages_what_it_stood_for(edge: EdgeLLM) -> None:
    session = edge.sessions.create(model="assistant").id
    edge.chat("Hello", session=session, sampling=GREEDY)
    edge.aliases.set("assistant", "fake:")
    edge.chat("And now?", session=session, sampling=GREEDY)
    said = [message.model for message in edge.sessions.messages(session) if message.role == "assistant"]
    assert said == ["fake:@one", "fake:"]
    assert edge.sessions.get(session).model == "assistant"


def test_a_model_is_chosen_by_an_alias_which_stays_one(edge: EdgeLLM) -> None:
    assert edge.models.resolve("assistant") == "assistant"
    edge.aliases.set("assistant", "gone")
    with pytest.raises(ModelNotFound, match="'gone'"):
        edge.models.resolve("assistant")
    with pytest.raises(ModelNotFound, match="'nobody'"):
        edge.chat("Hello", model="nobody")


def test_the_collection_of_an_alias_is_asked(edge: EdgeLLM) -> None:
    edge.aliases.set("assistant", "starter+handbook")
    with pytest.raises(CollectionNotFound, match="handbook"):
        edge.chat("Hello", model="assistant")
    tools = [Tool(name="look_up", description="", parameters="{}")]
    with pytest.raises((InvalidInput, CollectionNotFound)):
        edge.chat("Hello", model="assistant", tools=tools)


def test_an_alias_of_a_server_is_asked_there(edge: EdgeLLM) -> None:
    edge.aliases.set("assistant", "http://127.0.0.1:8000#starter")
    with pytest.raises(ModelNotFound, match="stands for a server"):
        edge.chat("Hello", model="assistant")

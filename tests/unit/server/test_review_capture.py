"""What clients say about answers, and what fails on the way to one, lands in the review queue as its key's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from edgellm.sdk.facade import EdgeLLM
from edgellm.server.service import ServeOptions, open_service
from edgellm.store import NewKey, ReviewItem
from edgellm.store.keys import Limits
from tests.unit.server.conftest import client_of

CHAT, FEEDBACK = "/v1/chat/completions", "/v1/feedback"
CALL = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"town": "Brn"}'}}
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}


@pytest.fixture
def key(own_edge: EdgeLLM) -> NewKey:
    return own_edge.keys.create("ana")


@pytest.fixture
async def client(own_edge: EdgeLLM, key: NewKey) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of(open_service(own_edge, ServeOptions(), is_open=True)) as made:
        made.headers["authorization"] = f"Bearer {key.secret}"
        yield made


def asked(content: str = "Hello", **more: Any) -> dict[str, Any]:
    return {"model": "fake:", "messages": [{"role": "user", "content": content}], "max_tokens": 8, **more}


async def answered(client: httpx2.AsyncClient, **more: Any) -> str:
    made = await client.post(CHAT, json=asked(**more))
    assert made.status_code == 200, made.text
    return str(made.json()["id"])


def only(edge: EdgeLLM) -> ReviewItem:
    [item] = edge.reviews.list()
    return item


async def test_a_rating_lands_with_what_was_asked_for(
    client: httpx2.AsyncClient, own_edge: EdgeLLM, key: NewKey
) -> None:
    name = await answered(client, tools=[TOOL], tool_choice="none", seed=3)
    assert own_edge.reviews.list() == [], "nothing went wrong, and nobody said anything"
    await client.post(FEEDBACK, json={"response_id": name, "rating": "down"})
    item = only(own_edge)
    assert (item.reason, item.tenant, item.learner, item.origin.id) == ("thumbs_down", key.key.id, key.key.id, name)
    assert (item.question, item.context.model) == ("Hello", "fake:")
    assert item.context.sampling is not None
    assert item.context.sampling.seed == 3
    assert item.context.settings is not None
    assert item.context.settings["tools"][0]["name"] == "look"
    await client.post(FEEDBACK, json={"response_id": name, "rating": "up", "correction": "Good day."})
    assert (only(own_edge).id, only(own_edge).reason, only(own_edge).wanted) == (item.id, "correction", "Good day.")


async def test_an_answer_that_was_asked_for_again(client: httpx2.AsyncClient, own_edge: EdgeLLM) -> None:
    old, new = await answered(client, seed=1, temperature=2), await answered(client, seed=2, temperature=2)
    said = await client.post(FEEDBACK, json={"response_id": new, "replaces": old})
    assert (said.status_code, said.json()["rating"]) == (200, None)
    item = only(own_edge)
    assert item.reason == "regenerated"
    assert item.context.answer != item.context.other
    elsewhere = await answered(client, content="Something else")
    wrong = await client.post(FEEDBACK, json={"response_id": elsewhere, "replaces": old})
    assert (wrong.status_code, wrong.json()["error"]["param"]) == (400, "replaces")
    unknown = await client.post(FEEDBACK, json={"response_id": new, "replaces": "chatcmpl-0"})
    assert unknown.status_code == 404
    assert only(own_edge) == item


async def test_a_form_that_is_refused_lands_once(client: httpx2.AsyncClient, own_edge: EdgeLLM) -> None:
    schema = {"type": "object", "properties": {"a": {"$ref": "http://elsewhere"}}}
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    for _ in range(2):
        assert (await client.post(CHAT, json=asked(response_format=form))).status_code == 400
    item = only(own_edge)
    assert (item.reason, item.origin.kind, item.question, item.context.answer) == (
        "schema_refused", "request", "Hello", None,
    )  # fmt: skip
    assert item.context.error
    assert item.context.settings is not None
    assert "elsewhere" in item.context.settings["constraint"]["text"]


async def test_a_form_that_broke_off(client: httpx2.AsyncClient, own_edge: EdgeLLM) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "minLength": 40}}, "required": ["a"]}
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    name = await answered(client, response_format=form)
    assert (only(own_edge).reason, only(own_edge).origin.id) == ("schema_refused", name)


async def test_a_tool_that_failed_lands_once(client: httpx2.AsyncClient, own_edge: EdgeLLM) -> None:
    turns = [
        {"role": "user", "content": "What is the weather in Bern?"},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "c1", "content": "Error: no town Brn"},
    ]
    for _ in range(2):
        body = {"model": "fake:", "messages": turns, "tools": [TOOL], "tool_choice": "none", "max_tokens": 4}
        assert (await client.post(CHAT, json=body)).status_code == 200
    item = only(own_edge)
    assert (item.reason, item.question, item.context.error) == (
        "tool_error", "What is the weather in Bern?", "Error: no town Brn",
    )  # fmt: skip
    assert item.context.answer == '{"name": "look", "arguments": {"town": "Brn"}}'


async def test_a_text_that_was_gone_on_with(client: httpx2.AsyncClient, own_edge: EdgeLLM) -> None:
    made = await client.post("/v1/completions", json={"model": "fake:", "prompt": "Once upon", "max_tokens": 4})
    await client.post(FEEDBACK, json={"response_id": made.json()["id"], "rating": "up"})
    assert only(own_edge).context.settings == {"prompt": "Once upon"}


async def test_of_a_key_without_content_only_the_rating_lands(own_edge: EdgeLLM) -> None:
    free = own_edge.keys.create("free", limits=Limits(log="content-free"))
    schema = {"type": "object", "properties": {"secretive": {"$ref": "http://elsewhere"}}}
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    async with client_of(open_service(own_edge, ServeOptions(), is_open=True)) as client:
        client.headers["authorization"] = f"Bearer {free.secret}"
        words = {"content": "secretive words", "stop": ["secretive end"]}
        name = await answered(client, **words, tools=[TOOL], tool_choice="none")
        await client.post(CHAT, json=asked("secretive words", response_format=form))
        await client.post(FEEDBACK, json={"response_id": name, "rating": "down"})
        refused = await client.post(FEEDBACK, json={"response_id": name, "replaces": name})
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, "replaces")
    item = only(own_edge)
    assert (item.reason, item.context.messages, item.context.answer, item.context.settings) == (
        "thumbs_down", (), None, None,
    )  # fmt: skip
    store = own_edge.home.store
    written = b"".join(path.read_bytes() for path in store.parent.glob(f"{store.name}*"))  # the journal, too
    assert name.encode() in written
    assert b"secretive" not in written

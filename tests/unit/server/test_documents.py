"""Collections over HTTP: what a key may read, and nothing else."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest

from edgellm.retrieval.embed import recall
from edgellm.retrieval.ingest.ingest import Ingest
from edgellm.retrieval.shelf import CollectionShelf
from edgellm.sdk.facade import EdgeLLM
from edgellm.server.service import ServeOptions, open_service
from edgellm.store.keys import Limits
from tests.unit.retrieval.fakes import WordEmbedder, parse
from tests.unit.server.conftest import client_of

FARES = "A single ticket for the ferry costs nine crowns."


@pytest.fixture
def filled(own_edge: EdgeLLM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EdgeLLM:
    """Two collections, `ferry` and `laws`."""
    monkeypatch.setattr(recall, "open_for", lambda _identity, **_places: WordEmbedder())
    for name, text in (("ferry", FARES), ("laws", "Nobody may feed the gulls.")):
        folder = tmp_path / name
        folder.mkdir()
        (folder / f"{name}.txt").write_text(text)
        with CollectionShelf(own_edge.home).open_or_create(name, lambda: WordEmbedder.identity) as collection:
            Ingest(collection, WordEmbedder, lambda _event: None, parse).run([folder])
    return own_edge


def client(edge: EdgeLLM, **limits: tuple[str, ...]) -> httpx2.AsyncClient:
    """As a user with a key."""
    secret = edge.keys.create("reader", limits=Limits(**limits)).secret  # type: ignore[arg-type]
    made = client_of(open_service(edge, ServeOptions(), is_open=True))
    made.headers["authorization"] = f"Bearer {secret}"
    return made


async def test_a_key_reads_the_collections_that_it_names(filled: EdgeLLM) -> None:
    async with client(filled, collections=("ferry",)) as reader:
        listed = (await reader.get("/v1/documents")).json()["data"]
        assert [(each["id"], each["files"]) for each in listed] == [("ferry", 1)]
        (file,) = (await reader.get("/v1/documents/ferry/files")).json()["data"]
        assert Path(file["name"]).name == "ferry.txt"
        found = await reader.post("/v1/documents/ferry/search", json={"question": "What does a ticket cost?"})
        assert [hit["text"] for hit in found.json()["data"]] == [FARES]


async def test_what_a_key_does_not_name_is_not_there(filled: EdgeLLM) -> None:
    async with client(filled, collections=("ferry",)) as reader:
        for name in ("laws", "nothing"):
            for answer in (
                await reader.get(f"/v1/documents/{name}/files"),
                await reader.post(f"/v1/documents/{name}/search", json={"question": "gulls"}),
            ):
                assert answer.status_code == 404
                assert answer.json()["error"]["message"] == f"There is no collection '{name}'."
    async with client(filled) as reader:
        assert (await reader.get("/v1/documents")).json()["data"] == []


async def test_a_search_is_limited_and_refuses_by_name(filled: EdgeLLM) -> None:
    async with client(filled, collections=("ferry",)) as reader:
        path = "/v1/documents/ferry/search"
        none = await reader.post(path, json={"question": "ticket", "kinds": ["pdf"]})
        assert none.json()["data"] == []
        for body, field in (
            ({"question": ""}, "question"),
            ({"question": "x", "limit": 0}, "limit"),
            ({"question": "x", "mode": "best"}, "mode"),
            ({"question": "x", "since": "yesterday"}, "since"),
            ({"question": "x", "folder": "/etc"}, "folder"),
        ):
            answer = await reader.post(path, json=body)
            assert (answer.status_code, answer.json()["error"]["param"]) == (400, field)
        other_name = (await reader.post(path, json={"query": "x"})).json()["error"]["message"]
        assert other_name.endswith("leave it out. The field 'question' is missing.")


async def test_a_question_that_the_documents_do_not_answer_lands_in_the_review_queue(filled: EdgeLLM) -> None:
    async with client(filled, collections=("ferry",)) as reader:
        body = {"model": "fake:+ferry", "messages": [{"role": "user", "content": "Who invented the telephone?"}]}
        name = (await reader.post("/v1/chat/completions", json=body)).json()["id"]
    [item] = filled.reviews.list()
    assert (item.reason, item.origin.id, item.context.model) == ("weak_evidence", name, "fake:+ferry")
    assert (item.question, item.context.collection) == ("Who invented the telephone?", "ferry")
    assert item.context.evidence is not None
    assert item.context.evidence["is_weak"] is True
    assert item.tenant == filled.keys.list()[0].id


async def test_a_model_whose_name_is_too_long_with_its_collection_is_not_there(filled: EdgeLLM) -> None:
    async with client(filled, collections=("ferry",)) as reader:
        answer = await reader.post("/v1/documents/ferry/ask", json={"question": "Who?", "model": "a" * 256})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")

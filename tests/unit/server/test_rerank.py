"""Texts put in order by a question, in the shape that Cohere's and Jina's clients read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import httpx2
import pytest

from edgellm.errors import InvalidInput
from edgellm.sdk.facade import EdgeLLM
from edgellm.server import reranking
from edgellm.server.service import ServeOptions, open_service
from edgellm.settings import Settings
from edgellm.store.keys import Limits
from tests.unit.server.conftest import client_of

RERANK = "/v1/rerank"
BODY: dict[str, Any] = {"query": "ferry", "documents": ["a gull", "a ferry, a ferry", {"text": "the ferry"}]}


def by_words(_edge: EdgeLLM, question: str, texts: Sequence[str]) -> list[float]:
    """How often a text holds the question."""
    return [float(text.count(question)) for text in texts]


@pytest.fixture
def ranking(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[EdgeLLM]:
    monkeypatch.setattr(EdgeLLM, "rerank", by_words)
    settings = Settings(reranker="/models/tiny-reranker")
    with EdgeLLM("fake:", home=tmp_path_factory.mktemp("ranking"), settings=settings) as edge:
        yield edge


def reader_of(edge: EdgeLLM, **limits: Any) -> httpx2.AsyncClient:
    made = client_of(open_service(edge, ServeOptions(), is_open=True))
    made.headers["x-api-key"] = edge.keys.create("reader", limits=Limits(**limits)).secret
    return made


async def test_the_best_come_first(ranking: EdgeLLM) -> None:
    async with reader_of(ranking) as reader:
        answer = (await reader.post(RERANK, json={**BODY, "model": "tiny-reranker"})).json()
        assert [(each["index"], each["relevance_score"]) for each in answer["results"]] == [
            (1, 2.0),
            (2, 1.0),
            (0, 0.0),
        ]
        assert answer["model"] == "tiny-reranker"
        assert "document" not in answer["results"][0]
        cut = await reader.post(RERANK, json={**BODY, "top_n": 1, "return_documents": True})
        assert cut.json()["results"] == [{"index": 1, "relevance_score": 2.0, "document": {"text": "a ferry, a ferry"}}]
    [total] = ranking.usage.totals("model")
    assert (total.key, total.requests, total.tokens) == ("tiny-reranker", 2, 0)


async def test_many_texts_keep_their_places(ranking: EdgeLLM, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reranking, "BATCH", 2)
    async with reader_of(ranking) as reader:
        texts = ["x", "ferry", "y", "z", "ferry ferry"]
        found = (await reader.post(RERANK, json={"query": "ferry", "documents": texts})).json()["results"]
    assert [each["index"] for each in found] == [4, 1, 0, 2, 3]


async def test_without_a_reranker_it_is_not_offered(client: httpx2.AsyncClient) -> None:
    answer = await client.post(RERANK, json=BODY)
    assert (answer.status_code, answer.json()["error"]["code"]) == (501, "not_offered")
    assert "settings set reranker" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"query": ""}, "query"),
        ({"query": " "}, "query"),
        ({"query": None}, "query"),
        ({"documents": []}, "documents"),
        ({"documents": ["x"] * 1_001}, "documents"),
        ({"documents": ["x", " "]}, "documents.1"),
        ({"documents": [{"title": "x"}]}, "documents.0.title"),
        ({"documents": [5]}, "documents.0"),
        ({"documents": "x"}, "documents"),
        ({"top_n": 0}, "top_n"),
        ({"return_documents": "yes"}, "return_documents"),
        ({"max_tokens_per_doc": 5}, "max_tokens_per_doc"),
        ({"rank_fields": ["text"]}, "rank_fields"),
    ],
    ids=str,
)
async def test_bad_bodies(ranking: EdgeLLM, change: dict[str, Any], field: str) -> None:
    async with reader_of(ranking) as reader:
        answer = await reader.post(RERANK, json={**BODY, **change})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, field)


async def test_a_key_needs_the_right_to_it(ranking: EdgeLLM) -> None:
    async with reader_of(ranking, models=("starter",)) as reader:
        assert (await reader.post(RERANK, json=BODY)).status_code == 404
    async with reader_of(ranking, models=("tiny-reranker",)) as reader:
        assert (await reader.post(RERANK, json=BODY)).status_code == 200
        assert (await reader.post(RERANK, json={**BODY, "model": "rerank-v3.5"})).status_code == 404


async def test_the_servers_own_trouble_is_its_own(ranking: EdgeLLM, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_edge: EdgeLLM, _question: str, _texts: Sequence[str]) -> list[float]:
        raise InvalidInput("There is no folder '/models/tiny-reranker'.", field="reranker")

    monkeypatch.setattr(EdgeLLM, "rerank", broken)
    async with reader_of(ranking) as reader:
        answer = await reader.post(RERANK, json=BODY)
    assert answer.status_code == 500
    assert "/models" not in answer.text

"""Texts to vectors: in batches, counted, and never more threads at work than there are turns."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import httpx2
import pytest

from edgellm.errors import DeadlineExceeded
from edgellm.sdk.facade import EdgeLLM
from edgellm.server import embedding
from edgellm.server.bodies import MOST_TEXTS
from edgellm.server.caller import local_admin
from edgellm.server.embedding import Embedding
from edgellm.server.run import Ready, serve
from edgellm.server.running import Running
from edgellm.server.service import ServeOptions, Service
from edgellm.server.threads import to_the_end


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many texts the embedder was given at a time; a vector says how long its text is."""
    seen: list[int] = []

    def embed(_edge: EdgeLLM, texts: Sequence[str], *, model: str | None = None) -> list[list[float]]:
        seen.append(len(texts))
        return [[float(len(text)), float(model == "fake:")] for text in texts]

    monkeypatch.setattr(EdgeLLM, "embed", embed)
    monkeypatch.setattr(embedding, "BATCH", 2)
    return seen


class Gate:
    """Says that the embedder works, and when it may end."""

    def __init__(self) -> None:
        self.began, self.opened = threading.Event(), threading.Event()


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    made = Gate()

    def embed(_edge: EdgeLLM, texts: Sequence[str], *, model: str | None = None) -> list[list[float]]:
        made.began.set()
        assert made.opened.wait(20), model
        return [[1.0] for _ in texts]

    monkeypatch.setattr(EdgeLLM, "embed", embed)
    yield made
    made.opened.set()


def running(service: Service, texts: Sequence[str]) -> Running[Any]:
    return Running(service, local_admin(), asyncio.Event().wait, Embedding(service, local_admin(), "fake:", texts).run)  # type: ignore[arg-type]


async def until(happens: Any) -> None:
    async with asyncio.timeout(20):
        while not happens():
            await asyncio.sleep(0.01)


async def test_many_texts_keep_their_places(client: httpx2.AsyncClient, batches: list[int]) -> None:
    texts = ["a", "bb", "ccc", "dddd", "eeeee"]
    found = (await client.post("/v1/embeddings", json={"model": "fake:", "input": texts})).json()
    assert [each["embedding"][0] for each in found["data"]] == [1, 2, 3, 4, 5]
    assert batches == [2, 2, 1]
    assert found["usage"]["prompt_tokens"] == sum(map(len, texts))  # the fake's tokens are bytes


async def test_an_empty_text_is_refused_before_any_is_embedded(client: httpx2.AsyncClient, batches: list[int]) -> None:
    answer = await client.post("/v1/embeddings", json={"model": "fake:", "input": ["a", "b", "c", ""]})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "input")
    assert batches == []


async def test_a_chat_model_is_the_wrong_one(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/v1/embeddings", json={"model": "fake:", "input": "x"})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "model")
    assert "chat model" in answer.json()["error"]["message"]


async def test_a_token_that_does_not_exist_is_one_of_the_input(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/v1/embeddings", json={"model": "fake:", "input": [10**6]})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "input")


@pytest.mark.parametrize("path", ["/v1/embeddings", "/api/embed"])
async def test_too_many_texts_are_refused(client: httpx2.AsyncClient, batches: list[int], path: str) -> None:
    answer = await client.post(path, json={"model": "fake:", "input": ["x"] * (MOST_TEXTS + 1)})
    assert answer.status_code == 400
    assert "input" in answer.text
    assert batches == []


async def test_who_goes_away_keeps_the_turn_until_the_thread_has_ended(service: Service, gate: Gate) -> None:
    before = service.edge.usage.totals("model")[0].tokens if service.edge.usage.totals("model") else 0
    gone = running(service, ["x"] * 100)
    await until(gate.began.is_set)
    closing = asyncio.create_task(gone.close())
    await asyncio.sleep(0.1)
    assert service.line.running == 1
    gate.opened.set()
    await closing
    assert service.line.running == 0
    assert service.edge.usage.totals("model")[0].tokens == before + embedding.BATCH  # one batch, and it is counted


def test_a_server_ends_in_time_though_a_thread_cannot_be_interrupted(
    edge: EdgeLLM, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgellm.server.drain.PATIENCE_S", 0.3)
    ready: queue.Queue[Ready] = queue.Queue()
    stop = threading.Event()

    def until() -> None:
        stop.wait(60)

    serving = threading.Thread(target=lambda: serve(edge, ServeOptions(port=0), on_ready=ready.put, until=until))
    serving.start()
    address, answers = ready.get(timeout=20).url, list[httpx2.Response]()
    asking = threading.Thread(
        target=lambda: answers.append(
            httpx2.post(f"{address}/v1/embeddings", json={"model": "fake:", "input": "x"}, timeout=30)
        )
    )
    asking.start()
    assert gate.began.wait(20)
    stop.set()
    serving.join(6)
    assert not serving.is_alive()
    asking.join(6)
    assert (answers[0].status_code, answers[0].json()["error"]["code"]) == (503, "server_stopping")
    assert not gate.opened.is_set()


async def test_a_deadline_ends_the_work_between_batches(service: Service, batches: list[int]) -> None:
    now = 0.0

    def clock() -> float:
        return now

    late = replace(service, clock=clock)
    work = Embedding(late, local_admin(), "fake:", ["x"] * 10)
    now = late.options.deadline_s - 1
    texts = partial(Embedding._texts, work)

    def slow(model: str) -> list[str]:
        nonlocal now
        now += 2
        return texts(model)

    work._texts = slow  # type: ignore[method-assign]
    with pytest.raises(DeadlineExceeded, match="Send fewer"):
        await work.run(lambda _event: None)
    assert batches == []


async def test_a_cancelled_task_waits_for_its_thread() -> None:
    opened, is_done = threading.Event(), threading.Event()

    def work() -> None:
        assert opened.wait(20)
        is_done.set()
        raise ValueError("nobody hears this")

    task = asyncio.create_task(to_the_end(work))
    await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.sleep(0.05)
    assert not task.done()
    opened.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert is_done.is_set()

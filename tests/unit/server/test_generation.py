"""Answers through the whole application, from the fake model."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import httpx2
import pytest

from edgellm.sdk.facade import EdgeLLM
from edgellm.server.service import ServeOptions, Service, open_service
from edgellm.settings import Settings
from edgellm.store.keys import Limits
from tests.unit.server.conftest import client_of

CHAT, COMPLETE = "/v1/chat/completions", "/v1/completions"
SLOW = "fake:decode_row_s=0.05"


def asked(text: str = "Hello", **fields: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": text}]
    return {"model": "fake:", "messages": messages, "seed": 1, "max_tokens": 12, **fields}


def events(answer: httpx2.Response) -> list[Any]:
    """What a stream said; the last one is a text."""
    assert answer.headers["content-type"].startswith("text/event-stream")
    parts = [part.removeprefix("data: ") for part in answer.text.split("\n\n") if part and not part.startswith(":")]
    return [json.loads(part) for part in parts[:-1]] + parts[-1:]


async def test_a_whole_answer(client: httpx2.AsyncClient) -> None:
    answer = await client.post(CHAT, json=asked())
    body = answer.json()
    assert answer.status_code == 200, body
    assert body["id"].startswith("chatcmpl-")
    assert body["model"] == "fake:"
    assert body["choices"][0]["message"]["content"]
    assert body["usage"]["completion_tokens"] <= 12
    assert body["usage"]["prompt_tokens"] > 10


async def test_a_stream_says_the_same_as_a_whole_answer(client: httpx2.AsyncClient) -> None:
    whole = (await client.post(CHAT, json=asked())).json()
    stream = events(await client.post(CHAT, json=asked(stream=True, stream_options={"include_usage": True})))
    text = "".join(event["choices"][0]["delta"].get("content") or "" for event in stream[:-2])
    assert text == whole["choices"][0]["message"]["content"]
    assert stream[-3]["choices"][0]["finish_reason"] == whole["choices"][0]["finish_reason"]
    assert stream[-2]["usage"]["completion_tokens"] == whole["usage"]["completion_tokens"]
    assert stream[-1] == "[DONE]"


async def test_several_answers(client: httpx2.AsyncClient) -> None:
    choices = (await client.post(CHAT, json=asked(n=3, temperature=2))).json()["choices"]
    assert [choice["index"] for choice in choices] == [0, 1, 2]
    assert len({choice["message"]["content"] for choice in choices}) > 1


async def test_logprobs(client: httpx2.AsyncClient) -> None:
    answer = (await client.post(CHAT, json=asked(logprobs=True, top_logprobs=2))).json()
    tokens = answer["choices"][0]["logprobs"]["content"]
    assert len(tokens) in (answer["usage"]["completion_tokens"], answer["usage"]["completion_tokens"] - 1)
    assert all(token["logprob"] <= 0 and len(token["top_logprobs"]) == 2 for token in tokens)


async def test_a_schema_is_kept(client: httpx2.AsyncClient) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    answer = (await client.post(CHAT, json=asked(response_format=form, max_tokens=60))).json()
    assert isinstance(json.loads(answer["choices"][0]["message"]["content"]), dict)


@pytest.mark.parametrize("stream", [False, True])
async def test_too_long_a_conversation_is_refused_before_anything_is_written(
    client: httpx2.AsyncClient, stream: bool
) -> None:
    answer = await client.post(CHAT, json=asked("x" * 2_000, stream=stream))
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "context_length_exceeded")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", ["gone", "fake:x=1", "/etc/passwd", "fake:@none", "fake:+none", "\u202e\x1b[2J"])
async def test_no_such_model(client: httpx2.AsyncClient, model: str, stream: bool) -> None:
    answer = await client.post(CHAT, json=asked(model=model, stream=stream))
    assert (answer.status_code, answer.json()["error"]["param"]) == (404, "model")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (COMPLETE, {"prompt": "x"}),
        ("/v1/embeddings", {"input": "x"}),
        ("/tokenize", {"prompt": "x"}),
        ("/detokenize", {"tokens": [1]}),
        ("/v1/responses", {"input": "x"}),
    ],
    ids=str,
)
async def test_no_such_adapter_is_a_wrong_model(client: httpx2.AsyncClient, path: str, body: dict[str, Any]) -> None:
    answer = await client.post(path, json={"model": "fake:@none", **body})
    assert (answer.status_code, answer.json()["error"]["param"]) == (404, "model")


@pytest.mark.parametrize(("path", "body"), [("completions", {"prompt": "a"}), ("embeddings", {"input": "a"})])
async def test_documents_are_not_silently_left_out(client: httpx2.AsyncClient, path: str, body: dict[str, Any]) -> None:
    answer = await client.post(f"/v1/{path}", json={"model": "fake:+ferry", **body})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "model")


async def test_a_completion_of_a_text_and_of_its_tokens(client: httpx2.AsyncClient) -> None:
    body = {"model": "fake:", "prompt": "Once", "seed": 1, "max_tokens": 8}
    of_text = (await client.post(COMPLETE, json=body)).json()
    ids = (await client.post("/tokenize", json={"prompt": "Once"})).json()["tokens"]
    of_both = (await client.post(COMPLETE, json={**body, "prompt": [ids, ids]})).json()
    assert of_text["id"].startswith("cmpl-")
    assert [choice["index"] for choice in of_both["choices"]] == [0, 1]
    assert of_both["choices"][0]["text"] == of_both["choices"][1]["text"]


async def test_echo(client: httpx2.AsyncClient) -> None:
    body = {"model": "fake:", "prompt": "Once", "max_tokens": 0, "echo": True, "logprobs": 1}
    scored = (await client.post(COMPLETE, json=body)).json()
    logprobs = scored["choices"][0]["logprobs"]
    assert scored["choices"][0]["text"] == "Once"
    assert "".join(logprobs["tokens"]).endswith("Once")
    assert logprobs["token_logprobs"][0] is None
    assert all(value < 0 for value in logprobs["token_logprobs"][1:])
    gone_on = (await client.post(COMPLETE, json={**body, "max_tokens": 4, "seed": 1})).json()["choices"][0]
    assert gone_on["text"].startswith("Once")
    assert gone_on["logprobs"]["token_logprobs"][: len(logprobs["tokens"])] == logprobs["token_logprobs"]
    assert len(gone_on["logprobs"]["tokens"]) > len(logprobs["tokens"])


async def test_echo_in_a_stream(client: httpx2.AsyncClient) -> None:
    body = {"model": "fake:", "prompt": "Once", "max_tokens": 3, "echo": True, "stream": True, "seed": 1}
    made = events(await client.post(COMPLETE, json=body))
    assert made[0]["choices"][0]["text"] == "Once"


async def test_tokens_there_and_back(client: httpx2.AsyncClient) -> None:
    for text in ("Grüße, 世界 😀", "a\x00b", "<|im_end|>"):
        found = (await client.post("/tokenize", json={"content": text, "parse_special": False})).json()
        assert found["count"] == len(found["tokens"])
        back = (await client.post("/detokenize", json={"tokens": found["tokens"]})).json()
        assert back["prompt"] == back["content"] == text
    special = (await client.post("/tokenize", json={"prompt": "<|im_end|>"})).json()
    assert special["count"] == 1
    wrong = await client.post("/detokenize", json={"tokens": [10**6]})
    assert (wrong.status_code, wrong.json()["error"]["param"]) == (400, "tokens")


@pytest.mark.parametrize("turns", [[], [("user", "What Ada asked in private")], [("assistant", "What Ada was told")]])
async def test_a_conversation_without_an_answer_is_refused_without_its_words(
    client: httpx2.AsyncClient, turns: list[tuple[str, str]]
) -> None:
    body = {"model": "fake:", "messages": [{"role": role, "content": text} for role, text in turns]}
    refused = await client.post("/tokenize", json=body)
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "messages")
    assert "does not end with an answer" in refused.text
    assert "Ada" not in refused.text


async def test_models(client: httpx2.AsyncClient) -> None:
    listed = (await client.get("/v1/models")).json()
    assert (listed["object"], listed["data"][0]["id"]) == ("list", "fake:")
    assert (await client.get("/v1/models/fake:")).json()["object"] == "model"
    assert (await client.get("/v1/models/none")).status_code == 404


async def test_a_chat_model_makes_no_vectors(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/v1/embeddings", json={"model": "fake:", "input": "x"})
    assert answer.status_code == 400
    assert "chat model" in answer.json()["error"]["message"]


async def test_feedback(client: httpx2.AsyncClient, edge: EdgeLLM) -> None:
    name = (await client.post(CHAT, json=asked("Rate me"))).json()["id"]
    rated = await client.post("/v1/feedback", json={"response_id": name, "rating": "down", "correction": "Better."})
    assert rated.status_code == 200
    kept = edge.answers.get(name, "local")
    assert (kept.rating, kept.correction) == (-1, "Better.")
    assert kept.messages is not None
    assert kept.messages[-1].content == "Rate me"
    assert (await client.post("/v1/feedback", json={"response_id": "chatcmpl-0", "rating": "up"})).status_code == 404
    assert (await client.post("/v1/feedback", json={"response_id": name})).status_code == 400


async def test_what_each_tenant_gets(own_edge: EdgeLLM) -> None:
    full = own_edge.keys.create("full")
    free = own_edge.keys.create("free", limits=Limits(log="content-free", models=("fake:",)))
    other = own_edge.keys.create("other", limits=Limits(models=("elsewhere",)))
    async with client_of(open_service(own_edge, ServeOptions(), is_open=True)) as client:
        one = await client.post(CHAT, json=asked("Secret"), headers={"x-api-key": full.secret})
        two = await client.post(CHAT, json=asked("Secret"), headers={"x-api-key": free.secret})
        assert (await client.post(CHAT, json=asked(), headers={"x-api-key": other.secret})).status_code == 404
        assert (await client.get("/v1/models", headers={"x-api-key": other.secret})).json()["data"] == []
        stolen = {"response_id": one.json()["id"], "rating": "up"}
        assert (await client.post("/v1/feedback", json=stolen, headers={"x-api-key": free.secret})).status_code == 404
    assert one.json()["usage"]["prompt_tokens_details"]["cached_tokens"] == 0
    assert two.json()["usage"]["prompt_tokens_details"]["cached_tokens"] == 0  # not from the other tenant's text
    kept = own_edge.answers.get(two.json()["id"], free.key.id)
    assert (kept.messages, kept.text) == (None, None)
    used = {total.key: total for total in own_edge.usage.totals(by="tenant")}
    assert used[full.key.id].requests == used[free.key.id].requests == 1
    assert used[full.key.id].tokens == one.json()["usage"]["total_tokens"]
    assert set(used) == {full.key.id, free.key.id}


async def test_a_budget_ends(own_edge: EdgeLLM) -> None:
    made = own_edge.keys.create("small", limits=Limits(tokens_per_minute=10))
    headers = {"x-api-key": made.secret}
    async with client_of(open_service(own_edge, ServeOptions(), is_open=True)) as client:
        assert (await client.post(CHAT, json=asked(), headers=headers)).status_code == 200
        answer = await client.post(CHAT, json=asked(), headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "rate_limit_exceeded")
    assert int(answer.headers["retry-after"]) > 0


@pytest.fixture
def slow(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with EdgeLLM(SLOW, home=tmp_path_factory.mktemp("slow"), settings=Settings(context_tokens=1024)) as edge:
        edge.models.load(SLOW)
        yield edge


def endless(**fields: Any) -> dict[str, Any]:
    return asked(**{"model": SLOW, "max_tokens": 200, "logit_bias": {"257": -100}, **fields})


async def test_a_full_line(slow: EdgeLLM) -> None:
    service = open_service(slow, ServeOptions(running=1, waiting=2), is_open=True)
    async with client_of(service) as client:
        began = time.monotonic()
        tasks = [asyncio.create_task(client.post(CHAT, json=endless(max_tokens=10))) for _ in range(8)]
        answers = [await task for task in tasks]
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [200] * 3 + [503] * 5
    assert slow.usage.totals()[0].requests == 3  # who is turned away writes nothing to disk
    assert all(int(a.headers["retry-after"]) >= 1 for a in answers if a.status_code == 503)
    assert time.monotonic() - began < 60


async def test_one_tenant_does_not_fill_the_line(slow: EdgeLLM) -> None:
    greedy, modest = slow.keys.create("greedy"), slow.keys.create("modest")
    service = open_service(slow, ServeOptions(running=1, waiting=4), is_open=True)

    def ask(client: httpx2.AsyncClient, secret: str) -> asyncio.Task[httpx2.Response]:
        body = endless(max_tokens=10)
        return asyncio.create_task(client.post(CHAT, json=body, headers={"x-api-key": secret}))

    async with client_of(service) as client:
        tasks = [ask(client, greedy.secret) for _ in range(3)]
        while service.line.waiting < 2:
            await asyncio.sleep(0.02)
        tasks.append(ask(client, modest.secret))
        while service.line.waiting < 3:
            await asyncio.sleep(0.02)
        refused = await ask(client, greedy.secret)
        statuses = [(await task).status_code for task in tasks]
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "rate_limit_exceeded")
    assert int(refused.headers["retry-after"]) >= 1
    assert statuses == [200] * 4


@pytest.mark.parametrize("stream", [False, True])
async def test_a_deadline(slow: EdgeLLM, stream: bool) -> None:
    service = open_service(slow, ServeOptions(deadline_s=1.0), is_open=True)
    async with client_of(service) as client:
        answer = await client.post(CHAT, json=endless(stream=stream))
    if stream:
        *_, error, done = events(answer)
        assert (error["error"]["code"], done) == ("deadline_exceeded", "[DONE]")
    else:
        assert (answer.status_code, answer.json()["error"]["code"]) == (504, "deadline_exceeded")


async def test_a_revoked_key_ends_its_open_stream(slow: EdgeLLM) -> None:
    made = slow.keys.create("a")
    service = open_service(slow, ServeOptions(), is_open=True)
    async with client_of(service) as client:
        await client.get("/v1/models", headers={"x-api-key": made.secret})
        body = endless(stream=True)
        task = asyncio.create_task(client.post(CHAT, json=body, headers={"x-api-key": made.secret}))
        while not service.line.running:
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)
        began = time.monotonic()
        await asyncio.to_thread(slow.keys.revoke, made.key.id)
        *_, error, done = events(await task)
    assert (error["error"]["code"], done) == ("invalid_api_key", "[DONE]")
    assert time.monotonic() - began < 8


async def test_metrics_and_health(client: httpx2.AsyncClient, service: Service) -> None:
    await client.post(CHAT, json=asked())
    text = (await client.get("/metrics")).text
    assert 'edgellm_requests_total{route="/v1/chat/completions",status="200"} 1\n' in text
    assert 'edgellm_engine_running{model="fake:"}' in text
    assert 'edgellm_engine_host_cache_bytes{model="fake:"}' in text  # what benchmarks.soak reads
    assert "edgellm_requests_open 1\n" in text
    assert (await client.get("/health")).json() == {"status": "ok"}
    assert (await client.get("/ready")).json() == {"status": "ready"}
    service.drain.begin()
    assert (await client.get("/ready")).status_code == 503
    assert (await client.post(CHAT, json=asked())).status_code == 503


async def test_the_openapi_page(client: httpx2.AsyncClient) -> None:
    page = (await client.get("/openapi.json")).json()
    assert "/v1/chat/completions" in page["paths"]
    assert "422" not in page["paths"]["/v1/chat/completions"]["post"]["responses"]


async def test_a_scored_prompt_counts_like_any_other(own_edge: EdgeLLM) -> None:
    made = own_edge.keys.create("a")
    body = {"model": "fake:", "prompt": "Once upon a time", "max_tokens": 0, "echo": True, "logprobs": 1}
    service = open_service(own_edge, ServeOptions(), is_open=True)
    async with client_of(service) as client:
        scored = (await client.post(COMPLETE, json=body, headers={"x-api-key": made.secret})).json()
        gone_on = (
            await client.post(COMPLETE, json={**body, "max_tokens": 2}, headers={"x-api-key": made.secret})
        ).json()
    read = len(scored["choices"][0]["logprobs"]["tokens"])
    assert scored["usage"]["prompt_tokens"] == scored["usage"]["total_tokens"] == read
    assert gone_on["usage"]["prompt_tokens"] == 2 * read
    [total] = own_edge.usage.totals("tenant")
    assert total.tokens == scored["usage"]["total_tokens"] + gone_on["usage"]["total_tokens"]


async def test_a_scored_prompt_uses_up_a_budget(own_edge: EdgeLLM) -> None:
    made = own_edge.keys.create("small", limits=Limits(tokens_per_minute=10))
    body = {"model": "fake:", "prompt": "Once upon a time", "max_tokens": 0, "echo": True, "logprobs": 1}
    async with client_of(open_service(own_edge, ServeOptions(), is_open=True)) as client:
        statuses = [
            (await client.post(COMPLETE, json=body, headers={"x-api-key": made.secret})).status_code for _ in range(2)
        ]
    assert statuses == [200, 429]

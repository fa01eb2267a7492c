"""Bodies that cannot be honoured: each is a 400 that names its field, and none reaches an engine."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from edgellm.sdk.facade import EdgeLLM

USER = [{"role": "user", "content": "Hi"}]
IMAGE = {"type": "image_url", "image_url": {"url": "http://169.254.169.254/latest/meta-data"}}
TOOL = {"type": "function", "function": {"name": "look_up"}}

CHAT: list[tuple[dict[str, Any], str]] = [
    ({"messages": None}, "messages"),
    ({"messages": []}, "messages"),
    ({"messages": "Hi"}, "messages"),
    ({"messages": [{}]}, "messages.0.role"),
    ({"messages": ["Hi"]}, "messages.0"),
    ({"messages": [{"role": "wizard", "content": "Hi"}]}, "messages.0.role"),
    ({"messages": [{"role": "user"}]}, "messages.0.content"),
    ({"messages": [{"role": "user", "content": 5}]}, "messages.0.content"),
    ({"messages": [{"role": "user", "content": "Hi", "weight": 1}]}, "messages.0.weight"),
    ({"messages": [{"role": "user", "content": [IMAGE]}]}, "messages.0.content.0.type"),
    ({"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "messages.0.content.0.type"),
    ({"messages": [{"role": "user", "content": [{"type": "file"}]}]}, "messages.0.content.0.type"),
    ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages.0.content.0.text"),
    ({"messages": [{"role": "user", "content": [{}]}]}, "messages.0.content.0.type"),
    ({"messages": [{"role": "tool", "content": "5"}]}, "messages.0.tool_call_id"),
    (
        {
            "messages": [
                {
                    "role": "user",
                    "content": "x",
                    "tool_calls": [{"id": "1", "function": {"name": "a", "arguments": ""}}],
                }
            ]
        },
        "messages.0.tool_calls",
    ),
    ({"messages": [{"role": "assistant", "tool_calls": [{"id": "1"}]}]}, "messages.0.tool_calls.0.function"),
    ({"messages": [{"role": "assistant", "content": "x", "function_call": {"name": "a"}}]}, "messages.0.function_call"),
    ({"model": None}, "model"),
    ({"model": ""}, "model"),
    ({"model": 5}, "model"),
    ({"model": "m" * 300}, "model"),
    ({"temperature": "hot"}, "temperature"),
    ({"temperature": -0.1}, "temperature"),
    ({"temperature": 5.1}, "temperature"),
    ({"temperature": True}, "temperature"),
    ({"top_p": 0}, "top_p"),
    ({"top_p": 1.01}, "top_p"),
    ({"top_k": -1}, "top_k"),
    ({"min_p": 2}, "min_p"),
    ({"repetition_penalty": 0}, "repetition_penalty"),
    ({"presence_penalty": 2.5}, "presence_penalty"),
    ({"frequency_penalty": -3}, "frequency_penalty"),
    ({"n": 0}, "n"),
    ({"n": 5}, "n"),
    ({"n": 10**15}, "n"),
    ({"n": 1.5}, "n"),
    ({"max_tokens": 0}, "max_tokens"),
    ({"max_tokens": -1}, "max_tokens"),
    ({"max_tokens": 2**40}, "max_tokens"),
    ({"max_completion_tokens": 0}, "max_completion_tokens"),
    ({"max_tokens": 5, "max_completion_tokens": 6}, "max_tokens"),
    ({"seed": -1}, "seed"),
    ({"seed": 2**32}, "seed"),
    ({"seed": "x"}, "seed"),
    ({"stop": [""]}, "stop"),
    ({"stop": ["x"] * 17}, "stop"),
    ({"stop": 5}, "stop"),
    ({"stop": ["x" * 300]}, "stop"),
    ({"logit_bias": {"hello": 1}}, "logit_bias"),
    ({"logit_bias": {"5": 101}}, "logit_bias"),
    ({"logit_bias": {str(n): 1 for n in range(1_025)}}, "logit_bias"),
    ({"logit_bias": [1]}, "logit_bias"),
    ({"logprobs": 5}, "logprobs"),
    ({"top_logprobs": 3}, "top_logprobs"),
    ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
    ({"stream": "yes"}, "stream"),
    ({"stream_options": {"include_usage": True}}, "stream_options"),
    ({"stream": True, "stream_options": {"everything": True}}, "stream_options.everything"),
    ({"response_format": {"type": "xml"}}, "response_format.type"),
    ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
    ({"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}}, "response_format.json_schema.schema"),
    ({"response_format": "json"}, "response_format"),
    ({"tools": [{"type": "web_search"}]}, "tools.0.type"),
    ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "tools.0.function.name"),
    ({"tools": [{"type": "function", "function": {}}]}, "tools.0.function.name"),
    ({"tools": [TOOL] * 129}, "tools"),
    ({"tool_choice": "required"}, "tool_choice"),
    ({"tool_choice": "sometimes"}, "tool_choice"),
    ({"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "b"}}}, "tool_choice.function.name"),
    ({"store": True}, "store"),
    ({"audio": {"voice": "x"}}, "audio"),
    ({"modalities": ["audio"]}, "modalities.0"),
    ({"functions": [{}]}, "functions"),
    ({"function_call": "auto"}, "function_call"),
    ({"web_search_options": {"x": 1}}, "web_search_options"),
    ({"reasoning_effort": "high"}, "reasoning_effort"),
    ({"grammar": "root ::= x"}, "grammar"),
    ({"n_discard": -5}, "n_discard"),
    ({"slot_id": 1}, "slot_id"),
    ({"guided_json": {}}, "guided_json"),
    ({"tenant": "other"}, "tenant"),
    ({"trusted": True}, "trusted"),
]
COMPLETION: list[tuple[dict[str, Any], str]] = [
    ({"prompt": None}, "prompt"),
    ({"prompt": []}, "prompt"),
    ({"prompt": [[]]}, "prompt.0"),
    ({"prompt": [1, "x"]}, "prompt.1"),
    ({"prompt": [-1]}, "prompt.0"),
    ({"prompt": [2**40]}, "prompt.0"),
    ({"prompt": ["x"] * 17}, "prompt"),
    ({"prompt": {"text": "x"}}, "prompt"),
    ({"prompt": ["a", "b"], "stream": True}, "prompt"),
    ({"suffix": "x"}, "suffix"),
    ({"best_of": 3}, "best_of"),
    ({"max_tokens": 0}, "max_tokens"),
    ({"logprobs": 21}, "logprobs"),
    ({"logprobs": True}, "logprobs"),
    ({"echo": "yes"}, "echo"),
    ({"messages": USER}, "messages"),
]
EMBEDDING: list[tuple[dict[str, Any], str]] = [
    ({"input": None}, "input"),
    ({"input": []}, "input"),
    ({"input": ["x"] * 2_049}, "input"),
    ({"input": 5}, "input"),
    ({"encoding_format": "hex"}, "encoding_format"),
    ({"dimensions": 0}, "dimensions"),
]


async def refused(client: httpx2.AsyncClient, path: str, body: Any) -> dict[str, Any]:
    """The error that a body gets."""
    answer = await client.post(path, json=body)
    assert answer.status_code == 400, answer.text
    error: dict[str, Any] = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    assert 0 < len(error["message"]) < 400
    return error


@pytest.mark.parametrize(("change", "field"), CHAT, ids=str)
async def test_chats(client: httpx2.AsyncClient, change: dict[str, Any], field: str) -> None:
    body = {"model": "fake:", "messages": USER, "max_tokens": 1, **change}
    error = await refused(client, "/v1/chat/completions", body)
    assert error["param"] == field


@pytest.mark.parametrize(("change", "field"), COMPLETION, ids=str)
async def test_completions(client: httpx2.AsyncClient, change: dict[str, Any], field: str) -> None:
    error = await refused(client, "/v1/completions", {"model": "fake:", "prompt": "x", **change})
    assert error["param"] == field


@pytest.mark.parametrize(("change", "field"), EMBEDDING, ids=str)
async def test_embeddings(client: httpx2.AsyncClient, change: dict[str, Any], field: str) -> None:
    error = await refused(client, "/v1/embeddings", {"model": "fake:", "input": "x", **change})
    assert error["param"] == field


@pytest.mark.parametrize("body", [None, [], "x", 5, True])
@pytest.mark.parametrize(
    "path", ["/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/tokenize", "/v1/feedback"]
)
async def test_no_object(client: httpx2.AsyncClient, path: str, body: Any) -> None:
    assert (await refused(client, path, body))["param"] == "body"


async def test_no_body(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/v1/chat/completions")
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "body")


@pytest.mark.parametrize("raw", [b'{"model": "fake:"', b'{"n": NaN}', b'{"a": 1, "a": 1}', b"\xff\xfe", b"[" * 100_000])
async def test_no_json(client: httpx2.AsyncClient, raw: bytes) -> None:
    answer = await client.post("/v1/chat/completions", content=raw, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_json")


async def test_a_value_is_quoted_short(client: httpx2.AsyncClient) -> None:
    error = await refused(
        client, "/v1/chat/completions", {"model": "fake:", "messages": USER, "stop": {"x": "y" * 10_000}}
    )
    assert len(error["message"]) < 300


async def test_a_bias_on_a_token_that_the_model_does_not_have(client: httpx2.AsyncClient) -> None:
    body = {"model": "fake:", "messages": USER, "max_tokens": 1, "logit_bias": {"999999": 1}}
    error = await refused(client, "/v1/chat/completions", body)
    assert error["param"] == "logit_bias"
    assert error["message"].startswith("logit_bias names the token 999999, which does not exist")


async def test_several_kinds_are_named_together(client: httpx2.AsyncClient) -> None:
    error = await refused(client, "/v1/chat/completions", {"model": "fake:", "messages": USER, "stop": 5})
    assert error["message"] == "stop is 5; it must be a valid string or a valid list."


def test_nothing_of_it_reached_an_engine(edge: EdgeLLM) -> None:
    measured = edge.stats()
    assert measured is None or measured.requests_failed == 0

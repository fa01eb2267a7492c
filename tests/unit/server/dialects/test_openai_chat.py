"""OpenAI's chat completions, without a server."""

from __future__ import annotations

import json
from typing import Any

from edgellm.errors import WorkerDied
from edgellm.server.bodies import ChatBody
from edgellm.server.call import AnswerId, Call
from edgellm.server.dialects.openai_chat import OpenAIChat
from edgellm.types import (
    Alternative,
    Choice,
    Citation,
    Constraint,
    Delta,
    Evidence,
    FinishReason,
    Loading,
    Message,
    Prefill,
    Reply,
    Sampling,
    Timings,
    TokenTrace,
    Tool,
    ToolCall,
    ToolCallPiece,
    Usage,
)

USER = [{"role": "user", "content": "Hi"}]
ANSWER = AnswerId("chatcmpl-1", 1_700_000_000)
DIALECT = OpenAIChat()
TRACE = TokenTrace(
    token=5, text="é", logprob=-0.5, entropy=1.0, alternatives=(Alternative(token=6, text="e", logprob=-1),)
)


def call(**fields: Any) -> Call:
    return DIALECT.call(ChatBody.model_validate({"model": "m", "messages": USER, **fields}))


def reply(*choices: Choice, evidence: Evidence | None = None) -> Reply:
    usage = Usage(prompt_tokens=7, cached_tokens=4, completion_tokens=3)
    return Reply(choices=choices, model="m", usage=usage, timings=Timings(), evidence=evidence)


def said(text: str = "Hello", **more: Any) -> Choice:
    return Choice(**{"text": text, "finish_reason": FinishReason.STOP, **more})


def frames(made: Call, *events: Any, end: Reply | None = None) -> list[Any]:
    """What a stream's events say; DONE as a text."""
    written = DIALECT.frames(made, ANSWER)
    raw = [*written.begin(), *(part for event in events for part in written.event(event))]
    raw += written.end(end or reply(said()))
    assert all(part.startswith(b"data: ") and part.endswith(b"\n\n") and part.count(b"\n") == 2 for part in raw)
    texts = [part.removeprefix(b"data: ").strip().decode() for part in raw]
    return [text if text == "[DONE]" else json.loads(text) for text in texts]


def test_defaults_are_the_settings_own() -> None:
    body = ChatBody.model_validate({"model": "m", "messages": USER})
    assert OpenAIChat(Sampling(temperature=0.1, top_k=3)).call(body).sampling == Sampling(temperature=0.1, top_k=3)


def test_every_field_of_sampling() -> None:
    made = call(
        temperature=0, top_p=0.5, top_k=7, min_p=0, repetition_penalty=1.5, presence_penalty=-1, frequency_penalty=1,
        seed=3, stop="x", n=2, max_completion_tokens=9, logprobs=True, top_logprobs=2, logit_bias={"5": -100},
    )  # fmt: skip
    assert made.sampling == Sampling(
        temperature=0, top_p=0.5, top_k=7, min_p=0, repeat_penalty=1.5, presence_penalty=-1, frequency_penalty=1,
        seed=3, stop=("x",), n=2, max_tokens=9, logprobs=2, logit_bias={5: -100},
    )  # fmt: skip


def test_nulls_say_nothing() -> None:
    names = (
        "temperature",
        "stop",
        "n",
        "tools",
        "tool_choice",
        "response_format",
        "stream",
        "max_tokens",
        "user",
        "logprobs",
    )
    assert call(**dict.fromkeys(names)) == call()


def test_harmless_fields_change_nothing() -> None:
    harmless = {"user": "u", "metadata": {"a": "b"}, "service_tier": "auto", "store": False, "modalities": ["text"]}
    assert call(**harmless) == call()


def test_turns() -> None:
    given = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "One"}, {"type": "text", "text": "two"}]},
        {"role": "assistant", "content": None, "reasoning_content": "hm",
         "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "add", "arguments": "{}"}}]},
        {"role": "tool", "content": "3", "tool_call_id": "c1"},
    ]  # fmt: skip
    assert call(messages=given).messages == (
        Message(role="system", content="Be brief."),
        Message(role="user", content="One\ntwo"),
        Message(
            role="assistant", content="", reasoning="hm", tool_calls=(ToolCall(id="c1", name="add", arguments="{}"),)
        ),
        Message(role="tool", content="3", tool_call_id="c1"),
    )


def test_tools_and_format() -> None:
    tool = {"type": "function", "function": {"name": "add", "description": "Adds.", "parameters": {"type": "object"}}}
    made = call(tools=[tool], tool_choice={"type": "function", "function": {"name": "add"}})
    assert made.tools == (Tool(name="add", description="Adds.", parameters='{"type":"object"}'),)
    assert made.tool_choice == "add"
    schema = {"name": "x", "schema": {"type": "string"}, "strict": True}
    found = call(response_format={"type": "json_schema", "json_schema": schema}).constraint
    assert found == Constraint(kind="json_schema", text='{"type":"string"}')
    assert call(response_format={"type": "json_object"}).constraint == Constraint(kind="json_object")
    assert call(response_format={"type": "text"}).constraint is None


def test_a_whole_answer() -> None:
    assert DIALECT.whole(call(), reply(said()), ANSWER) == {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hello", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 7,
            "completion_tokens": 3,
            "total_tokens": 10,
            "prompt_tokens_details": {"cached_tokens": 4},
        },
    }


def test_reasoning_tools_and_logprobs_of_a_whole_answer() -> None:
    calls = (ToolCall(id="c1", name="add", arguments="{}"), ToolCall(id="c2", name="add", arguments="{}"))
    choice = said("", reasoning="hm", tool_calls=calls, tokens=(TRACE,), finish_reason=FinishReason.TOOL_CALLS)
    found = DIALECT.whole(call(logprobs=True), reply(choice), ANSWER)["choices"][0]
    message = found["message"]
    assert (message["content"], message["reasoning_content"], found["finish_reason"]) == (None, "hm", "tool_calls")
    assert [one["id"] for one in message["tool_calls"]] == ["c1", "c2"]
    token = found["logprobs"]["content"][0]
    assert (token["token"], token["logprob"], token["bytes"]) == ("é", -0.5, [0xC3, 0xA9])
    assert token["top_logprobs"] == [{"token": "e", "logprob": -1, "bytes": [0x65]}]
    one = DIALECT.whole(call(parallel_tool_calls=False), reply(choice), ANSWER)["choices"][0]["message"]
    assert [made["id"] for made in one["tool_calls"]] == ["c1"]


def test_evidence_is_a_field_of_its_own() -> None:
    citation = Citation(
        n=1, chunk_id=4, file="a.pdf", page=2, headings=(), text="Nine crowns.", start=0, end=12, score=1
    )
    found = DIALECT.whole(
        call(), reply(said("Nine [1]."), evidence=Evidence(collection="c", citations=(citation,))), ANSWER
    )
    assert found["evidence"]["text"] == "Nine [1]."
    assert found["evidence"]["citations"][0]["file"] == "a.pdf"


def test_a_stream() -> None:
    events = [
        Loading(model="m", fraction=0.5),
        Prefill(done_tokens=1, total_tokens=2),
        Delta(text="Hel"),
        Delta(text="lo"),
    ]
    role, one, two, reason, done = frames(call(stream=True), *events)
    assert role["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert role["object"] == "chat.completion.chunk"
    assert [one["choices"][0]["delta"], two["choices"][0]["delta"]] == [{"content": "Hel"}, {"content": "lo"}]
    assert (reason["choices"][0]["finish_reason"], reason["choices"][0]["delta"]) == ("stop", {})
    assert done == "[DONE]"
    assert {frame["id"] for frame in (role, one, two, reason)} == {"chatcmpl-1"}
    assert "usage" not in one


def test_a_stream_with_usage() -> None:
    made = frames(call(stream=True, stream_options={"include_usage": True}), Delta(text="x"))
    assert [frame["usage"] for frame in made[:-2]] == [None, None, None]
    assert (made[-2]["choices"], made[-2]["usage"]["total_tokens"]) == ([], 10)


def test_several_answers_in_a_stream() -> None:
    end = reply(said("a"), said("b", finish_reason=FinishReason.LENGTH))
    made = frames(call(stream=True, n=2), Delta(text="a"), Delta(text="b", index=1), end=end)
    found = [(frame["choices"][0]["index"], frame["choices"][0]["finish_reason"]) for frame in made[:-1]]
    assert found == [(0, None), (1, None), (0, None), (1, None), (0, "stop"), (1, "length")]


def test_tool_calls_in_a_stream() -> None:
    first = Delta(tool_calls=(ToolCallPiece(position=0, id="c1", name="add", arguments=""),))
    rest = Delta(tool_calls=(ToolCallPiece(position=0, arguments='{"a"'), ToolCallPiece(position=1, id="c2", name="b")))
    made = frames(call(stream=True), first, rest)
    assert made[1]["choices"][0]["delta"]["tool_calls"] == [
        {"index": 0, "id": "c1", "type": "function", "function": {"name": "add", "arguments": ""}}
    ]
    assert [piece["index"] for piece in made[2]["choices"][0]["delta"]["tool_calls"]] == [0, 1]
    one = frames(call(stream=True, parallel_tool_calls=False), first, rest)
    assert [piece["index"] for piece in one[2]["choices"][0]["delta"]["tool_calls"]] == [0]


def test_reasoning_and_logprobs_in_a_stream() -> None:
    made = frames(call(stream=True, logprobs=True), Delta(reasoning="hm"), Delta(text="é", tokens=(TRACE,)))
    assert made[1]["choices"][0]["delta"] == {"reasoning_content": "hm"}
    assert made[2]["choices"][0]["logprobs"]["content"][0]["logprob"] == -0.5


def test_a_stream_that_fails() -> None:
    error, done = DIALECT.frames(call(stream=True), ANSWER).failed(WorkerDied("It died."), 503)
    assert json.loads(error.removeprefix(b"data: "))["error"]["code"] == "worker_died"
    assert done == b"data: [DONE]\n\n"


def test_no_text_breaks_a_frame() -> None:
    text = "\n\ndata: [DONE]\n\n\r\x00\u2028"
    made = frames(call(stream=True), Delta(text=text))
    assert made[1]["choices"][0]["delta"]["content"] == text

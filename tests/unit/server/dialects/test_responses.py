"""OpenAI's Responses API: bodies to calls, and answers to responses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from edgellm.errors import ContextOverflow, InvalidInput
from edgellm.server.call import AnswerId, Call
from edgellm.server.dialects.responses import Responses
from edgellm.server.dialects.responses_body import ResponsesBody
from edgellm.types import (
    Alternative,
    Choice,
    Constraint,
    Evidence,
    FinishReason,
    Message,
    Reply,
    Sampling,
    Timings,
    TokenTrace,
    Tool,
    ToolCall,
    Usage,
)
from tests.unit.server.dialects.streams import CALL, reply

FARE = {"type": "function", "name": "fare", "parameters": {"type": "object"}, "strict": True}
FARE_RESULT = {"type": "function_call_output", "call_id": "call_a"}
ID = AnswerId("resp_1", 1_700_000_000)
USAGE = {
    "input_tokens": 12,
    "input_tokens_details": {"cached_tokens": 5, "cache_write_tokens": 0},
    "output_tokens": 7,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 19,
}


def body(**more: Any) -> ResponsesBody:
    return ResponsesBody.model_validate({"model": "starter", "input": "Hello"} | more)


def call(**more: Any) -> Call:
    return Responses().call(body(**more))


def test_the_shortest_body() -> None:
    found = call()
    assert found.messages == (Message(role="user", content="Hello"),)
    assert (found.model, found.is_stream, found.tool_choice) == ("starter", False, "auto")
    assert found.sampling == Sampling()


def test_sampling_is_taken_over_the_defaults() -> None:
    dialect = Responses(Sampling(temperature=0.1, min_p=0.2))
    found = dialect.call(body(top_p=0.5, max_output_tokens=9, stream=True))
    assert found.sampling == Sampling(temperature=0.1, min_p=0.2, top_p=0.5, max_tokens=9)
    assert found.is_stream


def test_items_become_turns() -> None:
    items = [
        {"role": "developer", "content": "Be brief."},
        {
            "type": "message",
            "role": "user",
            "content": [{"type": "input_text", "text": "To"}, {"type": "input_text", "text": "Oban?"}],
        },
        {"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"type": "reasoning_text", "text": "A fare."}]},
        {
            "type": "message",
            "id": "msg_1",
            "status": "completed",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "I look.", "annotations": [], "logprobs": []}],
        },
        {"type": "function_call", "id": "fc_1", "call_id": "call_a", "name": "fare", "arguments": '{"to": "Oban"}'},
        {"type": "function_call", "call_id": "call_b", "name": "time", "arguments": "{}", "status": "completed"},
        {"type": "function_call_output", "call_id": "call_a", "output": "12"},
        {"type": "function_call_output", "call_id": "call_b", "output": [{"type": "input_text", "text": "9:00"}]},
    ]
    found = call(input=items, instructions="You sell tickets.")
    assert found.messages == (
        Message(role="system", content="You sell tickets.\n\nBe brief."),
        Message(role="user", content="To\nOban?"),
        Message(
            role="assistant",
            content="I look.",
            reasoning="A fare.",
            tool_calls=(CALL, ToolCall(id="call_b", name="time", arguments="{}")),
        ),
        Message(role="tool", content="12", tool_call_id="call_a"),
        Message(role="tool", content="9:00", tool_call_id="call_b"),
    )


def test_a_summary_stands_for_thinking_that_is_not_there() -> None:
    item = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "A fare."}], "encrypted_content": "x"}
    assert call(input=[item, {"role": "user", "content": "?"}]).messages[0].reasoning == "A fare."


def test_tools_and_choices() -> None:
    found = call(tools=[FARE], tool_choice={"type": "function", "name": "fare"})
    assert found.tools == (Tool(name="fare", parameters='{"type":"object"}'),)
    assert found.tool_choice == "fare"
    assert call(tools=[FARE], tool_choice="required").tool_choice == "required"
    bare = call(tools=[{"type": "function", "name": "now"}])
    assert bare.tools == (Tool(name="now", parameters='{"type":"object","properties":{}}'),)


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ({"type": "text"}, None),
        ({"type": "json_object"}, Constraint(kind="json_object")),
        (
            {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": True},
            Constraint(kind="json_schema", text='{"type":"object"}'),
        ),
    ],
)
def test_text_formats(form: dict[str, Any], expected: Constraint | None) -> None:
    assert call(text={"format": form, "verbosity": "low"}).constraint == expected


@pytest.mark.parametrize(
    ("more", "expected"),
    [({"top_logprobs": 3}, 3), ({"include": ["message.output_text.logprobs"]}, 0), ({"include": ["x"]}, None)],
)
def test_log_probabilities_are_asked_for(more: dict[str, Any], expected: int | None) -> None:
    assert call(**more).sampling.logprobs == expected


def test_harmless_fields_are_taken() -> None:
    call(
        store=False,
        metadata={"a": "b"},
        user="u",
        include=["reasoning.encrypted_content"],
        service_tier="auto",
        prompt_cache_key="k",
        truncation="disabled",
        reasoning={"effort": "low", "summary": "auto"},
        stream_options={"include_obfuscation": False},
        previous_response_id=None,
        background=False,
    )


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"store": True}, "store"),
        ({"background": True}, "background"),
        ({"previous_response_id": "resp_0"}, "previous_response_id"),
        ({"conversation": {"id": "c"}}, "conversation"),
        ({"prompt": {"id": "p"}}, "prompt"),
        ({"truncation": "auto"}, "truncation"),
        ({"max_tool_calls": 1}, "max_tool_calls"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"top_logprobs": 21}, "top_logprobs"),
        ({"temperature": -1}, "temperature"),
        ({"tools": [{"type": "web_search"}]}, "tools.0.type"),
        ({"tools": [FARE | {"price": 1}]}, "tools.0.price"),
        ({"tools": [{"type": "function"}]}, "tools.0.name"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tools": [FARE], "tool_choice": {"type": "function", "name": "x"}}, "tool_choice.name"),
        ({"text": {"format": {"type": "json_schema", "name": "n"}}}, "text.format.schema"),
        ({"input": [{"type": "item_reference", "id": "x"}]}, "input.0.type"),
        ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, "input.0.content.0.type"),
        ({"input": [FARE_RESULT | {"output": [{"type": "input_file"}]}]}, "input.0.output.0.type"),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_its_name(more: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        call(**more)
    assert caught.value.facts["field"] == field


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ({"messages": []}, ("messages",)),
        ({"stop": ["x"]}, ("stop",)),
        ({"max_output_tokens": 1.5}, ("max_output_tokens",)),
        ({"temperature": True}, ("temperature",)),
        ({"text": {"format": {"type": "grammar"}}}, ("text", "format", "type")),
    ],
)
def test_a_malformed_body_names_its_place(more: dict[str, Any], place: tuple[str | int, ...]) -> None:
    with pytest.raises(ValidationError) as caught:
        body(**more)
    assert caught.value.errors()[0]["loc"][: len(place)] == place


def test_a_response_in_one_piece() -> None:
    found = Responses().whole(call(instructions="Be brief.", metadata={"a": "b"}), reply("Hi.", reasoning="Hm."), ID)
    assert found == {
        "id": "resp_1",
        "object": "response",
        "created_at": 1_700_000_000,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "model": "starter",
        "output": [
            {
                "id": "rs_1_0",
                "type": "reasoning",
                "status": "completed",
                "summary": [],
                "content": [{"type": "reasoning_text", "text": "Hm."}],
            },
            {
                "id": "msg_1_1",
                "type": "message",
                "status": "completed",
                "role": "assistant",
                "content": [{"type": "output_text", "text": "Hi.", "annotations": [], "logprobs": []}],
            },
        ],
        "usage": USAGE,
        "background": False,
        "instructions": "Be brief.",
        "max_output_tokens": None,
        "metadata": {"a": "b"},
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "prompt_cache_key": None,
        "reasoning": {"effort": None, "summary": None},
        "safety_identifier": None,
        "store": False,
        "temperature": 0.7,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_logprobs": 0,
        "top_p": 0.95,
        "truncation": "disabled",
        "user": None,
    }


def test_calls_in_one_piece_and_what_was_asked_for_is_repeated() -> None:
    form = {"type": "json_schema", "name": "n", "schema": {"type": "object"}}
    asked = call(tools=[FARE], tool_choice={"type": "function", "name": "fare"}, text={"format": form})
    found = Responses().whole(asked, reply("", FinishReason.TOOL_CALLS, calls=(CALL,)), ID)
    assert found["output"] == [
        {
            "id": "fc_1_0",
            "type": "function_call",
            "status": "completed",
            "call_id": "call_a",
            "name": "fare",
            "arguments": '{"to": "Oban"}',
        }
    ]
    assert found["status"] == "completed"
    assert found["tools"] == [FARE]
    assert found["tool_choice"] == {"type": "function", "name": "fare"}
    assert found["text"] == {"format": form}


def test_what_was_cut_short_is_incomplete() -> None:
    found = Responses().whole(call(), reply("Hi", FinishReason.LENGTH, reasoning="Hm."), ID)
    assert found["status"] == "incomplete"
    assert found["incomplete_details"] == {"reason": "max_output_tokens"}
    assert [item["status"] for item in found["output"]] == ["completed", "incomplete"]


def test_only_the_first_call_where_the_client_wants_one() -> None:
    second = ToolCall(id="call_b", name="fare", arguments="{}")
    answer = reply("", FinishReason.TOOL_CALLS, calls=(CALL, second))
    found = Responses().whole(call(tools=[FARE], parallel_tool_calls=False), answer, ID)
    assert [item["call_id"] for item in found["output"]] == ["call_a"]
    assert found["parallel_tool_calls"] is False


def test_thinking_that_is_not_wanted_is_left_out() -> None:
    found = Responses().whole(call(reasoning={"effort": "none"}), reply("Hi.", reasoning="Hm."), ID)
    assert [item["type"] for item in found["output"]] == ["message"]


def test_log_probabilities() -> None:
    other = Alternative(token=2, text="Ho", logprob=float("-inf"))
    trace = TokenTrace(token=1, text="é", logprob=-0.5, entropy=1.0, alternatives=(other,))
    choice = Choice(text="é", finish_reason=FinishReason.STOP, tokens=(trace,))
    answer = Reply(choices=(choice,), model="starter", usage=Usage(), timings=Timings())
    found = Responses().whole(call(top_logprobs=1), answer, ID)
    assert found["output"][0]["content"][0]["logprobs"] == [
        {
            "token": "é",
            "bytes": [195, 169],
            "logprob": -0.5,
            "top_logprobs": [{"token": "Ho", "bytes": [72, 111], "logprob": -9999.0}],
        }
    ]


def test_an_answer_from_documents_says_what_it_rests_on() -> None:
    answer = replace(reply("12 pounds."), evidence=Evidence(collection="fares"))
    found = Responses().whole(call(), answer, ID)
    assert found["evidence"]["collection"] == "fares"


def test_errors_have_openais_shape() -> None:
    found = Responses().error(ContextOverflow("Too long.", field="input"), 400)
    assert found["error"]["type"] == "invalid_request_error"
    assert found["error"]["param"] == "input"
    assert found["error"]["code"] == "context_length_exceeded"

"""Anthropic's Messages API: bodies to calls, and answers to messages."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from edgellm.errors import BudgetExceeded, ContextOverflow, EdgeLLMError, InvalidInput, QueueFull
from edgellm.server.call import AnswerId, Call
from edgellm.server.dialects.anthropic import Anthropic
from edgellm.server.dialects.anthropic_body import CountTokensBody, MessagesBody
from edgellm.types import Constraint, FinishReason, Message, Sampling, Tool, ToolCall
from tests.unit.server.dialects.streams import CALL, reply

TOOL = {"name": "fare", "description": "What a ticket costs.", "input_schema": {"type": "object"}}
ID = AnswerId("msg_1", 1_700_000_000)


def body(**more: Any) -> MessagesBody:
    said = {"model": "starter", "max_tokens": 50, "messages": [{"role": "user", "content": "Hello"}]}
    return MessagesBody.model_validate(said | more)


def call(**more: Any) -> Call:
    return Anthropic().call(body(**more))


def refused_field(**more: Any) -> str:
    with pytest.raises(InvalidInput) as caught:
        call(**more)
    return str(caught.value.facts["field"])


def test_the_shortest_body() -> None:
    found = call()
    assert found.model == "starter"
    assert found.messages == (Message(role="user", content="Hello"),)
    assert found.sampling == Sampling(max_tokens=50)
    assert (found.is_stream, found.tool_choice, found.tools) == (False, "auto", ())


def test_sampling_is_taken_over_the_defaults() -> None:
    dialect = Anthropic(Sampling(temperature=0.1, min_p=0.2))
    found = dialect.call(body(top_p=0.5, top_k=3, stop_sequences=["END"], stream=True))
    assert found.sampling == Sampling(temperature=0.1, min_p=0.2, top_p=0.5, top_k=3, stop=("END",), max_tokens=50)
    assert found.is_stream


def test_a_conversation_with_tools() -> None:
    turns = [
        {"role": "user", "content": [{"type": "text", "text": "To Oban?", "cache_control": {"type": "ephemeral"}}]},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "A fare.", "signature": "x"},
                {"type": "text", "text": "I look."},
                {"type": "tool_use", "id": "call_a", "name": "fare", "input": {"to": "Oban"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "call_a", "content": [{"type": "text", "text": "12"}]},
                {"type": "tool_result", "tool_use_id": "call_b", "content": "no ship", "is_error": True},
                {"type": "text", "text": "Well?"},
            ],
        },
    ]
    found = call(
        messages=turns, tools=[TOOL], system=[{"type": "text", "text": "Be"}, {"type": "text", "text": "brief."}]
    )
    assert found.messages == (
        Message(role="system", content="Be\nbrief."),
        Message(role="user", content="To Oban?"),
        Message(
            role="assistant",
            content="I look.",
            reasoning="A fare.",
            tool_calls=(ToolCall(id="call_a", name="fare", arguments='{"to":"Oban"}'),),
        ),
        Message(role="tool", content="12", tool_call_id="call_a"),
        Message(role="tool", content="Error: no ship", tool_call_id="call_b"),
        Message(role="user", content="Well?"),
    )
    assert found.tools == (Tool(name="fare", description="What a ticket costs.", parameters='{"type":"object"}'),)


def test_what_the_system_says_later_and_thinking_that_nobody_can_read() -> None:
    turns = [
        {"role": "user", "content": "One."},
        {"role": "assistant", "content": [{"type": "redacted_thinking", "data": "x"}, {"type": "text", "text": "1"}]},
        {"role": "system", "content": [{"type": "text", "text": "Be brief."}]},
        {"role": "user", "content": "Two."},
    ]
    assert call(messages=turns).messages == (
        Message(role="user", content="One."),
        Message(role="assistant", content="1"),
        Message(role="system", content="Be brief."),
        Message(role="user", content="Two."),
    )


def test_neighbours_of_one_role_become_one_turn() -> None:
    turns = [{"role": "user", "content": "One."}, {"role": "user", "content": [{"type": "text", "text": "Two."}]}]
    assert call(messages=turns).messages == (Message(role="user", content="One.\n\nTwo."),)


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"type": "auto"}, "auto"),
        ({"type": "any"}, "required"),
        ({"type": "none"}, "none"),
        ({"type": "tool", "name": "fare"}, "fare"),
    ],
)
def test_tool_choice(choice: dict[str, str], expected: str) -> None:
    assert call(tools=[TOOL], tool_choice=choice).tool_choice == expected


def test_a_schema_for_the_answer() -> None:
    form = {"type": "json_schema", "schema": {"type": "object", "required": ["ö"]}}
    found = call(output_config={"format": form, "effort": "low"})
    assert found.constraint == Constraint(kind="json_schema", text='{"type":"object","required":["ö"]}')


def test_harmless_fields_are_taken() -> None:
    call(
        metadata={"user_id": "u"},
        service_tier="auto",
        cache_control={"type": "ephemeral"},
        thinking={"type": "enabled", "budget_tokens": 1024},
        container=None,
        mcp_servers=[],
        context_management={"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
    )


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"max_tokens": 0}, "max_tokens"),
        ({"temperature": 6}, "temperature"),
        ({"top_k": -1}, "top_k"),
        ({"stop_sequences": [""]}, "stop_sequences"),
        ({"mcp_servers": [{"name": "x"}]}, "mcp_servers"),
        ({"container": "c"}, "container"),
        ({"context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]}}, "context_management.edits.0.type"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search", "max_uses": 2}]}, "tools.0.type"),
        ({"tools": [{"name": "fare"}]}, "tools.0.input_schema"),
        ({"tools": [TOOL, TOOL | {"retries": 2}]}, "tools.1.retries"),
        ({"tools": [TOOL], "tool_choice": {"type": "tool", "name": "other"}}, "tool_choice.name"),
        ({"tool_choice": {"type": "tool"}}, "tool_choice.name"),
        ({"tool_choice": {"type": "any"}}, "tool_choice"),
        ({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}, "messages"),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_its_name(more: dict[str, Any], field: str) -> None:
    assert refused_field(**more) == field


@pytest.mark.parametrize("kind", ["image", "document", "search_result", "server_tool_use", "sonnet"])
def test_parts_that_nobody_reads_are_refused_by_kind(kind: str) -> None:
    turns = [{"role": "user", "content": [{"type": "text", "text": "See"}, {"type": kind, "source": {"a": [1]}}]}]
    with pytest.raises(InvalidInput, match=kind) as caught:
        call(messages=turns)
    assert caught.value.facts["field"] == "messages.0.content.1.type"


def test_an_image_among_a_tools_results_is_refused() -> None:
    content = [{"type": "text", "text": "12"}, {"type": "image", "source": {}}]
    turns = [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": content}]}]
    assert refused_field(messages=turns) == "messages.0.content.0.content.1.type"


def test_blocks_of_the_other_role_are_refused() -> None:
    result = {"type": "tool_result", "tool_use_id": "a", "content": "x"}
    use = {"type": "tool_use", "id": "a", "name": "fare", "input": {}}
    end = {"role": "user", "content": "?"}
    assert refused_field(messages=[{"role": "assistant", "content": [result]}, end]) == "messages.0.content.0.type"
    assert refused_field(messages=[{"role": "user", "content": [use]}]) == "messages.0.content.0.type"
    assert refused_field(messages=[{"role": "system", "content": [result]}, end]) == "messages.0.content.0.type"


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ({"frequency_penalty": 1}, ("frequency_penalty",)),
        ({"max_tokens": None}, ("max_tokens",)),
        ({"max_tokens": "50"}, ("max_tokens",)),
        ({"tools": [TOOL | {"name": "a b"}]}, ("tools", 0, "name")),
        ({"max_tokens": True}, ("max_tokens",)),
        ({"temperature": "0"}, ("temperature",)),
        ({"stream": "yes"}, ("stream",)),
        ({"messages": [{"role": "robot", "content": "x"}]}, ("messages", 0, "role")),
        ({"messages": [{"role": "user", "content": "x", "name": "n"}]}, ("messages", 0, "name")),
        ({"tool_choice": {"type": "sometimes"}}, ("tool_choice", "type")),
        ({"thinking": {"type": "enabled", "budget_tokens": 0}}, ("thinking", "budget_tokens")),
    ],
)
def test_a_malformed_body_names_its_place(more: dict[str, Any], place: tuple[str | int, ...]) -> None:
    with pytest.raises(ValidationError) as caught:
        body(**more)
    assert caught.value.errors()[0]["loc"][: len(place)] == place


def test_a_message_in_one_piece() -> None:
    found = Anthropic().whole(call(), reply("Hi.", reasoning="Hm."), ID)
    assert found == {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "starter",
        "content": [{"type": "thinking", "thinking": "Hm.", "signature": ""}, {"type": "text", "text": "Hi."}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 7,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 5,
            "output_tokens": 7,
        },
    }


def test_a_stop_string_that_ended_the_answer_is_named() -> None:
    found = Anthropic().whole(call(), reply("Hi", stop="END"), ID)
    assert (found["stop_reason"], found["stop_sequence"]) == ("stop_sequence", "END")


def test_calls_in_one_piece() -> None:
    found = Anthropic().whole(call(tools=[TOOL]), reply("", FinishReason.TOOL_CALLS, calls=(CALL,)), ID)
    assert found["content"] == [{"type": "tool_use", "id": "call_a", "name": "fare", "input": {"to": "Oban"}}]
    assert found["stop_reason"] == "tool_use"


@pytest.mark.parametrize("arguments", ['{"to": "Ob', '["Oban"]', '{"n": NaN}', '{"n": 1e999}', "[" * 100_000])
def test_a_call_that_nobody_can_run_is_left_out(arguments: str) -> None:
    broken = ToolCall(id="b", name="fare", arguments=arguments)
    found = Anthropic().whole(call(tools=[TOOL]), reply("", FinishReason.LENGTH, calls=(CALL, broken)), ID)
    assert [block["id"] for block in found["content"]] == ["call_a"]
    assert found["stop_reason"] == "max_tokens"


def test_only_the_first_call_where_the_client_wants_one() -> None:
    second = ToolCall(id="call_b", name="fare", arguments="{}")
    one = call(tools=[TOOL], tool_choice={"type": "auto", "disable_parallel_tool_use": True})
    found = Anthropic().whole(one, reply("", FinishReason.TOOL_CALLS, calls=(CALL, second)), ID)
    assert [block["id"] for block in found["content"]] == ["call_a"]


@pytest.mark.parametrize("thinking", [{"type": "disabled"}, {"type": "adaptive", "display": "omitted"}])
def test_thinking_that_is_not_wanted_is_left_out(thinking: dict[str, Any]) -> None:
    found = Anthropic().whole(call(thinking=thinking), reply("Hi.", reasoning="Hm."), ID)
    assert [block["type"] for block in found["content"]] == ["text"]


def test_a_call_that_no_dialect_made_is_answered_too() -> None:
    plain = Call(model="starter", sampling=Sampling())
    assert Anthropic().whole(plain, reply("Hi.", reasoning="Hm."), ID)["content"][0]["thinking"] == "Hm."


def test_an_empty_answer_has_no_content() -> None:
    assert Anthropic().whole(call(), reply(""), ID)["content"] == []


def test_counting_takes_a_body_without_a_limit() -> None:
    said = {"model": "starter", "messages": [{"role": "user", "content": "Hello"}], "tools": [TOOL], "system": "Be."}
    found = Anthropic().count(CountTokensBody.model_validate(said))
    assert [message.role for message in found.messages] == ["system", "user"]
    assert len(found.tools) == 1
    assert Anthropic().counted(9) == {"input_tokens": 9}
    with pytest.raises(ValidationError):
        CountTokensBody.model_validate(said | {"max_tokens": 5})


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (ContextOverflow("Too long."), 400, "invalid_request_error"),
        (EdgeLLMError("No key."), 401, "authentication_error"),
        (EdgeLLMError("No right."), 403, "permission_error"),
        (EdgeLLMError("None."), 404, "not_found_error"),
        (EdgeLLMError("Large."), 413, "request_too_large"),
        (EdgeLLMError("Type."), 415, "invalid_request_error"),
        (BudgetExceeded("Spent."), 429, "rate_limit_error"),
        (QueueFull("Full."), 503, "overloaded_error"),
        (EdgeLLMError("Late."), 504, "timeout_error"),
        (EdgeLLMError("Odd."), 500, "api_error"),
    ],
)
def test_errors_have_anthropics_types(error: EdgeLLMError, status: int, kind: str) -> None:
    found = Anthropic().error(error, status)
    assert found["type"] == "error"
    assert found["error"]["type"] == kind
    assert set(found["error"]) == {"type", "message"}

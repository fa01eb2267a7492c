"""Ollama's chat and generate: bodies to calls, answers and lines."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from edgellm.errors import InvalidInput, QueueFull, WorkerDied
from edgellm.server.call import AnswerId, Call
from edgellm.server.dialects.ollama import OllamaChat, OllamaGenerate
from edgellm.server.dialects.ollama_body import ChatBody, GenerateBody
from edgellm.server.dialects.ollama_frames import OllamaFrames
from edgellm.types import (
    Choice,
    Constraint,
    Delta,
    FinishReason,
    Loading,
    Message,
    Reply,
    Sampling,
    Timings,
    Tool,
    ToolCall,
    Usage,
)
from tests.unit.server.dialects.streams import CALL, json_lines, piece, pieces_of, played, reply

ID = AnswerId("x", 1_700_000_000)
HEAD = {"model": "starter", "created_at": "2023-11-14T22:13:20Z"}
END = {
    "done": True,
    "done_reason": "stop",
    "total_duration": 1_250_000_000,
    "load_duration": 500_000_000,
    "prompt_eval_count": 12,
    "prompt_eval_duration": 100_000_000,
    "eval_count": 7,
    "eval_duration": 500_000_000,
}
CALLED = {"id": "call_a", "function": {"index": 0, "name": "fare", "arguments": {"to": "Oban"}}}


def chat(**more: Any) -> Call:
    said = {"model": "starter", "messages": [{"role": "user", "content": "Hello"}]}
    return OllamaChat().call(ChatBody.model_validate(said | more))


def generate(**more: Any) -> Call:
    return OllamaGenerate().call(GenerateBody.model_validate({"model": "starter", "prompt": "Hello"} | more))


def chat_frames(**more: Any) -> OllamaFrames:
    return OllamaChat().frames(chat(**more), ID)


def said(content: str, **more: Any) -> dict[str, Any]:
    return HEAD | {"message": {"role": "assistant", "content": content, **more}, "done": False}


def test_a_stream_is_the_default() -> None:
    assert chat().is_stream
    assert generate(stream=None).is_stream
    assert not chat(stream=False).is_stream


def test_the_shortest_bodies() -> None:
    assert chat().messages == generate().messages == (Message(role="user", content="Hello"),)
    assert chat().sampling == Sampling()
    assert chat(model="starter:latest").model == "starter"


def test_options() -> None:
    options = {
        "temperature": 0,
        "top_k": 3,
        "top_p": 0.5,
        "min_p": 0.1,
        "seed": 7,
        "num_predict": 9,
        "stop": ["END"],
        "repeat_penalty": 1.1,
        "presence_penalty": 0.5,
        "frequency_penalty": 0.25,
        "num_ctx": 8192,
        "num_thread": 4,
        "num_gpu": 99,
        "mirostat": 0,
        "typical_p": 1.0,
        "repeat_last_n": 64,
    }
    assert chat(options=options).sampling == Sampling(
        temperature=0,
        top_k=3,
        top_p=0.5,
        min_p=0.1,
        seed=7,
        max_tokens=9,
        stop=("END",),
        repeat_penalty=1.1,
        presence_penalty=0.5,
        frequency_penalty=0.25,
    )


@pytest.mark.parametrize("options", [{"num_predict": -1, "seed": -1}, {"num_predict": -2}, {}, None])
def test_options_that_set_no_limit(options: dict[str, int] | None) -> None:
    assert chat(options=options).sampling == Sampling()


def test_one_stop_text() -> None:
    assert generate(options={"stop": "END"}).sampling.stop == ("END",)


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("", None),
        (None, None),
        ("json", Constraint(kind="json_object")),
        ({"type": "object"}, Constraint(kind="json_schema", text='{"type":"object"}')),
    ],
)
def test_formats(form: Any, expected: Constraint | None) -> None:
    assert chat(format=form).constraint == expected


def test_a_conversation_with_tools() -> None:
    turns = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "To Oban?"},
        {
            "role": "assistant",
            "content": "",
            "thinking": "A fare.",
            "tool_calls": [
                {"function": {"name": "fare", "arguments": {"to": "Oban"}}},
                {"function": {"name": "time", "arguments": {}}},
                {"function": {"name": "fare", "arguments": {}}, "id": "own"},
            ],
        },
        {"role": "tool", "content": "9:00", "tool_name": "time"},
        {"role": "tool", "content": "12", "tool_name": "fare"},
        {"role": "tool", "content": "13"},
        {"role": "tool", "content": "14"},
    ]
    tool = {
        "type": "function",
        "function": {"name": "fare", "description": "Of a ticket.", "parameters": {"type": "object"}},
    }
    found = chat(messages=turns, tools=[tool])
    assert found.messages == (
        Message(role="system", content="Be brief."),
        Message(role="user", content="To Oban?"),
        Message(
            role="assistant",
            content="",
            reasoning="A fare.",
            tool_calls=(
                ToolCall(id="call_2_0", name="fare", arguments='{"to":"Oban"}'),
                ToolCall(id="call_2_1", name="time", arguments="{}"),
                ToolCall(id="own", name="fare", arguments="{}"),
            ),
        ),
        Message(role="tool", content="9:00", tool_call_id="call_2_1"),
        Message(role="tool", content="12", tool_call_id="call_2_0"),
        Message(role="tool", content="13", tool_call_id="own"),
        Message(role="tool", content="14"),
    )
    assert found.tools == (Tool(name="fare", description="Of a ticket.", parameters='{"type":"object"}'),)


def test_a_result_that_names_its_call() -> None:
    turns = [
        {"role": "user", "content": "?"},
        {"role": "assistant", "tool_calls": [{"function": {"name": "a"}}, {"function": {"name": "b"}, "id": "own"}]},
        {"role": "tool", "content": "1", "tool_call_id": "own"},
        {"role": "tool", "content": "2"},
    ]
    assert [turn.tool_call_id for turn in chat(messages=turns).messages[2:]] == ["own", "call_1_0"]


def test_a_system_text_for_one_prompt() -> None:
    assert [turn.role for turn in generate(system="Be brief.").messages] == ["system", "user"]


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"options": {"temperature": 9}}, "options.temperature"),
        ({"options": {"num_predict": 0}}, "options.num_predict"),
        ({"options": {"seed": -5}}, "options.seed"),
        ({"options": {"stop": [""]}}, "options.stop"),
        ({"options": {"mirostat": 2}}, "options.mirostat"),
        ({"options": {"repeat_last_n": 128}}, "options.repeat_last_n"),
        ({"messages": [{"role": "user", "content": "?", "images": ["aGk="]}]}, "messages.0.images"),
        ({"messages": [{"role": "assistant", "content": "x"}]}, "messages"),
        ({"truncate": True}, "truncate"),
        ({"logprobs": True}, "logprobs"),
    ],
)
def test_what_a_chat_cannot_honour_is_refused_by_its_name(more: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        chat(**more)
    assert caught.value.facts["field"] == field


@pytest.mark.parametrize(
    "more",
    [{"raw": True}, {"template": "{{ .Prompt }}"}, {"images": ["aGk="]}, {"suffix": "x"}, {"context": [1, 2]}],
)
def test_what_generate_cannot_honour_is_refused_by_its_name(more: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as caught:
        generate(**more)
    assert caught.value.facts["field"] == next(iter(more))


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ({"options": {"mood": 2}}, ("options", "mood")),
        ({"options": {"temperature": "0"}}, ("options", "temperature")),
        ({"temperature": 0}, ("temperature",)),
        ({"format": "yaml"}, ("format",)),
        ({"messages": [{"role": "robot"}]}, ("messages", 0, "role")),
        ({"stream": "no"}, ("stream",)),
    ],
)
def test_a_malformed_body_names_its_place(more: dict[str, Any], place: tuple[str | int, ...]) -> None:
    with pytest.raises(ValidationError) as caught:
        chat(**more)
    assert caught.value.errors()[0]["loc"][: len(place)] == place


def test_a_body_that_says_nothing_loads_the_model() -> None:
    dialect, other = OllamaChat(), OllamaGenerate()
    assert dialect.is_load(ChatBody(model="starter"))
    assert other.is_load(GenerateBody(model="starter"))
    message = {"role": "assistant", "content": ""}
    assert dialect.loaded("starter", ID) == HEAD | {"message": message, "done": True, "done_reason": "load"}
    assert other.loaded("starter", ID) == HEAD | {"response": "", "done": True, "done_reason": "load"}


def test_answers_in_one_piece() -> None:
    message = {"role": "assistant", "content": "Hi.", "thinking": "Hm.", "tool_calls": [CALLED]}
    answer = reply("Hi.", FinishReason.TOOL_CALLS, reasoning="Hm.", calls=(CALL,))
    assert OllamaChat().whole(chat(), answer, ID) == HEAD | {"message": message} | END
    found = OllamaGenerate().whole(generate(), reply("Hi.", FinishReason.LENGTH, reasoning="Hm."), ID)
    assert found == HEAD | {"response": "Hi.", "thinking": "Hm."} | END | {"done_reason": "length"}


def test_thinking_that_is_not_wanted_is_left_out() -> None:
    answer = reply("Hi.", reasoning="Hm.")
    assert "thinking" not in OllamaGenerate().whole(generate(think=False), answer, ID)
    assert "thinking" not in OllamaChat().whole(chat(think=False), answer, ID)["message"]
    assert OllamaChat().whole(chat(think="high"), answer, ID)["message"]["thinking"] == "Hm."
    assert chat_frames(think=False).event(Delta(reasoning="Hm.")) == []


def test_counters_of_an_answer_that_measured_nothing() -> None:
    found = OllamaGenerate().whole(generate(), reply(""), ID)
    assert found["eval_duration"] == 500_000_000
    choice = Choice(text="", finish_reason=FinishReason.STOP)
    nothing = Reply(choices=(choice,), model="starter", usage=Usage(), timings=Timings(decode_tokens_per_s=5.0))
    found = OllamaGenerate().whole(generate(), nothing, ID)
    assert found == HEAD | {"response": ""} | dict.fromkeys(END, 0) | {"done": True, "done_reason": "stop"}


def test_lines_of_a_chat() -> None:
    deltas = [
        Delta(reasoning="Hm", text="Hi"),
        Delta(text=" you."),
        piece(0, id="call_a", name="fare"),
        piece(0, '{"to": "O'),
        piece(0, 'ban"}'),
    ]
    answer = reply("Hi you.", FinishReason.TOOL_CALLS, reasoning="Hm", calls=(CALL,))
    assert json_lines(played(chat_frames(), deltas, answer)) == [
        said("", thinking="Hm"),
        said("Hi"),
        said(" you."),
        said("", tool_calls=[CALLED]),
        said("") | END,
    ]


def test_lines_of_a_text() -> None:
    stream = OllamaGenerate().frames(generate(), ID)
    found = json_lines(played(stream, [Delta(reasoning="Hm"), Delta(text="Hi")], reply("Hi")))
    assert found == [
        HEAD | {"response": "", "thinking": "Hm", "done": False},
        HEAD | {"response": "Hi", "done": False},
        HEAD | {"response": ""} | END,
    ]


def test_an_empty_answer_is_one_line() -> None:
    assert json_lines(played(chat_frames(), [], reply(""))) == [said("") | END]


def test_a_call_that_was_cut_off_is_left_out() -> None:
    deltas = [piece(0, '{"to": "Oban"}', id="call_a", name="fare"), piece(1, '{"to', id="call_b", name="fare")]
    found = json_lines(played(chat_frames(), deltas, reply("", FinishReason.LENGTH)))
    assert found == [said("", tool_calls=[CALLED]), said("") | END | {"done_reason": "length"}]


def test_other_events_have_no_words() -> None:
    stream = chat_frames()
    assert stream.begin() == []
    assert stream.event(Loading(model="starter", fraction=0.5)) == []
    assert json_lines(stream.keep_alive()) == [said("") | {"done": False}]


def test_an_error_in_the_middle_is_a_line() -> None:
    stream = chat_frames()
    stream.event(Delta(text="Hi"))
    assert json_lines(b"".join(stream.failed(QueueFull("Full."), 503))) == [{"error": "Full."}]
    assert OllamaChat().error(QueueFull("Full."), 503) == OllamaGenerate().error(QueueFull("Full."), 503)
    assert set(OllamaChat().error(WorkerDied("gone"), 503)) == {"error"}


@given(st.sets(st.integers(1, 40)), st.text(max_size=40), st.text(max_size=20))
def test_however_the_answer_is_cut_the_client_reads_the_same(cuts: set[int], text: str, thought: str) -> None:
    answer = reply(text, FinishReason.TOOL_CALLS, reasoning=thought or None, calls=(CALL,))
    found = json_lines(played(chat_frames(), pieces_of(answer, cuts), answer))
    messages = [line["message"] for line in found]
    assert "".join(message["content"] for message in messages) == text
    assert "".join(message.get("thinking", "") for message in messages) == thought
    assert [call for message in messages for call in message.get("tool_calls", ())] == [CALLED]
    assert [line["done"] for line in found] == [False] * (len(found) - 1) + [True]

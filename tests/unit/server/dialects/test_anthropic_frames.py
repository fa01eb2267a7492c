"""Anthropic's events."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgellm.errors import QueueFull, WorkerDied
from edgellm.server.call import AnswerId, Call
from edgellm.server.dialects.anthropic import Anthropic
from edgellm.server.dialects.anthropic_body import MessagesBody
from edgellm.server.dialects.anthropic_frames import AnthropicFrames
from edgellm.types import Delta, FinishReason, Loading, Notice, Prefill, ToolCall
from tests.unit.server.dialects.streams import CALL, piece, pieces_of, played, reply, sse

ID = AnswerId("msg_1", 1_700_000_000)
USAGE = {"input_tokens": 7, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 5, "output_tokens": 7}
NOTHING = dict.fromkeys(USAGE, 0)
START = {
    "type": "message_start",
    "message": {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "starter",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": NOTHING,
    },
}


def called(**more: Any) -> Call:
    said = {"model": "starter", "max_tokens": 50, "messages": [{"role": "user", "content": "Hello"}], "stream": True}
    return Anthropic().call(MessagesBody.model_validate(said | more))


def frames(**more: Any) -> AnthropicFrames:
    return Anthropic().frames(called(**more), ID)


def start(index: int, **block: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": block}


def delta(index: int, **said: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": said}


def stop(index: int) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


def end(reason: str, sequence: str | None = None) -> list[dict[str, Any]]:
    said = {"stop_reason": reason, "stop_sequence": sequence}
    return [{"type": "message_delta", "delta": said, "usage": USAGE}, {"type": "message_stop"}]


def test_a_text_in_two_pieces() -> None:
    found = sse(played(frames(), [Delta(text="Hi"), Delta(text=" you.")], reply("Hi you.")))
    assert found == [
        START,
        start(0, type="text", text=""),
        delta(0, type="text_delta", text="Hi"),
        delta(0, type="text_delta", text=" you."),
        stop(0),
        *end("end_turn"),
    ]


def test_thinking_text_and_two_calls() -> None:
    deltas = [
        Delta(reasoning="Hm", text="I look."),
        piece(0, id="call_a", name="fare"),
        piece(0, '{"to": "O'),
        piece(0, 'ban"}'),
        piece(1, "{}", id="call_b", name="time"),
    ]
    answer = reply("I look.", FinishReason.TOOL_CALLS, reasoning="Hm")
    assert sse(played(frames(), deltas, answer)) == [
        START,
        start(0, type="thinking", thinking="", signature=""),
        delta(0, type="thinking_delta", thinking="Hm"),
        stop(0),
        start(1, type="text", text=""),
        delta(1, type="text_delta", text="I look."),
        stop(1),
        start(2, type="tool_use", id="call_a", name="fare", input={}),
        delta(2, type="input_json_delta", partial_json='{"to": "O'),
        delta(2, type="input_json_delta", partial_json='ban"}'),
        stop(2),
        start(3, type="tool_use", id="call_b", name="time", input={}),
        delta(3, type="input_json_delta", partial_json="{}"),
        stop(3),
        *end("tool_use"),
    ]


def test_an_empty_answer() -> None:
    assert sse(played(frames(), [], reply(""))) == [START, *end("end_turn")]


def test_a_stop_string_that_ended_the_answer_is_named() -> None:
    assert sse(played(frames(), [], reply("", stop="END"))) == [START, *end("stop_sequence", "END")]


@pytest.mark.parametrize("reason", [FinishReason.LENGTH, FinishReason.DEADLINE, FinishReason.CANCELLED])
def test_what_was_cut_short_says_so(reason: FinishReason) -> None:
    assert sse(played(frames(), [], reply("", reason)))[-2]["delta"]["stop_reason"] == "max_tokens"


def test_other_events_have_no_words() -> None:
    stream = frames()
    for event in (Loading(model="starter", fraction=0.5), Prefill(done_tokens=1, total_tokens=2), Notice(text="x")):
        assert stream.event(event) == []
    assert stream.event(Delta()) == []


def test_a_ping_keeps_the_connection() -> None:
    assert frames().keep_alive() == b'event: ping\ndata: {"type":"ping"}\n\n'


def test_half_a_character_is_valid_json() -> None:
    found = sse(played(frames(), [Delta(text="\ud800\n")], reply("")))
    assert found[2]["delta"]["text"] == "\ud800\n"


def test_an_error_ends_the_stream() -> None:
    stream = frames()
    stream.begin()
    stream.event(Delta(text="Hi"))
    found = sse(b"".join(stream.failed(WorkerDied("gone", exit_code=-11), 503)))
    assert [event["type"] for event in found] == ["error"]
    assert found[0]["error"]["type"] == "overloaded_error"
    assert sse(b"".join(frames().failed(QueueFull("Full."), 503)))[0]["error"]["message"] == "Full."


def test_thinking_that_is_not_wanted_is_left_out() -> None:
    found = sse(played(frames(thinking={"type": "disabled"}), [Delta(reasoning="Hm"), Delta(text="Hi")], reply("Hi")))
    assert [event["content_block"]["type"] for event in found if event["type"] == "content_block_start"] == ["text"]


def test_only_the_first_call_where_the_client_wants_one() -> None:
    choice = {"type": "auto", "disable_parallel_tool_use": True}
    deltas = [piece(0, "{}", id="a", name="fare"), piece(1, "{}", id="b", name="fare")]
    found = sse(played(frames(tool_choice=choice), deltas, reply("", FinishReason.TOOL_CALLS)))
    assert [event["content_block"]["id"] for event in found if event["type"] == "content_block_start"] == ["a"]


@given(st.sets(st.integers(1, 40)), st.text(min_size=0, max_size=40), st.text(max_size=20))
def test_however_the_answer_is_cut_the_client_puts_the_same_together(cuts: set[int], text: str, thought: str) -> None:
    second = ToolCall(id="call_b", name="time", arguments='{"a": ["é", "\\n"]}')
    answer = reply(text, FinishReason.TOOL_CALLS, reasoning=thought or None, calls=(CALL, second))
    found = sse(played(frames(), pieces_of(answer, cuts), answer))
    assert put_together(found) == Anthropic().whole(called(), answer, ID)["content"]


def put_together(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The content that a client collects."""
    content: list[dict[str, Any]] = []
    written = ""
    for event in events:
        if event["type"] == "content_block_start":
            assert event["index"] == len(content)
            content.append(dict(event["content_block"]))
            written = ""
        elif event["type"] == "content_block_delta":
            said = event["delta"]
            if said["type"] == "input_json_delta":
                written += said["partial_json"]
            else:
                name = "text" if said["type"] == "text_delta" else "thinking"
                content[-1][name] += said[name]
        elif event["type"] == "content_block_stop" and content[-1]["type"] == "tool_use":
            content[-1]["input"] = json.loads(written or "{}")
    return content

"""The Responses API's events."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgellm.errors import BudgetExceeded, ContextOverflow, EdgeLLMError, WorkerDied
from edgellm.server.call import AnswerId, Call
from edgellm.server.dialects.responses import Responses
from edgellm.server.dialects.responses_body import ResponsesBody
from edgellm.server.dialects.responses_frames import ResponsesFrames
from edgellm.types import Delta, FinishReason, Loading, Notice, TokenTrace, ToolCall
from tests.unit.server.dialects.streams import CALL, piece, pieces_of, played, reply, sse

ID = AnswerId("resp_1", 1_700_000_000)


def called(**more: Any) -> Call:
    return Responses().call(ResponsesBody.model_validate({"model": "starter", "input": "Hello", "stream": True} | more))


def frames(**more: Any) -> ResponsesFrames:
    return Responses().frames(called(**more), ID)


def described(events: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """Types without their common beginning, with what a client reads of each."""
    names = ("output_index", "content_index", "item_id", "delta", "text", "arguments", "name")
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    return [
        (event["type"].removeprefix("response."), *(event[name] for name in names if name in event)) for event in events
    ]


def test_a_text_in_two_pieces() -> None:
    found = sse(played(frames(), [Delta(text="Hi"), Delta(text=" you.")], reply("Hi you.")))
    assert described(found) == [
        ("created",),
        ("in_progress",),
        ("output_item.added", 0),
        ("content_part.added", 0, 0, "msg_1_0"),
        ("output_text.delta", 0, 0, "msg_1_0", "Hi"),
        ("output_text.delta", 0, 0, "msg_1_0", " you."),
        ("output_text.done", 0, 0, "msg_1_0", "Hi you."),
        ("content_part.done", 0, 0, "msg_1_0"),
        ("output_item.done", 0),
        ("completed",),
    ]
    part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
    item = {"id": "msg_1_0", "type": "message", "status": "in_progress", "role": "assistant", "content": []}
    assert found[0]["response"] == found[1]["response"]
    assert (found[0]["response"]["status"], found[0]["response"]["output"]) == ("in_progress", [])
    assert found[2]["item"] == item
    assert found[3]["part"] == part
    assert found[4]["logprobs"] == []
    assert found[7]["part"] == part | {"text": "Hi you."}
    assert found[8]["item"] == item | {"status": "completed", "content": [part | {"text": "Hi you."}]}
    assert found[9]["response"]["output"] == [found[8]["item"]]
    assert found[9]["response"]["usage"]["total_tokens"] == 19


def test_thinking_text_and_two_calls() -> None:
    deltas = [
        Delta(reasoning="Hm", text="I look."),
        piece(0, id="call_a", name="fare"),
        piece(0, '{"to": "O'),
        piece(0, 'ban"}'),
        piece(1, "{}", id="call_b", name="time"),
    ]
    found = sse(played(frames(), deltas, reply("I look.", FinishReason.TOOL_CALLS, reasoning="Hm")))
    assert described(found)[2:] == [
        ("output_item.added", 0),
        ("content_part.added", 0, 0, "rs_1_0"),
        ("reasoning_text.delta", 0, 0, "rs_1_0", "Hm"),
        ("reasoning_text.done", 0, 0, "rs_1_0", "Hm"),
        ("content_part.done", 0, 0, "rs_1_0"),
        ("output_item.done", 0),
        ("output_item.added", 1),
        ("content_part.added", 1, 0, "msg_1_1"),
        ("output_text.delta", 1, 0, "msg_1_1", "I look."),
        ("output_text.done", 1, 0, "msg_1_1", "I look."),
        ("content_part.done", 1, 0, "msg_1_1"),
        ("output_item.done", 1),
        ("output_item.added", 2),
        ("function_call_arguments.delta", 2, "fc_1_2", '{"to": "O'),
        ("function_call_arguments.delta", 2, "fc_1_2", 'ban"}'),
        ("function_call_arguments.done", 2, "fc_1_2", '{"to": "Oban"}', "fare"),
        ("output_item.done", 2),
        ("output_item.added", 3),
        ("function_call_arguments.delta", 3, "fc_1_3", "{}"),
        ("function_call_arguments.done", 3, "fc_1_3", "{}", "time"),
        ("output_item.done", 3),
        ("completed",),
    ]
    call = {"id": "fc_1_2", "type": "function_call", "status": "in_progress", "call_id": "call_a", "name": "fare"}
    assert found[14]["item"] == call | {"arguments": ""}
    assert found[18]["item"] == call | {"arguments": '{"to": "Oban"}', "status": "completed"}


def test_an_empty_answer() -> None:
    found = sse(played(frames(), [], reply("")))
    assert described(found) == [("created",), ("in_progress",), ("completed",)]
    assert found[-1]["response"]["output"] == []


@pytest.mark.parametrize("reason", [FinishReason.LENGTH, FinishReason.DEADLINE, FinishReason.CANCELLED])
def test_what_was_cut_short_is_incomplete(reason: FinishReason) -> None:
    found = sse(played(frames(), [Delta(reasoning="Hm"), Delta(text="Hi")], reply("Hi", reason)))
    assert found[-1]["type"] == "response.incomplete"
    assert found[-1]["response"]["status"] == "incomplete"
    assert found[-1]["response"]["incomplete_details"] == {"reason": "max_output_tokens"}
    assert [item["status"] for item in found[-1]["response"]["output"]] == ["completed", "incomplete"]
    assert found[-2]["item"] == found[-1]["response"]["output"][1]


def test_other_events_have_no_words() -> None:
    stream = frames()
    assert stream.event(Loading(model="starter", fraction=0.5)) == []
    assert stream.event(Notice(text="x")) == []
    assert stream.event(Delta()) == []


def test_a_comment_keeps_the_connection() -> None:
    assert frames().keep_alive().startswith(b":")
    assert frames().keep_alive().endswith(b"\n\n")


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (WorkerDied("gone"), 503, "server_error"),
        (BudgetExceeded("Spent."), 429, "rate_limit_exceeded"),
        (ContextOverflow("Long."), 400, "invalid_prompt"),
    ],
)
def test_an_error_in_the_middle(error: EdgeLLMError, status: int, code: str) -> None:
    stream = frames()
    begun = stream.begin() + stream.event(Delta(text="Hi"))
    found = sse(b"".join([*begun, *stream.failed(error, status)]))
    assert [name for name, *_ in described(found)][-4:] == [
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "failed",
    ]
    response = found[-1]["response"]
    assert (response["status"], response["error"]["code"]) == ("failed", code)
    assert [item["status"] for item in response["output"]] == ["incomplete"]


def test_log_probabilities_come_with_their_text() -> None:
    deltas = [
        Delta(text=word, tokens=(TokenTrace(token=1, text=word, logprob=-0.5, entropy=1.0),)) for word in ("Hi", "!")
    ]
    found = sse(played(frames(top_logprobs=0), deltas, reply("Hi!")))
    by_type = {event["type"]: event for event in found}
    assert [entry["token"] for entry in by_type["response.output_text.delta"]["logprobs"]] == ["!"]
    assert [entry["token"] for entry in by_type["response.output_text.done"]["logprobs"]] == ["Hi", "!"]
    done = by_type["response.completed"]["response"]["output"][0]["content"][0]
    assert [entry["token"] for entry in done["logprobs"]] == ["Hi", "!"]


def test_a_token_whose_text_comes_later_is_not_lost() -> None:
    tokens = [TokenTrace(token=n, text=text, logprob=-0.5, entropy=1.0) for n, text in enumerate("abc")]
    deltas = [Delta(tokens=(tokens[0],)), Delta(text="é", tokens=(tokens[1],)), Delta(tokens=(tokens[2],))]
    found = sse(played(frames(top_logprobs=0), [Delta(reasoning="Hm"), *deltas], reply("é")))
    by_type = {event["type"]: event for event in found}
    assert [entry["token"] for entry in by_type["response.output_text.delta"]["logprobs"]] == ["a", "b"]
    assert [entry["token"] for entry in by_type["response.output_text.done"]["logprobs"]] == ["a", "b", "c"]


@given(st.sets(st.integers(1, 40)), st.text(min_size=0, max_size=40), st.text(max_size=20))
def test_however_the_answer_is_cut_the_response_is_the_same(cuts: set[int], text: str, thought: str) -> None:
    second = ToolCall(id="call_b", name="time", arguments='{"a": ["é", "\\n"]}')
    answer = reply(text, FinishReason.TOOL_CALLS, reasoning=thought or None, calls=(CALL, second))
    found = sse(played(frames(), pieces_of(answer, cuts), answer))
    assert found[-1]["response"] == Responses().whole(called(), answer, ID)
    deltas = [event["delta"] for event in found if event["type"] == "response.output_text.delta"]
    assert "".join(deltas) == text

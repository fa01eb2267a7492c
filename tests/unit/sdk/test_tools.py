"""Tools through EdgeLLM: calls in replies and streams, forced and free, and where tools are refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest

from edgellm.engine.outcome import ChoiceEnd, Finished
from edgellm.errors import InvalidInput, InvalidSchema
from edgellm.sdk.answer import Answer
from edgellm.sdk.conversation import prepare
from edgellm.sdk.facade import EdgeLLM
from edgellm.settings import Settings
from edgellm.types import (
    Constraint,
    Delta,
    FinishReason,
    Message,
    Sampling,
    Timings,
    Tool,
    ToolCall,
    ToolCallPiece,
    Usage,
)

WEATHER = Tool(
    name="weather",
    description="How it is outside.",
    parameters='{"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}',
)
TOOLS = (WEATHER, Tool(name="time_in"))
GREEDY = Sampling(temperature=0, max_tokens=200)
CALL = '<tool_call>{"name": "weather", "arguments": {"city": "Paris"}}</tool_call>'


@contextmanager
def saying(folder: Path, text: str) -> Iterator[EdgeLLM]:
    """An EdgeLLM whose model answers everything with this text."""
    settings = Settings(context_tokens=2048)
    with EdgeLLM(f"fake:says={quote(text, safe='')}", home=folder / "home", settings=settings) as edge:
        yield edge


def test_a_call_is_told_from_text(tmp_path: Path) -> None:
    with saying(tmp_path, f"I look.\n{CALL}\n{CALL}") as edge:
        reply = edge.chat("How is it in Paris?", tools=TOOLS, sampling=GREEDY)
        choice = reply.choices[0]
        assert (choice.text, choice.finish_reason) == ("I look.", FinishReason.TOOL_CALLS)
        assert [(call.name, call.arguments) for call in choice.tool_calls] == [("weather", '{"city": "Paris"}')] * 2
        ids = {call.id for call in choice.tool_calls}
        assert len(ids) == 2
        assert all(call_id.startswith("call_") and len(call_id) > 20 for call_id in ids)
        stats = edge.stats()
        assert stats is not None
        assert stats.requests_finished == 1


@pytest.mark.parametrize("options", [{}, {"tools": TOOLS, "tool_choice": "none"}])
def test_without_tools_the_same_text_is_text(tmp_path: Path, options: dict[str, object]) -> None:
    with saying(tmp_path, CALL) as edge:
        reply = edge.chat("How is it in Paris?", sampling=GREEDY, **options)  # type: ignore[call-overload]
        assert (reply.text, reply.finish_reason) == (CALL, FinishReason.STOP)
        assert reply.choices[0].tool_calls == ()


def test_a_stream_adds_up_to_its_reply(tmp_path: Path) -> None:
    with saying(tmp_path, f"I look. {CALL}") as edge:
        stream = edge.chat("x", tools=TOOLS, sampling=GREEDY, stream=True)
        pieces = [piece for event in stream if isinstance(event, Delta) for piece in event.tool_calls]
        (call,) = stream.reply.choices[0].tool_calls
    assert [(piece.id, piece.name) for piece in pieces if piece.id] == [(call.id, call.name)]
    assert "".join(piece.arguments for piece in pieces) == call.arguments


@pytest.mark.parametrize(("choice", "name"), [("required", "weather"), ("weather", "weather"), ("time_in", "time_in")])
def test_a_call_that_is_asked_for_is_made(edge: EdgeLLM, choice: str, name: str) -> None:
    reply = edge.chat("x", tools=TOOLS, tool_choice=choice, sampling=Sampling(n=3, seed=1))
    assert len({call.id for each in reply.choices for call in each.tool_calls}) == 3
    for each in reply.choices:
        (call,) = each.tool_calls
        assert (call.name, each.text, each.finish_reason) == (name, "", FinishReason.TOOL_CALLS)
        assert json.loads(call.arguments) == ({"city": "text"} if name == "weather" else {})


def test_a_call_that_is_cut_off_is_text(edge: EdgeLLM) -> None:
    cut = Sampling(temperature=0, max_tokens=45)
    reply = edge.chat("x", tools=TOOLS, tool_choice="weather", sampling=cut)
    assert reply.finish_reason is FinishReason.LENGTH
    assert reply.choices[0].tool_calls == ()
    assert reply.text.startswith('<tool_call>{"name": "weather", "arguments": {"ci')


def test_results_go_back_in(edge: EdgeLLM) -> None:
    call = ToolCall(id="call_1", name="weather", arguments='{"city": "Paris"}')
    messages = [
        Message(role="user", content="How is it?"),
        Message(role="assistant", content="", tool_calls=(call,)),
        Message(role="tool", content="rain", tool_call_id="call_1"),
    ]
    other = [*messages[:-1], Message(role="tool", content="snow", tool_call_id="call_1")]
    answers = [edge.chat(some, tools=TOOLS, sampling=GREEDY).text for some in (messages, messages, other)]
    assert answers[0] == answers[1] != answers[2]
    assert edge.count(messages, tools=TOOLS) > edge.count(messages) > edge.count(messages[:1])
    assert edge.chat(messages, tools=TOOLS, sampling=GREEDY).usage.prompt_tokens == edge.count(messages, tools=TOOLS)


def test_what_does_not_go_together_is_refused(edge: EdgeLLM) -> None:
    as_json = Constraint(kind="json_object")
    with pytest.raises(InvalidInput, match="format of its own"):
        edge.chat("x", tools=TOOLS, constraint=as_json)
    assert edge.chat("x", tools=TOOLS, tool_choice="none", constraint=as_json, sampling=GREEDY).text.startswith("{")
    with pytest.raises(InvalidInput, match="tool_choice is 'wether'"):
        edge.chat("x", tools=TOOLS, tool_choice="wether")
    with pytest.raises(InvalidSchema, match="'broken'"):
        edge.chat("x", tools=[Tool(name="broken", parameters='{"not": {}}')])
    with pytest.raises(InvalidInput, match="calls no tools"):
        prepare(edge._store, "x", {"tools": TOOLS, "documents": "manuals"}, GREEDY)


def test_a_session_takes_no_tools_and_stores_nothing(edge: EdgeLLM) -> None:
    session = edge.sessions.create()
    call = ToolCall(id="call_1", name="weather", arguments="{}")
    with pytest.raises(InvalidInput, match="does not keep"):
        edge.chat("x", session=session.id, tools=TOOLS)
    for message in (
        Message(role="assistant", content="", tool_calls=(call,)),
        Message(role="tool", content="rain", tool_call_id="call_1"),
    ):
        with pytest.raises(InvalidInput, match="does not keep"):
            edge.chat([Message(role="user", content="x"), message], session=session.id)
    assert edge.sessions.messages(session.id) == []


def test_pieces_are_put_together_by_answer_and_call() -> None:
    answer = Answer("starter")
    for index in (0, 1):
        answer.add(Delta(index=index, tool_calls=(ToolCallPiece(position=0, id=f"call_{index}", name="weather"),)))
    for text in ('{"city": ', '"Paris"}'):
        answer.add(Delta(index=1, tool_calls=(ToolCallPiece(position=0, arguments=text),)))
    assert not answer.is_empty
    ends = (ChoiceEnd(0, FinishReason.LENGTH), ChoiceEnd(1, FinishReason.TOOL_CALLS))
    answer.end(Finished(choices=ends, usage=Usage(), timings=Timings()))
    cut, whole = answer.choices()
    assert (cut.text, cut.tool_calls) == ('<tool_call>{"name": "weather", "arguments": ', ())
    assert whole.tool_calls == (ToolCall(id="call_1", name="weather", arguments='{"city": "Paris"}'),)

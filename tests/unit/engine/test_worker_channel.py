"""What the worker sends in one piece: a stream's text is joined, nothing else changes."""

from __future__ import annotations

from edgellm.engine import wire
from edgellm.engine.worker_channel import joined
from edgellm.types import Delta, TokenTrace, ToolCallPiece


def piece(stream: int, text: str = "", *, index: int = 0, reasoning: str = "") -> wire.Piece:
    return wire.Piece(id=stream, delta=Delta(text=text, reasoning=reasoning, index=index))


def test_text_of_a_stream_becomes_one_piece_in_its_first_place() -> None:
    answers = [piece(1, "a"), piece(2, "x"), piece(1, "b"), wire.Saved(id=3), piece(1, reasoning="c"), None]
    assert joined(answers) == [piece(1, "ab", reasoning="c"), piece(2, "x"), wire.Saved(id=3)]


def test_the_answers_of_one_request_stay_apart() -> None:
    answers = [piece(1, "a"), piece(1, "x", index=1), piece(1, "b")]
    assert joined(answers) == [piece(1, "ab"), piece(1, "x", index=1)]


def test_pieces_with_traces_are_left_alone() -> None:
    trace = TokenTrace(token=1, text="a", logprob=-0.5, entropy=0.1, alternatives=())
    traced = wire.Piece(id=1, delta=Delta(text="a", tokens=(trace,)))
    assert joined([traced, traced]) == [traced, traced]


def called(*calls: ToolCallPiece, text: str = "") -> wire.Piece:
    return wire.Piece(id=1, delta=Delta(text=text, tool_calls=calls))


def test_pieces_of_calls_are_joined_within_their_call() -> None:
    begun, more = ToolCallPiece(position=0, id="call_1", name="a"), ToolCallPiece(position=0, arguments="{")
    end, other = ToolCallPiece(position=0, arguments="}"), ToolCallPiece(position=1, id="call_2", name="b")
    answers = [called(text="x"), called(begun, more), called(end, other), called(text="y")]
    grown = ToolCallPiece(position=0, id="call_1", name="a", arguments="{}")
    assert joined(answers) == [called(grown, other, text="xy")]
    assert joined([called(more), called(end)]) == [called(ToolCallPiece(position=0, arguments="{}"))]

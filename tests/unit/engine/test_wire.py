"""Frames and messages survive any cutting; garbage is an error, never a crash or a wait."""

from __future__ import annotations

import struct
from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgellm.engine import wire
from edgellm.engine.config import EngineConfig
from edgellm.engine.frames import FRAME_LIMIT_BYTES, Frames, WireError, pack
from edgellm.engine.outcome import ChoiceEnd, Failed, Finished
from edgellm.types import (
    Constraint,
    Delta,
    FinishReason,
    Message,
    Sampling,
    Timings,
    Token,
    TokenTrace,
    Tool,
    ToolCall,
    ToolCallPiece,
    Usage,
)

ASKS: list[wire.AnyAsk] = [
    wire.Open(id=0, config=EngineConfig(model_path="/models/a.gguf", threads=3)),
    wire.Chat(
        id=1,
        messages=(Message(role="system", content="é"), Message(role="user", content="\x00😀", reasoning="r")),
        options=wire.Options(
            sampling=Sampling(logit_bias={7: -1.5}, stop=("x",), seed=3),
            constraint=Constraint(kind="json_object"),
            deadline_s=2.5,
        ),
    ),
    wire.Complete(id=2, prompt="", options=wire.Options()),
    wire.Complete(id=13, prompt=(1, 2), options=wire.Options()),
    wire.Score(id=14, prompt=(1, 2), options=wire.Options(sampling=Sampling(logprobs=3))),
    wire.Count(id=15, messages=(Message(role="user", content="x"),), tools=(Tool(name="a"),)),
    wire.Chat(
        id=16,
        messages=(
            Message(role="assistant", content="", tool_calls=(ToolCall(id="call_1", name="a", arguments="{}"),)),
            Message(role="tool", content="r", tool_call_id="call_1"),
        ),
        options=wire.Options(tools=(Tool(name="a", description="é"),), tool_choice="a", keep="all", trusted=True),
    ),
    wire.Embed(id=3, texts=("a", "b")),
    wire.EmbedTokens(id=12, inputs=((1, 2), (3,))),
    wire.Tokenize(id=4, text="t", parse_special=True),
    wire.Detokenize(id=5, tokens=(1, 2)),
    wire.Cancel(id=1),
    wire.Stats(id=6),
    wire.SaveConversations(id=7),
    wire.Shutdown(id=8, save=False),
]
ANSWERS: list[wire.AnyAnswer] = [
    wire.LoadProgress(id=0, fraction=0.5),
    wire.Progress(id=1, done_tokens=3, total_tokens=9),
    wire.Noticed(id=1, text="n"),
    wire.Piece(id=1, delta=Delta(text="é", tokens=(TokenTrace(token=1, text="é", logprob=-0.1, entropy=0.2),))),
    wire.Done(
        id=1,
        outcome=Finished(choices=(ChoiceEnd(0, FinishReason.STOP, "END"),), usage=Usage(), timings=Timings(ttft_s=0.1)),
    ),
    wire.Refused(id=2, failed=Failed(error="QueueFull", message="full", facts={"limit": 16, "is_new": True})),
    wire.Vectors(id=3, vectors=[[0.5, 0.5]]),
    wire.Tokens(id=4, tokens=[Token(1, "t")]),
    wire.Counted(id=15, tokens=7),
    wire.Piece(id=16, delta=Delta(tool_calls=(ToolCallPiece(position=0, id="call_2", name="a", arguments="{"),))),
    wire.Text(id=5, text="t"),
    wire.Saved(id=7),
]


def asks_from(data: bytes) -> list[wire.AnyAsk]:
    return list(Frames[wire.AnyAsk](wire.AnyAsk).feed(data))


@given(st.lists(st.integers(1, 40), min_size=1, max_size=30))
def test_messages_survive_any_cutting_of_the_stream(cuts: list[int]) -> None:
    data = b"".join(pack(ask) for ask in ASKS)
    frames = Frames[wire.AnyAsk](wire.AnyAsk)
    received: list[wire.AnyAsk] = []
    at = turn = 0
    while at < len(data):
        size = cuts[turn % len(cuts)]
        received += frames.feed(data[at : at + size])
        at, turn = at + size, turn + 1
    assert received == ASKS
    assert frames.pending_bytes == 0


def test_every_answer_comes_back_equal() -> None:
    frames = Frames[wire.AnyAnswer](wire.AnyAnswer)
    assert list(frames.feed(b"".join(pack(answer) for answer in ANSWERS))) == ANSWERS


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xc1",
        b"hello",
        msgspec.msgpack.encode({"ask": "launch", "id": 1}),
        msgspec.msgpack.encode({"ask": "cancel", "id": "one"}),
        msgspec.msgpack.encode({"ask": "cancel"}),
        msgspec.msgpack.encode([1, 2, 3]),
        b"\x91" * 5000,
    ],
)
def test_a_frame_without_a_known_message_is_an_error(body: bytes) -> None:
    with pytest.raises(WireError, match="no known message"):
        asks_from(struct.pack(">I", len(body)) + body)


def test_an_oversized_announcement_is_refused_before_its_bytes_arrive() -> None:
    with pytest.raises(WireError, match="announces"):
        asks_from(struct.pack(">I", FRAME_LIMIT_BYTES + 1))


def test_an_oversized_message_is_not_sent() -> None:
    with pytest.raises(WireError, match="over the limit"):
        pack(wire.Tokenize(id=1, text="x" * (FRAME_LIMIT_BYTES + 1)))


@given(st.binary(max_size=300))
def test_random_bytes_are_messages_or_errors(data: bytes) -> None:
    with suppress(WireError):
        assert all(isinstance(ask, wire.Ask) for ask in asks_from(data))


def test_a_cut_frame_is_pending_and_says_so() -> None:
    frames = Frames[wire.AnyAsk](wire.AnyAsk)
    data = pack(ASKS[1])
    assert list(frames.feed(data[:-1])) == []
    assert frames.pending_bytes == len(data) - 1

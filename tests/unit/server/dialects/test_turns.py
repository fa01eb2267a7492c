"""Turns that chat templates accept."""

from __future__ import annotations

import time

from edgellm.server.dialects.anthropic import Anthropic
from edgellm.server.dialects.anthropic_body import MessagesBody
from edgellm.server.dialects.turns import joined
from edgellm.types import Message, ToolCall

CALLS = tuple(ToolCall(id=name, name=name, arguments="{}") for name in "ab")


def test_neighbours_of_one_role_become_one_turn() -> None:
    said = [
        Message(role="assistant", content="", reasoning="Hm.", tool_calls=CALLS[:1]),
        Message(role="assistant", content="I look.", tool_calls=CALLS[1:]),
        Message(role="tool", content="1", tool_call_id="a"),
        Message(role="tool", content="2", tool_call_id="b"),
        Message(role="user", content="One."),
        Message(role="user", content="Two."),
    ]
    assert joined(said) == (
        Message(role="assistant", content="I look.", reasoning="Hm.", tool_calls=CALLS),
        *said[2:4],
        Message(role="user", content="One.\n\nTwo."),
    )
    assert joined([]) == ()


def test_a_body_of_many_small_parts_is_read_in_a_moment() -> None:
    blocks = [{"type": "text", "text": "x" * 200}] * 4_000
    body = {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": blocks}] * 10}
    began = time.thread_time()
    call = Anthropic().call(MessagesBody.model_validate(body))
    assert len(call.messages) == 1
    assert time.thread_time() - began < 15  # hours, if every part were looked at anew

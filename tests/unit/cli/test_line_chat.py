"""Commands of the line chat that need no terminal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from edgellm.cli.diagnostics import Diagnostics
from edgellm.cli.line_chat import LineChat
from edgellm.cli.output import Output
from edgellm.cli.talk import ChatOptions, Talk
from edgellm.cli.world import World
from edgellm.errors import InvalidInput
from edgellm.sdk.facade import EdgeLLM
from edgellm.types import Delta
from tests.unit.cli.bench import Stream
from tests.unit.cli.fakes import STARTER, FakeEdge


def test_a_refused_prompt_is_not_sent_with_the_next() -> None:
    fake = FakeEdge([InvalidInput("Too long.")])
    talk = Talk(cast("EdgeLLM", fake), ChatOptions(is_saved=False))
    with pytest.raises(InvalidInput), talk.asking("Much too long.") as stream:
        list(stream)
    fake.script = [Delta(text="Rhine.")]
    for prompt in ("One?", "Two?"):
        with talk.asking(prompt) as stream:
            list(stream)
    assert [message.content for message in fake.asked[-1][0]] == ["One?", "Rhine.", "Two?"]


def test_a_model_named_by_its_path_is_asked_by_its_path() -> None:
    fake = FakeEdge()
    fake.models.installed.append(replace(STARTER, name="own", path=Path("/folder/own.gguf"), source="/folder/own.gguf"))
    edge = cast("EdgeLLM", fake)
    out = Stream()
    world = World(stdin=Stream(), out=Output(out, {}), err=Diagnostics(Stream(), {}), environment={})
    talk = Talk(edge, ChatOptions())
    LineChat(world, edge, talk).model("own")
    assert talk.model == "/folder/own.gguf"
    assert out.text == "/folder/own.gguf\n"
    LineChat(world, edge, talk).model("starter")
    assert talk.model == "starter"


def test_a_resumed_conversation_shows_what_was_cut_off() -> None:
    fake = FakeEdge()
    session = fake.sessions.create(model="starter")
    fake.sessions.say(session.id, "user", "Name three rivers.")
    fake.sessions.say(session.id, "assistant", "The Ni", "failed")
    edge, out = cast("EdgeLLM", fake), Stream()
    world = World(stdin=Stream(), out=Output(out, {}), err=Diagnostics(Stream(), {}), environment={})
    LineChat(world, edge, Talk(edge, ChatOptions(goes_on=True)))._greet()
    assert out.text.endswith("> Name three rivers.\nThe Ni\n(cut off)\n")

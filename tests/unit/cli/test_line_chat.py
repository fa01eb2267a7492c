"""Commands of the line chat that need no terminal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

from edgellm.cli.diagnostics import Diagnostics
from edgellm.cli.line_chat import LineChat
from edgellm.cli.output import Output
from edgellm.cli.talk import ChatOptions, Talk
from edgellm.cli.world import World
from edgellm.sdk.facade import EdgeLLM
from tests.unit.cli.fakes import STARTER, FakeEdge, Stream


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

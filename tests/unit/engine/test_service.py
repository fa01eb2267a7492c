"""What the worker makes of an ask, without a process around it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from edgellm.engine import wire
from edgellm.engine.config import EngineConfig
from edgellm.engine.fake import CHAT_TEMPLATE, FakeBackend
from edgellm.engine.service import Service
from edgellm.engine.template import Renderer
from edgellm.types import Constraint, Message

CONFIG = EngineConfig(model_path="fake:")
THINKING = CHAT_TEMPLATE.replace("assistant\n'", "assistant\n<think>\n'") + "{# </think> #}"


@pytest.fixture
def renderer() -> Iterator[Renderer]:
    renderer = Renderer()
    yield renderer
    renderer.close()


def test_a_constrained_answer_is_no_thinking_though_the_template_opens_a_block(renderer: Renderer) -> None:
    backend = FakeBackend(CONFIG)
    backend.info = replace(backend.info, chat_template=THINKING)
    answers: list[wire.AnyAnswer] = []
    service = Service(backend, CONFIG, renderer, answers.append)
    options = wire.Options(constraint=Constraint(kind="json_schema", text='{"enum": ["yes"]}'))
    service.handle(wire.Chat(id=1, messages=(Message(role="user", content="?"),), options=options))
    while service.step():
        continue
    deltas = [answer.delta for answer in answers if isinstance(answer, wire.Piece)]
    assert ("".join(delta.text for delta in deltas), "".join(delta.reasoning for delta in deltas)) == ('"yes"', "")

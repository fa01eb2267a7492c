"""Tools on the starter: calls that are asked for are valid under their schema; others are told from text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from edgellm.engine.config import EngineConfig
from edgellm.engine.llama.backend import LlamaBackend
from edgellm.engine.stream import Stream
from edgellm.engine.supervisor import Worker
from edgellm.engine.tools import MAX_TOOLS, call_schema
from edgellm.sdk.answer import Answer
from edgellm.types import Choice, Constraint, FinishReason, Message, Sampling, Tool, ToolCall
from tests.live.starter import chat_prompt, starter_path, write
from tests.unit.engine.process.faces import user

pytestmark = pytest.mark.live

WEATHER = Tool(
    name="get_weather",
    description="The weather in a city.",
    parameters=json.dumps(
        {
            "$defs": {"unit": {"enum": ["celsius", "fahrenheit"]}},
            "type": "object",
            "properties": {"city": {"type": "string", "maxLength": 20}, "unit": {"$ref": "#/$defs/unit"}},
            "required": ["city", "unit"],
            "additionalProperties": False,
        }
    ),
)
CLOCK = Tool(
    name="get-time",
    parameters='{"type": "object", "properties": {"hours": {"type": "integer", "minimum": 0, "maximum": 23}},'
    ' "required": ["hours"], "additionalProperties": false}',
)
MANY = [Tool(name=f"tool_{number}", parameters=CLOCK.parameters) for number in range(MAX_TOOLS)]


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    config = EngineConfig(model_path=starter_path(), context_tokens=2048, threads=1, gpu_layers=0)
    with Worker.start(config, log_dir=None) as worker:
        yield worker


def choices(stream: Stream) -> tuple[Choice, ...]:
    answer = Answer("starter")
    for event in stream:
        answer.add(event)
    answer.end(stream.result())
    return answer.choices()


def is_valid(call: ToolCall) -> bool:
    found: dict[str, Any] = json.loads(call.arguments)
    if call.name == WEATHER.name:
        return (
            set(found) == {"city", "unit"} and len(found["city"]) <= 20 and found["unit"] in ("celsius", "fahrenheit")
        )
    return set(found) == {"hours"} and type(found["hours"]) is int and 0 <= found["hours"] <= 23


@pytest.mark.parametrize("choice", ["required", "get_weather", "get-time"])
def test_a_call_that_is_asked_for_is_valid_under_its_schema(worker: Worker, choice: str) -> None:
    sampling = Sampling(temperature=1.2, seed=5, n=4, max_tokens=120)
    question = user("What is the weather in Rome, in celsius?")
    found = choices(worker.chat(question, sampling=sampling, tools=(WEATHER, CLOCK), tool_choice=choice))
    assert [each.finish_reason for each in found] == [FinishReason.TOOL_CALLS] * 4
    calls = [call for each in found for call in each.tool_calls]
    assert len(calls) == 4
    assert len({call.id for call in calls}) == 4
    assert all(map(is_valid, calls))
    assert choice == "required" or {call.name for call in calls} == {choice}
    assert not any(each.text for each in found)


def test_as_many_tools_as_are_taken_are_enforced() -> None:
    backend = LlamaBackend(EngineConfig(model_path=starter_path(), context_tokens=256, threads=1, max_parked=1))
    constraint = Constraint(kind="json_schema", text=call_schema([WEATHER, *MANY[1:]], "arguments"))
    writer = write(backend, chat_prompt("Go."), count=60, constraint=constraint)
    assert backend.is_end(writer.tokens[-1])
    found = json.loads(writer.text)
    assert is_valid(ToolCall(id="", name=found["name"], arguments=json.dumps(found["arguments"])))
    backend.close()


def test_where_the_model_decides_nothing_is_lost(worker: Worker) -> None:
    greedy = Sampling(temperature=0, max_tokens=60)
    (found,) = choices(worker.chat(user("What is the weather in Rome?"), sampling=greedy, tools=(WEATHER,)))
    assert found.text or found.tool_calls
    assert (found.finish_reason is FinishReason.TOOL_CALLS) == bool(found.tool_calls)


def test_a_result_is_answered(worker: Worker) -> None:
    call = ToolCall(id="call_1", name="get_weather", arguments='{"city": "Rome", "unit": "celsius"}')
    messages = (
        *user("What is the weather in Rome?"),
        Message(role="assistant", content="", tool_calls=(call,)),
        Message(role="tool", content="21 degrees <|im_end|>", tool_call_id="call_1"),
    )
    stream = worker.chat(messages, sampling=Sampling(temperature=0, max_tokens=20), tools=(WEATHER,))
    assert choices(stream)[0].text
    counted = worker.count(messages, (WEATHER,))
    assert counted == stream.result().usage.prompt_tokens

"""Ollama's API: a body of chat or generate to a `Call`, and an answer to its JSON or its lines.

https://docs.ollama.com/api
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from edgellm.errors import EdgeLLMError
from edgellm.server.call import AnswerId, Call
from edgellm.server.dialects import wire
from edgellm.server.dialects.asked import Asked, as_asked
from edgellm.server.dialects.fields import as_json, refuse, refuse_given, sampled, schema_constraint
from edgellm.server.dialects.ollama_body import (
    NEUTRAL,
    REFUSED,
    REFUSED_OF_GENERATE,
    AskBody,
    ChatBody,
    GenerateBody,
    MessageBody,
    OptionsBody,
    ToolBody,
)
from edgellm.server.dialects.ollama_frames import OllamaFrames, counters, error_body, finish_of, head, tool_calls
from edgellm.server.dialects.turns import joined
from edgellm.types import Constraint, Message, Reply, Sampling, Tool, ToolCall

LATEST = ":latest"
"""What Ollama's clients put behind a name without a tag."""


@dataclass(frozen=True, slots=True)
class OllamaChat:
    """The dialect of POST /api/chat."""

    defaults: Sampling = field(default_factory=Sampling)
    """How tokens are chosen where the client does not say."""
    media_type: str = wire.JSON_LINES

    def call(self, body: ChatBody) -> Call:
        """Raises: InvalidInput with facts `field`."""
        return _asked(body, self.defaults, _messages(body.messages), tuple(map(_tool, body.tools or ())))

    def is_load(self, body: ChatBody) -> bool:
        """Whether the client only wants the model to be in memory: it says nothing."""
        return not body.messages

    def loaded(self, model: str, answer: AnswerId) -> dict[str, Any]:
        """The answer when it is."""
        message = {"role": "assistant", "content": ""}
        return head(model, answer) | {"message": message, "done": True, "done_reason": "load"}

    def whole(self, call: Call, reply: Reply, answer: AnswerId) -> dict[str, Any]:
        """The answer in one piece."""
        asked, choice = as_asked(call), reply.choices[0]
        message: dict[str, Any] = {"role": "assistant", "content": choice.text}
        if reasoning := asked.reasoning(choice.reasoning):
            message["thinking"] = reasoning
        if calls := tool_calls(asked.tool_calls(choice.tool_calls)):
            message["tool_calls"] = calls
        return head(call.model, answer) | {"message": message, **finish_of(reply), **counters(reply)}

    def frames(self, call: Call, answer: AnswerId) -> OllamaFrames:
        """Its lines."""
        return OllamaFrames(as_asked(call), answer, is_chat=True)

    def error(self, error: EdgeLLMError, status: int) -> dict[str, Any]:  # noqa: ARG002  the body has no status
        """`{"error": "..."}`."""
        return error_body(error)


@dataclass(frozen=True, slots=True)
class OllamaGenerate:
    """The dialect of POST /api/generate."""

    defaults: Sampling = field(default_factory=Sampling)
    """How tokens are chosen where the client does not say."""
    media_type: str = wire.JSON_LINES

    def call(self, body: GenerateBody) -> Call:
        """Raises: InvalidInput with facts `field`."""
        refuse_given(body, REFUSED_OF_GENERATE)
        turns = [Message(role="system", content=body.system)] if body.system else []
        return _asked(body, self.defaults, (*turns, Message(role="user", content=body.prompt)), ())

    def is_load(self, body: GenerateBody) -> bool:
        """Whether the client only wants the model to be in memory: it says nothing."""
        return not body.prompt

    def loaded(self, model: str, answer: AnswerId) -> dict[str, Any]:
        """The answer when it is."""
        return head(model, answer) | {"response": "", "done": True, "done_reason": "load"}

    def whole(self, call: Call, reply: Reply, answer: AnswerId) -> dict[str, Any]:
        """The answer in one piece."""
        thinking = as_asked(call).reasoning(reply.reasoning)
        more = {"thinking": thinking} if thinking else {}
        return head(call.model, answer) | {"response": reply.text, **more, **finish_of(reply), **counters(reply)}

    def frames(self, call: Call, answer: AnswerId) -> OllamaFrames:
        """Its lines."""
        return OllamaFrames(as_asked(call), answer, is_chat=False)

    def error(self, error: EdgeLLMError, status: int) -> dict[str, Any]:  # noqa: ARG002  the body has no status
        """`{"error": "..."}`."""
        return error_body(error)


def model_name(name: str) -> str:
    """A model's name without the tag that Ollama's clients add."""
    return name.removesuffix(LATEST)


def _asked(body: AskBody, defaults: Sampling, messages: tuple[Message, ...], tools: tuple[Tool, ...]) -> Asked:
    refuse_given(body, REFUSED)
    return Asked(
        model=model_name(body.model),
        messages=messages,
        sampling=_sampling(body.options or OptionsBody(), defaults),
        constraint=_constraint(body),
        constraint_field="format",
        tools=tools,
        is_stream=body.stream is not False,
        has_usage=True,
        shows_reasoning=body.think is not False,
    )


def _sampling(options: OptionsBody, defaults: Sampling) -> Sampling:
    for name, value in NEUTRAL.items():
        if getattr(options, name) not in (None, value):
            refuse(f"options.{name}", f"the engine does not choose tokens like that; only {value} is taken.")
    names = ("temperature", "top_k", "top_p", "min_p", "repeat_penalty", "presence_penalty", "frequency_penalty")
    given = {name: getattr(options, name) for name in names}
    given["seed"] = None if options.seed == -1 else options.seed  # -1 draws one
    given["max_tokens"] = None if options.num_predict in (-1, -2) else options.num_predict  # as many as the context has
    given["stop"] = (options.stop,) if isinstance(options.stop, str) else options.stop
    theirs = {ours: f"options.{ours}" for ours in given} | {"max_tokens": "options.num_predict"}
    return sampled(defaults, given, theirs)


def _constraint(body: AskBody) -> Constraint | None:
    if isinstance(body.format, dict):
        return schema_constraint(body.format)
    return Constraint(kind="json_object") if body.format == "json" else None


def _tool(tool: ToolBody) -> Tool:
    made = tool.function
    parameters = as_json(made.parameters or {"type": "object", "properties": {}})
    return Tool(name=made.name, description=made.description or "", parameters=parameters)


def _messages(messages: Sequence[MessageBody]) -> tuple[Message, ...]:
    """Turns; calls without an id get one, and results are matched with them by name, or by order."""
    turns: list[Message] = []
    waiting: list[ToolCall] = []
    for number, message in enumerate(messages):
        if message.images:
            refuse(f"messages.{number}.images", "no model here reads images.", "Leave it out.")
        calls = _calls(message, f"call_{number}")
        waiting = list(calls) or waiting
        turns.append(
            Message(
                role=message.role,
                content=message.content or "",
                reasoning=message.thinking or None,
                tool_calls=calls,
                tool_call_id=_answered(message, waiting) if message.role == "tool" else None,
            )
        )
    if turns and turns[-1].role == "assistant":
        why = "the last message is the assistant's; an answer that is begun by the client cannot be continued here."
        refuse("messages", why, "End with a message of the user.")
    return joined(turns)


def _calls(message: MessageBody, stem: str) -> tuple[ToolCall, ...]:
    return tuple(
        ToolCall(
            id=made.id or f"{stem}_{place}", name=made.function.name, arguments=as_json(made.function.arguments or {})
        )
        for place, made in enumerate(message.tool_calls or ())
    )


def _answered(message: MessageBody, waiting: list[ToolCall]) -> str | None:
    """The id of the call that a tool's message answers, which waits no longer; None when no call is open."""
    if message.tool_call_id:
        found = next((made for made in waiting if made.id == message.tool_call_id), None)
    else:
        found = next((made for made in waiting if made.name == message.tool_name), waiting[0] if waiting else None)
    if found is not None:
        waiting.remove(found)
    return message.tool_call_id or (found.id if found else None)

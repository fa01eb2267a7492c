"""OpenAI's Responses API, stateless: a body to a `Call`, and an answer to its response or its events.

https://platform.openai.com/docs/api-reference/responses
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from edgellm.errors import EdgeLLMError
from edgellm.server.call import AnswerId, Call
from edgellm.server.dialects import wire
from edgellm.server.dialects.asked import Asked, as_asked
from edgellm.server.dialects.fields import (
    Unread,
    as_json,
    refuse,
    refuse_extra,
    refuse_given,
    refuse_unread,
    sampled,
    schema_constraint,
)
from edgellm.server.dialects.responses_body import (
    REFUSED,
    FunctionBody,
    FunctionCallItem,
    FunctionChoice,
    FunctionOutputItem,
    InputItem,
    MessageItem,
    Part,
    ReasoningItem,
    ResponsesBody,
)
from edgellm.server.dialects.responses_frames import ResponsesFrames
from edgellm.server.dialects.responses_object import Writing, finished
from edgellm.server.dialects.turns import BETWEEN_PARTS, joined
from edgellm.server.errors import openai_error
from edgellm.types import Constraint, Message, Reply, Sampling, Tool, ToolCall

LOGPROBS = "message.output_text.logprobs"
NO_PARAMETERS: dict[str, Any] = {"type": "object", "properties": {}}


@dataclass(frozen=True, slots=True)
class Responses:
    """The dialect of POST /v1/responses."""

    defaults: Sampling = field(default_factory=Sampling)
    """How tokens are chosen where the client does not say."""
    media_type: str = wire.EVENT_STREAM

    def call(self, body: ResponsesBody) -> Call:
        """Raises: InvalidInput with facts `field`."""
        refuse_given(body, REFUSED)
        if body.truncation == "auto":
            refuse("truncation", "a conversation that is too long is refused, not cut.", 'Say "disabled".')
        sampling = self._sampling(body)
        tools = tuple(_tool(tool, f"tools.{number}") for number, tool in enumerate(body.tools or ()))
        return Asked(
            model=body.model,
            messages=_messages(body),
            sampling=sampling,
            constraint=_constraint(body),
            constraint_field="text.format.schema",
            tools=tools,
            tool_choice=_tool_choice(body),
            is_stream=bool(body.stream),
            has_usage=True,
            shows_reasoning=body.reasoning is None or body.reasoning.effort != "none",
            is_one_tool_call=body.parallel_tool_calls is False,
            echoed=_echoed(body, sampling),
        )

    def whole(self, call: Call, reply: Reply, answer: AnswerId) -> dict[str, Any]:
        """A `response`."""
        asked, choice = as_asked(call), reply.choices[0]
        writing = Writing(asked, answer)
        if reasoning := asked.reasoning(choice.reasoning):
            writing.add_text("reasoning", reasoning)
        if choice.text:
            writing.add_text("message", choice.text, choice.tokens)
        for made in asked.tool_calls(choice.tool_calls):
            writing.add_call(made)
        return finished(writing, reply)

    def frames(self, call: Call, answer: AnswerId) -> ResponsesFrames:
        """Its events."""
        return ResponsesFrames(as_asked(call), answer)

    def error(self, error: EdgeLLMError, status: int) -> dict[str, Any]:
        """OpenAI's `{"error": {...}}`."""
        return openai_error(error, status)

    def _sampling(self, body: ResponsesBody) -> Sampling:
        logprobs = body.top_logprobs
        if logprobs is None and LOGPROBS in (body.include or ()):
            logprobs = 0
        given = {
            "temperature": body.temperature,
            "top_p": body.top_p,
            "max_tokens": body.max_output_tokens,
            "logprobs": logprobs,
        }
        return sampled(self.defaults, given, {"max_tokens": "max_output_tokens", "logprobs": "top_logprobs"})


def _echoed(body: ResponsesBody, sampling: Sampling) -> dict[str, Any]:
    """What a response repeats of its request."""
    given = body.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return {
        "background": False,
        "instructions": body.instructions,
        "max_output_tokens": body.max_output_tokens,
        "metadata": body.metadata or {},
        "parallel_tool_calls": body.parallel_tool_calls is not False,
        "previous_response_id": None,
        "prompt_cache_key": body.prompt_cache_key,
        "reasoning": {"effort": None, "summary": None} | (given.get("reasoning") or {}),
        "safety_identifier": body.safety_identifier,
        "store": False,
        "temperature": sampling.temperature,
        "text": {"format": {"type": "text"}}
        | {key: value for key, value in (given.get("text") or {}).items() if value},
        "tool_choice": given.get("tool_choice") or "auto",
        "tools": [{"strict": None, "parameters": None} | tool for tool in given.get("tools") or ()],
        "top_logprobs": sampling.logprobs or 0,
        "top_p": sampling.top_p,
        "truncation": "disabled",
        "user": body.user,
    }


def _constraint(body: ResponsesBody) -> Constraint | None:
    form = body.text.format if body.text else None
    if form is None or form.type == "text":
        return None
    if form.type == "json_object":
        return Constraint(kind="json_object")
    if form.schema_ is None:
        refuse("text.format.schema", "it is missing.")
    return schema_constraint(form.schema_)


def _tool(tool: FunctionBody, field: str) -> Tool:
    if tool.type != "function":
        refuse(f"{field}.type", f"tools of the type {tool.type[:40]!r} are not run here.", "Leave it out.")
    refuse_extra(tool, field)
    if not tool.name:
        refuse(f"{field}.name", "it is missing.")
    parameters = as_json(NO_PARAMETERS if tool.parameters is None else tool.parameters)
    return Tool(name=tool.name, description=tool.description or "", parameters=parameters)


def _tool_choice(body: ResponsesBody) -> str:
    choice = body.tool_choice
    if choice == "required" and not body.tools:
        refuse("tool_choice", "a tool must be called, and there is none.", "Send tools with it.")
    if not isinstance(choice, FunctionChoice):
        return choice or "auto"
    if choice.name not in [tool.name for tool in body.tools or ()]:
        refuse("tool_choice.name", f"no function is named {choice.name[:64]!r}.")
    return choice.name


def _messages(body: ResponsesBody) -> tuple[Message, ...]:
    turns = [Message(role="system", content=body.instructions)] if body.instructions else []
    if isinstance(body.input, str):
        return (*turns, Message(role="user", content=body.input))
    turns += [_turn(item, f"input.{number}") for number, item in enumerate(body.input)]
    return joined(turns)


def _turn(item: InputItem, field: str) -> Message:
    """An item as a turn; neighbours of one role are joined afterwards."""
    if isinstance(item, Unread):
        refuse_unread(item, field)
    if isinstance(item, FunctionCallItem):
        made = ToolCall(id=item.call_id, name=item.name, arguments=item.arguments)
        return Message(role="assistant", content="", tool_calls=(made,))
    if isinstance(item, FunctionOutputItem):
        return Message(role="tool", content=_text(item.output, f"{field}.output"), tool_call_id=item.call_id)
    if isinstance(item, ReasoningItem):
        thoughts = _text(item.content or item.summary, f"{field}.content")
        return Message(role="assistant", content="", reasoning=thoughts or None)
    return Message(role=_role(item), content=_text(item.content, f"{field}.content"))


def _role(item: MessageItem) -> Any:
    return "system" if item.role == "developer" else item.role


def _text(content: str | Iterable[Part], field: str) -> str:
    if isinstance(content, str):
        return content
    texts = []
    for number, part in enumerate(content):
        if isinstance(part, Unread):
            refuse_unread(part, f"{field}.{number}")
        texts.append(part.text)
    return BETWEEN_PARTS.join(texts)

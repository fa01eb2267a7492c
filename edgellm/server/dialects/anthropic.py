"""Anthropic's Messages API: a body to a `Call`, and an answer to its message or its events.

https://platform.claude.com/docs/en/api/messages and .../build-with-claude/streaming
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

from edgellm.errors import EdgeLLMError
from edgellm.server.call import AnswerId, Call
from edgellm.server.dialects import wire
from edgellm.server.dialects.anthropic_body import (
    REFUSED,
    Block,
    CountTokensBody,
    MessagesBody,
    RedactedThinkingBlock,
    TextBlock,
    ThinkingBlock,
    ThinkingBody,
    ToolBody,
    ToolResultBlock,
    ToolUseBlock,
    Turn,
)
from edgellm.server.dialects.anthropic_frames import AnthropicFrames, ending_of, usage_of
from edgellm.server.dialects.asked import Asked, as_asked
from edgellm.server.dialects.fields import (
    Unread,
    as_json,
    json_object,
    refuse,
    refuse_extra,
    refuse_given,
    refuse_unread,
    sampled,
    schema_constraint,
)
from edgellm.server.dialects.turns import BETWEEN_PARTS, joined
from edgellm.types import Constraint, Message, Reply, Sampling, Tool, ToolCall

ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
"""By HTTP status; other refusals of the client's are `invalid_request_error`, others of the server's `api_error`."""
ALLOWED: dict[str, tuple[type, ...]] = {
    "user": (TextBlock, ToolResultBlock),
    "assistant": (TextBlock, ThinkingBlock, RedactedThinkingBlock, ToolUseBlock),
    "system": (TextBlock,),
}
"""Which blocks a role may have."""
CHOICES = {"auto": "auto", "any": "required", "none": "none"}


@dataclass(frozen=True, slots=True)
class Anthropic:
    """The dialect of POST /v1/messages and /v1/messages/count_tokens."""

    defaults: Sampling = field(default_factory=Sampling)
    """How tokens are chosen where the client does not say."""
    media_type: str = wire.EVENT_STREAM

    def call(self, body: MessagesBody) -> Call:
        """Raises: InvalidInput with facts `field`."""
        refuse_given(body, REFUSED)
        _check_edits(body)
        asked = self.count(body)
        return replace(asked, sampling=self._sampling(body), is_stream=body.stream, has_usage=True)

    def count(self, body: CountTokensBody) -> Call:
        """The conversation whose tokens are to be counted. Raises: InvalidInput with facts `field`."""
        thinking = body.thinking
        choice = body.tool_choice
        return Asked(
            model=body.model,
            messages=_messages(body),
            sampling=self.defaults,
            constraint=_constraint(body),
            constraint_field="output_config.format.schema",
            tools=tuple(_tool(tool, f"tools.{number}") for number, tool in enumerate(body.tools)),
            tool_choice=_tool_choice(body),
            shows_reasoning=thinking is None or _is_shown(thinking),
            is_one_tool_call=choice is not None and choice.disable_parallel_tool_use,
        )

    def counted(self, tokens: int) -> dict[str, Any]:
        """The answer to count_tokens."""
        return {"input_tokens": tokens}

    def whole(self, call: Call, reply: Reply, answer: AnswerId) -> dict[str, Any]:
        """A `message`."""
        asked, choice = as_asked(call), reply.choices[0]
        content: list[dict[str, Any]] = []
        if reasoning := asked.reasoning(choice.reasoning):
            content.append({"type": "thinking", "thinking": reasoning, "signature": ""})
        if choice.text:
            content.append({"type": "text", "text": choice.text})
        for made in asked.tool_calls(choice.tool_calls):
            given = json_object(made.arguments)
            if given is not None:
                content.append({"type": "tool_use", "id": made.id, "name": made.name, "input": given})
        return {
            "id": answer.id,
            "type": "message",
            "role": "assistant",
            "model": call.model,
            "content": content,
            **ending_of(choice),
            "usage": usage_of(reply.usage),
        }

    def frames(self, call: Call, answer: AnswerId) -> AnthropicFrames:
        """Its events."""
        return AnthropicFrames(as_asked(call), answer, self.error)

    def error(self, error: EdgeLLMError, status: int) -> dict[str, Any]:
        """`{"type": "error", "error": {...}}`."""
        kind = ERROR_TYPES.get(status, "invalid_request_error" if status < 500 else "api_error")
        return {"type": "error", "error": {"type": kind, "message": str(error)}}

    def _sampling(self, body: MessagesBody) -> Sampling:
        given = {"temperature": body.temperature, "top_p": body.top_p, "top_k": body.top_k}
        asked = {"max_tokens": body.max_tokens, "stop": body.stop_sequences}
        return sampled(self.defaults, {**given, **asked}, {"stop": "stop_sequences"})


def _check_edits(body: MessagesBody) -> None:
    for number, edit in enumerate(body.context_management.edits if body.context_management else ()):
        if not edit.type.startswith("clear_thinking"):
            field = f"context_management.edits.{number}.type"
            refuse(field, f"{edit.type[:40]!r} is not done here: a conversation is read whole.", "Leave it out.")


def _constraint(body: CountTokensBody) -> Constraint | None:
    form = body.output_config.format if body.output_config else None
    return schema_constraint(form.schema_) if form else None


def _is_shown(thinking: ThinkingBody) -> bool:
    return thinking.type != "disabled" and thinking.display != "omitted"


def _tool_choice(body: CountTokensBody) -> str:
    choice = body.tool_choice
    if choice is None:
        return "auto"
    if choice.type == "any" and not body.tools:
        refuse("tool_choice", "a tool must be called, and there is none.", "Send tools with it.")
    if choice.type != "tool":
        return CHOICES[choice.type]
    if choice.name not in [tool.name for tool in body.tools]:
        refuse("tool_choice.name", f"no tool is named {str(choice.name)[:64]!r}.")
    return str(choice.name)


def _tool(tool: ToolBody, field: str) -> Tool:
    if tool.type not in (None, "custom"):
        refuse(f"{field}.type", f"the tool {str(tool.type)[:40]!r} runs on Anthropic's own servers.", "Leave it out.")
    refuse_extra(tool, field)
    if tool.input_schema is None:
        refuse(f"{field}.input_schema", "it is missing.")
    parameters = as_json(tool.input_schema)
    return Tool(name=tool.name, description=tool.description, parameters=parameters)


def _messages(body: CountTokensBody) -> tuple[Message, ...]:
    system = body.system if isinstance(body.system, str) else _text(body.system)
    turns = [Message(role="system", content=system)] if system else []
    for number, turn in enumerate(body.messages):
        turns += _turns(turn, f"messages.{number}")
    if body.messages and body.messages[-1].role == "assistant":
        why = "the last message is the assistant's; an answer that is begun by the client cannot be continued here."
        refuse("messages", why, "End with a message of the user.")
    return joined(turns)


def _turns(turn: Turn, field: str) -> list[Message]:
    if isinstance(turn.content, str):
        return [Message(role=turn.role, content=turn.content)]
    for number, block in enumerate(turn.content):
        _check_block(block, turn.role, f"{field}.content.{number}")
    if turn.role == "system":
        return [Message(role="system", content=_text(turn.content))]
    return _assistant_turn(turn.content) if turn.role == "assistant" else _user_turns(turn.content, field)


def _check_block(block: Block, role: str, field: str) -> None:
    if isinstance(block, Unread):
        refuse_unread(block, field)
    if not isinstance(block, ALLOWED[role]):
        refuse(f"{field}.type", f"{block.type!r} cannot stand in a message of the role {role!r}.")


def _assistant_turn(blocks: list[Block]) -> list[Message]:
    calls = [
        ToolCall(id=block.id, name=block.name, arguments=as_json(block.input))
        for block in blocks
        if isinstance(block, ToolUseBlock)
    ]
    thoughts = [block.thinking for block in blocks if isinstance(block, ThinkingBlock)]
    reasoning = BETWEEN_PARTS.join(thoughts) or None
    return [Message(role="assistant", content=_text(blocks), reasoning=reasoning, tool_calls=tuple(calls))]


def _user_turns(blocks: list[Block], field: str) -> list[Message]:
    """Each result of a tool is a turn of its own; texts between them are the user's."""
    turns: list[Message] = []
    numbered = enumerate(blocks)
    for is_text, group in groupby(numbered, key=lambda place: isinstance(place[1], TextBlock)):
        if is_text:
            turns.append(Message(role="user", content=_text([block for _, block in group])))
            continue
        for number, block in group:
            if isinstance(block, ToolResultBlock):
                content = _result(block, f"{field}.content.{number}")
                turns.append(Message(role="tool", content=content, tool_call_id=block.tool_use_id))
    return turns


def _result(block: ToolResultBlock, field: str) -> str:
    if isinstance(block.content, str):
        text = block.content
    else:
        for number, part in enumerate(block.content):
            if isinstance(part, Unread):
                refuse_unread(part, f"{field}.content.{number}")
        text = _text(block.content)
    return f"Error: {text}" if block.is_error else text


def _text(blocks: list[Any]) -> str:
    return BETWEEN_PARTS.join(block.text for block in blocks if isinstance(block, TextBlock))

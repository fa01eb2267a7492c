"""OpenAI's chat completions: a body to a `Call`, and an answer to its completion or its chunks.

https://platform.openai.com/docs/api-reference/chat
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from edgellm.errors import EdgeLLMError
from edgellm.server.bodies import ChatBody, Content, FormatBody, MessageBody, NamedTool, ToolBody
from edgellm.server.call import AnswerId, Call
from edgellm.server.dialects import wire
from edgellm.server.dialects.asked import Asked, as_asked
from edgellm.server.dialects.fields import Unread, as_json, refuse, refuse_given, refuse_unread, schema_constraint
from edgellm.server.dialects.openai import (
    DONE,
    FINISH_REASONS,
    extras_of,
    frame,
    has_usage,
    logprob,
    sampling_of,
    usage_of,
)
from edgellm.server.dialects.turns import BETWEEN_PARTS, joined
from edgellm.server.errors import openai_error
from edgellm.types import (
    Choice,
    Constraint,
    Delta,
    Message,
    Reply,
    Sampling,
    StreamEvent,
    TokenTrace,
    Tool,
    ToolCall,
    ToolCallPiece,
)

REFUSED = {
    "store": "answers are not kept here to be fetched later.",
    "audio": "there is no sound here.",
    "functions": "it was replaced by `tools`.",
    "function_call": "it was replaced by `tool_choice`.",
    "prediction": "nothing here makes use of it.",
    "web_search_options": "nothing is ever fetched from the web.",
    "reasoning_effort": "how long a model thinks cannot be chosen here.",
    "verbosity": "how long a model answers cannot be chosen here.",
}
"""Fields of `ChatBody` that are refused when they ask for something, and why."""
REFUSED_IN_MESSAGE = {
    "audio": "there is no sound here.",
    "function_call": "it was replaced by `tool_calls`.",
}


@dataclass(frozen=True, slots=True)
class OpenAIChat:
    """The dialect of POST /v1/chat/completions."""

    defaults: Sampling = field(default_factory=Sampling)
    """How tokens are chosen where the client does not say."""
    media_type: str = wire.EVENT_STREAM

    def call(self, body: ChatBody) -> Call:
        """Raises: InvalidInput with facts `field`."""
        refuse_given(body, REFUSED)
        return Asked(
            model=body.model,
            messages=conversation(body.messages),
            sampling=sampling_of(body, self.defaults, max_tokens=_max_tokens(body), logprobs=_logprobs(body)),
            constraint=_constraint(body.response_format),
            constraint_field="response_format.json_schema.schema",
            tools=tuple(map(_tool, body.tools or ())),
            tool_choice=_tool_choice(body),
            is_stream=bool(body.stream),
            has_usage=has_usage(body),
            is_one_tool_call=body.parallel_tool_calls is False,
        )

    def whole(self, call: Call, reply: Reply, answer: AnswerId) -> dict[str, Any]:
        """A `chat.completion`."""
        asked = as_asked(call)
        return {
            "id": answer.id,
            "object": "chat.completion",
            "created": answer.created,
            "model": call.model,
            "choices": [_choice(asked, choice, index) for index, choice in enumerate(reply.choices)],
            "usage": usage_of(reply.usage),
            **extras_of(reply),
        }

    def frames(self, call: Call, answer: AnswerId) -> ChatFrames:
        """Its chunks."""
        return ChatFrames(as_asked(call), answer)

    def error(self, error: EdgeLLMError, status: int) -> dict[str, Any]:
        """`{"error": {...}}`."""
        return openai_error(error, status)


class ChatFrames:
    """`chat.completion.chunk`s: the role of each choice, the pieces, the reason of each choice, usage, the end."""

    def __init__(self, call: Asked, answer: AnswerId) -> None:
        self._call = call
        self._head = {
            "id": answer.id,
            "object": "chat.completion.chunk",
            "created": answer.created,
            "model": call.model,
        }
        if call.has_usage:
            self._head["usage"] = None

    def begin(self) -> list[bytes]:
        """The role."""
        return [self._chunk(index, {"role": "assistant", "content": ""}) for index in range(self._call.sampling.n)]

    def event(self, event: StreamEvent) -> list[bytes]:
        """A piece of text, of thinking, or of calls."""
        if not isinstance(event, Delta):
            return []
        delta: dict[str, Any] = {}
        if event.text:
            delta["content"] = event.text
        if reasoning := self._call.reasoning(event.reasoning):
            delta["reasoning_content"] = reasoning
        if pieces := self._call.pieces(event.tool_calls):
            delta["tool_calls"] = [_piece(piece) for piece in pieces]
        logprobs = _logprobs_of(event.tokens) if event.tokens else None
        return [self._chunk(event.index, delta, logprobs=logprobs)] if delta or logprobs else []

    def keep_alive(self) -> bytes:
        """A comment."""
        return wire.COMMENT

    def end(self, reply: Reply) -> list[bytes]:
        """Reasons, evidence, usage, `[DONE]`."""
        frames = [
            self._chunk(index, {}, reason=FINISH_REASONS[choice.finish_reason])
            for index, choice in enumerate(reply.choices)
        ]
        if extras := extras_of(reply):
            frames.append(frame({**self._head, "choices": [], **extras}))
        if self._call.has_usage:
            frames.append(frame({**self._head, "choices": [], "usage": usage_of(reply.usage)}))
        return [*frames, DONE]

    def failed(self, error: EdgeLLMError, status: int) -> list[bytes]:
        """An error where a chunk would be, and `[DONE]`."""
        return [frame(openai_error(error, status)), DONE]

    def _chunk(
        self, index: int, delta: dict[str, Any], *, reason: str | None = None, logprobs: dict[str, Any] | None = None
    ) -> bytes:
        choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": reason}
        return frame({**self._head, "choices": [choice]})


def _choice(asked: Asked, choice: Choice, index: int) -> dict[str, Any]:
    calls = asked.tool_calls(choice.tool_calls)
    message: dict[str, Any] = {"role": "assistant", "content": choice.text or (None if calls else ""), "refusal": None}
    if reasoning := asked.reasoning(choice.reasoning):
        message["reasoning_content"] = reasoning
    if calls:
        message["tool_calls"] = [_call(call) for call in calls]
    wanted = asked.sampling.logprobs is not None
    return {
        "index": index,
        "message": message,
        "logprobs": _logprobs_of(choice.tokens) if wanted else None,
        "finish_reason": FINISH_REASONS[choice.finish_reason],
    }


def _call(call: ToolCall) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _piece(piece: ToolCallPiece) -> dict[str, Any]:
    """The first piece names the call; the others hold arguments only."""
    if not piece.id:
        return {"index": piece.position, "function": {"arguments": piece.arguments}}
    function = {"name": piece.name, "arguments": piece.arguments}
    return {"index": piece.position, "id": piece.id, "type": "function", "function": function}


def _logprobs_of(tokens: Sequence[TokenTrace]) -> dict[str, Any]:
    return {"content": [_logprob(token) for token in tokens], "refusal": None}


def _logprob(token: TokenTrace) -> dict[str, Any]:
    alternatives = [_one(other.text, other.logprob) for other in token.alternatives]
    return {**_one(token.text, token.logprob), "top_logprobs": alternatives}


def _one(text: str, value: float) -> dict[str, Any]:
    return {"token": text, "logprob": logprob(value), "bytes": list(text.encode("utf-8", "replace"))}


def _max_tokens(body: ChatBody) -> int | None:
    both = (body.max_tokens, body.max_completion_tokens)
    if None not in both and both[0] != both[1]:
        refuse("max_tokens", f"it is {both[0]}, and max_completion_tokens is {both[1]}.", "Send one of them.")
    return body.max_tokens if body.max_completion_tokens is None else body.max_completion_tokens


def _logprobs(body: ChatBody) -> int | None:
    if body.top_logprobs is not None and not body.logprobs:
        refuse("top_logprobs", "it has a meaning with `logprobs` only.", "Send `logprobs: true` with it.")
    return (body.top_logprobs or 0) if body.logprobs else None


def _constraint(form: FormatBody | None) -> Constraint | None:
    if form is None or form.type == "text":
        return None
    if form.type == "json_object":
        return Constraint(kind="json_object")
    if form.json_schema is None:
        refuse("response_format.json_schema", "it is missing.")
    return schema_constraint(form.json_schema.schema_)


def _tool(tool: ToolBody) -> Tool:
    function = tool.function
    parameters = {"type": "object"} if function.parameters is None else function.parameters
    return Tool(name=function.name, description=function.description or "", parameters=as_json(parameters))


def _tool_choice(body: ChatBody) -> str:
    choice = body.tool_choice or "auto"
    names = [tool.function.name for tool in body.tools or ()]
    if choice == "required" and not names:
        refuse("tool_choice", "it is 'required', and there are no tools.", "Send tools with it.")
    if not isinstance(choice, NamedTool):
        return choice
    if choice.function.name not in names:
        refuse("tool_choice.function.name", f"no tool is named {choice.function.name[:64]!r}.")
    return choice.function.name


def conversation(messages: Sequence[MessageBody]) -> tuple[Message, ...]:
    """A client's turns as a model takes them. Raises: InvalidInput with facts `field`."""
    return joined(_message(turn, f"messages.{number}") for number, turn in enumerate(messages))


def _message(message: MessageBody, field: str) -> Message:
    _refuse_given(message, field)
    if message.content is None and message.role != "assistant":
        refuse(f"{field}.content", "it is missing.")
    if message.role == "tool" and not message.tool_call_id:
        refuse(f"{field}.tool_call_id", "it is missing: which call is this the result of?")
    if message.role != "assistant" and message.tool_calls:
        refuse(f"{field}.tool_calls", f"a message of the role {message.role!r} has none.")
    return Message(
        role="system" if message.role == "developer" else message.role,
        content=_text(message.content, f"{field}.content"),
        reasoning=message.reasoning_content or None,
        tool_calls=tuple(
            ToolCall(id=call.id, name=call.function.name, arguments=call.function.arguments)
            for call in message.tool_calls or ()
        ),
        tool_call_id=message.tool_call_id,
    )


def _refuse_given(message: MessageBody, field: str) -> None:
    """As `refuse_given`, for a field of a message."""
    for name, why in REFUSED_IN_MESSAGE.items():
        if getattr(message, name):
            refuse(f"{field}.{name}", why, "Leave it out.")


def _text(content: Content | None, field: str) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    for number, part in enumerate(content):
        if isinstance(part, Unread):
            refuse_unread(part, f"{field}.{number}")
    return BETWEEN_PARTS.join(part.text for part in content if not isinstance(part, Unread))

"""Tools, calls and results as prompts show them: in a template's own way, or in words.

Everything that a client or a model wrote goes through `say`, so that it can be replaced by a placeholder: names,
descriptions, the texts in schemas and arguments, results. What the words of JSON schema are is known and stays.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import Any, NoReturn

from edgellm.engine.grammar import (
    ANNOTATIONS,
    BOUNDS,
    COUNTS,
    FORMATS,
    LISTED_SCHEMAS,
    MAX_DEPTH,
    NAMED_SCHEMAS,
    SINGLE_SCHEMAS,
    TYPES,
)
from edgellm.errors import InvalidInput
from edgellm.types import Message, Tool, ToolCall

Say = Callable[[str], str]

SCHEMA_WORDS = (TYPES | FORMATS | ANNOTATIONS | COUNTS | BOUNDS | NAMED_SCHEMAS | LISTED_SCHEMAS | SINGLE_SCHEMAS) | {
    "type",
    "enum",
    "const",
    "required",
    "pattern",
    "format",
    "$ref",
}
"""Texts that templates look at, and that spell no control token."""
CALL_ID_CHARACTERS = 9
"""Mistral's templates take ids of exactly nine letters and digits."""

INSTRUCTIONS = """\
You can call functions. Each line describes one:
{functions}
To call a function, write a line like this, and nothing after it:
<tool_call>{{"name": "NAME", "arguments": {{...}}}}</tool_call>
Its result is given to you in <tool_response> tags. Call a function only when it helps; otherwise answer in words."""


def template_messages(messages: Sequence[Message], say: Say) -> list[dict[str, Any]]:
    """Messages as chat templates take them; the values of Hugging Face's `apply_chat_template`.

    Raises: InvalidInput for a call whose arguments are no JSON object.
    """
    names = {call.id: call.name for message in messages for call in message.tool_calls}
    turns = []
    for message in messages:
        turn: dict[str, Any] = {"role": message.role, "content": say(message.content)}
        if message.tool_calls:
            turn["tool_calls"] = [_template_call(call, say) for call in message.tool_calls]
        if message.tool_call_id is not None:
            turn["tool_call_id"] = _short(message.tool_call_id)
            if message.tool_call_id in names:
                turn["name"] = say(names[message.tool_call_id])
        turns.append(turn)
    return turns


def template_tools(tools: Sequence[Tool], say: Say) -> list[dict[str, Any]] | None:
    """Tools as chat templates take them: OpenAI's list of functions; None for no tools."""
    return [{"type": "function", "function": _function(tool, say)} for tool in tools] or None


def uses_tools(messages: Sequence[Message]) -> bool:
    """Whether a template has to know calls or results to show the conversation."""
    return any(message.tool_calls or message.role == "tool" for message in messages)


def in_words(messages: Sequence[Message], tools: Sequence[Tool]) -> tuple[Message, ...]:
    """The conversation for a template that knows no tools: calls and results are text, results in users' turns.

    A turn that follows a result is joined with it, because many templates refuse two user turns in a row.
    """
    turns: list[Message] = []
    follows_result = False
    for message in messages:
        turn = _turn_in_words(message)
        if turns and turn.role == turns[-1].role == "user" and (follows_result or message.role == "tool"):
            turn = replace(turn, content=f"{turns.pop().content}\n{turn.content}")
        turns.append(turn)
        follows_result = message.role == "tool"
    if not tools:
        return tuple(turns)
    functions = "\n".join(json.dumps(_function(tool, str), ensure_ascii=False) for tool in tools)
    told = INSTRUCTIONS.format(functions=functions)
    if turns and turns[0].role == "system":
        told = f"{turns.pop(0).content}\n\n{told}"
    return (Message(role="system", content=told), *turns)


def one_call_a_turn(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The conversation for a template that takes one call a turn: each call with its own result behind it."""
    results = {message.tool_call_id: message for message in messages if message.role == "tool"}
    turns: list[Message] = []
    placed: set[str | None] = set()
    for message in messages:
        if len(message.tool_calls) < 2:
            if message.role != "tool" or message.tool_call_id not in placed:
                turns.append(message)
            continue
        for number, call in enumerate(message.tool_calls):
            turns.append(replace(message, content="" if number else message.content, tool_calls=(call,)))
            if call.id in results:
                turns.append(results[call.id])
                placed.add(call.id)
    return tuple(turns)


def _function(tool: Tool, say: Say) -> dict[str, Any]:
    parameters = _parsed(tool.parameters, "tools", f"The parameters of the tool {tool.name!r}")
    description = say(tool.description)
    return {"name": say(tool.name), "description": description, "parameters": _said(parameters, say, "tools")}


def _template_call(call: ToolCall, say: Say) -> dict[str, Any]:
    arguments = _said(_arguments(call), say, "messages")
    return {"id": _short(call.id), "type": "function", "function": {"name": say(call.name), "arguments": arguments}}


def _turn_in_words(message: Message) -> Message:
    if message.role == "tool":
        return Message(role="user", content=f"<tool_response>\n{message.content}\n</tool_response>")
    calls = [{"name": call.name, "arguments": _arguments(call)} for call in message.tool_calls]
    lines = [f"<tool_call>{json.dumps(call, ensure_ascii=False)}</tool_call>" for call in calls]
    return replace(message, content="\n".join(filter(None, [message.content, *lines])), tool_calls=())


def _arguments(call: ToolCall) -> Any:
    return _parsed(call.arguments.strip() or "{}", "messages", f"The arguments of the call of {call.name[:80]!r}")


def _parsed(text: str, field: str, what: str) -> dict[str, Any]:
    def not_json(name: str) -> NoReturn:
        raise ValueError(f"{name} is not JSON")

    try:
        value = json.loads(text, parse_constant=not_json)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{what} cannot be read: {str(error)[:200]}.", field=field) from error
    if not isinstance(value, dict):
        raise InvalidInput(f"{what} must be a JSON object; they are {text[:60]!r}.", field=field)
    return value


def _said(value: Any, say: Say, field: str, depth: int = 0) -> Any:
    """JSON with every text in it, names of members too, passed through `say`."""
    if isinstance(value, str):
        return value if value in SCHEMA_WORDS else say(value)
    if depth > 2 * MAX_DEPTH:  # a schema's levels count twice: a schema and the object it stands in
        raise InvalidInput(f"JSON is nested deeper than {2 * MAX_DEPTH} levels.", field=field)
    if isinstance(value, dict):
        return {_said(name, say, field): _said(part, say, field, depth + 1) for name, part in value.items()}
    if isinstance(value, list):
        return [_said(part, say, field, depth + 1) for part in value]
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        raise InvalidInput(f"The number {str(value)[:40]} is too large.", field=field)
    return value


def _short(call_id: str) -> str:
    """The id in a form that every template takes; equal ids stay equal."""
    return blake2b(call_id.encode("utf-8", "replace")).hexdigest()[:CALL_ID_CHARACTERS]

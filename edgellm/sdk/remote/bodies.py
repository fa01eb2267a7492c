"""What a caller asks for, as the server's OpenAI routes read it; pure.

https://platform.openai.com/docs/api-reference/chat and .../completions, with the fields for top_k, min_p and
repetition_penalty that local servers share.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from edgellm.errors import InvalidInput
from edgellm.sdk.options import ChatOptions, CompleteOptions
from edgellm.types import Constraint, Message, Sampling, Tool, ToolCall

Body = dict[str, Any]
THEIRS = {
    "temperature": "temperature",
    "top_k": "top_k",
    "top_p": "top_p",
    "min_p": "min_p",
    "repeat_penalty": "repetition_penalty",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
    "seed": "seed",
    "max_tokens": "max_tokens",
    "n": "n",
}
"""Our name of a sampling setting to the body's field."""
ELSEWHERE = {
    "session": "Sessions are kept where the model runs, and the API has none: send the conversation as messages.",
    "parent": "Sessions are kept where the model runs, and the API has none: send the conversation as messages.",
    "tenant": "The server knows the tenant by the key.",
}
"""Options that a server does not take from its client, and why."""


def chat_body(model: str, messages: Sequence[Message], options: ChatOptions) -> Body:
    """A body of POST /v1/chat/completions whose answer is streamed. Raises: InvalidInput."""
    _refuse_given(options)
    system, collection = options.get("system"), options.get("documents")
    turns = [_message(message) for message in messages]
    if system and not (messages and messages[0].role == "system"):
        turns.insert(0, {"role": "system", "content": system})
    body: Body = {"model": f"{model}+{collection}" if collection else model, "messages": turns}
    sampling = options.get("sampling")
    body |= _sampled(sampling) | _constrained(options.get("constraint")) | _streamed()
    if sampling is not None and sampling.logprobs is not None:
        body |= {"logprobs": True, "top_logprobs": sampling.logprobs}
    if tools := options.get("tools"):
        body |= {"tools": [_tool(tool) for tool in tools], "tool_choice": _choice(options.get("tool_choice", "auto"))}
    return body


def complete_body(model: str, prompt: str | Sequence[int], options: CompleteOptions) -> Body:
    """A body of POST /v1/completions whose answer is streamed. Raises: InvalidInput."""
    _refuse_given(options)
    if options.get("constraint") is not None:
        raise InvalidInput("The API constrains chats only.", hint="Ask with chat().", field="constraint")
    sampling = options.get("sampling")
    body: Body = {"model": model, "prompt": prompt if isinstance(prompt, str) else list(prompt)}
    body |= _sampled(sampling) | _streamed()
    if sampling is not None and sampling.logprobs is not None:
        body["logprobs"] = sampling.logprobs
    return body


def answer_body(model: str, messages: Sequence[Message]) -> Body:
    """A body of POST /tokenize for a conversation that ends with an answer."""
    return {"model": model, "messages": [_message(message) for message in messages]}


def count_body(model: str, messages: Sequence[Message], tools: Sequence[Tool]) -> Body:
    """A body of POST /v1/messages/count_tokens, in Anthropic's words. Raises: InvalidInput."""
    body: Body = {"model": model, "messages": [_turn(message) for message in messages]}
    if tools:
        body["tools"] = [
            {"name": tool.name, "description": tool.description, "input_schema": json.loads(tool.parameters)}
            for tool in tools
        ]
    return body


def _turn(message: Message) -> Body:
    """A message in Anthropic's words, where calls and their results are blocks."""
    if message.role == "tool":
        block = {"type": "tool_result", "tool_use_id": message.tool_call_id or "", "content": message.content}
        return {"role": "user", "content": [block]}
    if not message.tool_calls:
        return {"role": message.role, "content": message.content}
    text = [{"type": "text", "text": message.content}] if message.content else []
    return {"role": message.role, "content": [*text, *map(_use, message.tool_calls)]}


def _use(call: ToolCall) -> Body:
    try:
        given = json.loads(call.arguments)
    except ValueError as error:
        raise InvalidInput(f"The arguments of {call.name!r} are not valid JSON: {error}", field="messages") from error
    return {"type": "tool_use", "id": call.id, "name": call.name, "input": given}


def _refuse_given(options: Mapping[str, object]) -> None:
    for name, why in ELSEWHERE.items():
        if options.get(name):
            raise InvalidInput(f"{name} = {options[name]!r} has no meaning for a server.", hint=why, field=name)


def _sampled(sampling: Sampling | None) -> Body:
    """Every setting, so that the server's own defaults do not count; None leaves them to the server."""
    if sampling is None:
        return {}
    body = {theirs: getattr(sampling, ours) for ours, theirs in THEIRS.items() if getattr(sampling, ours) is not None}
    if sampling.stop:
        body["stop"] = list(sampling.stop)
    if sampling.logit_bias:
        body["logit_bias"] = {str(token): bias for token, bias in sampling.logit_bias.items()}
    return body


def _streamed() -> Body:
    return {"stream": True, "stream_options": {"include_usage": True}}


def _constrained(constraint: Constraint | None) -> Body:
    if constraint is None:
        return {}
    if constraint.kind == "json_object":
        return {"response_format": {"type": "json_object"}}
    if constraint.kind == "grammar":
        raise InvalidInput("A server takes no raw grammar.", hint="Give a JSON schema.", field="constraint")
    try:
        schema = json.loads(constraint.text)
    except ValueError as error:
        raise InvalidInput(f"The schema is not valid JSON: {error}", field="constraint") from error
    return {"response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}}


def _tool(tool: Tool) -> Body:
    function = {"name": tool.name, "description": tool.description, "parameters": json.loads(tool.parameters)}
    return {"type": "function", "function": function}


def _choice(choice: str) -> str | Body:
    if choice in ("auto", "none", "required"):
        return choice
    return {"type": "function", "function": {"name": choice}}


def _message(message: Message) -> Body:
    body: Body = {"role": message.role, "content": message.content}
    if message.tool_calls:
        body["tool_calls"] = [_call(call) for call in message.tool_calls]
    if message.tool_call_id is not None:
        body["tool_call_id"] = message.tool_call_id
    return body


def _call(call: ToolCall) -> Body:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}

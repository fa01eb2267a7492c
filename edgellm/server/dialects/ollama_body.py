"""What a client of Ollama sends.

https://docs.ollama.com/api
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from edgellm.server.bodies import MAX_MESSAGES, MAX_TOOLS, MOST_TEXTS, Model
from edgellm.server.dialects.fields import Body, Flag, Harmless, Number, ToolName, Whole


class OptionsBody(Body):
    """`options`: how tokens are chosen, and how Ollama would load a model."""

    temperature: Number | None = None
    top_k: Whole | None = None
    top_p: Number | None = None
    min_p: Number | None = None
    seed: Whole | None = None
    num_predict: Whole | None = None
    stop: str | tuple[str, ...] | None = None
    repeat_penalty: Number | None = None
    presence_penalty: Number | None = None
    frequency_penalty: Number | None = None

    # How a model is loaded. Here the administrator has loaded it, and what is longer than its context is refused, never
    # cut: none of these changes an answer.
    num_ctx: Harmless = None
    num_batch: Harmless = None
    num_gpu: Harmless = None
    main_gpu: Harmless = None
    num_thread: Harmless = None
    num_keep: Harmless = None
    use_mmap: Harmless = None
    use_mlock: Harmless = None
    low_vram: Harmless = None
    numa: Harmless = None
    f16_kv: Harmless = None

    # Ways of choosing tokens that the engine does not have; see `NEUTRAL`.
    mirostat: Whole | None = None
    mirostat_tau: Harmless = None
    mirostat_eta: Harmless = None
    typical_p: Number | None = None
    tfs_z: Number | None = None
    repeat_last_n: Whole | None = None


class FunctionBody(Body):
    """A function of a call."""

    name: str
    arguments: dict[str, Any] | None = None
    index: Harmless = None
    description: Harmless = None


class ToolCallBody(Body):
    """A call that the model asked for."""

    function: FunctionBody
    id: str | None = None
    type: Harmless = None


class MessageBody(Body):
    """One message."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str | None = None
    thinking: str | None = None
    images: list[Any] | None = None
    tool_calls: Annotated[tuple[ToolCallBody, ...], Field(max_length=MAX_TOOLS)] | None = None
    tool_name: str | None = None
    tool_call_id: str | None = None


class ToolFunctionBody(Body):
    """A function that the model may ask for."""

    name: ToolName
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: Harmless = None


class ToolBody(Body):
    """A tool."""

    type: Literal["function"] = "function"
    function: ToolFunctionBody


class AskBody(Body):
    """What chat and generate have in common."""

    model: Model
    stream: Flag | None = None
    """None is True."""
    format: Literal["", "json"] | dict[str, Any] | None = None
    options: OptionsBody | None = None
    think: Flag | Literal["low", "medium", "high", "max"] | None = None
    keep_alive: Harmless = None

    # Fields that ask for what is not done here.
    truncate: Flag | None = None
    shift: Flag | None = None
    logprobs: Flag | None = None
    top_logprobs: Whole | None = None


class ChatBody(AskBody):
    """POST /api/chat."""

    messages: Annotated[tuple[MessageBody, ...], Field(max_length=MAX_MESSAGES)] = ()
    tools: Annotated[tuple[ToolBody, ...], Field(max_length=MAX_TOOLS)] | None = None


class GenerateBody(AskBody):
    """POST /api/generate."""

    prompt: str = ""
    system: str | None = None

    # Fields that ask for what is not done here.
    suffix: str | None = None
    template: str | None = None
    raw: Flag | None = None
    images: list[Any] | None = None
    context: list[Any] | None = None


class EmbedBody(Body):
    """POST /api/embed."""

    model: Model
    input: str | Annotated[list[str], Field(max_length=MOST_TEXTS)]
    options: OptionsBody | None = None
    truncate: Harmless = None
    keep_alive: Harmless = None

    # A field that asks for what is not done here.
    dimensions: Whole | None = None


class EmbeddingsBody(Body):
    """POST /api/embeddings, the older form for one text."""

    model: Model
    prompt: str
    options: OptionsBody | None = None
    keep_alive: Harmless = None


class ShowBody(Body):
    """POST /api/show."""

    model: str | None = None
    name: str | None = None
    """The older word for `model`."""
    verbose: Harmless = None


NEUTRAL = {"mirostat": 0, "typical_p": 1, "tfs_z": 1, "repeat_last_n": 64}
"""The one value of each such option that says what the engine does anyway; others are refused."""
REFUSED = {
    "truncate": "a conversation that is too long is refused, not cut.",
    "shift": "a conversation that is too long is refused, not cut.",
    "logprobs": "log-probabilities are given by /v1/chat/completions.",
    "top_logprobs": "log-probabilities are given by /v1/chat/completions.",
}
"""Fields of `AskBody` that are refused when they ask for something, and why."""
REFUSED_OF_GENERATE = {
    "suffix": "no model here fills in the middle.",
    "template": "the model's own template is used.",
    "raw": "the model's own template is used; /v1/completions takes a text as it stands.",
    "images": "no model here reads images.",
    "context": "send the conversation to /api/chat.",
}

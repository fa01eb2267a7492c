"""What clients of OpenAI's API send.

https://platform.openai.com/docs/api-reference/chat, .../completions and .../embeddings. A field that is not declared is
refused by its name; `Harmless` ones change nothing of the answer here.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from edgellm.server.dialects.fields import Body, Flag, Harmless, Number, Unread, Whole, refuse

MAX_N, MAX_TOOLS, MAX_MESSAGES = 4, 128, 4_096
MOST_TEXTS = 2_048
"""That become vectors in one request."""
Model = Annotated[str, Field(min_length=1, max_length=256)]
TokenId = Annotated[Whole, Field(ge=0, lt=2**31)]
TokenIds = Annotated[list[TokenId], Field(min_length=1)]
Texts = str | TokenIds | Annotated[list[str], Field(min_length=1)] | Annotated[list[TokenIds], Field(min_length=1)]
"""One text or several, each a text or its tokens."""


class TextPart(Body):
    """Text in a message."""

    type: Literal["text"]
    text: str


def _kind(part: Any) -> str:
    kind = part.get("type") if isinstance(part, dict) else getattr(part, "type", None)
    return "text" if kind == "text" else "unread"


Part = Annotated[Annotated[TextPart, Tag("text")] | Annotated[Unread, Tag("unread")], Discriminator(_kind)]
Content = str | list[Part]


class FunctionCall(Body):
    """The function of a call that the model asked for."""

    name: str
    arguments: str


class ToolCallBody(Body):
    """A call that the model asked for."""

    id: str
    type: Literal["function"] = "function"
    function: FunctionCall
    index: Harmless = None


class MessageBody(Body):
    """One turn of a conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Content | None = None
    name: Harmless = None
    tool_calls: list[ToolCallBody] | None = None
    tool_call_id: str | None = None
    reasoning_content: str | None = None

    # What an assistant's turn repeats of an answer without meaning anything here.
    refusal: Harmless = None
    annotations: Harmless = None
    audio: Any = None
    function_call: Any = None


class FunctionBody(Body):
    """A function that the model may ask for."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: Harmless = None


class ToolBody(Body):
    """A tool; only functions are known here."""

    type: Literal["function"]
    function: FunctionBody


class NamedFunction(Body):
    """The name of a function."""

    name: str


class NamedTool(Body):
    """The one tool that is to be called."""

    type: Literal["function"]
    function: NamedFunction


class SchemaBody(Body):
    """A JSON schema that the answer must be valid under."""

    name: str = ""
    description: Harmless = None
    schema_: Annotated[dict[str, Any], Field(alias="schema")]
    strict: Harmless = None


class FormatBody(Body):
    """How the answer is to be."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: SchemaBody | None = None


class StreamOptions(Body):
    """What a stream holds besides the answer."""

    include_usage: Flag | None = None
    include_obfuscation: Harmless = None


class SamplingBody(Body):
    """What chats and completions have in common."""

    model: Model
    max_tokens: Annotated[Whole, Field(ge=0, lt=2**31)] | None = None
    temperature: Annotated[Number, Field(ge=0, le=5)] | None = None
    top_p: Annotated[Number, Field(gt=0, le=1)] | None = None
    n: Annotated[Whole, Field(ge=1, le=MAX_N)] | None = None
    stop: str | list[str] | None = None
    seed: Annotated[Whole, Field(ge=0, le=2**32 - 2)] | None = None
    presence_penalty: Annotated[Number, Field(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[Number, Field(ge=-2, le=2)] | None = None
    logit_bias: dict[str, Number] | None = None
    stream: Flag | None = None
    stream_options: StreamOptions | None = None

    # Not OpenAI's; what local servers have in common.
    top_k: Annotated[Whole, Field(ge=0, le=1_000_000)] | None = None
    min_p: Annotated[Number, Field(ge=0, le=1)] | None = None
    repetition_penalty: Annotated[Number, Field(ge=0.1, le=5)] | None = None

    user: Harmless = None


class ChatBody(SamplingBody):
    """POST /v1/chat/completions."""

    messages: Annotated[list[MessageBody], Field(min_length=1, max_length=MAX_MESSAGES)]
    max_completion_tokens: Annotated[Whole, Field(ge=1, lt=2**31)] | None = None
    logprobs: Flag | None = None
    top_logprobs: Annotated[Whole, Field(ge=0, le=20)] | None = None
    response_format: FormatBody | None = None
    tools: Annotated[list[ToolBody], Field(max_length=MAX_TOOLS)] | None = None
    tool_choice: Literal["auto", "none", "required"] | NamedTool | None = None
    parallel_tool_calls: Flag | None = None
    modalities: list[Literal["text"]] | None = None

    metadata: Harmless = None
    service_tier: Harmless = None
    prompt_cache_key: Harmless = None
    prompt_cache_retention: Harmless = None
    safety_identifier: Harmless = None

    # Refused when they ask for something; see `openai_chat.REFUSED`.
    store: Any = None
    audio: Any = None
    functions: Any = None
    function_call: Any = None
    prediction: Any = None
    web_search_options: Any = None
    reasoning_effort: Any = None
    verbosity: Any = None


class CompletionBody(SamplingBody):
    """POST /v1/completions."""

    prompt: Texts
    echo: Flag | None = None
    logprobs: Annotated[Whole, Field(ge=0, le=20)] | None = None
    best_of: Annotated[Whole, Field(ge=1, le=MAX_N)] | None = None

    # Refused when it asks for something.
    suffix: Any = None


class EmbeddingBody(Body):
    """POST /v1/embeddings."""

    model: Model
    input: Texts
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[Whole, Field(ge=1)] | None = None
    user: Harmless = None


class TokenizeBody(Body):
    """POST /tokenize: the text as vLLM (`prompt`) or llama.cpp (`content`) names it, or a conversation."""

    model: Model | None = None
    prompt: str | None = None
    content: str | None = None
    messages: Annotated[list[MessageBody], Field(max_length=MAX_MESSAGES)] | None = None
    add_special_tokens: Flag | None = None
    add_special: Flag | None = None
    parse_special: Flag | None = None
    return_token_strs: Flag | None = None


class DetokenizeBody(Body):
    """POST /detokenize."""

    model: Model | None = None
    tokens: list[TokenId]


class FeedbackBody(Body):
    """POST /v1/feedback: what a person thinks of an answer."""

    response_id: Annotated[str, Field(min_length=1, max_length=128)]
    rating: Literal["up", "down"] | None = None
    correction: Annotated[str, Field(max_length=100_000)] | None = None
    replaces: Annotated[str, Field(min_length=1, max_length=128)] | None = None


def texts_of(given: Texts, field: str, most: int) -> list[str | tuple[int, ...]]:
    """The texts of a field, one after the other. Raises: InvalidInput when they are more than `most`."""
    if isinstance(given, str):
        return [given]
    if isinstance(given[0], int):
        return [_ids(given)]
    if len(given) > most:
        refuse(field, f"it holds {len(given)} texts; {most} are taken at once.", "Send them in several requests.")
    return [each if isinstance(each, str) else _ids(each) for each in given]


def _ids(tokens: Any) -> tuple[int, ...]:
    return tuple(tokens)

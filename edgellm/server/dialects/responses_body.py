"""What a client of OpenAI's Responses API sends.

https://platform.openai.com/docs/api-reference/responses/create
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Discriminator, Field, Tag

from edgellm.server.bodies import MAX_MESSAGES, MAX_TOOLS, Model
from edgellm.server.dialects.fields import Body, Flag, Harmless, Number, ToolName, Unread, Whole

TEXT_PARTS = ("input_text", "output_text", "text", "reasoning_text", "summary_text")


class TextPart(Body):
    """Text, the user's or the model's."""

    type: Literal["input_text", "output_text", "text", "reasoning_text", "summary_text"]
    text: str
    annotations: Harmless = None
    logprobs: Harmless = None
    prompt_cache_breakpoint: Harmless = None


def _part_kind(part: Any) -> str:
    kind = part.get("type") if isinstance(part, dict) else getattr(part, "type", None)
    return "text" if kind in TEXT_PARTS else "unread"


Part = Annotated[Annotated[TextPart, Tag("text")] | Annotated[Unread, Tag("unread")], Discriminator(_part_kind)]


class Item(Body):
    """What all items may have and nothing here reads."""

    id: Harmless = None
    status: Harmless = None


class MessageItem(Item):
    """One message; `type` may be left out."""

    type: Literal["message"] = "message"
    role: Literal["user", "assistant", "system", "developer"]
    content: str | list[Part]
    phase: Harmless = None


class FunctionCallItem(Item):
    """A call that the model asked for."""

    type: Literal["function_call"]
    call_id: str
    name: str
    arguments: str
    caller: Harmless = None
    namespace: Harmless = None


class FunctionOutputItem(Item):
    """What a function answered."""

    type: Literal["function_call_output"]
    call_id: str
    output: str | list[Part]
    caller: Harmless = None
    name: Harmless = None
    namespace: Harmless = None


class ReasoningItem(Item):
    """What the model thought in an earlier turn."""

    type: Literal["reasoning"]
    summary: list[Part]
    content: list[Part] | None = None
    encrypted_content: Harmless = None


KINDS = ("message", "function_call", "function_call_output", "reasoning")


def _item_kind(item: Any) -> Any:
    """Which model reads an item; everything unknown is `unread`."""
    kind = item.get("type", "message") if isinstance(item, dict) else getattr(item, "type", None)
    return kind if kind in KINDS else "unread"


InputItem = Annotated[
    Annotated[MessageItem, Tag("message")]
    | Annotated[FunctionCallItem, Tag("function_call")]
    | Annotated[FunctionOutputItem, Tag("function_call_output")]
    | Annotated[ReasoningItem, Tag("reasoning")]
    | Annotated[Unread, Tag("unread")],
    Discriminator(_item_kind),
]


class FunctionBody(Body):
    """A function; tools that OpenAI runs itself have another `type` and are refused by it."""

    model_config = ConfigDict(extra="allow")

    type: str
    name: ToolName = ""
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: Harmless = None


class FunctionChoice(Body):
    """The one function that must be called."""

    type: Literal["function"]
    name: str


class FormatBody(Body):
    """What the answer must be valid under."""

    type: Literal["text", "json_object", "json_schema"]
    name: Harmless = None
    description: Harmless = None
    strict: Harmless = None
    schema_: Annotated[dict[str, Any] | None, Field(alias="schema")] = None


class TextBody(Body):
    """How the answer's text is to be."""

    format: FormatBody | None = None
    verbosity: Harmless = None


class ReasoningBody(Body):
    """How much the model is to think: only whether it is shown (`effort` is not `none`) can be followed here."""

    model_config = ConfigDict(extra="allow")

    effort: str | None = None


class ResponsesBody(Body):
    """POST /v1/responses."""

    model: Model
    input: str | Annotated[list[InputItem], Field(min_length=1, max_length=MAX_MESSAGES)]
    instructions: str | None = None
    tools: Annotated[tuple[FunctionBody, ...], Field(max_length=MAX_TOOLS)] | None = None
    tool_choice: Literal["auto", "none", "required"] | FunctionChoice | None = None
    parallel_tool_calls: Flag | None = None
    text: TextBody | None = None
    max_output_tokens: Whole | None = None
    temperature: Number | None = None
    top_p: Number | None = None
    top_logprobs: Whole | None = None
    include: list[str] | None = None
    reasoning: ReasoningBody | None = None
    stream: Flag | None = None
    truncation: Literal["disabled", "auto"] | None = None

    # These change nothing here.
    metadata: dict[str, str] | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_options: Harmless = None
    prompt_cache_retention: Harmless = None
    service_tier: Harmless = None
    stream_options: Harmless = None

    # These need what is not kept or not run here.
    store: Flag | None = None
    background: Flag | None = None
    previous_response_id: Any = None
    conversation: Any = None
    prompt: Any = None
    context_management: Any = None
    max_tool_calls: Any = None
    moderation: Any = None


REFUSED = {
    "store": "answers are not kept here.",
    "background": "an answer is written while its client waits.",
    "previous_response_id": "answers are not kept here; send the whole conversation in `input`.",
    "conversation": "conversations are not kept here; send the whole conversation in `input`.",
    "prompt": "prompts are not kept here; send the text in `instructions` and `input`.",
    "context_management": "what a conversation holds is read whole; nothing is left out of it.",
    "max_tool_calls": "it counts tools that the server runs, and this one runs none.",
    "moderation": "nothing is moderated here.",
}
"""Fields of `ResponsesBody` that are refused when they ask for something, and why."""

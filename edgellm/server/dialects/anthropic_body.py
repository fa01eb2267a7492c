"""What a client of Anthropic's Messages API sends.

https://platform.claude.com/docs/en/api/messages
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Discriminator, Field, Tag

from edgellm.server.bodies import MAX_MESSAGES, MAX_TOOLS, Model
from edgellm.server.dialects.fields import Body, Flag, Harmless, Number, ToolName, Unread, Whole


class TextBlock(Body):
    """Text."""

    type: Literal["text"]
    text: str
    cache_control: Harmless = None
    citations: Harmless = None


class ThinkingBlock(Body):
    """What the model thought in an earlier turn."""

    type: Literal["thinking"]
    thinking: str
    signature: Harmless = None


class RedactedThinkingBlock(Body):
    """Thinking that only who wrote it can read; it is left out."""

    type: Literal["redacted_thinking"]
    data: Harmless


class ToolUseBlock(Body):
    """A call that the model asked for."""

    type: Literal["tool_use"]
    id: str
    name: str
    input: dict[str, Any]
    cache_control: Harmless = None
    caller: Harmless = None
    toolset_name: Harmless = None


KINDS = ("text", "thinking", "redacted_thinking", "tool_use", "tool_result")


def _kind(block: Any) -> Any:
    """Which model reads a block; everything unknown is `unread`."""
    kind = block.get("type") if isinstance(block, dict) else getattr(block, "type", None)
    return kind if kind in KINDS else "unread"


ResultBlock = Annotated[
    Annotated[TextBlock, Tag("text")] | Annotated[Unread, Tag("unread")],
    Discriminator(lambda block: "text" if _kind(block) == "text" else "unread"),
]


class ToolResultBlock(Body):
    """What a tool answered."""

    type: Literal["tool_result"]
    tool_use_id: str
    content: str | list[ResultBlock] = ""
    is_error: Flag = False
    cache_control: Harmless = None
    toolset_name: Harmless = None


Block = Annotated[
    Annotated[TextBlock, Tag("text")]
    | Annotated[ThinkingBlock, Tag("thinking")]
    | Annotated[RedactedThinkingBlock, Tag("redacted_thinking")]
    | Annotated[ToolUseBlock, Tag("tool_use")]
    | Annotated[ToolResultBlock, Tag("tool_result")]
    | Annotated[Unread, Tag("unread")],
    Discriminator(_kind),
]


class Turn(Body):
    """One message."""

    role: Literal["user", "assistant", "system"]
    content: str | Annotated[list[Block], Field(max_length=MAX_MESSAGES)]


class ToolBody(Body):
    """A tool; those that Anthropic runs on its own servers have another `type` and are refused by it."""

    model_config = ConfigDict(extra="allow")

    name: ToolName
    type: str | None = None
    description: str = ""
    input_schema: dict[str, Any] | None = None
    strict: Harmless = None
    cache_control: Harmless = None
    eager_input_streaming: Harmless = None
    allowed_callers: Harmless = None


class ToolChoiceBody(Body):
    """Whether the model may, must or must not use tools."""

    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: Flag = False


class ThinkingBody(Body):
    """Whether thinking is shown. How much there is, the model decides; `budget_tokens` is no strict limit."""

    type: Literal["enabled", "adaptive", "disabled"]
    budget_tokens: Annotated[Whole, Field(ge=1)] | None = None
    display: str | None = None


class EditBody(Body):
    """Something that the service takes out of a conversation before the model reads it."""

    model_config = ConfigDict(extra="allow")

    type: str


class ContextBody(Body):
    """What is taken out of a conversation. Thinking of earlier turns never goes back to the model here."""

    edits: tuple[EditBody, ...] = ()


class FormatBody(Body):
    """A schema that the answer must be valid under."""

    type: Literal["json_schema"]
    schema_: Annotated[dict[str, Any], Field(alias="schema")]


class OutputBody(Body):
    """How the answer is to be."""

    format: FormatBody | None = None
    effort: Harmless = None


class CountTokensBody(Body):
    """POST /v1/messages/count_tokens."""

    model: Model
    messages: Annotated[list[Turn], Field(min_length=1, max_length=MAX_MESSAGES)]
    system: str | Annotated[list[TextBlock], Field(max_length=MAX_MESSAGES)] = ""
    tools: Annotated[tuple[ToolBody, ...], Field(max_length=MAX_TOOLS)] = ()
    tool_choice: ToolChoiceBody | None = None
    thinking: ThinkingBody | None = None
    output_config: OutputBody | None = None

    # These change nothing here.
    cache_control: Harmless = None
    speed: Harmless = None


class MessagesBody(CountTokensBody):
    """POST /v1/messages."""

    max_tokens: Whole
    stop_sequences: tuple[str, ...] = ()
    temperature: Number | None = None
    top_p: Number | None = None
    top_k: Whole | None = None
    stream: Flag = False
    context_management: ContextBody | None = None

    # These change nothing here.
    metadata: Harmless = None
    service_tier: Harmless = None
    inference_geo: Harmless = None
    diagnostics: Harmless = None

    # These need what only Anthropic's own service has.
    container: Any = None
    mcp_servers: Any = None


REFUSED = {
    "container": "there are no containers here to run code in.",
    "mcp_servers": "this server connects to no other.",
}
"""Fields of `MessagesBody` that are refused when they ask for something, and why."""

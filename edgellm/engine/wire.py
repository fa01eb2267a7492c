"""What a face and an engine worker say to each other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypedDict

import msgspec

from edgellm.engine.backend import BackendInfo
from edgellm.engine.config import EngineConfig
from edgellm.engine.metrics import EngineMetrics
from edgellm.engine.outcome import Failed, Finished
from edgellm.types import Constraint, Delta, Message, Sampling, Token, Tool

Keep = Literal["newest", "all"]
"""What to do when a conversation outgrows the context: leave old turns out, or refuse."""


@dataclass(frozen=True, slots=True)
class TrainingRow:
    """Tokens to learn from."""

    tokens: tuple[int, ...]
    supervised: tuple[tuple[int, int], ...]
    """Stretches [start, end) of tokens that are to be predicted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a request is to be served."""

    sampling: Sampling = field(default_factory=Sampling)
    constraint: Constraint | None = None
    tenant: str = ""
    """Whose text this is; cached text is never shared between tenants."""
    adapter: str | None = None
    """Path of a LoRA file; the answer is written with what the file holds when the open model takes the request."""
    deadline_s: float | None = None
    """From when the open model takes the request to the end of the answer; a later end is cut there."""
    conversation: str | None = None
    """Name under which the KV state is kept on disk."""
    keep: Keep = "newest"
    trusted: bool = False
    """Whether the constraint may be a raw grammar."""
    tools: tuple[Tool, ...] = ()
    """What a conversation's answer may call."""
    tool_choice: str = "auto"
    """`auto`, `none`, `required`, or the name of the tool that has to be called."""


class OptionFields(TypedDict, total=False):
    """The fields of `Options` as keyword arguments."""

    sampling: Sampling
    constraint: Constraint | None
    tenant: str
    adapter: str | None
    deadline_s: float | None
    conversation: str | None
    keep: Keep
    trusted: bool
    tools: tuple[Tool, ...]
    tool_choice: str


class Ask(msgspec.Struct, frozen=True, tag_field="ask"):
    """From the face; `id` is chosen by it and unique in one worker's life."""

    id: int


OPEN_ID = 0
"""The id of `Open`, which every worker gets exactly once and first."""


class Open(Ask, frozen=True, tag="open"):
    """Load the model."""

    config: EngineConfig


class Chat(Ask, frozen=True, tag="chat"):
    """Answer a conversation."""

    messages: tuple[Message, ...]
    options: Options


class Complete(Ask, frozen=True, tag="complete"):
    """Continue a text, or tokens as they are."""

    prompt: str | tuple[int, ...]
    options: Options


class Score(Ask, frozen=True, tag="score"):
    """Say how probable tokens are; a `Piece` carries traces of some, all but the first token's come in order.

    `options.sampling.logprobs` is the number of alternatives.
    """

    prompt: tuple[int, ...]
    options: Options


class Count(Ask, frozen=True, tag="count"):
    """Say how many tokens a conversation has for the model."""

    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()


class Embed(Ask, frozen=True, tag="embed"):
    """One vector a text."""

    texts: tuple[str, ...]


class EmbedTokens(Ask, frozen=True, tag="embed_tokens"):
    """One vector a text that the face has already cut into tokens; nothing is added around them."""

    inputs: tuple[tuple[int, ...], ...]


class Tokenize(Ask, frozen=True, tag="tokenize"):
    """Split a text into tokens."""

    text: str
    parse_special: bool = False
    add_bos: bool = False


class Detokenize(Ask, frozen=True, tag="detokenize"):
    """Join tokens to text."""

    tokens: tuple[int, ...]


class Rows(Ask, frozen=True, tag="rows"):
    """Turn conversations into training rows."""

    conversations: tuple[tuple[Message, ...], ...]


class Cancel(Ask, frozen=True, tag="cancel"):
    """End the request with this id; unknown ids are ignored. The request still gets its own end."""


class Stats(Ask, frozen=True, tag="stats"):
    """Report the metrics."""


class SaveConversations(Ask, frozen=True, tag="save"):
    """Write parked conversations to disk."""


class Forget(Ask, frozen=True, tag="forget"):
    """Remove what is kept of a conversation, in memory and on disk."""

    conversation: str


class Shutdown(Ask, frozen=True, tag="shutdown"):
    """End the process."""

    save: bool = True
    """Write parked conversations to disk before."""


class Answer(msgspec.Struct, frozen=True, tag_field="answer"):
    """From the worker, to the ask with the same id. An ask gets exactly one answer that ends it."""

    id: int


class LoadProgress(Answer, frozen=True, tag="load"):
    """How much of the model is open."""

    fraction: float


class Progress(Answer, frozen=True, tag="progress"):
    """How far a long prompt has been read."""

    done_tokens: int
    total_tokens: int


class Noticed(Answer, frozen=True, tag="notice"):
    """Something the reader should know."""

    text: str


class Piece(Answer, frozen=True, tag="piece"):
    """A new piece of an answer."""

    delta: Delta


class Opened(Answer, frozen=True, tag="opened"):
    """Ends Open: the model is ready."""

    info: BackendInfo
    load_s: float


class Done(Answer, frozen=True, tag="done"):
    """Ends Chat, Complete and Score: served."""

    outcome: Finished


class Refused(Answer, frozen=True, tag="refused"):
    """Ends any ask: it was refused or broke."""

    failed: Failed


class Vectors(Answer, frozen=True, tag="vectors"):
    """Ends Embed."""

    vectors: list[list[float]]


class Tokens(Answer, frozen=True, tag="tokens"):
    """Ends Tokenize."""

    tokens: list[Token]


class Counted(Answer, frozen=True, tag="counted"):
    """Ends Count."""

    tokens: int


class Text(Answer, frozen=True, tag="text"):
    """Ends Detokenize."""

    text: str


class RowsMade(Answer, frozen=True, tag="rows"):
    """Ends Rows: for each conversation its rows, or why there are none."""

    rows: list[list[TrainingRow] | str]


class Metrics(Answer, frozen=True, tag="metrics"):
    """Ends Stats."""

    metrics: EngineMetrics


class Saved(Answer, frozen=True, tag="saved"):
    """Ends SaveConversations and Forget."""


AnyAsk = (
    Open
    | Chat
    | Complete
    | Score
    | Count
    | Embed
    | EmbedTokens
    | Tokenize
    | Detokenize
    | Rows
    | Cancel
    | Stats
    | SaveConversations
    | Forget
    | Shutdown
)
AnyAnswer = (
    LoadProgress
    | Progress
    | Noticed
    | Piece
    | Opened
    | Done
    | Refused
    | Vectors
    | Tokens
    | Counted
    | Text
    | RowsMade
    | Metrics
    | Saved
)
STREAMING = (LoadProgress, Progress, Noticed, Piece)
"""Answers after which more follow."""

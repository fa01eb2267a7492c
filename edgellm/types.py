"""Values that every layer shares: messages, sampling, usage, results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

Role = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A function that the model may ask its caller to run."""

    name: str
    """Letters, digits, `_` and `-`, at most 64."""
    description: str = ""
    parameters: str = '{"type": "object"}'
    """JSON schema of the arguments, as JSON text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A call that the model asks for; nothing here runs it."""

    id: str
    name: str
    arguments: str
    """A JSON object, as JSON text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCallPiece:
    """A piece of a call while it is being written."""

    position: int
    """Which of the answer's calls, from 0."""
    id: str = ""
    """With the call's first piece, like `name`."""
    name: str = ""
    arguments: str = ""
    """The next characters of the JSON text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One turn of a conversation."""

    role: Role
    content: str
    reasoning: str | None = None
    """What the model thought aloud before `content`; never sent back as content."""
    tool_calls: tuple[ToolCall, ...] = ()
    """What an assistant's turn asked for."""
    tool_call_id: str | None = None
    """In a turn of the role `tool`: the call whose result `content` is."""


class FinishReason(StrEnum):
    """Why a model stopped writing."""

    STOP = "stop"
    """The model ended its turn, or a stop string appeared."""
    LENGTH = "length"
    """`max_tokens` or the context was reached."""
    CANCELLED = "cancelled"
    """The caller stopped it; the text so far is kept."""
    DEADLINE = "deadline"
    """The caller's time was up; the text so far is kept."""
    TOOL_CALLS = "tool_calls"
    """The model asks for tools to be run and waits for their results."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How the next token is chosen. Ranges are checked by `edgellm.sampling.check_sampling`."""

    temperature: float = 0.7
    """0 takes the most probable token every time; higher values are more varied (0 to 5)."""
    top_k: int = 40
    """Choose among the k most probable tokens; 0 switches the limit off."""
    top_p: float = 0.95
    """Choose among the most probable tokens that together reach this probability (above 0 to 1)."""
    min_p: float = 0.05
    """Drop tokens less probable than this share of the best one (0 to 1)."""
    repeat_penalty: float = 1.0
    """Above 1 makes tokens of the last 64 positions less likely (0.1 to 5)."""
    presence_penalty: float = 0.0
    """Lowers every token that has appeared, once (-2 to 2)."""
    frequency_penalty: float = 0.0
    """Lowers every token that has appeared, by its count (-2 to 2)."""
    seed: int | None = None
    """Same seed, same text; None draws one (0 to 2**32 - 2)."""
    logit_bias: Mapping[int, float] = field(default_factory=dict)
    """Token id to a number added to its logit (-100 to 100)."""
    stop: tuple[str, ...] = ()
    """Texts that end the answer and are not part of it (at most 16, none empty)."""
    max_tokens: int | None = None
    """Upper bound of generated tokens; None is whatever the context leaves."""
    logprobs: int | None = None
    """Report log-probabilities with this many alternatives a token (0 to 20); None reports none."""
    n: int = 1
    """Number of independent answers to the same prompt (1 to 16)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """The output must be valid: any JSON object, JSON of a schema, or a raw grammar."""

    kind: Literal["json_object", "json_schema", "grammar"]
    text: str = ""
    """The JSON schema as JSON text, or a grammar in llguidance's Lark dialect (trusted callers only)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """A token that could have been written at one position."""

    token: int
    text: str
    logprob: float
    """Natural logarithm of its probability under the model, before sampling filters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenTrace:
    """One generated token and what it was chosen from."""

    token: int
    text: str
    logprob: float
    entropy: float
    """Entropy of the whole distribution at this position, in bits."""
    alternatives: tuple[Alternative, ...] = ()
    """Most probable first."""


@dataclass(frozen=True, slots=True)
class Token:
    """One token of a text."""

    id: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """How probable a model finds a text, token by token."""

    first: Token
    """What nothing came before; it has no probability."""
    tokens: tuple[TokenTrace, ...]
    """The others, in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens counted for one request; n answers are added up."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    """Prompt tokens that were not computed again."""
    completion_tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """Where the time of one request went."""

    load_s: float = 0.0
    """Opening the model, when this request had to wait for it."""
    queue_s: float = 0.0
    ttft_s: float = 0.0
    """From submission to the first token; excludes `load_s`."""
    prefill_tokens_per_s: float = 0.0
    """Computed prompt tokens over the time between admission and first token."""
    decode_tokens_per_s: float = 0.0
    """Tokens after the first over the time after the first, all answers together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """A piece of an answer; text never splits a character."""

    text: str = ""
    reasoning: str = ""
    tokens: tuple[TokenTrace, ...] = ()
    """Filled when log-probabilities were asked for."""
    tool_calls: tuple[ToolCallPiece, ...] = ()
    index: int = 0
    """Which of the n answers this belongs to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prefill:
    """Progress of reading a long prompt."""

    done_tokens: int
    total_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something the reader should know, not part of the answer (turns left out, worker restarted)."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Loading:
    """The model is being opened; `fraction` is 0 to 1."""

    model: str
    fraction: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One finished answer."""

    text: str
    finish_reason: FinishReason
    reasoning: str | None = None
    tokens: tuple[TokenTrace, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    stop: str | None = None
    """Which of `Sampling.stop` ended it; None when none did, and when a server wrote it that does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Citation:
    """Where a sentence of an answer comes from."""

    n: int
    """The passage's number in the answer."""
    chunk_id: int
    file: str
    page: int | None
    headings: tuple[str, ...]
    text: str
    """The sentence of the passage that supports it."""
    start: int
    end: int
    """That sentence in the document's text, in characters."""
    score: float
    """Share of the answer's words that the passage holds, 0 to 1."""
    is_added: bool = False
    """The model named no passage; this one was found to hold what it says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What an answer from documents rests on."""

    collection: str
    citations: tuple[Citation, ...] = ()
    """In the order of the answer's sentences; several may name one passage."""
    removed: int = 0
    """Citations that the model wrote and that were taken out: of no passage, or of one that does not say it."""
    unsupported: tuple[tuple[int, int], ...] = ()
    """Sentences of the answer that no passage supports, in characters."""
    is_weak: bool = False
    """Nothing that was found came near the question: the answer says so, and no model was asked."""
    passages: int = 0
    """How many the model was shown."""
    search_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The result of a chat or completion."""

    choices: tuple[Choice, ...]
    model: str
    usage: Usage
    timings: Timings
    session_id: str | None = None
    message_id: str | None = None
    """The stored answer, when the request belongs to a session."""
    notices: tuple[str, ...] = ()
    evidence: Evidence | None = None
    """With an answer from documents."""

    @property
    def text(self) -> str:
        """The first answer."""
        return self.choices[0].text

    @property
    def reasoning(self) -> str | None:
        """What the model thought aloud before the first answer."""
        return self.choices[0].reasoning

    @property
    def finish_reason(self) -> FinishReason:
        """Why the first answer ended."""
        return self.choices[0].finish_reason


StreamEvent = Loading | Prefill | Notice | Delta
"""What a stream yields before its `Reply`."""

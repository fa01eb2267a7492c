"""What the pieces of an evaluation hand to each other: cases, answers, scores, results."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from edgellm.types import Constraint, Message, Sampling, Tool, ToolCall

Embed = Callable[[Sequence[str]], Sequence[Sequence[float]]]
"""Texts to unit-length vectors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Everything of a question that decides its answer, but for who answers."""

    messages: tuple[Message, ...]
    sampling: Sampling
    constraint: Constraint | None = None
    tools: tuple[Tool, ...] = ()
    passages: tuple[str, ...] = ()
    """What the last question is to be answered from, in place of a collection."""
    planted: str = ""
    """A passage of an attacker that is put among those that were found."""


@dataclass(frozen=True, slots=True)
class Likelihood:
    """How probable a text is for a model."""

    nats: float
    """Sum of the log-probabilities of its tokens; 0 or less."""
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Support:
    """How far the passages that an answer was given hold it, sentence by sentence."""

    claims: int
    """Sentences that say something."""
    unsupported: tuple[str, ...] = ()
    """Those that no passage holds."""
    cited: int = 0
    """Claims with a citation of the model's own that holds."""
    held: int = 0
    """Citations that the model wrote and that hold."""
    removed: int = 0
    """Citations that it wrote and that do not."""
    is_weak: bool = False
    """Nothing came near the question, and no model was asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a subject answered to one case."""

    text: str = ""
    finish_reason: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    support: Support | None = None
    """With an answer from passages."""
    likelihoods: tuple[Likelihood, ...] = ()
    """Of what the case has weighed: its choices, its two variants, its text."""
    other: str = ""
    """The answer to the second variant of a pair."""
    completion_tokens: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One question of a suite, ready to be asked."""

    id: str
    suite: str
    score: str
    """Name of the scorer."""
    messages: tuple[Message, ...]
    category: str = ""
    group: str = ""
    """Cases that are rewordings of one question share it; the interval counts them as one."""
    expected: tuple[str, ...] = ()
    """Right answers; what it means depends on the scorer."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """The scorer's own fields."""
    sampling: Sampling = field(default_factory=lambda: Sampling(temperature=0.0))
    constraint: Constraint | None = None
    tools: tuple[Tool, ...] = ()
    passages: tuple[str, ...] = ()
    planted: str = ""
    samples: int = 1
    """How often it is asked, each time with another seed."""

    @property
    def question(self) -> str:
        """The last turn of the user, for a report."""
        return next((each.content for each in reversed(self.messages) if each.role == "user"), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How good one answer is."""

    value: float | None
    """From 0 to 1; None for what is measured beside scores (perplexity)."""
    reason: str
    """One line that a person understands."""
    measures: Mapping[str, float] = field(default_factory=dict)
    """What the suite's measures are made of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One answer with its score."""

    case_id: str
    category: str
    group: str
    sample: int
    question: str
    value: float | None
    reason: str
    measures: Mapping[str, float]
    said: Said


class Subject(Protocol):
    """What is judged, or judges: a model, with adapter and collection, or a server. Thread-safe.

    Raises, from every method: EdgeLLMError.
    """

    @property
    def name(self) -> str:
        """As the user wrote it."""

    @property
    def identity(self) -> str:
        """SHA-256 over everything that decides what it says."""

    @property
    def can_weigh(self) -> bool:
        """Whether it can say how probable a text is."""

    def answer(self, asked: Asked) -> Said:
        """Answer a question."""

    def likelihood(self, messages: Sequence[Message], text: str) -> Likelihood:
        """How probable `text` is as the answer to `messages`; without messages, as a text of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What scorers need besides the answer; None where it is not there."""

    embed: Embed | None = None
    judge: Subject | None = None
    personal: Callable[[str], Sequence[str]] | None = None
    """Finds personal data in a text."""


def seed_of(case: Case, sample: int) -> int:
    """The seed of one asking: the same for every subject and run, another for every case and sample."""
    return int.from_bytes(hashlib.sha256(f"{case.suite}\0{case.id}\0{sample}".encode()).digest()[:4], "big") % (
        2**32 - 1
    )

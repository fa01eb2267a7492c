"""What monitoring found: topics, rates, latency, drift; every share with its interval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

By = Literal["embedding", "words"]
Word = Literal["farther", "nearer", "no drift shown", "too few to say"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """So many of so many."""

    count: int
    of: int
    rate: float | None = None
    """`count / of`, 0 to 1; None of nothing."""
    low: float | None = None
    high: float | None = None
    """The 95 % interval (Wilson's)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """What is looked at, and what it is compared with: as many days before it. Seconds since the epoch."""

    days: float
    before: float
    """Where the previous period begins, which ends at `since`."""
    since: float
    until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """Which questions topics and drift were made of."""

    questions: int
    """Asked in the period."""
    without_text: int
    """Of these, how many were kept without their text: they are counted and never shown."""
    looked_at: int
    """How many of the others, drawn by `seed` where there are more than that."""
    seed: int
    by: By
    """How they were compared: by an embedding of their meaning, or only by the words they share."""
    model: str = ""
    """The embedder; empty for words."""
    why: str = ""
    """Why only by words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """Questions that are alike."""

    label: tuple[str, ...]
    """The words that tell them from the others, the most telling first."""
    questions: int
    """Of those that were looked at."""
    share: float
    previous: float | None = None
    """Its share in the period before; None where nothing was asked then."""
    weak: int = 0
    """Of these questions: for how many the documents held no evidence."""
    disliked: int = 0
    """How many answers to them were rated down."""
    examples: tuple[str, ...] = ()
    """The most typical ones, personal data masked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answering:
    """How requests ended."""

    answered: Share
    """Of all that ended, but for those which who asked stopped."""
    abstained: int = 0
    """The documents held nothing near the question, and the answer said so."""
    refused: int = 0
    """The request could not be taken as it was: too long, malformed, of something that is not there."""
    failed: int = 0
    """It ended with an error of this machine's, or too late."""
    stopped: int = 0
    failures: Mapping[str, int] = field(default_factory=dict)
    """Refused and failed ones, by reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """One day, local time."""

    day: str
    """YYYY-MM-DD."""
    asked: int
    answered: int
    weak: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Week:
    """Ratings that were given in a week which begins on a Monday."""

    week: str
    """Its Monday, YYYY-MM-DD."""
    liked: Share
    """Rated up, of all rated."""
    corrected: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Seconds that 50, 90 and 99 % of the answers took at most."""

    answers: int
    p50_s: float
    p90_s: float
    p99_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """How fast a model answered."""

    model: str
    first: Spread | None
    """To the first token, waiting included; None where it was not measured."""
    whole: Spread | None
    """To the end of the answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """How far two sets of questions are from the same reference."""

    now: float
    """Mean distance in the period: 1 less the cosine with the nearest text."""
    before: float
    difference: float
    low: float
    high: float
    """95 % interval of the difference."""
    p: float
    """How often chance alone gives a difference of this size or more, if nothing changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Far:
    """A question that nothing of the reference is near."""

    question: str
    """Personal data masked."""
    distance: float
    at: float
    model: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """Whether questions moved away from what a model was taught, or from documents."""

    kind: Literal["training", "documents"]
    reference: str
    """Which data: of `starter@lighthouse`, or the collection."""
    by: By
    texts: int
    """How many texts of it were looked at; of documents every passage is."""
    questions: int
    previous: int
    """Questions of the period and of the one before."""
    moved: Moved | None
    """None: too few to say."""
    p_corrected: float | None
    word: Word
    farthest: tuple[Far, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Monitored:
    """What people asked, and how they were served. Nothing of it left this machine."""

    period: Period
    tenant: str | None
    """The key that it is about; empty: this machine's own programs; None: all together."""
    looked: Looked
    topics: tuple[Topic, ...]
    alone: int
    """Questions that are like no others: in no topic."""
    answering: Answering
    weak: Share
    """Questions for whose answer the documents held no evidence, of all that were asked of documents."""
    signals: Mapping[str, int]
    """What came into the review queue in this time, by reason."""
    days: tuple[Day, ...]
    weeks: tuple[Week, ...]
    latency: tuple[Latency, ...]
    drift: tuple[Drift, ...]
    notes: tuple[str, ...]
    """What was not measured, and why."""

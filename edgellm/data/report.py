"""What was found in examples: per file, per reason, with places to look at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgellm.data.rows import Dropped, Reason
from edgellm.data.rules import Action, Kind, Rules
from edgellm.data.sources import FileReport
from edgellm.data.split import Split
from edgellm.data.tokens import TokenStatistics

EXAMPLES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Where the rows went: `read` is `kept` and all of `dropped`."""

    read: int
    kept: int
    dropped: Mapping[Reason, int]
    splits: Mapping[Split, int]
    """Kept rows by split."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Personal data of one kind."""

    kind: Kind
    matches: int
    """Over all rows, duplicates included."""
    action: Action


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """Lengths under one model's tokenizer and template."""

    model: str
    context_tokens: int
    splits: Mapping[Split, TokenStatistics]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why a file cannot be read to its end."""

    file: str
    line: int | None
    message: str
    hint: str
    remedy: str = ""
    """What the hint asks for, as in `EdgeLLMError`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The result of reading examples by the rules."""

    sources: tuple[FileReport, ...]
    problems: tuple[Problem, ...]
    """Files that a dataset cannot be built from."""
    rules: Rules
    counts: Counts
    examples: Mapping[Reason, Sequence[Dropped]]
    """Up to `EXAMPLES` dropped rows of each reason."""
    groups: int
    """Groups of two or more kept rows that are alike or ask the same; each is in one split."""
    personal: tuple[Found, ...]
    languages: Mapping[str, int]
    """Kept rows by ISO 639 code, most frequent first."""
    tokens: Tokens | None
    """None when no model was named."""

    @property
    def can_be_built(self) -> bool:
        """Whether a dataset can be built from these files."""
        return not self.problems and self.counts.kept > 0


def by_reason(drops: Sequence[Dropped]) -> dict[Reason, int]:
    """How many rows were dropped for each reason, most frequent first."""
    return dict(Counter(drop.reason for drop in drops).most_common())


def first_examples(drops: Sequence[Dropped]) -> dict[Reason, list[Dropped]]:
    """The first few dropped rows of each reason."""
    found: dict[Reason, list[Dropped]] = {}
    for drop in drops:
        some = found.setdefault(drop.reason, [])
        if len(some) < EXAMPLES:
            some.append(drop)
    return found

"""Draft sets: pairs written from documents, and what a person decided about each.

A folder holds `draft.json` (how it was made), `passages.jsonl` (one line for each finished passage, with its pairs) and
`decisions.jsonl` (one line for each decision; the last one about a pair counts). Lines are appended whole and synced; a
line that a killed process left half-written is skipped, and its passage is asked about again.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import msgspec

from edgellm.data.draft_checks import Refusal
from edgellm.data.rows import Source, content_id
from edgellm.decoding import from_json
from edgellm.errors import DataRejected, DatasetNotFound, InvalidInput
from edgellm.line_file import append_line, read_lines
from edgellm.paths import private_dir, write_private

FORMAT_VERSION = 1
DRAFT, PASSAGES, DECISIONS = "draft.json", "passages.jsonl", "decisions.jsonl"
LONGEST_TEXT = 8_000
"""Characters of an edited question or answer."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Status(StrEnum):
    """What a person decided about a pair."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    EDITED = "edited"
    """Accepted in other words."""
    REJECTED = "rejected"


USED = (Status.ACCEPTED, Status.EDITED)
"""Pairs that a dataset is made of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftInfo:
    """How a draft set was made: `draft.json`."""

    format_version: int
    name: str
    created: str
    """Date and time in UTC, ISO 8601."""
    job: str
    """Id of the job that writes it."""
    model: str
    files: tuple[str, ...]
    per_passage: int
    judged_right: int
    """Of the control questions, how many the model answered right."""
    judged_of: int
    counts_model: bool
    """Whether the model's own word about a pair counts; it does not where the controls say that it is guessing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drafted:
    """A pair as the model wrote it, with what the checks say."""

    id: str
    question: str
    answer: str
    check: Refusal | None
    """Why the check of words refuses it; None: it does not."""
    model_says: bool | None
    """Whether the model says that the passage supports the answer; None: it was not asked."""
    refused: Refusal | None
    """The verdict: why the pair is not offered; None: it is supported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftedPassage:
    """A finished passage: one line of `passages.jsonl`."""

    id: str
    title: str
    text: str
    source: Source
    pairs: tuple[Drafted, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One line of `decisions.jsonl`."""

    pair: str
    status: Status
    question: str = ""
    answer: str = ""
    """Question and answer of an edited pair."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A drafted pair as it stands: its passage, its checks, and what was decided."""

    drafted: Drafted
    passage: DraftedPassage
    status: Status = Status.PENDING
    question: str = ""
    answer: str = ""

    @property
    def id(self) -> str:
        """What `decide` takes."""
        return self.drafted.id

    @property
    def is_supported(self) -> bool:
        """Whether the checks let it pass; only such pairs are offered for review."""
        return self.drafted.refused is None


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftCounts:
    """How many passages and pairs a draft set has."""

    passages: int
    drafted: int
    supported: int
    refused: Mapping[Refusal, int]
    """By reason, the most frequent first."""
    statuses: Mapping[Status, int]
    """Supported pairs by what was decided."""

    @property
    def usable(self) -> int:
        """Accepted and edited pairs."""
        return sum(self.statuses[status] for status in USED)


@dataclass(frozen=True, slots=True)
class DraftSet:
    """A draft set as it is on disk."""

    folder: Path
    info: DraftInfo
    pairs: Sequence[Pair]
    """Every pair, refused ones included, in the order of the documents."""
    passages: int = 0

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.name

    @property
    def supported(self) -> list[Pair]:
        """Pairs that are offered for review."""
        return [pair for pair in self.pairs if pair.is_supported]

    @property
    def usable(self) -> list[Pair]:
        """Accepted and edited pairs."""
        return [pair for pair in self.pairs if pair.status in USED]

    @property
    def counts(self) -> DraftCounts:
        """The yield, and how far the review is."""
        statuses = Counter(pair.status for pair in self.supported)
        statuses += Counter(pair.status for pair in self.usable if not pair.is_supported)
        refused = Counter(pair.drafted.refused for pair in self.pairs if pair.drafted.refused is not None)
        return DraftCounts(
            passages=self.passages,
            drafted=len(self.pairs),
            supported=len(self.supported),
            refused=dict(refused.most_common()),
            statuses={status: statuses[status] for status in Status},
        )


@dataclass(frozen=True, slots=True)
class DraftStore:
    """The draft sets below a folder. Errors: DatasetNotFound, DataRejected, InvalidInput, DiskFull."""

    home: Path

    def folder(self, name: str) -> Path:
        """Where the set `name` is or would be."""
        if not _NAME.fullmatch(name):
            hint = "Up to 64 letters, digits, dots, dashes and underscores, beginning with a letter or digit."
            raise InvalidInput(f"{name!r} is no name for drafts.", hint=hint, field="name")
        return self.home / name

    def names(self) -> list[str]:
        """Every set."""
        return sorted(path.parent.name for path in self.home.glob(f"*/{DRAFT}")) if self.home.is_dir() else []

    def begin(self, info: DraftInfo) -> None:
        """Make the folder of a new set."""
        folder = private_dir(self.folder(info.name))
        write_private(folder / DRAFT, msgspec.json.format(msgspec.json.encode(info), indent=2) + b"\n")

    def check_vacant(self, name: str) -> None:
        """Raises: InvalidInput when the name is impossible or taken."""
        if self.folder(name).exists():
            hint = f"Choose another name, or delete them: edgellm data remove drafts:{name}"
            raise InvalidInput(f"There are drafts named {name!r} already.", hint=hint, field="name")

    def info(self, name: str) -> DraftInfo:
        """How a set was made."""
        path = self.folder(name) / DRAFT
        try:
            info = from_json(path.read_bytes(), type=DraftInfo)
        except FileNotFoundError:
            hint = "`edgellm data drafts` shows them; `edgellm data draft PATH --name NAME` makes one."
            raise DatasetNotFound(f"There are no drafts named {name!r}.", hint=hint) from None
        except msgspec.DecodeError as error:
            raise DataRejected(f"{path}: this file does not describe drafts: {error}", file=str(path)) from error
        if info.format_version != FORMAT_VERSION:
            message = f"{path}: drafts of version {info.format_version}; this EdgeLLM reads version {FORMAT_VERSION}."
            raise DataRejected(message, hint="Use the EdgeLLM that wrote them.", file=str(path))
        return info

    def open(self, name: str) -> DraftSet:
        """A set with what was decided so far."""
        info, folder = self.info(name), self.folder(name)
        decided = {decision.pair: decision for decision in read_lines(folder / DECISIONS, Decision)}
        passages = {passage.id: passage for passage in self.finished(name)}
        pairs = [
            _as_it_stands(drafted, passage, decided.get(drafted.id))
            for passage in passages.values()
            for drafted in passage.pairs
        ]
        return DraftSet(folder, info, pairs, len(passages))

    def finished(self, name: str) -> Iterator[DraftedPassage]:
        """The passages that were asked about."""
        return read_lines(self.folder(name) / PASSAGES, DraftedPassage)

    def keep(self, name: str, passage: DraftedPassage) -> None:
        """Note a finished passage with its pairs."""
        append_line(self.folder(name) / PASSAGES, passage)

    def decide(self, name: str, decision: Decision) -> None:
        """Note what a person decided about a pair."""
        if decision.status is Status.EDITED:
            for text, what in ((decision.question, "question"), (decision.answer, "answer")):
                if not text.strip() or len(text) > LONGEST_TEXT:
                    message = f"The edited {what} has {len(text.strip()):,} characters."
                    raise InvalidInput(message, hint=f"Write 1 to {LONGEST_TEXT:,}.", field=what)
        if all(pair.id != decision.pair for pair in self.open(name).pairs):
            message = f"The drafts {name!r} have no pair {decision.pair!r}."
            raise InvalidInput(message, hint=f"See them: edgellm data review {name} --json", field="pair")
        append_line(self.folder(name) / DECISIONS, decision)


def pair_id(passage: str, question: str, answer: str) -> str:
    """The id of a pair: the beginning of a SHA-256."""
    return content_id([passage, question, answer])


def _as_it_stands(drafted: Drafted, passage: DraftedPassage, decision: Decision | None) -> Pair:
    if decision is None or decision.status is not Status.EDITED:
        status = decision.status if decision else Status.PENDING
        return Pair(drafted, passage, status, drafted.question, drafted.answer)
    return Pair(drafted, passage, decision.status, decision.question, decision.answer)

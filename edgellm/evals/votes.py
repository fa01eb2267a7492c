"""Votes of a run: a file that only grows, one line for each vote and for each that is taken back."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from edgellm.errors import DataRejected
from edgellm.evals.blind import Choice
from edgellm.file_lock import locked
from edgellm.line_file import append_line, read_lines
from edgellm.paths import write_private

VOTES, SEED = "votes.jsonl", "votes-seed.txt"
LONGEST_SEED = 64


class Vote(msgspec.Struct, frozen=True, kw_only=True, tag="vote", tag_field="kind"):
    """What a person preferred, with whose answers stood where: it needs no seed to be understood."""

    pair: str
    suite: str
    case_id: str
    sample: int
    left: str
    """Name of the subject whose answer stood left."""
    right: str
    choice: Choice
    judge: str
    """Name of the person."""
    at: float
    """Seconds since the epoch."""
    notes: Mapping[str, str] = msgspec.field(default_factory=dict)
    """By rubric."""

    @property
    def preferred(self) -> str:
        """Name of the preferred subject; empty where there is none."""
        return {"left": self.left, "right": self.right}.get(self.choice, "")

    def value(self, subject: str) -> float:
        """1: this subject was preferred; 0: the other; 0.5: neither."""
        return 0.5 if not self.preferred else float(self.preferred == subject)


class TakenBack(msgspec.Struct, frozen=True, kw_only=True, tag="taken back", tag_field="kind"):
    """A vote that its person undid."""

    pair: str
    judge: str
    at: float


class VoteFile:
    """The votes in a run's folder. Thread- and process-safe. Raises, from every method: DataRejected, DiskFull."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.path = folder / VOTES

    def seed(self) -> str:
        """What orders and sides are drawn by: made once for a run, and kept beside its votes."""
        path = self._folder / SEED
        with locked(self._folder / f"{SEED}.lock"):
            if not path.exists():
                write_private(path, secrets.token_hex(16).encode())
        try:
            found = path.read_text("ascii")
        except (OSError, UnicodeDecodeError) as error:
            raise DataRejected(f"{path} cannot be read: {error}.", file=str(path)) from error
        if not 0 < len(found) <= LONGEST_SEED:
            raise DataRejected(f"{path} holds no seed.", hint="Restore it, or delete it.", file=str(path))
        return found

    def add(self, line: Vote | TakenBack) -> None:
        """Keep a line; it is on disk when this returns."""
        append_line(self.path, line)

    def standing(self) -> list[Vote]:
        """The votes that stand, oldest first: the last line of a person about a pair counts."""
        found = dict[tuple[str, str], Vote]()
        for line in self._lines():
            found.pop((line.judge, line.pair), None)
            if isinstance(line, Vote):
                found[line.judge, line.pair] = line
        return list(found.values())

    def _lines(self) -> Iterator[Vote | TakenBack]:
        try:
            yield from read_lines(self.path, Vote | TakenBack)  # type: ignore[arg-type]
        except OSError as error:
            raise DataRejected(f"{self.path} cannot be read: {error.strerror}.", file=str(self.path)) from error


def of_pairs(votes: Sequence[Vote], pairs: set[str]) -> list[Vote]:
    """The votes on some pairs."""
    return [vote for vote in votes if vote.pair in pairs]

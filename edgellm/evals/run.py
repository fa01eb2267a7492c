"""A run as it is kept: what was asked of whom, and what came out."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from edgellm.decoding import from_json
from edgellm.errors import DataRejected
from edgellm.evals.outcome import Compared, Outcome
from edgellm.evals.speed import Speeds
from edgellm.evals.values import Result
from edgellm.paths import private_dir, write_private

FORMAT_VERSION = 1
MANIFEST, RESULTS = "run.json", "results"


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteRecord:
    """A suite that a run asked."""

    name: str
    version: str
    description: str
    path: str
    sha256: str
    cases: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectRecord:
    """Who was asked."""

    name: str
    """As the user wrote it."""
    target: str
    """What the name stood for: MODEL[@ADAPTER][+COLLECTION], or an address."""
    identity: str
    weights: str = ""
    """SHA-256 of the files of its model and adapter; empty for a server, whose files nobody here knows."""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeRecord:
    """The model that judged, with what it was asked."""

    name: str
    identity: str
    prompts: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run that has finished. The first subject is the one that is judged; the others are its baselines."""

    id: str
    created: str
    """Date and time in UTC, ISO 8601."""
    edgellm: str
    suites: tuple[SuiteRecord, ...]
    subjects: tuple[SubjectRecord, ...]
    judge: JudgeRecord | None = None
    embedder: str = ""
    """What `similarity` compared with; empty where nothing did."""
    outcomes: tuple[Outcome, ...] = ()
    """By suite, then subject."""
    comparisons: tuple[Compared, ...] = ()
    not_measured: tuple[str, ...] = ()
    """What this run says nothing about, in sentences."""
    speeds: Speeds | None = None
    """Of the first two subjects, where the gate asked for it."""
    format_version: int = FORMAT_VERSION
    seconds: float = field(default=0.0)

    def outcome(self, suite: str, subject: str) -> Outcome:
        """One of the outcomes."""
        return next(each for each in self.outcomes if (each.suite, each.subject) == (suite, subject))


def write_run(folder: Path, run: Run) -> None:
    """Keep the manifest: with it, the run is there."""
    write_private(folder / MANIFEST, msgspec.json.format(msgspec.json.encode(run), indent=2))


def read_run(folder: Path) -> Run:
    """The run of a folder. Raises: DataRejected when it cannot be read."""
    path = folder / MANIFEST
    try:
        return from_json(path.read_bytes(), type=Run)
    except (OSError, msgspec.DecodeError) as error:
        raise DataRejected(f"{path} cannot be read: {error}.", file=str(path)) from error


def write_results(folder: Path, suite: str, subject: int, results: list[Result]) -> None:
    """Keep every answer of a suite with its score, one a line."""
    lines = b"".join(msgspec.json.encode(each) + b"\n" for each in results)
    write_private(private_dir(folder / RESULTS) / f"{suite}.{subject}.jsonl", lines)


def read_results(folder: Path, suite: str, subject: int) -> list[Result]:
    """The answers of a suite; `subject` counts from 0. Raises: DataRejected."""
    path = folder / RESULTS / f"{suite}.{subject}.jsonl"
    try:
        return [from_json(line, type=Result) for line in path.read_bytes().splitlines()]
    except (OSError, msgspec.DecodeError) as error:
        raise DataRejected(f"{path} cannot be read: {error}.", file=str(path)) from error

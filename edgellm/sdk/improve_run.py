"""A run of the loop as it is kept: what was asked, how far it is, what came out."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

import msgspec

from edgellm.decoding import convert, from_json
from edgellm.errors import DataRejected, InvalidInput, NotFound
from edgellm.paths import Home, private_dir, write_private

FORMAT_VERSION = 1
MANIFEST, LESSONS, POLICY = "run.json", "lessons.json", "policy.toml"
CORRECTED, BEFORE = "corrected", "corrected-before"
"""Names of the suites of questions whose answers were corrected: since the live version was made, and before."""
SUITE, SUITE_BEFORE = f"{CORRECTED}.jsonl", f"{BEFORE}.jsonl"
StageName = Literal["collect", "dataset", "documents", "train", "evaluate", "gate", "propose"]
STAGES: tuple[StageName, ...] = ("collect", "dataset", "documents", "train", "evaluate", "gate", "propose")
Objective = Literal["sft", "dpo", "orpo", "kto"]
MATERIAL: Mapping[Objective, Literal["rows", "pairs", "thumbs"]] = {
    "sft": "rows",
    "dpo": "pairs",
    "orpo": "pairs",
    "kto": "thumbs",
}
"""Which of a queue's lessons each objective learns from."""


class StageState(StrEnum):
    """Where a stage stands."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    SKIPPED = "skipped"


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a run."""

    name: StageName
    state: StageState = StageState.WAITING
    jobs: tuple[str, ...] = ()
    """Ids of the jobs that do its work, in the order of `Request.collections` where there are several."""
    note: str = ""
    """What came of it, or why it was skipped, in a few words."""
    began: float | None = None
    ended: float | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing of it is left to do."""
        return self.state in (StageState.DONE, StageState.SKIPPED)


class ImproveRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The arguments of an `improve` job, JSON values: everything that was decided when it was begun."""

    alias: str
    tenant: str
    """Whose lessons are learnt; empty: this machine's own."""
    live: str
    """What the alias stood for."""
    base: str
    """Name of the model that learns."""
    start: str = ""
    """Name of the adapter that goes on learning; empty: a new one on the base."""
    candidate: str
    """Name of the adapter that is made."""
    collections: tuple[str, ...] = ()
    """Collections that are synced."""
    answers_from: str = ""
    """The collection that the alias answers from."""
    objective: Objective = "sft"
    settings: dict[str, Any] = {}
    """Training settings that differ from those of the objective."""
    replay: float = 1.0
    """Share of the live adapter's other rows that are learnt again, from 0 to 1."""
    suites: dict[str, str] = {}
    """Files of the suites by name: those of the policy, and those that were asked for beside them."""
    policy: str
    """Absolute path of the policy's file."""
    judge: str = ""
    promotes: bool = False
    """Whether the candidate goes live when the gate lets it."""

    @property
    def target(self) -> str:
        """The candidate as a model's name, with the alias's collection."""
        model = f"{self.base}@{self.candidate}"
        return f"{model}+{self.answers_from}" if self.answers_from else model


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """A suite's score of the candidate, beside the version that was live. Values from 0 to 1."""

    suite: str
    mean: float
    low: float
    high: float
    before: float | None = None
    word: str = ""
    """What the paired test says: `better`, `worse`, `no difference shown`; empty without a version before."""


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule of the gate and whether it held."""

    suite: str
    rule: str
    found: str
    holds: bool


class ImproveRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run; its id is its job's."""

    id: str
    created: float
    request: ImproveRequest
    stages: tuple[Stage, ...] = tuple(Stage(name=name) for name in STAGES)
    learnt: tuple[str, ...] = ()
    """Ids of the reviewed items that it learns from."""
    new: int = 0
    """How many of them the live version did not learn from."""
    replayed: int = 0
    """Other rows of the live version's dataset that are learnt again."""
    held: int = 0
    """Items that contradict each other, and teach nothing until that is decided."""
    compared: str = ""
    """What the candidate was compared with; empty: nothing yet."""
    evaluation: str = ""
    """Id of the evaluation that the gate decided by."""
    passed: bool | None = None
    rules: tuple[Rule, ...] = ()
    scores: tuple[Score, ...] = ()
    promoted: bool = False
    """Whether this run itself moved the alias."""
    format_version: int = FORMAT_VERSION

    def stage(self, name: StageName) -> Stage:
        """One of its stages."""
        return next(each for each in self.stages if each.name == name)

    @property
    def current(self) -> Stage | None:
        """The stage that it is in, or that comes next; None: all are over."""
        return next((each for each in self.stages if not each.is_over), None)

    def with_stage(self, stage: Stage, **changes: Any) -> ImproveRun:
        """The run with a stage and other fields replaced."""
        stages = tuple(stage if each.name == stage.name else each for each in self.stages)
        return msgspec.structs.replace(self, stages=stages, **changes)


def request_from(arguments: Any) -> ImproveRequest:
    """The request in a job's arguments. Raises: InvalidInput."""
    try:
        return convert(arguments, ImproveRequest)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"The job is not understood: {error}.", field="arguments") from error


def folder_of(home: Home, run_id: str) -> Path:
    """Where a run is kept."""
    return home.improve / run_id


def write_run(home: Home, run: ImproveRun) -> None:
    """Keep a run, whole or as it was."""
    path = private_dir(folder_of(home, run.id)) / MANIFEST
    write_private(path, msgspec.json.format(msgspec.json.encode(run), indent=2))


def read_run(home: Home, run_id: str) -> ImproveRun:
    """A run by its id. Raises: NotFound; DataRejected when it cannot be read."""
    path = folder_of(home, run_id) / MANIFEST
    try:
        return from_json(path.read_bytes(), type=ImproveRun)
    except (FileNotFoundError, NotADirectoryError) as error:
        hint = "edgellm improve history ALIAS shows them."
        raise NotFound(f"There is no run {run_id!r} of the loop.", hint=hint, id=run_id) from error
    except (OSError, msgspec.DecodeError) as error:
        raise DataRejected(f"{path} cannot be read: {error}.", file=str(path)) from error


def runs_in(home: Home) -> list[ImproveRun]:
    """Every run that is kept, newest first. Raises: DataRejected."""
    found = [read_run(home, path.parent.name) for path in home.improve.glob(f"*/{MANIFEST}")]
    return sorted(found, key=lambda run: run.created, reverse=True)


def summary(home: Home, run: ImproveRun) -> dict[str, Any]:
    """A run as JSON values, with the places of its reports."""
    plain: dict[str, Any] = msgspec.to_builtins(run)
    report = str(home.evals / run.evaluation / "report.html") if run.evaluation else ""
    more: Mapping[str, Any] = {"target": run.request.target, "report": report, "path": str(folder_of(home, run.id))}
    return {**plain, **more}

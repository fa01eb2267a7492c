"""What a run of the loop would do, before anything is done: read, never written."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgellm.errors import AdapterNotFound, DatasetNotFound, InvalidInput
from edgellm.hub.adapters import Shelf
from edgellm.hub.names import split_adapter
from edgellm.paths import Home
from edgellm.sdk.improve_run import runs_in
from edgellm.sdk.training_start import FORM, WEIGHTS

if TYPE_CHECKING:
    from edgellm.sdk.improve_run import ImproveRequest, Objective
    from edgellm.store import StoredJob
    from edgellm.train.settings import TrainSettings

LOOKED_AT = 1000
"""Jobs, newest first, among which earlier runs of the same base are looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a run would not be begun."""

    message: str
    hint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """A queue's lessons in numbers."""

    rows: int = 0
    """Answers to imitate."""
    new: int = 0
    """Accepted items that the live version did not learn from."""
    replayed: int = 0
    """Other rows of the live version's dataset that are learnt again."""
    pairs: int = 0
    thumbs: int = 0
    corrected: int = 0
    """Questions that the candidate is asked again, other wordings included."""
    before: int = 0
    """How many of them the live version has learnt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImprovePlan:
    """The dry run: what is in the queue, what would be made of it, and what speaks against it."""

    request: ImproveRequest
    waiting: dict[str, int]
    """Items of the queue that nobody decided about, by reason."""
    lessons: Lesson
    held: tuple[str, ...]
    """Items that contradict each other, each in a sentence; they teach nothing until that is decided."""
    why: str
    """Why it learns in this way."""
    begins_with: str
    """What the candidate begins with, and why."""
    suites: tuple[str, ...]
    steps: int | None
    """Of the training; None where nothing can be learnt."""
    seconds: float | None
    """Of the training, by the newest run on this base; None before the first one."""
    memory_bytes: int | None
    """What that run needed at its peak; None as above."""
    available_bytes: int
    refusals: tuple[Refusal, ...]

    def check(self) -> None:
        """Raises: InvalidInput with the first refusal."""
        if self.refusals:
            first = self.refusals[0]
            raise InvalidInput(first.message, hint=first.hint, field="alias")


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """What a candidate begins with."""

    start: str
    """Name of the adapter that goes on learning; empty: a new one on the base."""
    dataset: str
    """Name of the dataset that the live adapter was taught; empty: there is none here."""
    why: str


def beginning(home: Home, live_model: str, objective: Objective = "sft") -> Beginning:
    """The base with all that the live adapter was taught; that adapter itself where its dataset is gone.

    What is preferred is learnt upon what is known: from judgements the live adapter always goes on learning.
    Raises: InvalidInput for an adapter that was made elsewhere: neither what it was taught nor its weights as the
    trainer needs them are here.
    """
    from edgellm.data.dataset import read_manifest

    base, name = split_adapter(live_model)
    if name is None:
        return Beginning(start="", dataset="", why=f"a new adapter on {base}")
    adapter = Shelf(home).get(name)
    taught = adapter.manifest.dataset
    if taught is not None and objective == "sft":
        try:
            found = read_manifest(home.datasets / taught.name)
        except DatasetNotFound:
            found = None
        if found is not None and found.dataset_hash == taught.hash:
            why = f"a new adapter on {base}, taught again what {name} was taught ({taught.name})"
            return Beginning(start="", dataset=taught.name, why=why)
    if not (adapter.folder / WEIGHTS).is_file() or not set(FORM) <= adapter.manifest.plan.keys():
        message = f"The live adapter {name!r} was made elsewhere: what it was taught is not here to be kept."
        hint = "Let the alias stand for the base, or for an adapter that was trained here."
        raise InvalidInput(message, hint=hint, field="alias")
    is_gone = objective == "sft"
    reason = "the dataset it was taught is not here" if is_gone else "what is preferred comes upon what it knows"
    return Beginning(start=name, dataset="", why=f"{name} goes on learning: {reason}")


def candidate_name(home: Home, stem: str) -> str:
    """`STEM-vN`, one above all that there are, and all that a run may still make."""
    taken = [adapter.name for adapter in Shelf(home).list()]
    taken += [path.name for path in home.datasets.glob(f"{stem}-v*")]
    taken += [run.request.candidate for run in runs_in(home)]
    numbers = [name.removeprefix(f"{stem}-v") for name in taken if name.startswith(f"{stem}-v")]
    return f"{stem}-v{max((int(each) for each in numbers if each.isdecimal()), default=0) + 1}"


def is_there(home: Home, name: str, dataset_hash: str) -> bool:
    """Whether the adapter `name` was made from that very dataset. Raises: InvalidInput for a damaged manifest."""
    try:
        manifest = Shelf(home).get(name).manifest
    except AdapterNotFound:
        return False
    return manifest.dataset is not None and manifest.dataset.hash == dataset_hash


def settings_of(objective: Objective, given: dict[str, Any]) -> TrainSettings:
    """The training settings of a run. Raises: InvalidInput."""
    from edgellm.train.settings import settings_for

    changes = dict(given)
    return settings_for(str(changes.pop("preset", "balanced")), objective=objective, **changes)


def steps_for(settings: TrainSettings, rows: int) -> int:
    """About how many steps a run over so many rows takes."""
    from edgellm.train.schedule import steps_of

    return steps_of(settings, math.ceil(rows / settings.batch_rows), rows)


def newest_training(jobs: Sequence[StoredJob], base: str) -> dict[str, Any] | None:
    """What the newest finished training on a base took; None before the first."""
    for job in jobs:
        if job.kind == "train" and job.result and job.arguments.get("base") == base and job.result.get("steps"):
            return dict(job.result)
    return None

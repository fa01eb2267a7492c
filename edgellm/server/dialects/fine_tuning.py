"""OpenAI's fine-tuning jobs: a body to the settings of a run, and a run to its job and events; pure.

https://platform.openai.com/docs/api-reference/fine-tuning
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

import msgspec
from pydantic import Field

from edgellm.events import Failed, Finished, JobEvent, Measured, Started
from edgellm.server.bodies import Model
from edgellm.server.dialects.fields import Body, Harmless, Number, Whole, refuse, refuse_given
from edgellm.server.ownership import MOST_CHARACTERS
from edgellm.store import JobState, StoredJob
from edgellm.train.settings import TrainSettings

REFUSED = {
    "validation_file": "a part of the training file is set apart for this.",
    "integrations": "nothing is sent to other services.",
}
"""Fields of `FineTuningBody` that are refused when they ask for something, and why."""
STATUS: Mapping[JobState, str] = {
    JobState.QUEUED: "queued",
    JobState.RUNNING: "running",
    JobState.FINISHED: "succeeded",
    JobState.FAILED: "failed",
    JobState.CANCELLED: "cancelled",
}
Auto = Literal["auto"]


class HyperparametersBody(Body):
    """What can be chosen of a run; `auto` is EdgeLLM's own choice."""

    n_epochs: Auto | Annotated[Whole, Field(ge=1, le=50)] | None = None
    batch_size: Auto | Annotated[Whole, Field(ge=1, le=256)] | None = None
    learning_rate_multiplier: Auto | Annotated[Number, Field(gt=0, le=100)] | None = None


class SupervisedBody(Body):
    """Learning from examples."""

    hyperparameters: HyperparametersBody | None = None


class MethodBody(Body):
    """How it is taught; from examples only."""

    type: Literal["supervised"]
    supervised: SupervisedBody | None = None


class FineTuningBody(Body):
    """POST /v1/fine_tuning/jobs."""

    model: Model
    training_file: Annotated[str, Field(min_length=1, max_length=100)]
    suffix: Annotated[str, Field(pattern=rf"^[A-Za-z0-9][A-Za-z0-9_-]{{0,{MOST_CHARACTERS - 1}}}$")] | None = None
    hyperparameters: HyperparametersBody | None = None
    method: MethodBody | None = None
    seed: Annotated[Whole, Field(ge=0, lt=2**31)] | None = None

    metadata: Harmless = None

    # Refused when they ask for something.
    validation_file: Any = None
    integrations: Any = None


class FineTune(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for, as it is remembered beside the job."""

    job_id: str
    """Of the store's job."""
    tenant: str
    model: str
    """As the client wrote it."""
    training_file: str
    suffix: str | None
    hyperparameters: dict[str, Any]
    seed: int

    @property
    def id(self) -> str:
        """The job in the client's eyes."""
        return f"ftjob-{self.job_id}"


def settings_of(body: FineTuningBody) -> TrainSettings:
    """The settings of a run. Raises: InvalidInput with facts `field`."""
    refuse_given(body, REFUSED)
    chosen, default = hyperparameters_of(body), TrainSettings()
    changes: dict[str, Any] = {}
    if chosen["n_epochs"] != "auto":
        changes["epochs"] = float(chosen["n_epochs"])
    if chosen["batch_size"] != "auto":
        changes["batch_rows"] = chosen["batch_size"]
    if chosen["learning_rate_multiplier"] != "auto":
        changes["learning_rate"] = default.learning_rate * chosen["learning_rate_multiplier"]
    return replace(default, seed=body.seed or 0, **changes)


def hyperparameters_of(body: FineTuningBody) -> dict[str, Any]:
    """Each with its value or `auto`. Raises: InvalidInput when they stand in two places."""
    inner = body.method.supervised.hyperparameters if body.method and body.method.supervised else None
    if inner is not None and body.hyperparameters is not None:
        refuse("hyperparameters", "they stand in `method` too.", "Leave one of them out.")
    given = inner or body.hyperparameters or HyperparametersBody()
    return {name: getattr(given, name) or "auto" for name in HyperparametersBody.model_fields}


def job_object(asked: FineTune, job: StoredJob) -> dict[str, Any]:
    """A `fine_tuning.job`."""
    result = job.result or {}
    return {
        "id": asked.id,
        "object": "fine_tuning.job",
        "created_at": int(job.created_at),
        "finished_at": None if job.is_active else int(job.updated_at),
        "model": asked.model,
        "fine_tuned_model": result.get("model"),
        "organization_id": "edgellm",
        "status": STATUS[job.state],
        "training_file": asked.training_file,
        "validation_file": None,
        "result_files": [],
        "trained_tokens": result.get("tokens"),
        "hyperparameters": asked.hyperparameters,
        "method": {"type": "supervised", "supervised": {"hyperparameters": asked.hyperparameters}},
        "seed": asked.seed,
        "user_provided_suffix": asked.suffix,
        "error": _error(job),
        "integrations": [],
        "estimated_finish": None,
    }


def event_objects(asked: FineTune, events: Sequence[JobEvent]) -> list[dict[str, Any]]:
    """`fine_tuning.job.event`s, newest first: what was begun, what was measured, how it ended."""
    numbered = [_event(asked, number, event) for number, event in enumerate(events)]
    return [each for each in reversed(numbered) if each is not None]


def _event(asked: FineTune, number: int, event: JobEvent) -> dict[str, Any] | None:
    level, kind, message, data = "info", "message", "", dict[str, Any]()
    match event:
        case Started():
            message = event.title
        case Measured():
            kind, data = "metrics", {"step": event.step, **event.values}
            message = f"Step {event.step}"
        case Finished():
            message = "The job is complete."
        case Failed():
            level, message = "error", f"{BROKEN_OFF} ({event.error})"
        case _:
            return None
    return {
        "id": f"ftevent-{asked.job_id}-{number}",
        "object": "fine_tuning.job.event",
        "created_at": int(event.at),
        "level": level,
        "type": kind,
        "message": message,
        "data": data,
    }


BROKEN_OFF = "The work broke off; the server's administrator sees why."
"""Without the words of the error: they name folders of the server."""


def _error(job: StoredJob) -> dict[str, Any] | None:
    if job.state is not JobState.FAILED:
        return None
    return {"code": job.error or "JobError", "message": BROKEN_OFF, "param": None}

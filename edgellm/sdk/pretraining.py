"""Pretraining: small models made from nothing but texts, as jobs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from edgellm.decoding import convert
from edgellm.errors import InvalidInput
from edgellm.hub.cards import card_ids
from edgellm.hub.installed import Library
from edgellm.hub.names import STARTER, checked_name
from edgellm.pretrain.shape import LEAST, MOST
from edgellm.sdk.jobs import Jobs
from edgellm.store import StoredJob

KIND = "pretrain"
DEFAULT_MINUTES = 10.0


class PretrainRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The arguments of a `pretrain` job, JSON values."""

    folder: str
    """Where the .txt and .md files are."""
    name: str
    """What the model will be called."""
    parameters: int = 3_000_000
    """About how many weights it has."""
    context_tokens: int = 256
    """Tokens that it looks back on."""
    steps: int | None = None
    """Number of steps; None: as many as `minutes` allow."""
    minutes: float | None = None
    """Time to learn; None: `DEFAULT_MINUTES`, unless `steps` says."""
    seed: int = 0
    """Beginning of every random choice."""


_RANGES = {
    "parameters": (LEAST, MOST),
    "context_tokens": (64, 4096),
    "steps": (1, 10_000_000),
    "minutes": (0.1, 60 * 24 * 30),
    "seed": (0, 2**63 - 1),
}


class Pretraining:
    """Errors: InvalidInput, JobError; the job's own: DataRejected, ModelDoesNotFit, TrainingError, MissingExtra."""

    def __init__(self, jobs: Jobs, library: Library) -> None:
        self._jobs, self._library = jobs, library

    def start(self, request: PretrainRequest) -> StoredJob:
        """Begin to make a model; it is installed as `request.name` when the job has finished."""
        folder = str(Path(request.folder).expanduser().absolute())
        arguments: dict[str, Any] = msgspec.to_builtins(msgspec.structs.replace(request, folder=folder))
        request_from(arguments)
        check_vacant(self._library, request.name)
        if not Path(folder).is_dir():
            message = f"{request.folder!r} is not a folder."
            raise InvalidInput(message, hint="Give a folder of .txt or .md files.", field="folder")
        return self._jobs.start(KIND, f"Make {request.name} from {Path(folder).name}", arguments)


def request_from(arguments: Any) -> PretrainRequest:
    """The request in a job's arguments. Raises: InvalidInput."""
    try:
        request = convert(arguments, PretrainRequest)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"The pretraining job is not understood: {error}.", field="arguments") from error
    checked_name(request.name)
    for name, (least, most) in _RANGES.items():
        value = getattr(request, name)
        if value is not None and not least <= value <= most:  # also false for nan
            raise InvalidInput(f"{name} is {value!r}; it must be from {least:g} to {most:g}.", field=name)
    if request.steps is not None and request.minutes is not None:
        raise InvalidInput("Both a number of steps and a time were given.", hint="Give one of them.", field="minutes")
    return request


def check_vacant(library: Library, name: str) -> None:
    """Raises: InvalidInput when the name is impossible, or another model has it."""
    if checked_name(name) in (STARTER, *card_ids()) or library.recorded_sha256(name) is not None:
        hint = f"Choose another name, or remove it first: edgellm models remove {name}"
        raise InvalidInput(f"There is a model named {name!r} already.", hint=hint, field="name")

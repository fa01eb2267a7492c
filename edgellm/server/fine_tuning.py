"""Training jobs that clients began: made of an uploaded file, kept with what was asked, each its key's own."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edgellm.data.rows import Reason
from edgellm.decoding import from_json
from edgellm.errors import (
    AccessDenied,
    AdapterNotFound,
    BudgetExceeded,
    InvalidInput,
    ModelNotFound,
    NotFound,
    QueueFull,
)
from edgellm.paths import write_private
from edgellm.server.caller import Caller
from edgellm.server.dialects.fine_tuning import FineTune, FineTuningBody, hyperparameters_of, settings_of
from edgellm.server.files import FileShelf, StoredFile
from edgellm.server.model_name import not_found, resolve
from edgellm.server.ownership import owned_name
from edgellm.server.service import Service
from edgellm.store import StoredJob
from edgellm.train.settings import TrainSettings

KINDS = ("train", "pretrain")
"""Jobs beside which no other training is begun: each wants all of the machine."""
BROKEN = (Reason.MALFORMED, Reason.WRONG_TYPES, Reason.ROLES, Reason.EMPTY, Reason.CONTROL_CHARACTERS)
"""Rows that refuse a file. Others are left out, as duplicates and one-word answers: that is what cleaning is for."""
JOBS = 1_000
RETRY_S = 60.0
_ID = re.compile(r"ftjob-([0-9a-hjkmnp-tv-z]{26})")


@dataclass(frozen=True, slots=True)
class Begun:
    """A job, and what was asked for."""

    asked: FineTune
    job: StoredJob


class FineTuning:
    """The jobs of one caller; an administrator sees everyone's. Its methods use store and disk."""

    def __init__(self, service: Service, caller: Caller) -> None:
        self._service = service
        self._edge = service.edge
        self._caller = caller
        self._folder = service.edge.home.uploads / "fine_tuning"

    def begin(self, body: FineTuningBody) -> Begun:
        """Read the file and begin to train. One training at a time.

        Raises: InvalidInput that names the field, and the line of a file that is not understood; ModelNotFound,
        NotFound, AccessDenied; BudgetExceeded and QueueFull while another one runs.
        """
        settings = settings_of(body)
        base = self._base(body.model)
        files = FileShelf(self._edge.home)
        file = files.get(self._caller, body.training_file, "training_file")
        name = self._adapter(body.suffix)
        self._check_free()
        job = self._start(files, file, base, name, settings)
        asked = FineTune(
            job_id=job.id,
            tenant=self._caller.tenant,
            model=body.model,
            training_file=file.id,
            suffix=body.suffix,
            hyperparameters=hyperparameters_of(body),
            seed=settings.seed,
        )
        write_private(self._folder / asked.tenant / f"{asked.job_id}.json", msgspec.json.encode(asked))
        return Begun(asked, job)

    def list(self) -> list[Begun]:
        """Newest first."""
        jobs = {job.id: job for job in self._edge.jobs.list(limit=JOBS) if job.kind == KINDS[0]}
        found = [Begun(asked, jobs[asked.job_id]) for asked in self._records("*") if asked.job_id in jobs]
        return sorted(found, key=lambda begun: begun.asked.job_id, reverse=True)

    def get(self, job_id: str) -> Begun:
        """One job. Raises: NotFound, alike for what is not there and another key's."""
        known = _ID.fullmatch(job_id)
        asked = next(self._records(known.group(1)), None) if known else None
        if asked is None:
            raise NotFound(f"There is no fine-tuning job {job_id[:100]!r}.", field="id")
        return Begun(asked, self._edge.jobs.get(asked.job_id))

    def cancel(self, job_id: str) -> Begun:
        """End a job; one that has ended stays as it is. Waits for its last checkpoint. Raises: NotFound."""
        begun = self.get(job_id)
        return Begun(begun.asked, self._edge.jobs.cancel(begun.job.id))

    def _base(self, model: str) -> str:
        """What the SDK calls the model. Raises: ModelNotFound, InvalidInput, AccessDenied."""
        bound = self._caller.limits.adapter
        if bound is not None:
            message = f"This key answers with the adapter {bound!r}, and could not use another."
            raise AccessDenied(message, hint="Ask the server's administrator for a key without one.")
        name = resolve(self._service.names, self._caller, model)
        if name.adapter is not None or name.collection is not None:
            message = f"model is {model[:100]!r}; only a model without adapter and collection can be taught."
            raise InvalidInput(message, field="model")
        if self._caller.limits.models and name.base not in self._caller.limits.models:
            raise not_found(model)  # an alias allows asking, and what is taught is named by its base
        return self._service.names.opened(name)

    def _adapter(self, suffix: str | None) -> str:
        """What the adapter will be called. Raises: InvalidInput when there is one, or when one is being made."""
        name = owned_name(self._caller, suffix or f"ft-{secrets.token_hex(4)}")
        try:
            self._edge.adapters.get(name)
        except AdapterNotFound:
            return name
        message = f"suffix is {suffix!r}, and there is a fine-tuned model of this name already."
        raise InvalidInput(message, hint="Choose another one.", field="suffix")

    def _check_free(self) -> None:
        """Raises: BudgetExceeded, QueueFull."""
        active = [job for job in self._edge.jobs.list(limit=JOBS) if job.is_active and job.kind in KINDS]
        own = {asked.job_id for asked in self._records("*") if asked.tenant == self._caller.tenant}
        if any(job.id in own for job in active):
            message = "A fine-tuning job of this key has not ended."
            raise BudgetExceeded(message, hint="Wait for it, or cancel it.", limit="training", retry_after_s=RETRY_S)
        if active:
            message = "This machine trains one model at a time, and is at it."
            raise QueueFull(message, hint="Try again later.", limit=1, retry_after_s=RETRY_S)

    def _start(self, files: FileShelf, file: StoredFile, base: str, name: str, settings: TrainSettings) -> StoredJob:
        content = files.content(file)
        try:
            self._check_rows(content, file)
            return self._edge.training.start(content, base, name, settings)
        except InvalidInput as error:
            said = [text.replace(str(content), file.filename) for text in (error.message, error.hint)]
            raise InvalidInput(said[0], hint=said[1], field="training_file") from error
        except ModelNotFound as error:
            raise not_found(base) from error

    def _check_rows(self, content: Path, file: StoredFile) -> None:
        """Raises: InvalidInput that names the first line that is no example."""
        report = self._edge.datasets.check([content])
        broken = [each for reason in BROKEN for each in report.examples.get(reason, ())]
        first = min(broken, key=lambda each: each.source.line or 0, default=None)
        if first is not None:
            message = f"{file.filename}:{first.source.line}: {first.detail}."
            raise InvalidInput(message, hint="Correct the line, and send the file again.", field="training_file")

    def _records(self, name: str) -> Iterator[FineTune]:
        tenant = "*" if self._caller.is_admin else self._caller.tenant
        for path in self._folder.glob(f"{tenant}/{name}.json"):
            found = _read(path)
            if found is not None:
                yield found


def _read(path: Path) -> FineTune | None:
    """None: not of our making."""
    try:
        return from_json(path.read_bytes(), type=FineTune)
    except (OSError, msgspec.MsgspecError):
        return None

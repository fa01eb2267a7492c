"""Drafts: examples that a local model writes from documents, and a person decides on."""

from __future__ import annotations

import builtins
import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from edgellm.errors import InvalidInput
from edgellm.paths import Home
from edgellm.sdk.draft_request import DraftRequest, request_from
from edgellm.sdk.engines import Engines
from edgellm.sdk.jobs import Jobs
from edgellm.store import StoredJob

if TYPE_CHECKING:  # what reads documents is imported when drafts are asked for
    from edgellm.data.drafts import DraftSet, DraftStore, Status

KIND = "draft"


class Drafts:
    """Errors: InvalidInput, DatasetNotFound, DataRejected, ModelError, JobError, DiskFull."""

    def __init__(self, home: Home, jobs: Jobs, engines: Engines) -> None:
        self._home, self._jobs, self._engines = home, jobs, engines

    def start(self, files: Sequence[str | Path], name: str, model: str, *, per_passage: int = 3) -> StoredJob:
        """Begin to draft from documents and folders of them; the job's result is the yield."""
        paths = [Path(file).expanduser().absolute() for file in files]
        missing = next((path for path in paths if not path.exists()), None)
        if missing is not None or not paths:
            message = f"There is no file or folder {str(missing)!r}." if missing else "There is nothing to read."
            raise InvalidInput(message, hint="Name a document, or a folder of them.", field="files")
        files_read = tuple(str(path) for path in paths)
        chosen = self._engines.resolve(model)
        request = DraftRequest(files=files_read, name=name, model=chosen, per_passage=per_passage)
        arguments: dict[str, Any] = msgspec.to_builtins(request)
        request_from(arguments)
        self._store.check_vacant(name)
        return self._jobs.start(KIND, f"Draft {name} from {paths[0].name}", arguments)

    def list(self) -> builtins.list[DraftSet]:
        """Every draft set, by name."""
        return [self._store.open(name) for name in self._store.names()]

    def open(self, name: str) -> DraftSet:
        """A draft set, with every pair as it stands."""
        return self._store.open(name)

    def decide(self, name: str, pair: str, status: Status | str, *, question: str = "", answer: str = "") -> None:
        """Accept, edit or reject a pair, or make it pending again.

        Args:
            name: the draft set.
            pair: id of the pair.
            status: pending, accepted, edited or rejected.
            question: the new question of an edited pair.
            answer: its new answer.
        """
        from edgellm.data.drafts import Decision, Status

        if status not in list(Status):
            hint = f"Known: {', '.join(Status)}."
            raise InvalidInput(f"{str(status)!r} is no decision.", hint=hint, field="status")
        chosen = Status(status)
        if chosen is not Status.EDITED and (question or answer):
            message = f"Only an edited pair has words of its own; this one is {chosen}."
            raise InvalidInput(message, hint="Use the status edited.", field="status")
        self._store.decide(name, Decision(pair=pair, status=chosen, question=question.strip(), answer=answer.strip()))

    def remove(self, name: str) -> None:
        """Delete a draft set, with what was decided."""
        self._store.info(name)
        folder = self._store.folder(name)
        aside = folder.with_name(f".{name}.{os.getpid()}-{time.monotonic_ns()}.part")
        folder.rename(aside)  # gone at once
        shutil.rmtree(aside)

    @property
    def _store(self) -> DraftStore:
        from edgellm.data.drafts import DraftStore

        return DraftStore(self._home.drafts)

"""Training: adapters made from datasets, as jobs."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import msgspec

from edgellm.errors import InvalidInput
from edgellm.hub.adapters import Shelf, adapter_name
from edgellm.hub.installed import Library
from edgellm.hub.names import name_from, split_adapter
from edgellm.paths import Home
from edgellm.sdk.datasets import Datasets
from edgellm.sdk.jobs import Jobs
from edgellm.sdk.training_request import TrainRequest, request_from
from edgellm.sdk.training_start import inherited, starting_adapter
from edgellm.store import StoredJob
from edgellm.train.settings import TrainSettings

KIND = "train"


class Training:
    """Errors: InvalidInput, ModelNotFound, AdapterNotFound, DatasetNotFound, DataRejected, JobError, MissingExtra."""

    def __init__(self, home: Home, jobs: Jobs, datasets: Datasets, library: Library) -> None:
        self._shelf = Shelf(home)
        self._jobs, self._datasets, self._library = jobs, datasets, library

    def start(
        self,
        data: str | Path,
        base: str,
        name: str,
        settings: TrainSettings | None = None,
        *,
        ranks: int = 1,
        hosts: str = "",
    ) -> StoredJob:
        """Begin to teach the model `base`; the adapter `name` is there when the job has finished.

        `data` is the name of a dataset; or a file of examples or `drafts:NAME`, which become the dataset `name`.
        For the objectives dpo, orpo and kto it is a JSONL file of judged answers. With `MODEL@ADAPTER` as base that
        adapter goes on learning, under the new name.
        `hosts` are lines of `ADDRESS[:PORT] [SSH-TARGET [COMMAND ...]]`, this machine first.
        """
        adapter_name(name)
        shared = {"ranks": ranks, "hosts": hosts}
        request = self._request(data, base, name, settings, shared)
        return self._jobs.start(KIND, f"{request['base']} learns {name}", request)

    def plan(
        self, data: str | Path, base: str, settings: TrainSettings | None = None, *, ranks: int = 1, hosts: str = ""
    ) -> StoredJob:
        """Begin to find out what a run would take; the job's result has sizes, verdict and seconds.

        A file of examples becomes a dataset that is named after it.
        """
        request = self._request(data, base, name_from(Path(data).stem), settings, {"ranks": ranks, "hosts": hosts})
        return self._jobs.start("plan", f"Plan: {request['base']} learns {request['dataset']}", request)

    def _request(
        self, data: str | Path, base: str, name: str, settings: TrainSettings | None, shared: dict[str, Any]
    ) -> dict[str, Any]:
        """A job's arguments. Raises: InvalidInput here, before there is a job."""
        model_name, start = split_adapter(base)
        model, settings = self._library.find(model_name), settings or TrainSettings()
        if start is not None:
            settings = inherited(settings, starting_adapter(self._shelf, model, start))
        request = TrainRequest(
            base=model.reference,
            start=start or "",
            name=name,
            settings=settings,
            **self._material(data, name, settings),
            **shared,
        )
        arguments: dict[str, Any] = msgspec.to_builtins(request)
        request_from(arguments)
        return arguments

    def list(self) -> builtins.list[StoredJob]:
        """Training jobs, newest first."""
        return [job for job in self._jobs.list(limit=1000) if job.kind == KIND]

    def _material(self, data: str | Path, name: str, settings: TrainSettings) -> dict[str, Any]:
        """Which of the request's fields say what is learnt from."""
        if not settings.is_preference:
            return {"dataset": self._dataset(data, name)}
        from edgellm.sdk.training_preferences import checked_file  # deferred: what reads examples is needed here alone

        path = Path(data).expanduser()
        return {"dataset": name_from(path.stem), "preferences": checked_file(path, settings)}

    def _dataset(self, data: str | Path, name: str) -> str:
        from edgellm.data.draft_source import PREFIX  # deferred: what reads examples is needed here alone

        path = Path(data).expanduser()
        if isinstance(data, str) and data.startswith(PREFIX):
            return self._datasets.build([data], name, replace=True).name
        if isinstance(data, str) and any(manifest.name == data for manifest in self._datasets.list()):
            return data
        if not path.exists():
            raise InvalidInput(
                f"{str(data)!r} is neither a dataset nor a file.",
                hint="See which datasets there are: edgellm data list",
                field="data",
            )
        return self._datasets.build([path], name, replace=True).name

"""Training: adapters made from datasets, as jobs."""

from __future__ import annotations

import builtins
from pathlib import Path

import msgspec

from edgellm.errors import InvalidInput
from edgellm.hub.adapters import adapter_name
from edgellm.hub.installed import Library
from edgellm.sdk.datasets import Datasets
from edgellm.sdk.jobs import Jobs
from edgellm.sdk.training_request import TrainRequest, request_from
from edgellm.store import StoredJob
from edgellm.train.settings import TrainSettings

KIND = "train"


class Training:
    """Errors: InvalidInput, ModelNotFound, DatasetNotFound, DataRejected, JobError, MissingExtra."""

    def __init__(self, jobs: Jobs, datasets: Datasets, library: Library) -> None:
        self._jobs, self._datasets, self._library = jobs, datasets, library

    def start(
        self, data: str | Path, base: str, name: str, settings: TrainSettings | None = None, *, ranks: int = 1
    ) -> StoredJob:
        """Begin to teach the model `base`; the adapter `name` is there when the job has finished.

        `data` is the name of a dataset, or a file of examples, which becomes the dataset `name`.
        """
        adapter_name(name)
        base = self._library.find(base).reference
        request = TrainRequest(
            dataset=self._dataset(data, name), base=base, name=name, settings=settings or TrainSettings(), ranks=ranks
        )
        arguments = msgspec.to_builtins(request)
        request_from(arguments)  # refused here, before there is a job
        return self._jobs.start(KIND, f"{base} learns {name}", arguments)

    def list(self) -> builtins.list[StoredJob]:
        """Training jobs, newest first."""
        return [job for job in self._jobs.list(limit=1000) if job.kind == KIND]

    def _dataset(self, data: str | Path, name: str) -> str:
        path = Path(data).expanduser()
        if isinstance(data, str) and any(manifest.name == data for manifest in self._datasets.list()):
            return data
        if not path.exists():
            raise InvalidInput(
                f"{str(data)!r} is neither a dataset nor a file.",
                hint="See which datasets there are: edgellm data list",
                field="data",
            )
        return self._datasets.build([path], name, replace=True).name

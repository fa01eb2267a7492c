"""Training: adapters made from datasets, as jobs."""

from __future__ import annotations

import builtins
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from edgellm.errors import DatasetNotFound, InvalidInput
from edgellm.hub.adapters import Shelf, adapter_name
from edgellm.hub.installed import InstalledModel, Library
from edgellm.hub.names import name_from, split_adapter
from edgellm.paths import Home
from edgellm.sdk.datasets import Columns, Datasets
from edgellm.sdk.jobs import Jobs
from edgellm.sdk.taught_model import check_room
from edgellm.sdk.training_examples import Examples
from edgellm.sdk.training_request import TrainRequest, request_from
from edgellm.sdk.training_start import inherited, starting_adapter
from edgellm.store import StoredJob
from edgellm.train.settings import TrainSettings

if TYPE_CHECKING:
    from edgellm.data.dataset import Manifest

KIND = "train"
_MOST_NAMESAKES = 1000


def check_vacant(shelf: Shelf, library: Library, base: InstalledModel, name: str, settings: TrainSettings) -> None:
    """Whether what a run makes can be called so.

    Raises: InvalidInput when the name is taken; DiskFull when a model that is to be made has no room.
    """
    if not settings.makes_adapter:
        check_room(library, name, base.path)
    elif any(adapter.name == name for adapter in shelf.list()):
        hint = f"Choose another name, or remove it first: edgellm adapters remove {name}"
        raise InvalidInput(f"There is an adapter named {name!r} already.", hint=hint, field="name")


class Training:
    """Errors: InvalidInput, ModelNotFound, AdapterNotFound, DatasetNotFound, DataRejected, JobError, MissingExtra."""

    def __init__(self, home: Home, jobs: Jobs, datasets: Datasets, library: Library) -> None:
        self._home, self._shelf = home, Shelf(home)
        self._jobs, self._datasets, self._library = jobs, datasets, library

    def start(
        self,
        data: str | Path,
        base: str,
        name: str,
        settings: TrainSettings | None = None,
        *,
        columns: Columns | None = None,
        ranks: int = 1,
        hosts: str = "",
    ) -> StoredJob:
        """Begin to teach the model `base`; the adapter `name` is there when the job has finished.

        `data` is the name of a dataset; or a file of examples or `drafts:NAME`, which become the dataset `name`.
        `columns` says which of the file's columns is what, where their names do not: `prompt=Frage,completion=Antwort`.
        For the objectives dpo, orpo and kto it is a JSONL file of judged answers. With `MODEL@ADAPTER` as base that
        adapter goes on learning, under the new name.
        `hosts` are lines of `ADDRESS[:PORT] [SSH-TARGET [COMMAND ...]]`, this machine first.
        """
        adapter_name(name)
        settings = settings or TrainSettings()
        check_vacant(self._shelf, self._library, self._library.find(split_adapter(base)[0]), name, settings)
        shared = {"ranks": ranks, "hosts": hosts}
        request = self._request(Examples(data, columns), base, name, settings, shared)
        return self._jobs.start(KIND, f"{request['base']} learns {name}", request)

    def plan(
        self,
        data: str | Path,
        base: str,
        settings: TrainSettings | None = None,
        *,
        columns: Columns | None = None,
        ranks: int = 1,
        hosts: str = "",
    ) -> StoredJob:
        """Begin to find out what a run would take; the job's result has sizes, verdict and seconds.

        A file of examples becomes a dataset that is named after it, with a number where the name is another dataset's.
        """
        examples, shared = Examples(data, columns), {"ranks": ranks, "hosts": hosts}
        request = self._request(examples, base, self._free_name(examples), settings, shared)
        return self._jobs.start("plan", f"Plan: {request['base']} learns {request['dataset']}", request)

    def _request(
        self, examples: Examples, base: str, name: str, settings: TrainSettings | None, shared: dict[str, Any]
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
            **self._material(examples, name, settings),
            **shared,
        )
        arguments: dict[str, Any] = msgspec.to_builtins(request)
        request_from(arguments)
        return arguments

    def list(self) -> builtins.list[StoredJob]:
        """Training jobs, newest first."""
        return [job for job in self._jobs.list(limit=1000) if job.kind == KIND]

    def _material(self, examples: Examples, name: str, settings: TrainSettings) -> dict[str, Any]:
        """Which of the request's fields say what is learnt from."""
        if not settings.is_preference:
            return {"dataset": self._dataset(examples, name)}
        examples.check_no_columns("A file of judged answers has columns of fixed names")
        from edgellm.sdk.training_preferences import checked_file  # deferred: what reads examples is needed here alone

        path = Path(examples.data).expanduser()
        return {"dataset": name_from(path.stem), "preferences": checked_file(path, settings)}

    def _dataset(self, examples: Examples, name: str) -> str:
        """The name of the dataset that is meant; of a file or of drafts, one that is built."""
        data, source = examples.data, examples.source
        if isinstance(source, Path) and isinstance(data, str) and self._manifest(data) is not None:
            examples.check_no_columns(f"{data!r} is a dataset, which is read already")
            return data
        examples.check_source()
        if not self._is_free(name, examples):
            raise InvalidInput(
                f"There is a dataset named {name!r} already, of other files, other columns or rules of its own.",
                hint="Learn from it by its name, or choose another name.",
                field="name",
            )
        return self._datasets.build([source], name, replace=True, columns=examples.columns).name

    def _free_name(self, examples: Examples) -> str:
        """A name for the dataset of a plan."""
        wanted = name_from(Path(examples.data).stem)
        candidates = (wanted, *(f"{wanted}-{number}" for number in range(2, _MOST_NAMESAKES)))
        return next((name for name in candidates if self._is_free(name, examples)), wanted)

    def _is_free(self, name: str, examples: Examples) -> bool:
        """Whether a dataset may be called so: none is, or one that these examples have made."""
        found = self._manifest(name)
        return found is None or examples.made(found)

    def _manifest(self, name: str) -> Manifest | None:
        """Of a dataset; None where there is none of that name. Raises: DataRejected when it is damaged."""
        from edgellm.data.build import valid_name  # deferred: what reads examples is needed when there are some
        from edgellm.data.dataset import read_manifest

        try:
            folder = self._home.datasets / valid_name(name)
        except InvalidInput:
            return None  # a path, or nothing that could be a name
        with suppress(DatasetNotFound):
            return read_manifest(folder)
        return None

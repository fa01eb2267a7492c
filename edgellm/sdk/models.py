"""Models on this machine and in the catalogue: choose, fit, fetch, load."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from pathlib import Path

from edgellm.events import JobEvent
from edgellm.hub.cards import Catalogue, ModelCard, load_catalogue
from edgellm.hub.download import pull
from edgellm.hub.fit import Fit
from edgellm.hub.hardware import Hardware, probe
from edgellm.hub.inspect import Inspection
from edgellm.hub.installed import InstalledModel, Library
from edgellm.hub.names import split_adapter
from edgellm.sdk.addressing import Addressing
from edgellm.sdk.engines import Engines
from edgellm.sdk.jobs import Jobs
from edgellm.store import StoredJob

OnEvent = Callable[[JobEvent], None]


class Models:
    """Errors: ModelNotFound, ModelRejected, ModelDoesNotFit, DownloadError, InvalidInput, DiskFull."""

    def __init__(
        self,
        library: Library,
        engines: Engines,
        jobs: Jobs,
        addressing: Addressing,
        *,
        offline: bool,
        endpoint: str | None,
    ) -> None:
        self._library = library
        self._addressing = addressing
        self._engines = engines
        self._jobs = jobs
        self._offline = offline
        self._endpoint = endpoint
        self._catalogue: Catalogue | None = None

    def list(self) -> builtins.list[InstalledModel]:
        """Models on this machine, by name."""
        return self._library.list()

    def get(self, name: str) -> InstalledModel:
        """An installed model by name, `starter`, or the path of a GGUF file; of `starter@lighthouse` the base."""
        return self._library.find(split_adapter(name)[0])

    def resolve(self, name: str) -> str:
        """What finds a model, its adapter included, again from any folder: a name, a path, or an alias."""
        return self._addressing.resolve(name)

    def cards(self) -> builtins.list[ModelCard]:
        """The catalogue, by id."""
        catalogue = self.catalogue()
        return [catalogue.get(card_id) for card_id in catalogue.ids]

    def card(self, card_id: str) -> ModelCard:
        """One card by id."""
        return self.catalogue().get(card_id)

    def catalogue(self) -> Catalogue:
        """All cards, read once."""
        if self._catalogue is None:
            self._catalogue = load_catalogue()
        return self._catalogue

    def hardware(self, *, measure_bandwidth: bool = False) -> Hardware:
        """What this machine has."""
        return probe(measure_bandwidth=measure_bandwidth, disk=self._library.folder)

    def fit(self, name: str, context_tokens: int | None = None) -> Fit:
        """Whether an installed model, or else a card, fits this machine, with the reason in one sentence."""
        return self._engines.fit(name, self.catalogue(), context_tokens)

    def fits(self) -> dict[str, Fit]:
        """How each card fits this machine, by id; without those whose installed file is refused."""
        return self._engines.fits(self.catalogue())

    def inspect(self, name: str) -> Inspection:
        """What a child process found in the model's file; of an alias, in that of the model that it stands for."""
        return self._engines.inspection(self.get(self._addressing.target(name).model))

    def add(self, path: str | Path, name: str | None = None, on_event: OnEvent | None = None) -> InstalledModel:
        """Take a GGUF file into the library, after inspection."""
        return self._library.add(Path(path), name, on_event or (lambda _: None))

    def add_folder(self, folder: str | Path, name: str | None = None, type: str | None = None) -> StoredJob:
        """Begin to convert a Hugging Face or MLX folder (safetensors) to GGUF in a process of its own.

        Args:
            name: of the model in the library; None: after the folder.
            type: F32, F16 or BF16; None: BF16 for a folder in bfloat16, else F16.

        The job's result names the model. Folders with code, pickles or links, unknown families and taken names are
        refused at once. Raises: ModelRejected, InvalidInput.
        """
        from edgellm.sdk.conversion import conversion

        wanted = conversion(self._library, Path(folder), name, type)
        return self._jobs.start("convert", f"Convert {wanted.folder.name} to {wanted.type}", wanted.arguments())

    def pull(self, reference: str, on_event: OnEvent | None = None) -> InstalledModel:
        """Fetch a card's file, or OWNER/REPO[/FILE], from the hub; resumes what was begun."""
        return pull(
            reference,
            self._library,
            offline=self._offline,
            endpoint=self._endpoint,
            on_event=on_event or (lambda _: None),
        )

    def verify(self, name: str, on_event: OnEvent | None = None) -> InstalledModel:
        """Read the file again and compare its SHA-256. Raises: IntegrityError."""
        return self._library.verify(name, on_event or (lambda _: None))

    def remove(self, name: str) -> None:
        """Delete an installed model's file."""
        self.unload(name)
        self._library.remove(name)

    def loaded(self) -> builtins.list[str]:
        """Names of models that are in memory now."""
        return self._engines.loaded()

    def load(self, name: str, on_progress: Callable[[float], None] | None = None) -> str:
        """Open a model, or the one that an alias stands for, ahead of its first use; returns its canonical name."""
        return self._engines.worker(self._addressing.target(name).model, on_progress or (lambda _: None))[0]

    def unload(self, name: str) -> None:
        """Close a model; its saved conversations stay."""
        self._engines.unload(name)

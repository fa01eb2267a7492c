"""The adapters on this machine: each a folder with its GGUF file and a manifest."""

from __future__ import annotations

import builtins
import datetime
import os
import shutil
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import msgspec

from edgellm.decoding import from_json
from edgellm.disk_space import check_space
from edgellm.errors import AdapterNotFound, InvalidInput
from edgellm.file_lock import locked
from edgellm.hub.installed import sha256_of
from edgellm.hub.names import MAX_NAME, is_name, name_from, no_such_file
from edgellm.paths import Home, private_dir, sync_dir, write_private

FORMAT = 1
GGUF, MANIFEST = "adapter.gguf", "manifest.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseRecord:
    """The model that an adapter was made for."""

    name: str
    sha256: str
    """Of the model's file."""
    architecture: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetRecord:
    """What an adapter was trained on."""

    name: str
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterManifest:
    """What is remembered beside an adapter. Keys of later versions are passed over."""

    format: int = FORMAT
    name: str
    base: BaseRecord
    dataset: DatasetRecord | None = None
    """None: made elsewhere."""
    plan: Mapping[str, Any] = field(default_factory=dict)
    """The settings it was trained with."""
    losses: Mapping[str, Any] = field(default_factory=dict)
    verification: Mapping[str, Any] = field(default_factory=dict)
    """What was found when its GGUF file was compared with what was learnt; empty where nothing was."""
    created: str = ""
    """Date and time in UTC, ISO 8601."""
    source: str = ""
    """The file that was attached; empty for an adapter that was trained here."""


@dataclass(frozen=True, slots=True)
class InstalledAdapter:
    """An adapter that can be used."""

    folder: Path
    manifest: AdapterManifest

    @property
    def name(self) -> str:
        """What follows the `@` in a model's name."""
        return self.folder.name

    @property
    def path(self) -> Path:
        """The file that the engine loads."""
        return self.folder / GGUF

    @property
    def size_bytes(self) -> int:
        """Size of that file."""
        return self.path.stat().st_size

    @property
    def reference(self) -> str:
        """The name of the base with this adapter: `starter@lighthouse`."""
        return f"{self.manifest.base.name}@{self.name}"

    @property
    def origin(self) -> str:
        """Where it comes from, in a few words."""
        if self.manifest.dataset is not None:
            return f"trained on {self.manifest.dataset.name}"
        return f"attached from {self.manifest.source}" if self.manifest.source else ""


class Shelf:
    """Adapters below one private folder, each `NAME/adapter.gguf` with its `NAME/manifest.json`.

    An adapter exists when both exist. Names are checked before they become part of a path; symbolic links are ignored.
    """

    def __init__(self, home: Home) -> None:
        self.folder = home.adapters

    def list(self) -> builtins.list[InstalledAdapter]:
        """All adapters with a readable manifest, by name."""
        found = []
        for name in self._names():
            with suppress(InvalidInput):  # `get` says what is wrong with it
                found.append(self.get(name))
        return found

    def get(self, name: str) -> InstalledAdapter:
        """An adapter by name. Raises: AdapterNotFound; InvalidInput when its manifest cannot be read."""
        folder = self._folder_of(name)
        try:
            manifest = from_json((folder / MANIFEST).read_bytes(), type=AdapterManifest)
        except msgspec.MsgspecError as error:
            raise InvalidInput(
                f"The manifest of the adapter {name!r} cannot be read: {error}.",
                hint=f"Remove it (edgellm adapters remove {name}) and make it again.",
                field="adapter",
            ) from error
        if manifest.format > FORMAT:
            raise InvalidInput(
                f"The adapter {name!r} has the format {manifest.format}, of a newer EdgeLLM; {FORMAT} is known.",
                hint="Update EdgeLLM.",
                field="adapter",
            )
        return InstalledAdapter(folder, manifest)

    def remove(self, name: str) -> None:
        """Delete an adapter with all its files. Raises: AdapterNotFound."""
        self._folder_of(name)  # a name that cannot be one gets no lock
        with locked(self._lock_path(name)):
            aside = self._clear_aside(name)
            self._folder_of(name).rename(aside)  # gone at once, however long deleting takes
            shutil.rmtree(aside)

    def attach(self, file: Path, base: BaseRecord, name: str | None = None) -> InstalledAdapter:
        """Take in a LoRA file that was made elsewhere and has been checked; named after the file when `name` is None.

        Attaching the same content under the same name again changes nothing.
        Raises: ModelNotFound, InvalidInput (the name is taken or impossible), DiskFull.
        """
        if not file.is_file():
            raise no_such_file(str(file))
        chosen = adapter_name(name if name is not None else name_from(file.stem))
        check_space(self.folder, file.stat().st_size)
        draft = private_dir(self.folder / f".{chosen}.{os.getpid()}-{threading.get_ident()}.part")
        try:
            shutil.copyfile(file, draft / GGUF)
            created = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
            return self.admit(
                draft, AdapterManifest(name=chosen, base=base, created=created, source=str(file.absolute()))
            )
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def admit(self, draft: Path, manifest: AdapterManifest) -> InstalledAdapter:
        """Give a complete folder on the same disk its manifest and its final name.

        Raises: InvalidInput when the name belongs to other content, or is impossible.
        """
        name = adapter_name(manifest.name)
        write_private(draft / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest), indent=2))
        with locked(self._lock_path(name)):
            self._clear_aside(name)
            if self._exists(name):
                existing = self.get(name)
                if existing.manifest.base == manifest.base and sha256_of(existing.path) == sha256_of(draft / GGUF):
                    return existing
                hint = f"Choose another name, or remove it first: edgellm adapters remove {name}"
                raise InvalidInput(f"Another adapter is already named {name!r}.", hint=hint, field="name")
            draft.rename(self.folder / name)
        sync_dir(self.folder)
        return self.get(name)

    def _clear_aside(self, name: str) -> Path:
        """Where an adapter goes that is being removed, empty: whoever was killed meanwhile left it there.

        Call it with the lock of the name.
        """
        aside = self.folder / f".{name}.removed.part"
        if aside.exists():
            shutil.rmtree(aside)
        return aside

    def _folder_of(self, name: str) -> Path:
        if self._exists(name):
            return self.folder / name
        near = get_close_matches(name[:MAX_NAME], self._names(), 1)
        hint = f"Did you mean {near[0]!r}?" if near else "See which there are: edgellm adapters list"
        raise AdapterNotFound(f"There is no adapter named {name[:MAX_NAME]!r}.", hint=hint, name=name[:MAX_NAME])

    def _names(self) -> builtins.list[str]:
        return sorted(path.parent.name for path in self.folder.glob(f"*/{MANIFEST}") if self._exists(path.parent.name))

    def _exists(self, name: str) -> bool:
        if not is_name(name):
            return False
        paths = [self.folder / name, self.folder / name / GGUF, self.folder / name / MANIFEST]
        return all(path.exists() and not path.is_symlink() for path in paths)

    def _lock_path(self, name: str) -> Path:
        return private_dir(self.folder) / f".{adapter_name(name)}.lock"


def adapter_name(text: str) -> str:
    """`text` itself. Raises: InvalidInput when it cannot name an adapter."""
    if not is_name(text) or text.endswith(".gguf"):  # `x@y.gguf` is a file
        raise InvalidInput(
            f"{text[:MAX_NAME]!r} cannot be an adapter's name.",
            hint=f"Use letters, digits, '_', '-' and single dots; a letter or digit first; no .gguf; up to {MAX_NAME}.",
            field="name",
        )
    return text

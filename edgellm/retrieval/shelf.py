"""The collections on this machine: one file each, by name."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from pathlib import Path

from edgellm.errors import CollectionNotFound, InvalidInput, StoreError
from edgellm.file_lock import locked
from edgellm.hub.names import MAX_NAME, is_name
from edgellm.paths import Home, private_dir
from edgellm.retrieval.collection import Collection
from edgellm.retrieval.values import CollectionInfo, EmbedderIdentity

SUFFIX = ".sqlite"
BESIDE = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside a file while it is open."""


class CollectionShelf:
    """Errors: InvalidInput for a name that cannot be one, CollectionNotFound, StoreError and its kinds."""

    def __init__(self, home: Home) -> None:
        self._folder = home.collections

    def names(self) -> builtins.list[str]:
        """Every collection's name, in order."""
        found = (path.stem for path in self._folder.glob(f"*{SUFFIX}") if path.is_file())
        return sorted(name for name in found if is_name(name))

    def path(self, name: str) -> Path:
        """Where a collection of this name is, or would be."""
        return self._folder / f"{checked_collection_name(name)}{SUFFIX}"

    def open(self, name: str) -> Collection:
        """The collection of this name."""
        path = self.path(name)
        if not path.is_file():
            raise self._missing(name)
        return Collection.open(path)

    def open_or_create(self, name: str, identity: Callable[[], EmbedderIdentity]) -> Collection:
        """The collection of this name; a new one holds vectors of the embedder that `identity` names."""
        path = self.path(name)
        with suppress(CollectionNotFound):
            return Collection.open(path)
        private_dir(self._folder)
        return Collection.create(path, identity())

    def list(self) -> builtins.list[CollectionInfo]:
        """Every collection, by name, also one that cannot be opened.

        Without one whose making was killed before it held anything.
        """
        found = []
        for name in self.names():
            with suppress(CollectionNotFound):
                found.append(self._shown(name))
        return found

    def _shown(self, name: str) -> CollectionInfo:
        """As `info`; of one that is damaged, too new or locked, why it cannot be opened."""
        try:
            return self.info(name)
        except StoreError as error:
            found = self.path(name).stat()
            return CollectionInfo(
                name=name,
                embedder="",
                files=0,
                failed=0,
                chunks=0,
                size_bytes=found.st_size,
                updated=found.st_mtime,
                reason=error.message,
            )

    def info(self, name: str) -> CollectionInfo:
        """What a list says of it."""
        path = self.path(name)
        with self.open(name) as collection:
            files = collection.files()
            ready = [file for file in files if file.status == "ready"]
            return CollectionInfo(
                name=name,
                embedder=collection.identity.name,
                files=len(ready),
                failed=len(files) - len(ready),
                chunks=sum(file.chunks for file in ready),
                size_bytes=path.stat().st_size,
                updated=max((file.added_at for file in files), default=path.stat().st_mtime),
            )

    def remove(self, name: str) -> None:
        """Delete a collection with everything in it."""
        path = self.path(name)
        if not path.is_file():
            raise self._missing(name)
        with self.locked(name, lambda: _refuse_busy(name)):
            for each in (path, *(path.with_name(path.name + ending) for ending in BESIDE)):
                each.unlink(missing_ok=True)

    @contextmanager
    def locked(self, name: str, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Hold the right to change a collection's files: two runs over one folder would do all the work twice."""
        with locked(self.path(name).with_suffix(".lock"), on_wait):
            yield

    def _missing(self, name: str) -> CollectionNotFound:
        near = get_close_matches(name, self.names(), 1)
        hint = f"Did you mean {near[0]!r}?" if near else f"Make it of documents: edgellm docs add PATH -c {name}"
        return CollectionNotFound(f"There is no collection {name!r}.", hint=hint, name=name)


def checked_collection_name(name: str) -> str:
    """`name` itself. Raises: InvalidInput when it cannot name a collection."""
    if not is_name(name):
        message = f"{name[:MAX_NAME]!r} cannot be a collection's name."
        hint = f"Use letters, digits, '_', '-' and single dots; a letter or digit first; at most {MAX_NAME}."
        raise InvalidInput(message, hint=hint, field="collection")
    return name


def _refuse_busy(name: str) -> None:
    message = f"The collection {name!r} is being changed by another run."
    raise StoreError(message, hint="Wait for it, or cancel it: edgellm jobs list")

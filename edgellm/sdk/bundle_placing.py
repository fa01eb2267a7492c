"""Opens a bundle: everything is checked in a work folder, then put in place as one, or not at all."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from edgellm.adapter_header import read_adapter_header
from edgellm.decoding import from_json
from edgellm.disk_space import check_space
from edgellm.errors import InvalidInput
from edgellm.events import Progressed
from edgellm.export.bundle.manifest import BundledAdapter, BundledCollection, Manifest, unusable
from edgellm.export.bundle.read import BundleReader
from edgellm.export.bundle.write import MANIFEST
from edgellm.export.folder import appearing, keep, put_in_place
from edgellm.file_lock import locked
from edgellm.gguf_header import read_header
from edgellm.hub.adapters import FORMAT, GGUF, AdapterManifest, InstalledAdapter, Shelf
from edgellm.hub.installed import InstalledModel, Library, sha256_of, starter
from edgellm.hub.installed import Manifest as ModelManifest
from edgellm.hub.progress import OnEvent
from edgellm.paths import Home, private_dir, write_private

if TYPE_CHECKING:
    from edgellm.retrieval.collection import Collection


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedBundle:
    """What a bundle brought, now on this machine."""

    manifest: Manifest
    model: InstalledModel
    adapter: InstalledAdapter | None
    collections: tuple[str, ...]
    folder: Path
    """Prompts, licence, cards and reports, to be read."""
    signed_by: str
    """A short name of the key; empty when it is not signed."""
    is_verified: bool
    """Whether the signature was checked with a key that the caller gave."""

    @property
    def reference(self) -> str:
        """The model's name with its adapter: what is chatted with."""
        return f"{self.model.reference}@{self.adapter.name}" if self.adapter else self.model.reference


def bundles_folder(home: Home) -> Path:
    """One folder per bundle that was opened, with what is there to be read."""
    return home.data / "bundles"


class Placing:
    """One opening. Errors: InvalidInput, IntegrityError, ModelRejected, StoreError and its kinds, OSError."""

    def __init__(self, home: Home, library: Library, reader: BundleReader) -> None:
        self._home, self._library, self._reader = home, library, reader
        self._manifest = reader.sealed.manifest
        self._members = {member.path: member for member in self._manifest.members}
        self._files: dict[str, Path] = {}
        """Where each member is until it is put in place."""
        self._folders: dict[Path, Path] = {}
        """The work folder beside each final place."""
        self._same_collections: set[str] = set()
        """Those that are here already."""

    def run(self, on_event: OnEvent, *, is_verified: bool) -> OpenedBundle:
        """Check everything, then put it in place; when anything fails, nothing of it is left."""
        manifest = self._manifest
        with locked(private_dir(self._home.data) / ".bundles.lock"), ExitStack() as work:
            self._check_names()
            self._choose_files(work)
            self._reader.unpack(lambda path: self._files[path].open("xb"), on_event)
            for file in self._files.values():
                keep(file)
            self._check_content()
            with ExitStack() as undo:
                model = self._place_model(undo)
                adapter = self._place_adapter(manifest.adapter, model, undo) if manifest.adapter else None
                for collection in manifest.collections:
                    self._place_collection(collection, undo)
                folder = self._place_papers(undo)
                self._place_embedders(undo, on_event)
                undo.pop_all()
        return OpenedBundle(
            manifest=manifest,
            model=model,
            adapter=adapter,
            collections=tuple(collection.name for collection in manifest.collections),
            folder=folder,
            signed_by=self._reader.sealed.signed_by,
            is_verified=is_verified,
        )

    def _check_names(self) -> None:
        """Refuse names that belong to something else before gigabytes are read. Raises: InvalidInput."""
        self._same_model()
        if self._manifest.adapter is not None:
            self._has_adapter(self._manifest.adapter)
        self._has_papers()

    def _choose_files(self, work: ExitStack) -> None:
        """Work folders beside the final places, so that renaming is enough. Raises: DiskFull."""
        manifest, home = self._manifest, self._home
        places = {
            home.models: {manifest.model.path: "model.gguf"},
            home.adapters: {manifest.adapter.path: GGUF} if manifest.adapter else {},
            home.collections: {each.path: f"{each.name}.sqlite" for each in manifest.collections},
            home.embedders: _embedder_files(manifest),
        }
        taken = {path for names in places.values() for path in names}
        places[bundles_folder(home)] = {path: path for path in self._members if path not in taken}
        self._check_space(places)
        for parent, names in places.items():
            if names or parent == bundles_folder(home):
                folder = work.enter_context(appearing(parent / f"bundle-{manifest.name}"))
                self._folders[parent] = folder
                self._files |= {path: folder / name for path, name in names.items()}
        for file in self._files.values():
            private_dir(file.parent)

    def _check_space(self, places: Mapping[Path, Mapping[str, str]]) -> None:
        """Raises: DiskFull when a disk cannot hold all that is to go there."""
        needed: dict[int, int] = {}
        for parent, names in places.items():
            disk = private_dir(parent).stat().st_dev
            needed[disk] = needed.get(disk, 0) + sum(self._members[path].size_bytes for path in names)
            check_space(parent, needed[disk])

    def _check_content(self) -> None:
        """What the hashes cannot tell: whether the files can be used. Raises: as the class."""
        manifest = self._manifest
        model = self._files[manifest.model.path]
        self._library.inspect(model)
        if manifest.adapter is not None:
            self._adapter_manifest(manifest.adapter)
            adapter = read_adapter_header(self._files[manifest.adapter.path])
            adapter.check_base(read_header(model))
            adapter.check_values()
        for collection in manifest.collections:
            self._check_collection(collection)
        if manifest.embedders:
            from edgellm.sdk.bundle_embedders import check_embedder, folder_name

            for embedder in manifest.embedders:
                check_embedder(self._folders[self._home.embedders] / folder_name(embedder), embedder)

    def _same_model(self) -> InstalledModel | None:
        """The model when it is here already: under its name, or as the starter. Raises: InvalidInput."""
        wanted = self._members[self._manifest.model.path].sha256
        here = starter()
        if here is not None and here.sha256 == wanted:
            return here
        return self._library.vacant_or_same(self._manifest.model.name, wanted)

    def _place_model(self, undo: ExitStack) -> InstalledModel:
        name = self._manifest.model.name
        with locked(self._library.lock_path(name)):
            existing = self._same_model()
            if existing is not None:
                return existing
            member = self._members[self._manifest.model.path]
            remembered = ModelManifest(
                name=name,
                sha256=member.sha256,
                size_bytes=member.size_bytes,
                source=f"bundle {self._manifest.name}",
                added_at=time.time(),
            )
            admitted = self._library.admit(self._files[member.path], remembered)
        undo.callback(self._library.remove, name)
        return admitted

    def _adapter_manifest(self, adapter: BundledAdapter) -> AdapterManifest:
        """What came with it. Raises: InvalidInput when it is malformed, newer, or of another base."""
        try:
            found = from_json(self._files[adapter.manifest_path].read_bytes(), type=AdapterManifest)
        except msgspec.DecodeError as error:
            raise unusable(f"the adapter's manifest is not understood: {error}") from error
        if found.format > FORMAT:
            raise unusable(f"its adapter has the format {found.format}, of a newer EdgeLLM; update EdgeLLM")
        if found.base.sha256 != self._members[self._manifest.model.path].sha256:
            raise unusable("its adapter was made for another model than the one in it")
        return found

    def _has_adapter(self, adapter: BundledAdapter) -> bool:
        """Whether the same adapter is here. Raises: InvalidInput when another one has its name."""
        here = next((found for found in Shelf(self._home).list() if found.name == adapter.name), None)
        if here is not None and sha256_of(here.path) != self._members[adapter.path].sha256:
            raise _taken("adapter", adapter.name, f"remove it first: edgellm adapters remove {adapter.name}")
        return here is not None

    def _place_adapter(self, adapter: BundledAdapter, model: InstalledModel, undo: ExitStack) -> InstalledAdapter:
        shelf = Shelf(self._home)
        if self._has_adapter(adapter):
            return shelf.get(adapter.name)
        made = self._adapter_manifest(adapter)
        base = replace(made.base, name=model.reference)
        admitted = shelf.admit(self._files[adapter.path].parent, replace(made, name=adapter.name, base=base))
        undo.callback(shelf.remove, adapter.name)
        return admitted

    def _check_collection(self, collection: BundledCollection) -> None:
        """Raises: StoreDamaged, StoreTooNew; InvalidInput when another collection has its name."""
        from edgellm.retrieval.collection import Collection
        from edgellm.retrieval.shelf import CollectionShelf

        with Collection.open(self._files[collection.path]) as brought:
            findings = brought.verify()
            if findings:
                raise unusable(f"its collection {collection.name!r} is damaged: {findings[0]}")
            shelf = CollectionShelf(self._home)
            if collection.name in shelf.names():
                with shelf.open(collection.name) as here:
                    if _contents(here) != _contents(brought):
                        raise _taken_collection(collection.name)
                self._same_collections.add(collection.name)

    def _place_collection(self, collection: BundledCollection, undo: ExitStack) -> None:
        from edgellm.retrieval.shelf import CollectionShelf

        shelf = CollectionShelf(self._home)
        with shelf.locked(collection.name):
            target = shelf.path(collection.name)
            if target.exists():
                if collection.name not in self._same_collections:
                    raise _taken_collection(collection.name)
                return
            self._files[collection.path].rename(target)
        undo.callback(target.unlink)

    def _has_papers(self) -> bool:
        """Whether this very bundle was opened before. Raises: InvalidInput when another one had its name."""
        folder = bundles_folder(self._home) / self._manifest.name
        if not folder.exists():
            return False
        kept = folder / MANIFEST
        if not kept.is_file() or kept.read_bytes() != self._reader.sealed.content:
            raise _taken("bundle", self._manifest.name, f"remove the folder {str(folder)!r} first.")
        return True

    def _place_papers(self, undo: ExitStack) -> Path:
        folder, made = bundles_folder(self._home) / self._manifest.name, self._folders[bundles_folder(self._home)]
        if not self._has_papers():
            write_private(made / MANIFEST, self._reader.sealed.content)
            put_in_place(made, folder)
            undo.callback(shutil.rmtree, folder)
        return folder

    def _place_embedders(self, undo: ExitStack, on_event: OnEvent) -> None:
        """The last step: proving an embedder takes seconds, and leaves a file that is worth keeping."""
        if self._manifest.embedders:
            from edgellm.sdk.bundle_embedders import folder_name, place_embedder

            size = self._manifest.size_bytes
            for embedder in self._manifest.embedders:
                folder = self._folders[self._home.embedders] / folder_name(embedder)
                news = Progressed(done=size, total=size, note=f"proving the embedder {embedder.name}")
                place_embedder(self._home, folder, embedder, undo, partial(on_event, news))


def _embedder_files(manifest: Manifest) -> dict[str, str]:
    """Where each of the embedders' files goes, below this machine's embedders."""
    if not manifest.embedders:
        return {}
    from edgellm.sdk.bundle_embedders import folder_name

    return {
        file.path: f"{folder_name(embedder)}/{file.name}" for embedder in manifest.embedders for file in embedder.files
    }


def _contents(collection: Collection) -> tuple[object, Mapping[str, object]]:
    """What makes two collections the same: the embedder, and each file as it was read."""
    files = {stored.file.name: (stored.file.sha256, stored.status, stored.chunks) for stored in collection.files()}
    return replace(collection.identity, name=""), files


def _taken_collection(name: str) -> InvalidInput:
    return _taken("collection", name, f"remove it first: edgellm docs remove --all -c {name}")


def _taken(what: str, name: str, how: str) -> InvalidInput:
    hint = f"The bundle's own does not take its place. To have that instead, {how}"
    return InvalidInput(f"Another {what} is already named {name!r}.", hint=hint, field="name")

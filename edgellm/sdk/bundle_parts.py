"""What goes into a bundle: the model's files, copies of collections, and what is known about them."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

import edgellm
from edgellm.errors import EdgeLLMError, InvalidInput, ModelError
from edgellm.export.bundle.manifest import BundledAdapter, BundledCollection, BundledEmbedder, BundledModel, Manifest
from edgellm.export.bundle.write import Part
from edgellm.gguf_header import read_header
from edgellm.hub.adapters import MANIFEST, Shelf
from edgellm.hub.cards import ModelCard, card_ids, load_catalogue
from edgellm.hub.installed import InstalledModel, Library, sha256_of
from edgellm.hub.names import STARTER, checked_name, name_from, split_adapter
from edgellm.paths import Home
from edgellm.sdk.engines import Engines
from edgellm.sdk.export_order import folder_of
from edgellm.settings import Settings
from edgellm.store.copying import copy_database

if TYPE_CHECKING:
    from edgellm.hub.inspect import Inspection

MAX_PROMPT_BYTES = 1024**2
MOST_EVALUATIONS = 20
RUN, REPORT = "run.json", "report.md"
"""Of an evaluation that is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleRequest:
    """What is to be sealed."""

    name: str
    model: str
    """Name or path, with an adapter or without: `starter@lighthouse`."""
    collections: tuple[str, ...] = ()
    prompts: tuple[Path, ...] = ()
    """Text files with instructions for the model."""


def gather(home: Home, library: Library, request: BundleRequest, scratch: Path) -> tuple[Manifest, list[Part]]:
    """The manifest, yet without members, and what they are to hold; copies of collections are made in `scratch`.

    Raises: ModelNotFound, ModelRejected, AdapterNotFound, CollectionNotFound, InvalidInput, ModelError, StoreError.
    """
    bundle_name = checked_name(request.name)
    base_name, adapter_name = split_adapter(request.model)
    model = library.find(base_name)
    found = library.inspect(model.path)
    sha256 = model.sha256 or sha256_of(model.path)
    name = _portable_name(model)
    adapter, adapter_parts = _adapter(home, adapter_name, model, sha256) if adapter_name else (None, [])
    collections, embedders, copies = _collections(home, request.collections, scratch)
    about = Manifest(
        name=bundle_name,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        edgellm=edgellm.__version__,
        model=_model(name, found),
        adapter=adapter,
        collections=tuple(collections),
        embedders=tuple(embedders),
    )
    weights = Part(path="model.gguf", content=model.path, sha256=sha256)
    both = Engines(home, Settings(), library).weights(request.model)
    texts = [*_prompts(request.prompts), *_papers(home, model, found, sha256), *_evaluations(home, both)]
    return about, [weights, *adapter_parts, *copies, *texts]


def _portable_name(model: InstalledModel) -> str:
    """What the model is called where nobody has its package or its path."""
    return model.name if model.removable and model.name != STARTER else name_from(model.path.stem)


def _model(name: str, found: Inspection) -> BundledModel:
    return BundledModel(
        name=name,
        path="model.gguf",
        architecture=found.architecture,
        quantization=found.quantization,
        parameters=found.parameters,
        licence=found.licence or "",
    )


def _adapter(home: Home, name: str, model: InstalledModel, sha256: str) -> tuple[BundledAdapter, list[Part]]:
    """Raises: AdapterNotFound; ModelError when it was made for another base."""
    adapter = Shelf(home).get(name)
    if adapter.manifest.base.sha256 != sha256:
        raise ModelError(
            f"The adapter {name!r} was made for {adapter.manifest.base.name!r}, not for {model.name!r}.",
            hint=f"Bundle {adapter.reference}.",
            adapter=name,
        )
    parts = [
        Part(path="adapter.gguf", content=adapter.path),
        Part(path="adapter.json", content=(adapter.folder / MANIFEST).read_bytes()),
    ]
    return BundledAdapter(name=name, path="adapter.gguf", manifest_path="adapter.json"), parts


def _collections(
    home: Home, names: Sequence[str], scratch: Path
) -> tuple[list[BundledCollection], list[BundledEmbedder], list[Part]]:
    """What is copied into `scratch`, and the embedders. Raises: CollectionNotFound, InvalidInput, StoreError."""
    if not names:
        return [], [], []
    from edgellm.retrieval.collection.schema import COLLECTION  # what reads collections is loaded when there are some
    from edgellm.retrieval.shelf import CollectionShelf
    from edgellm.sdk.bundle_embedders import gather_embedders

    shelf = CollectionShelf(home)
    found, identities, copies = [], [], []
    for number, name in enumerate(dict.fromkeys(names), start=1):
        info, path = shelf.info(name), f"collection-{number}.sqlite"
        with shelf.open(name) as collection:
            identities.append(collection.identity)
        copy_database(shelf.path(name), scratch / path, COLLECTION)
        found.append(
            BundledCollection(name=name, path=path, embedder=info.embedder, files=info.files, chunks=info.chunks)
        )
        copies.append(Part(path=path, content=scratch / path))
    embedders, parts = gather_embedders(identities)
    return found, embedders, [*copies, *parts]


def _prompts(files: Sequence[Path]) -> Iterator[Part]:
    for number, file in enumerate(files, start=1):
        if not file.is_file() or file.stat().st_size > MAX_PROMPT_BYTES:
            message = f"{str(file)!r} is no file of at most {MAX_PROMPT_BYTES} bytes."
            raise InvalidInput(message, hint="Name a text file.", field="prompt")
        content = file.read_bytes()
        try:
            content.decode()
        except UnicodeDecodeError as error:
            raise InvalidInput(f"{str(file)!r} is no UTF-8 text.", field="prompt") from error
        yield Part(path=f"prompt-{number}.txt", content=content)


def _papers(home: Home, model: InstalledModel, found: Inspection, sha256: str) -> Iterator[Part]:
    """What people want to read: licence, the catalogue's card, and how the file was verified when it was exported."""
    card = load_catalogue().cards[model.name] if model.name in card_ids() else None
    yield Part(path="licence.txt", content=_licence(model, found, card).encode())
    if card is not None:
        yield Part(path="card.json", content=msgspec.json.format(msgspec.json.encode(card), indent=2))
    folders = (folder for folder in [model.path.parent, *folder_of(home).glob("*")] if _has_verified(folder, sha256))
    for number, folder in enumerate(folders, start=1):
        yield Part(path=f"report-{number}.json", content=(folder / "manifest.json").read_bytes())
        if (folder / "card.md").is_file():
            yield Part(path=f"card-{number}.md", content=(folder / "card.md").read_bytes())


def _evaluations(home: Home, weights: str) -> Iterator[Part]:
    """Runs that judged this very model with its adapter, newest first: figures and report. Raises: DataRejected."""
    manifests = list(home.evals.glob(f"*/{RUN}"))
    if not manifests:
        return
    from edgellm.evals.run import read_run  # numpy comes with it

    runs = [(read_run(path.parent), path.parent) for path in manifests]
    judged = [(run.created, folder) for run, folder in runs if run.subjects[0].weights == weights]
    for number, (_, folder) in enumerate(sorted(judged, reverse=True)[:MOST_EVALUATIONS], start=1):
        yield Part(path=f"evaluation-{number}.json", content=(folder / RUN).read_bytes())
        if (folder / REPORT).is_file():
            yield Part(path=f"evaluation-{number}.md", content=(folder / REPORT).read_bytes())


def _has_verified(folder: Path, sha256: str) -> bool:
    """Whether this is an export's folder, and the file was verified in it."""
    from edgellm.export.manifest import MANIFEST as EXPORT_MANIFEST
    from edgellm.export.manifest import read_manifest

    if not (folder / EXPORT_MANIFEST).is_file():
        return False
    with suppress(EdgeLLMError):
        return any(file.sha256 == sha256 for file in read_manifest(folder).files)
    return False


def _licence(model: InstalledModel, found: Inspection, card: ModelCard | None) -> str:
    header = read_header(model.path)
    lines = [
        f"Model: {found.name or model.name}",
        f"Licence as the file states it: {found.licence or 'not stated'}",
        *(f"{key}: {text}" for key in ("general.license.name", "general.license.link") if (text := header.text(key))),
    ]
    if card is not None:
        lines += [f"Licence by the catalogue: {card.licence}. {card.licence_note}", f"Source: {card.source}"]
    return "\n".join(lines) + "\n"

"""What a bundle says of itself: its parts, and the hash and size of every member."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from edgellm.decoding import from_json
from edgellm.errors import InvalidInput
from edgellm.hub.names import is_name

FORMAT = 1
MAX_MANIFEST_BYTES = 1024**2
MAX_MEMBERS = 1_000
_PATH = re.compile(r"[a-z]{1,20}(?:-[0-9]{1,3})?\.(?:gguf|json|safetensors|sqlite|txt|md)")
"""Members have plain names of their own; nothing is placed by them."""
_SHA256 = re.compile(r"[0-9a-f]{64}")
EMBEDDER_FILES = (
    "config.json",
    "modules.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    "1_Pooling/config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "model.safetensors",
)
"""The files that an embedder may bring."""
MAX_TEXT = 300
"""Characters of a value that an error or a list repeats."""


class Member(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file of the archive; the archive has them in this order."""

    path: str
    size_bytes: int
    sha256: str


class BundledModel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The model, as the library will call it."""

    name: str
    path: str
    architecture: str
    quantization: str
    parameters: int
    licence: str
    """As the file states it; empty when it does not."""


class BundledAdapter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the model was taught."""

    name: str
    path: str
    manifest_path: str


class EmbedderFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file of an embedder's folder."""

    path: str
    name: str
    """In the folder; one of `EMBEDDER_FILES`."""


class BundledEmbedder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a collection's vectors were made with, in the layout of sentence-transformers."""

    name: str
    sha256: str
    """Of the weights."""
    files: tuple[EmbedderFile, ...]


class BundledCollection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A collection of documents."""

    name: str
    path: str
    embedder: str
    """What its vectors were made with."""
    files: int
    chunks: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A bundle's `manifest.json`. What is in `members` and named nowhere else is there to be read by people."""

    format: int = FORMAT
    name: str
    created: str
    """Date and time in UTC, ISO 8601."""
    edgellm: str
    """The version that made it."""
    model: BundledModel
    adapter: BundledAdapter | None = None
    collections: tuple[BundledCollection, ...] = ()
    embedders: tuple[BundledEmbedder, ...] = ()
    members: tuple[Member, ...] = ()

    @property
    def reference(self) -> str:
        """The model's name with its adapter: what is chatted with."""
        return f"{self.model.name}@{self.adapter.name}" if self.adapter else self.model.name

    @property
    def size_bytes(self) -> int:
        """Of all members."""
        return sum(member.size_bytes for member in self.members)

    def named_paths(self) -> Iterator[str]:
        """Members that have a part to play when the bundle is opened."""
        yield self.model.path
        if self.adapter is not None:
            yield from (self.adapter.path, self.adapter.manifest_path)
        yield from (collection.path for collection in self.collections)
        yield from (file.path for embedder in self.embedders for file in embedder.files)


def encode_manifest(manifest: Manifest) -> bytes:
    """As it is written."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"


def decode_manifest(content: bytes) -> Manifest:
    """Raises: InvalidInput for a newer format, and for what no bundle of this format says."""
    try:
        found = from_json(content, type=_Any).format
        if found > FORMAT:
            raise _newer(found)
        manifest = from_json(content, type=Manifest)
    except msgspec.DecodeError as error:
        raise unusable(f"its manifest is not understood: {str(error)[:MAX_TEXT]}") from error
    _check(manifest)
    return manifest


def unusable(reason: str) -> InvalidInput:
    """The error for a file that is no bundle, or not one that can be opened here."""
    hint = "Get the bundle again, or have it made again: edgellm bundle create"
    return InvalidInput(f"The bundle cannot be used: {reason}.", hint=hint, field="file")


class _Any(msgspec.Struct):
    """Of any version."""

    format: int


def _newer(found: int) -> InvalidInput:
    message = f"The bundle has the format {found}, of a newer EdgeLLM; formats up to {FORMAT} are known."
    return InvalidInput(message, hint="Update EdgeLLM.", field="file", found_version=found, known_version=FORMAT)


def _check(manifest: Manifest) -> None:
    """Raises: InvalidInput for names that cannot be one, and members that are missing, twice there or malformed."""
    if manifest.format < 1 or len(manifest.members) > MAX_MEMBERS:
        raise unusable(f"its format is {manifest.format}, with {len(manifest.members)} members")
    _check_names(manifest)
    for member in manifest.members:
        if not _PATH.fullmatch(member.path) or not _SHA256.fullmatch(member.sha256) or member.size_bytes < 0:
            raise unusable(f"the member {member.path[:MAX_TEXT]!r} is malformed")
    paths = [member.path for member in manifest.members]
    _refuse_repeated(paths, "member")
    _refuse_repeated(list(manifest.named_paths()), "member")
    _refuse_repeated([collection.name for collection in manifest.collections], "collection")
    _refuse_repeated([embedder.name for embedder in manifest.embedders], "embedder")
    for path in manifest.named_paths():
        if path not in paths:
            raise unusable(f"the member {path[:MAX_TEXT]!r} is missing")


def _check_names(manifest: Manifest) -> None:
    parts = (manifest.model, manifest.adapter, *manifest.collections, *manifest.embedders)
    for name in (manifest.name, *(part.name for part in parts if part is not None)):
        if not is_name(name) or name.endswith(".gguf"):
            raise unusable(f"{name[:MAX_TEXT]!r} cannot be a name")
    for embedder in manifest.embedders:
        if not _SHA256.fullmatch(embedder.sha256):
            raise unusable(f"the hash of {embedder.name!r} is malformed")
        names = [file.name for file in embedder.files]
        _refuse_repeated(names, "embedder's file")
        for name in names:
            if name not in EMBEDDER_FILES:
                raise unusable(f"{name[:MAX_TEXT]!r} is no file of an embedder")


def _refuse_repeated(names: list[str], what: str) -> None:
    for name in names:
        if names.count(name) > 1:
            raise unusable(f"the {what} {name[:MAX_TEXT]!r} is there more than once")

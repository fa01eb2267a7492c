"""A dataset on disk: its manifest, its rows, and the proof that nothing changed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edgellm.data.report import Counts, Found, Tokens
from edgellm.data.rows import ID_DIGITS, ChatRow, Row, Source, TextRow, decode_row
from edgellm.data.rules import Rules
from edgellm.data.sources import FileReport
from edgellm.data.split import SPLITS, Split
from edgellm.decoding import from_json
from edgellm.errors import DataRejected, DatasetNotFound, InvalidInput

__all__ = ["ID_DIGITS", "ChatRow", "Dataset", "Manifest", "Row", "Source", "SplitFile", "TextRow", "open_dataset"]

FORMAT_VERSION = 1
MANIFEST = "manifest.json"
DROPPED = "dropped.jsonl"
CARD = "card.md"
HASH_BYTES = 1024**2


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitFile:
    """One split's file."""

    file: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What went into a dataset, by which rules, and what came out."""

    format_version: int
    name: str
    created: str
    """Date and time in UTC, ISO 8601."""
    sources: tuple[FileReport, ...]
    rules: Rules
    counts: Counts
    groups: int
    """Groups of two or more rows that are alike or ask the same; each is in one split."""
    personal: tuple[Found, ...]
    languages: Mapping[str, int]
    tokens: Tokens | None
    splits: Mapping[Split, SplitFile]
    dataset_hash: str
    """SHA-256 over the hexadecimal hashes of the split files in the order train, valid, test."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """A dataset whose files are the ones that its manifest describes."""

    folder: Path
    manifest: Manifest

    @property
    def name(self) -> str:
        """The dataset's name."""
        return self.manifest.name

    def rows(self, split: Split) -> Iterator[Row]:
        """The rows of a split, in the order of their sources. Raises: InvalidInput, DataRejected."""
        if split not in SPLITS:
            raise InvalidInput(f"There is no split {split!r}.", hint=f"Known: {', '.join(SPLITS)}.", field="split")
        path = self.folder / self.manifest.splits[split].file
        with path.open("rb") as handle:
            for number, line in enumerate(handle, 1):
                try:
                    yield decode_row(line)
                except msgspec.DecodeError as error:
                    message = f"{path}:{number}: the line is no row of a dataset: {error}"
                    raise DataRejected(message, file=str(path), line=number) from error


def dataset_hash(splits: Mapping[Split, SplitFile]) -> str:
    """What identifies the content of a dataset."""
    return hashlib.sha256("".join(splits[name].sha256 for name in SPLITS).encode()).hexdigest()


def read_manifest(folder: Path) -> Manifest:
    """The manifest in a dataset's folder, files not checked. Raises: DatasetNotFound, DataRejected."""
    path = folder / MANIFEST
    try:
        manifest = from_json(path.read_bytes(), type=Manifest)
    except (FileNotFoundError, NotADirectoryError) as error:
        message = f"There is no dataset in {str(folder)!r}: {MANIFEST} is missing."
        raise DatasetNotFound(message, hint="`edgellm data list` shows the datasets.") from error
    except (msgspec.DecodeError, InvalidInput, RecursionError) as error:
        raise DataRejected(f"{path}: this is no manifest of a dataset: {error}", file=str(path)) from error
    except OSError as error:
        raise DataRejected(f"{path}: the manifest cannot be read: {error.strerror}.", file=str(path)) from error
    if manifest.format_version != FORMAT_VERSION:
        found = f"{path}: the dataset has the format version {manifest.format_version}, known is {FORMAT_VERSION}."
        raise DataRejected(found, hint="Build it again, or update EdgeLLM.", file=str(path))
    return manifest


def open_dataset(folder: str | Path) -> Dataset:
    """A dataset, every file's hash verified.

    Raises: DatasetNotFound; DataRejected naming the file that is missing or has changed.
    """
    place = Path(folder)
    manifest = read_manifest(place)
    for name in SPLITS:
        if name not in manifest.splits:
            raise DataRejected(f"{place / MANIFEST}: the manifest names no {name} file.", file=str(place / MANIFEST))
        _verify(place, manifest.splits[name])
    found = dataset_hash(manifest.splits)
    if found != manifest.dataset_hash:
        message = f"{place / MANIFEST}: the dataset hash is {manifest.dataset_hash}, its files give {found}."
        raise DataRejected(message, hint="Build it again.", file=str(place / MANIFEST))
    return Dataset(place, manifest)


def _verify(folder: Path, promised: SplitFile) -> None:
    path = folder / promised.file
    if path.parent != folder:
        raise DataRejected(f"{folder / MANIFEST}: {promised.file!r} is no file of the dataset.", file=str(path))
    digest = hashlib.sha256()
    try:
        with path.open("rb") as handle:
            while block := handle.read(HASH_BYTES):
                digest.update(block)
    except OSError as error:
        raise DataRejected(f"{path}: the split cannot be read: {error.strerror}.", file=str(path)) from error
    if digest.hexdigest() != promised.sha256:
        message = f"{path}: the file has changed: SHA-256 {digest.hexdigest()}, promised {promised.sha256}."
        raise DataRejected(message, hint="Build the dataset again.", file=str(path))

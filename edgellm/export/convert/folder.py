"""A model folder that nobody has vouched for: what may be read from it, and what makes it refused.

Only config.json, tokenizer files and safetensors are opened. A folder with code, pickles or a configuration that names
code is refused before anything else is looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from edgellm.decoding import from_json
from edgellm.export.convert.refusal import refuse
from edgellm.export.convert.safetensors import Entry, read_entries, regular_file

PICKLES = frozenset({".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib"})
CODE = frozenset({".py", ".pyc", ".pyd", ".so", ".dylib", ".dll", ".sh", ".exe"})
MAX_FILES = 10_000
INDEX = "model.safetensors.index.json"
_MIB = 1024**2
TEXT_LIMITS = {
    "config.json": 4 * _MIB,
    "tokenizer_config.json": 16 * _MIB,
    "tokenizer.json": 256 * _MIB,
    "chat_template.jinja": 4 * _MIB,
    INDEX: 32 * _MIB,
    "modules.json": _MIB,
    "1_Pooling/config.json": _MIB,
    "sentence_bert_config.json": _MIB,
    "config_sentence_transformers.json": _MIB,
}
"""The files that are read whole, with the most bytes that each may have."""
T = TypeVar("T")
_SHARD = re.compile(r"[\w][\w.-]*\.safetensors")


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A folder whose files were checked, with its tensors' places."""

    path: Path
    config: Mapping[str, Any]
    tensors: Mapping[str, Entry]

    def text(self, name: str) -> str | None:
        """A text file of `TEXT_LIMITS`; None when it is absent. Raises: ModelRejected."""
        return _text(self.path, name)

    def table(self, name: str) -> dict[str, Any] | None:
        """A JSON file of `TEXT_LIMITS`, which must hold a table; None when it is absent. Raises: ModelRejected."""
        return _table(self.path, name)

    def listed(self, name: str) -> list[Any] | None:
        """A JSON file of `TEXT_LIMITS`, which must hold a list; None when it is absent. Raises: ModelRejected."""
        return _decoded(self.path, name, list[Any], "list")


def open_folder(path: Path) -> ModelFolder:
    """Check a folder in the layout of Hugging Face or MLX and find its tensors.

    Raises: ModelRejected, naming the file and the reason.
    """
    _check_files(path)
    config = _table(path, "config.json")
    if config is None:
        refuse(path, "it has no config.json", "Choose the folder that holds config.json and *.safetensors.")
    _check_config(path / "config.json", config)
    tokenizer = _table(path, "tokenizer_config.json")
    _check_config(path / "tokenizer_config.json", tokenizer or {})
    return ModelFolder(path, config, _tensors(path))


def _check_files(path: Path) -> None:
    if not path.is_dir():
        refuse(path, "it is not a folder", "Choose the folder that holds config.json and *.safetensors.")
    for count, entry in enumerate(path.iterdir()):
        if count > MAX_FILES:
            refuse(path, f"it has more than {MAX_FILES} files")
        suffix = entry.suffix.lower()
        if suffix in PICKLES:
            refuse(
                entry, "pickles can run code", "Remove it if the folder has *.safetensors too; they hold the weights."
            )
        if suffix in CODE:
            refuse(entry, "a model folder must not bring code", "Remove it if you know that the model needs none.")


def _check_config(path: Path, config: Mapping[str, Any]) -> None:
    for key in ("auto_map", "custom_pipelines"):
        if any(key in table for table in _tables(config)):
            refuse(path, f"it names code to run ({key})", "Choose a model that needs no code of its own.")


def _tables(value: Any) -> Iterator[Mapping[str, Any]]:
    """Every table in a JSON value, its own first."""
    pending = [value]
    while pending:
        found = pending.pop()
        if isinstance(found, dict):
            yield found
            pending.extend(found.values())
        elif isinstance(found, list):
            pending.extend(found)


def _tensors(path: Path) -> dict[str, Entry]:
    index = _table(path, INDEX)
    if index is not None:
        return _indexed(path, index)
    names = sorted(entry.name for entry in path.iterdir() if re.fullmatch(r"model.*\.safetensors", entry.name))
    if not names:
        refuse(path, "it has no model*.safetensors", "Only weights in safetensors are read.")
    found: dict[str, Entry] = {}
    for name in names:
        for tensor, entry in read_entries(path / name).items():
            if tensor in found:
                refuse(entry.path, f"tensor {tensor!r} is also in {found[tensor].path.name!r}")
            found[tensor] = entry
    return found


def _indexed(path: Path, index: Mapping[str, Any]) -> dict[str, Entry]:
    """Tensors of the shards that the index names, each where the index says."""
    places = index.get("weight_map")
    if not isinstance(places, dict):
        refuse(path / INDEX, "it has no table 'weight_map'")
    for tensor, shard in places.items():
        if not isinstance(shard, str) or not _SHARD.fullmatch(shard):
            refuse(
                path / INDEX, f"it places tensor {tensor!r} in {str(shard)[:80]!r}, which is no shard of this folder"
            )
    shards = {shard: read_entries(path / shard) for shard in sorted(set(places.values()))}
    found = {tensor: entry for entries in shards.values() for tensor, entry in entries.items()}
    listed = {(tensor, shard) for tensor, shard in places.items()}
    held = {(tensor, shard) for shard, entries in shards.items() for tensor in entries}
    if listed != held:
        tensor, shard = min(listed ^ held)
        refuse(path / INDEX, f"tensor {tensor!r} of {shard!r} is only in the index or only in the shard")
    return found


def _text(folder: Path, name: str) -> str | None:
    path, limit = folder / name, TEXT_LIMITS[name]
    if not path.is_symlink() and not path.exists():
        return None
    with regular_file(path) as file:
        raw = file.read(limit + 1)
    if len(raw) > limit:
        refuse(path, f"it is longer than {limit} bytes")
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        refuse(path, f"it is not UTF-8 (byte {error.start})")


def _table(folder: Path, name: str) -> dict[str, Any] | None:
    return _decoded(folder, name, dict[str, Any], "table")


def _decoded(folder: Path, name: str, kind: type[T], what: str) -> T | None:
    text = _text(folder, name)
    if text is None:
        return None
    try:
        return from_json(text, type=kind)
    except (msgspec.DecodeError, RecursionError) as error:
        refuse(folder / name, f"it is not a JSON {what}: {error}")

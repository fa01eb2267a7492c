"""What an export folder says of itself: where its files come from and what was measured on them."""

from __future__ import annotations

from pathlib import Path

import msgspec

from edgellm.decoding import from_json
from edgellm.engine.judge import Comparison
from edgellm.errors import InvalidInput

FORMAT = 1
MANIFEST = "manifest.json"
CARD = "card.md"


class Answers(msgspec.Struct, frozen=True, kw_only=True):
    """The same question to both, each always taking its most probable token."""

    reference: str
    candidate: str
    same_beginning: float
    """Share of the longer answer's tokens that are equal from the beginning on."""


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """One file against the full-precision source."""

    passed: bool
    problems: list[str]
    tolerance_kl: float
    same_prompt_tokens: bool
    """Whether rendered conversations have the same token ids."""
    comparison: Comparison
    answers: list[Answers]
    tokens_per_s: float
    """Of the answer that was written fastest: a busy machine slows some of them."""


class Exported(msgspec.Struct, frozen=True, kw_only=True):
    """One quantization of the model, or its folder."""

    quantization: str
    """Of a folder: the type of its weights."""
    file: str
    """With the weights, inside the export folder; empty when it was only measured."""
    size_bytes: int
    """Of a folder: of all its files."""
    sha256: str
    with_imatrix: bool
    note: str
    quantize_s: float
    verification: Verification


class Base(msgspec.Struct, frozen=True, kw_only=True):
    """The model that was exported."""

    name: str
    sha256: str
    architecture: str
    quantization: str
    """Of the base file itself: what is called full precision below cannot be better."""
    licence: str
    """As the file states it; else as the catalogue's card does, for a file that was fetched from there."""
    parameters: int
    description: str = ""
    """What the file says of itself: of a model that was taught or made here, what it learnt from."""


class UsedAdapter(msgspec.Struct, frozen=True, kw_only=True):
    """The adapter that was added to the base's weights."""

    name: str
    sha256: str
    dataset: str
    """Name of the dataset it was trained on; empty when unknown."""
    dataset_hash: str
    dataset_rows: int | None = None


class TextUsed(msgspec.Struct, frozen=True, kw_only=True):
    """The text behind the importance matrix and the verification; the two share no token."""

    source: str
    """What calibrates, and verifies where nothing else is named."""
    calibration_tokens: int
    held_out_source: str = ""
    """What verifies, and whether an adapter can have learnt it; empty in exports from before this was kept."""
    held_out_tokens: int
    imatrix_weights: int
    """Weights that the importance matrix covers; 0 when none was needed."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """An export folder's `manifest.json`."""

    format: int = FORMAT
    name: str
    kind: str = "gguf"
    """gguf, hf, mlx or peft."""
    created: str
    """Date and time in UTC, ISO 8601."""
    base: Base
    adapter: UsedAdapter | None
    source_kl: float
    """Mean KL divergence from the base, as served with the adapter attached, to the full-precision file that the others
    are made from and compared with; 0 where that is the base file itself."""
    text: TextUsed
    llama_cpp: str
    files: list[Exported]

    @property
    def passed(self) -> bool:
        """Whether every file passed its verification."""
        return all(file.verification.passed for file in self.files)


def encode_manifest(manifest: Manifest) -> bytes:
    """As it is written."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"


def read_manifest(folder: Path) -> Manifest:
    """The manifest of an export folder. Raises: InvalidInput."""
    path = folder / MANIFEST
    try:
        return from_json(path.read_bytes(), type=Manifest)
    except (OSError, msgspec.DecodeError, RecursionError) as error:
        raise InvalidInput(f"{str(path)!r} is no manifest of an export: {error}.", field="folder") from error

"""The catalogue: what is known about models before they are fetched.

A card is one TOML file, `models/edgellm_models/ID.toml`, with the fields of `ModelCard`; `[shape]` and `[[files]]` are
tables with the fields of `CardShape` and `CardFile`. A field that could not be verified is left out.
"""

from __future__ import annotations

import dataclasses
import importlib.resources
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

import msgspec

from edgellm.decoding import convert
from edgellm.errors import InvalidInput
from edgellm.hub.names import is_name, no_such_model

PACKAGE = "edgellm_models"


@dataclass(frozen=True, slots=True, kw_only=True)
class CardFile:
    """One GGUF file of a model."""

    quantization: str
    file: str
    """Its path in the repository."""
    size_bytes: int | None = None
    """Absent: estimated from the parameters and the quantization."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CardShape:
    """Sizes that decide how much memory a context needs."""

    layers: int
    """Layers with attention."""
    kv_heads: int
    head_dim: int
    embedding: int
    feed_forward: int
    vocabulary: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """Verified facts about one model in one size."""

    name: str
    """As its publisher writes it."""
    publisher: str
    family: str
    kind: Literal["chat", "embedder"]
    source: str
    """Repository of the original weights."""
    licence: str
    """SPDX identifier, or `LicenseRef-...` for a licence that has none."""
    commercial_use: Literal["yes", "with conditions", "no"]
    licence_note: str
    """What the licence means for commercial use, in one sentence."""
    good_at: str
    """What to choose it for, in one sentence."""
    verified: str
    """Where these facts were read."""
    id: str = ""
    """The file's name without `.toml`; what every face and command calls the model, before and after it is fetched."""
    parameters: int | None = None
    context_tokens: int | None = None
    """Longest context the publisher states."""
    languages: tuple[str, ...] = ()
    """ISO 639 codes of the languages the publisher lists."""
    languages_note: str = ""
    dimensions: int | None = None
    """Length of an embedder's vectors."""
    repository: str = ""
    """Hub repository with GGUF files; empty: none is known."""
    package: str = ""
    """Python package that carries the file instead."""
    files: tuple[CardFile, ...] = ()
    """Files known by name. What is fetched is chosen from the repository's own list, which may hold more."""
    shape: CardShape | None = None


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All cards by id."""

    cards: Mapping[str, ModelCard]

    @property
    def ids(self) -> tuple[str, ...]:
        """Sorted ids."""
        return tuple(sorted(self.cards))

    def get(self, card_id: str) -> ModelCard:
        """A card by id. Raises: ModelNotFound, suggesting the nearest one."""
        card = self.cards.get(card_id)
        if card is None:
            raise no_such_model(card_id, self.ids)
        return card


def card_ids() -> list[str]:
    """Ids of the cards that come with EdgeLLM; no card is read for it."""
    names = (entry.name for entry in importlib.resources.files(PACKAGE).iterdir())
    return sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml"))


def load_catalogue(folder: Path | None = None) -> Catalogue:
    """Read all cards: those that come with EdgeLLM, or those in `folder`.

    Raises: InvalidInput naming the file and the field of a malformed card.
    """
    root = folder or importlib.resources.files(PACKAGE)
    cards = {}
    for entry in root.iterdir():
        if entry.name.endswith(".toml"):
            card_id = entry.name.removesuffix(".toml")
            cards[card_id] = parse_card(card_id, entry.read_text(encoding="utf-8"))
    return Catalogue(cards)


def parse_card(card_id: str, text: str) -> ModelCard:
    """One card from TOML text. Raises: InvalidInput."""
    if not is_name(card_id):
        raise InvalidInput(f"Card {card_id!r}: the file's name cannot be a model's name.", field="id")
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput(f"Card {card_id!r} is not TOML: {error}.", field="") from error
    _check_keys(card_id, values, ModelCard)
    _check_keys(card_id, values.get("shape", {}), CardShape)
    for file in values.get("files", []):
        _check_keys(card_id, file, CardFile)
    try:
        return convert({**values, "id": card_id}, ModelCard)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"Card {card_id!r}: {error}.", field=str(error).rpartition("`$.")[2].rstrip("`")) from error


def _check_keys(card_id: str, values: Any, kind: type[ModelCard | CardShape | CardFile]) -> None:
    if not isinstance(values, dict):
        return  # the conversion says what is wrong
    known = [field.name for field in dataclasses.fields(kind)]
    for key in values:
        if key not in known:
            near = get_close_matches(key, known, n=1)
            hint = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(known)}."
            raise InvalidInput(f"Card {card_id!r} has the unknown key {key!r}.", hint=hint, field=key)

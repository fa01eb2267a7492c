"""What is kept, masked and dropped, and how rows are split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from edgellm.data.language import LANGUAGES
from edgellm.errors import InvalidInput


class Action(StrEnum):
    """What is done with personal data of one kind."""

    KEEP = "keep"
    MASK = "mask"
    """The match is replaced by the name of its kind in brackets."""
    DROP = "drop"
    """The row is dropped."""


class Kind(StrEnum):
    """Kinds of personal data that are recognised, in the order in which they are looked for."""

    EMAIL = "email"
    IBAN = "iban"
    CARD = "card"
    FRENCH_NIR = "french_nir"
    AADHAAR = "aadhaar"
    INDIAN_PAN = "indian_pan"
    US_SSN = "us_ssn"
    BRAZILIAN_CPF = "brazilian_cpf"
    POLISH_PESEL = "polish_pesel"
    SPANISH_DNI = "spanish_dni"
    DUTCH_BSN = "dutch_bsn"
    PHONE = "phone"


KeepOrDrop = Literal["keep", "drop"]


def _all_masked() -> dict[Kind, Action]:
    return dict.fromkeys(Kind, Action.MASK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The rules of one dataset. Raises: InvalidInput for a value out of range."""

    short_answers: KeepOrDrop = "drop"
    """Rows whose every answer is a single word teach a model to be curt; keep them when they are labels."""
    near_duplicates: KeepOrDrop = "drop"
    """Rows that say nearly the same as an earlier one; those that are kept stay in one split."""
    similarity: float = 0.8
    """Jaccard similarity from which two rows are near duplicates (0.5 to 1)."""
    personal: Mapping[Kind, Action] = field(default_factory=_all_masked)
    """What is done with each kind of personal data; a kind that is not named is masked."""
    phone_region: str | None = None
    """Two-letter country whose national phone numbers are recognised too; None: only numbers with a country code."""
    languages: tuple[str, ...] = ()
    """ISO 639 codes of the languages to keep; empty keeps all. Rows too short to tell are kept."""
    long_rows: KeepOrDrop = "keep"
    """Rows with more tokens than the context; of kept ones the trainer cuts conversations off, and texts into pieces.
    Needs a model."""
    context_tokens: int = 1024
    """Tokens a row may have, when a model counts them (16 and more); by default what a training run reads."""
    valid_share: float = 0.05
    """Share of rows to validate on (0 to 0.4)."""
    test_share: float = 0.05
    """Share of rows to test on (0 to 0.4)."""

    def __post_init__(self) -> None:
        for name, low, high in _RANGES:
            value = getattr(self, name)
            if not low <= value <= high:
                raise InvalidInput(f"{name} is {value!r}; it goes from {low:,} to {high:,}.", field=name)
        for code in self.languages:
            if code not in LANGUAGES:
                hint = "Languages are named by their ISO 639 codes, such as en, hi or ta."
                raise InvalidInput(f"{code!r} is no language that is recognised.", hint=hint, field="languages")

    def action(self, kind: Kind) -> Action:
        """What is done with personal data of this kind."""
        return self.personal.get(kind, Action.MASK)


_RANGES = (
    ("similarity", 0.5, 1.0),
    ("context_tokens", 16, 2**24),
    ("valid_share", 0.0, 0.4),
    ("test_share", 0.0, 0.4),
)

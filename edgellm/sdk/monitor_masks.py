"""Personal data in questions, masked before anything is compared, named or shown."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

from edgellm.data.personal import FINDERS, PersonalData, with_masks
from edgellm.data.rows import Example, Source
from edgellm.data.rules import Rules
from edgellm.errors import MissingExtra

NO_PHONES = (
    "Telephone numbers are not recognised without the train extra: every number of seven digits and more is masked."
)
MOST_CHARS = 4000
"""Of a question that are looked at, and kept for the report."""
_LONG_NUMBER = re.compile(r"\+?\d(?:[\s().\-/\u00a0\u2010-\u2015]{0,3}\d){6,}")


def masks() -> tuple[Callable[[str], str], bool]:
    """What masks a text, and whether it knows telephone numbers."""
    try:
        return partial(_masked, PersonalData(Rules())), True
    except MissingExtra:
        return _masked_without_phones, False


def _masked(personal: PersonalData, text: str) -> str:
    treated = personal.treat(Example(Source("", 0), text=text[:MOST_CHARS]))
    assert isinstance(treated, Example)  # these rules mask and drop nothing
    return treated.text


def _masked_without_phones(text: str) -> str:
    text = text[:MOST_CHARS]
    for kind, find in FINDERS.items():
        text = with_masks(text, find(text), f"[{kind.value}]")
    return _LONG_NUMBER.sub("[number]", text)

"""What a dataset is to be made from, as it is put together in the app."""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from edgellm.safetext import clean_line

if TYPE_CHECKING:
    from edgellm.data.rules import Rules
    from edgellm.sdk.datasets import Chats

CHATS: dict[Chats, str] = {
    "corrected": "Answers that you corrected",
    "liked": "Answers that you rated good or corrected",
    "all": "All your conversations",
}
PERSONAL = {
    "mask": "Each is replaced by the name of its kind, such as [email]",
    "keep": "All of it stays, and is learnt",
    "drop": "Rows that hold any are left out",
}
"""What can be done with personal data: e-mail addresses, phone numbers and the like."""
OWN_CHATS = "\0"
"""Begins a source that is no path."""
LONGEST_NAME = 56
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")


class Reading(TypedDict):
    """Keyword arguments of checking and building."""

    columns: str | None
    chats: Chats | None
    model: str | None
    rules: Rules | None


@dataclass(frozen=True, slots=True)
class Examples:
    """Files and chats, and how they are read."""

    files: tuple[str, ...] = ()
    columns: str | None = None
    """Which column is what, as `prompt=Question,completion=Answer`; None goes by their names."""
    chats: Chats | None = None
    model: str | None = None
    """The model whose tokens rows are measured in."""
    personal: str = "mask"
    """What is done with personal data, as `PERSONAL` has it."""

    def with_source(self, source: str) -> Examples:
        """The same with one more file (read once, however often it is added), or with `OWN_CHATS` and their kind."""
        if source.startswith(OWN_CHATS):
            return replace(self, chats=next(kind for kind in CHATS if source == f"{OWN_CHATS}{kind}"))
        path = os.path.expanduser(source)
        return self if path in self.files else replace(self, files=(*self.files, path))

    @property
    def options(self) -> Reading:
        """How the SDK is told to read the files."""
        return {"columns": self.columns, "chats": self.chats, "model": self.model, "rules": self._rules}

    @property
    def _rules(self) -> Rules | None:
        """None for those that hold by default."""
        if self.personal == "mask":
            return None
        from edgellm.data.rules import Action, Kind, Rules  # deferred: nothing else of the app needs it

        return Rules(personal=dict.fromkeys(Kind, Action(self.personal)))

    @property
    def title(self) -> str:
        """The files' names and the chats on one line; clean."""
        names = [Path(file).name or file for file in self.files]
        return clean_line(", ".join([*names, *([CHATS[self.chats].lower()] if self.chats else [])]))

    def proposed_name(self, taken: Collection[str]) -> str:
        """A name for the dataset that no other has: that of its first file."""
        stem = Path(self.files[0]).stem if self.files else "chats"
        name = _NOT_IN_NAMES.sub("-", stem).strip("-._")[:LONGEST_NAME] or "examples"
        return next(tried for n in count(1) if (tried := name if n == 1 else f"{name}-{n}") not in taken)

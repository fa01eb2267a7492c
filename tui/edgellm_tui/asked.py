"""A question as it is typed, with what it is limited to: `fares kind:pdf tag:law since:2026-01-31`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from edgellm.retrieval.values import Filters

_LIMIT = re.compile(r"(?<!\S)(file|kind|tag|since|until):(\S+)")


@dataclass(frozen=True, slots=True)
class Asked:
    """What is looked for, and where."""

    question: str
    filters: Filters


def asked(typed: str) -> Asked:
    """Take the limits out of what was typed. A day that is none is refused by the search itself."""
    found: dict[str, list[str]] = {}
    for name, value in _LIMIT.findall(typed):
        found.setdefault(name, []).append(value)
    filters = Filters(
        files=tuple(_anywhere(name) for name in found.get("file", ())),
        kinds=tuple(found.get("kind", ())),
        tags=tuple(found.get("tag", ())),
        since=found.get("since", [None])[-1],
        until=found.get("until", [None])[-1],
    )
    return Asked(" ".join(_LIMIT.sub(" ", typed).split()), filters)


def _anywhere(name: str) -> str:
    """A pattern for a part of a file's name: names are whole paths, and nobody types these."""
    return name if "*" in name or "?" in name else f"*{name}*"

"""A question as it is typed, with what it is limited to: `fares kind:pdf tag:law since:2026-01-31`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from edgellm.retrieval.values import Filters

_LIMIT = re.compile(r'(?<!\S)(file|kind|tag|since|until):(?:"([^"]+)(?:"|$)|(?!//)([^\s"]\S*))')
"""A value with blanks stands in quotes; `file://` begins an address, which is a word of the question."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is looked for, and where."""

    question: str
    filters: Filters
    limits: tuple[str, ...] = ()
    """What was taken for a limit, as it was typed: `kind:pdf`."""


def asked(typed: str) -> Asked:
    """Take the limits out of what was typed. A day that is none is refused by the search itself."""
    found: dict[str, list[str]] = {}
    limits = list(_LIMIT.finditer(typed))
    for limit in limits:
        found.setdefault(limit[1], []).append(limit[2] or limit[3])
    filters = Filters(
        files=tuple(_anywhere(name) for name in found.get("file", ())),
        kinds=tuple(found.get("kind", ())),
        tags=tuple(found.get("tag", ())),
        since=found.get("since", [None])[-1],
        until=found.get("until", [None])[-1],
    )
    return Asked(" ".join(_LIMIT.sub(" ", typed).split()), filters, tuple(limit[0] for limit in limits))


def _anywhere(name: str) -> str:
    """A pattern for a part of a file's name: names are whole paths, and nobody types these."""
    return name if "*" in name or "?" in name else f"*{name}*"

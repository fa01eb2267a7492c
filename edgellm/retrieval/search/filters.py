"""Which files a search may look into."""

from __future__ import annotations

import re
from datetime import date
from difflib import get_close_matches

from edgellm.errors import InvalidInput
from edgellm.retrieval.collection.records import words_in
from edgellm.retrieval.values import KINDS, Filters
from edgellm.store.db import Execute


def files_for(execute: Execute, filters: Filters) -> frozenset[int] | None:
    """Ids of the files that fit; None when every file does. Raises: InvalidInput for a day or a kind that is none."""
    _check_days(filters)
    _check_kinds(filters)
    if filters == Filters():
        return None
    rows = execute(
        "SELECT id, name, kind, tags FROM files WHERE chunk_count > 0 AND day >= ? AND day <= ?",
        (filters.since or "", filters.until or "9999-12-31"),
    )
    patterns = [_pattern(name) for name in filters.files]
    return frozenset(
        file
        for file, name, kind, tags in rows
        if (not patterns or any(pattern.fullmatch(name) for pattern in patterns))
        and (not filters.kinds or kind in filters.kinds)
        and (not filters.tags or set(filters.tags) <= set(words_in(tags)))
    )


def _pattern(name: str) -> re.Pattern[str]:
    """A name or pattern as it fits whole paths and their ends: `report.pdf`, `2026/*.md`.

    What stands between two stars is looked for once, where it comes first: no number of stars takes long.
    """
    first, *others = ("".join("." if each == "?" else re.escape(each) for each in part) for part in name.split("*"))
    between = "".join(f"(?>.*?{part})" for part in others[:-1])
    last = f".*{others[-1]}" if others else ""
    return re.compile(rf"(?:.*[/\\])?{first}{between}{last}", re.DOTALL)


def _check_days(filters: Filters) -> None:
    for field, day in (("since", filters.since), ("until", filters.until)):
        if day is not None and not _is_day(day):
            raise InvalidInput(f"{day[:40]!r} is no day.", hint="Write it like 2026-01-31.", field=field)


def _check_kinds(filters: Filters) -> None:
    for kind in filters.kinds:
        if kind not in KINDS:
            near = get_close_matches(kind, KINDS, 1)
            advice = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(KINDS)}."
            raise InvalidInput(f"{kind[:40]!r} is no kind of document.", hint=advice, field="kinds")


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False

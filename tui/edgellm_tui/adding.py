"""What is to be read into a collection, as it is filled in, and how that went."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgellm.errors import InvalidInput
from edgellm.hub.names import name_from
from edgellm.safetext import clean_line
from edgellm_tui.ports import Edge

if TYPE_CHECKING:
    from edgellm.store.records import StoredJob

NAMELESS = "documents"
"""What a collection is called that is made of a name without a letter or digit of English."""
_COUNTS = ("added", "changed", "unchanged", "removed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What was filled in."""

    path: str = ""
    collection: str = ""
    """Empty takes the name of the file or folder."""
    tags: str = ""
    """Separated by commas."""
    is_synced: bool = False
    """Whether files that are gone from the folder leave the collection."""

    @property
    def name(self) -> str:
        """The collection's name."""
        return self.collection or proposed_name(self.path)


def proposed_name(path: str) -> str:
    """A name for a collection of this file or folder."""
    stem = Path(path).stem if os.path.splitext(path)[1] else Path(path).name
    try:
        return name_from(stem)
    except InvalidInput:
        return NAMELESS


def checked(wanted: Wanted) -> Wanted:
    """The same with the whole path. Raises: InvalidInput where there is none, or nothing lies there."""
    if not wanted.path:
        raise InvalidInput("There is nothing to read yet.", hint="Type the path of a file or folder.", field="path")
    path = os.path.abspath(os.path.expanduser(wanted.path))
    if "\0" in path or not os.path.exists(path):
        raise InvalidInput(f"There is no file or folder {wanted.path!r}.", hint="Check the path.", field="path")
    return Wanted(path=path, collection=wanted.name, tags=wanted.tags, is_synced=wanted.is_synced)


async def begin(edge: Edge, wanted: Wanted) -> StoredJob:
    """The job that reads it. Raises: EdgeLLMError for a name that no collection can have."""
    tags = [tag.strip() for tag in wanted.tags.split(",") if tag.strip()]
    return await edge.documents(wanted.name).add([wanted.path], sync=wanted.is_synced, tags=tags)


def outcome(result: Mapping[str, Any]) -> tuple[str, int]:
    """How a job went, in a line as it comes, and how many files could not be read."""
    counts = [f"{result.get(name, 0):,} {name}" for name in _COUNTS if result.get(name)]
    failed = len(result.get("failed") or ())
    if failed:
        counts.append(f"{failed:,} could not be read: the list says why")
    return ", ".join(counts) or "nothing to read", failed


def outcome_of_reindex(result: Mapping[str, Any]) -> tuple[str, int]:
    """How making vectors anew went, in a line as it comes, and how many passages the embedder does not read whole."""
    told = f"{result.get('chunks', 0):,} passages have vectors of {clean_line(str(result.get('embedder', '')))}"
    cut = int(result.get("cut") or 0)
    return (f"{told}; {cut:,} are longer than it reads: their ends are found by words only" if cut else told), cut

"""What the jobs of a collection are asked to do."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from edgellm.decoding import convert
from edgellm.errors import InvalidInput

MOST_TAG, MOST_TAGS = 64, 32
Request = TypeVar("Request", "IngestRequest", "ReindexRequest")


class IngestRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The arguments of an `ingest` job, JSON values."""

    collection: str
    paths: tuple[str, ...]
    """Absolute: files and folders of them."""
    sync: bool = False
    watch: bool = False
    tags: tuple[str, ...] = ()

    def check(self) -> None:
        """Raises: InvalidInput for a name that no collection can have, and for tags that cannot be searched for."""
        from edgellm.retrieval.shelf import (
            checked_collection_name,
        )  # what reads a collection is loaded when one is used

        checked_collection_name(self.collection)
        if len(self.tags) > MOST_TAGS:
            raise InvalidInput(f"{len(self.tags)} tags were given; at most {MOST_TAGS} are kept.", field="tags")
        for tag in self.tags:
            if not tag.strip() or len(tag) > MOST_TAG or not tag.isprintable():
                message = f"{tag[:MOST_TAG]!r} cannot be a tag."
                raise InvalidInput(message, hint=f"Use 1 to {MOST_TAG} visible characters.", field="tags")


class ReindexRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The arguments of a `reindex` job, JSON values."""

    collection: str
    embedder: str = ""
    """Empty: the one that the collection has."""


def request_from(arguments: Any, kind: type[Request]) -> Request:
    """The request in a job's arguments. Raises: InvalidInput."""
    try:
        return convert(arguments, kind)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"The job is not understood: {error}.", field="arguments") from error

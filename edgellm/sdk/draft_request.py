"""What a drafting job is asked to do."""

from __future__ import annotations

from typing import Any

import msgspec

from edgellm.decoding import convert
from edgellm.errors import InvalidInput

MOST_PER_PASSAGE = 20


class DraftRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The arguments of a `draft` job, JSON values."""

    files: tuple[str, ...]
    """Documents and folders of them."""
    name: str
    """What the drafts will be called."""
    model: str
    per_passage: int = 3
    """Most pairs of a passage."""


def request_from(arguments: Any) -> DraftRequest:
    """The request in a job's arguments. Raises: InvalidInput."""
    try:
        request = convert(arguments, DraftRequest)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"The drafting job is not understood: {error}.", field="arguments") from error
    if not 1 <= request.per_passage <= MOST_PER_PASSAGE:
        message = f"per_passage is {request.per_passage}; it must be from 1 to {MOST_PER_PASSAGE}."
        raise InvalidInput(message, field="per_passage")
    return request

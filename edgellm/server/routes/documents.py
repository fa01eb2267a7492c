"""/v1/documents: collections that a key may read, their files, and passages for a question.

An answer from documents is a chat with the model `MODEL+COLLECTION`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from edgellm.errors import CollectionNotFound
from edgellm.retrieval.values import Filters
from edgellm.sdk.documents import Documents
from edgellm.server.admission import admitted
from edgellm.server.answering import caller_of_request, service_of
from edgellm.server.caller import Caller
from edgellm.server.dialects.fields import Body, Whole
from edgellm.server.refuse import JsonResponse

router = APIRouter(tags=["Documents"])
T = TypeVar("T")
Names = Annotated[list[Annotated[str, Field(max_length=1024)]], Field(max_length=64)]


class SearchBody(Body):
    """POST /v1/documents/{collection}/search."""

    question: Annotated[str, Field(min_length=1, max_length=10_000)]
    limit: Annotated[Whole, Field(ge=1, le=100)] = 8
    mode: Literal["reranked", "fused", "vector", "words"] | None = None
    files: Names | None = None
    kinds: Names | None = None
    tags: Names | None = None
    since: str | None = None
    until: str | None = None


@router.get("/v1/documents")
async def collections(request: Request) -> Response:
    """Every collection that the key may read."""
    service, caller = service_of(request), caller_of_request(request)
    found = [each for each in await asyncio.to_thread(service.edge.collections.list) if may_read(caller, each.name)]
    data = [{"object": "collection", "id": each.name, **_without(asdict(each), "name")} for each in found]
    return JsonResponse({"object": "list", "data": data})


@router.get("/v1/documents/{collection}/files")
async def files(collection: str, request: Request) -> Response:
    """Every file of a collection, also those that could not be read."""
    found = await _with(collection, request, lambda documents: documents.files())
    return JsonResponse({"object": "list", "data": [{"object": "file", **asdict(each)} for each in found]})


@router.post("/v1/documents/{collection}/search")
async def search(collection: str, body: SearchBody, request: Request) -> Response:
    """Passages for a question, best first, with where each of them stands."""
    filters = Filters(
        files=tuple(body.files or ()),
        kinds=tuple(body.kinds or ()),
        tags=tuple(body.tags or ()),
        since=body.since,
        until=body.until,
    )

    def found(documents: Documents) -> list[dict[str, Any]]:
        return [
            asdict(hit) for hit in documents.search(body.question, limit=body.limit, filters=filters, mode=body.mode)
        ]

    async with admitted(service_of(request), caller_of_request(request), service_of(request).options.deadline_s):
        return JsonResponse({"object": "list", "data": await _with(collection, request, found)})


def may_read(caller: Caller, collection: str) -> bool:
    """Whether a key reaches a collection; for others it does not exist."""
    return caller.is_admin or collection in caller.limits.collections


async def _with(collection: str, request: Request, work: Callable[[Documents], T]) -> T:
    """What `work` finds in the collection. Raises: CollectionNotFound, alike for what is not there and not allowed."""
    missing = CollectionNotFound(f"There is no collection {collection[:200]!r}.", field="collection")
    if not may_read(caller_of_request(request), collection):
        raise missing
    try:
        return await asyncio.to_thread(work, service_of(request).edge.documents(collection))
    except CollectionNotFound:
        raise missing from None


def _without(values: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key != name}

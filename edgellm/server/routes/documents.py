"""/v1/documents: collections that a key may read, their files, passages for a question, and answers from them."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from edgellm.errors import InvalidInput, NotFound
from edgellm.paths import write_private
from edgellm.retrieval.values import Filters
from edgellm.sdk.documents import Documents
from edgellm.server.admission import admitted
from edgellm.server.answering import answer, caller_of_request, service_of
from edgellm.server.dialects.documents import (
    AskBody,
    SearchBody,
    TextBody,
    as_chat,
    checked_tags,
    collection_object,
    file_object,
    hit_object,
    job_object,
)
from edgellm.server.dialects.openai_chat import OpenAIChat
from edgellm.server.files import room_of
from edgellm.server.forms import form_schema
from edgellm.server.ownership import shown_collection
from edgellm.server.published import EVENTS
from edgellm.server.refuse import JsonResponse
from edgellm.server.shelves import Shelf, uploads_of
from edgellm.server.uploads import Limit, Upload, checked_filename, received
from edgellm.store import StoredJob

router = APIRouter(tags=["Documents"])
MOST_FILES, FILE_BYTES = 32, 256 * 2**20
"""Of one form."""
TAKEN = 202


@router.get("/v1/documents")
async def collections(request: Request) -> Response:
    """Every collection that the key may read."""
    service, caller = service_of(request), caller_of_request(request)
    found = await asyncio.to_thread(service.edge.collections.list)
    shown = [(shown_collection(caller, each.name), each) for each in found]
    return JsonResponse({"object": "list", "data": [collection_object(name, each) for name, each in shown if name]})


@router.delete("/v1/documents/{collection}")
async def remove_collection(collection: str, request: Request) -> Response:
    """Delete a collection with everything that was uploaded to it."""
    shelf = _shelf(collection, request)
    await asyncio.to_thread(_changed, shelf.check_change, shelf.remove)
    await _note(request, "document.remove", shelf)
    return JsonResponse({"object": "collection", "id": collection, "deleted": True})


@router.get("/v1/documents/{collection}/files")
async def files(collection: str, request: Request) -> Response:
    """Every file of a collection, also those that could not be read."""
    shelf = _shelf(collection, request)
    found = await asyncio.to_thread(shelf.use, lambda documents: documents.files())
    return JsonResponse({"object": "list", "data": [file_object(each, shelf.shown) for each in found]})


@router.post(
    "/v1/documents/{collection}/files",
    status_code=TAKEN,
    openapi_extra=form_schema(["file"], file="file", several=True, tags=None),
)
async def add_files(collection: str, request: Request) -> Response:
    """Upload files, which a job reads into the collection; the first ones make it."""
    service, caller = service_of(request), caller_of_request(request)
    shelf = _shelf(collection, request)
    await asyncio.to_thread(_changed, shelf.check_change, shelf.check_jobs)
    left = await asyncio.to_thread(room_of, service.edge.home, caller)
    limit, names = Limit(files=MOST_FILES, file_bytes=FILE_BYTES, left_bytes=left), {"tags": "tags", "tags[]": "tags"}
    folder = uploads_of(service.edge.home, shelf.collection)
    async with service.doors.passing(caller.tenant), received(request, folder, "file", names, limit) as form:
        if not form.uploads:
            raise InvalidInput("The field 'file' is missing.", field="file")
        tags = checked_tags(form.fields.get("tags", []))
        job = await asyncio.to_thread(shelf.add, form.uploads, tags)
    await _note(request, "document.add", shelf, files=len(form.uploads))
    return JsonResponse(job_object(job, collection, shelf.shown), TAKEN)


@router.post("/v1/documents/{collection}/texts", status_code=TAKEN)
async def add_text(collection: str, body: TextBody, request: Request) -> Response:
    """Add a document that is written out; as an uploaded file of this name."""
    service, caller = service_of(request), caller_of_request(request)
    shelf, tags = _shelf(collection, request), checked_tags(body.tags or [])
    checked_filename(body.name, "name")

    def add() -> StoredJob:
        shelf.check_change()
        shelf.check_jobs()
        upload = _written(body, shelf, room_of(service.edge.home, caller), request)
        return shelf.add([upload], tags)

    job = await asyncio.to_thread(add)
    await _note(request, "document.add", shelf, files=1)
    return JsonResponse(job_object(job, collection, shelf.shown), TAKEN)


@router.delete("/v1/documents/{collection}/files/{name:path}")
async def remove_file(collection: str, name: str, request: Request) -> Response:
    """Take a file out of a collection; one that was uploaded is deleted."""
    shelf = _shelf(collection, request)
    await asyncio.to_thread(_changed, shelf.check_change, lambda: shelf.remove_file(name))
    await _note(request, "document.remove", shelf, files=1)
    return JsonResponse({"object": "file", "name": name, "deleted": True})


@router.get("/v1/documents/{collection}/jobs")
async def jobs(collection: str, request: Request) -> Response:
    """What reads and has read files into a collection, newest first."""
    shelf = _shelf(collection, request)
    found = await asyncio.to_thread(shelf.jobs)
    if not found:  # a first job comes before its collection
        await asyncio.to_thread(shelf.use, lambda documents: documents.files())
    return JsonResponse({"object": "list", "data": [job_object(each, collection, shelf.shown) for each in found]})


@router.get("/v1/documents/{collection}/jobs/{id}")
async def one_job(collection: str, id: str, request: Request) -> Response:
    """How far a job has come."""
    edge, shelf = service_of(request).edge, _shelf(collection, request)
    found = next((job for job in await asyncio.to_thread(shelf.jobs) if job.id == id), None)
    if found is None:
        raise NotFound(f"There is no job {id[:100]!r}.", field="id")
    latest = await asyncio.to_thread(edge.jobs.latest, found.id)
    return JsonResponse(job_object(found, collection, shelf.shown, latest))


@router.post("/v1/documents/{collection}/search")
async def search(collection: str, body: SearchBody, request: Request) -> Response:
    """Passages for a question, best first, with where each of them stands."""
    shelf = _shelf(collection, request)
    filters = Filters(
        files=tuple(body.files or ()),
        kinds=tuple(body.kinds or ()),
        tags=tuple(body.tags or ()),
        since=body.since,
        until=body.until,
    )

    def found(documents: Documents) -> list[dict[str, Any]]:
        hits = documents.search(body.question, limit=body.limit, filters=filters, mode=body.mode)
        return [hit_object(hit, shelf.shown) for hit in hits]

    async with admitted(service_of(request), caller_of_request(request), service_of(request).options.deadline_s):
        return JsonResponse({"object": "list", "data": await asyncio.to_thread(shelf.use, found)})


@router.post("/v1/documents/{collection}/ask", responses=EVENTS)
async def ask(collection: str, body: AskBody, request: Request) -> Response:
    """Answer a question from the collection's passages: a chat completion, with `evidence` beside it."""
    service, shelf = service_of(request), _shelf(collection, request)
    await asyncio.to_thread(shelf.use, lambda documents: documents.files())  # it is there
    dialect = OpenAIChat(service.edge.settings.sampling)
    return await answer(request, dialect, dialect.call(as_chat(body, service.names.own, collection)), "chatcmpl-")


def _shelf(collection: str, request: Request) -> Shelf:
    return Shelf(service_of(request).edge, caller_of_request(request), collection)


def _changed(check: Callable[[], None], work: Callable[[], None]) -> None:
    check()
    work()


def _written(body: TextBody, shelf: Shelf, left: int, request: Request) -> Upload:
    """The text as a file beside its place. Raises: InvalidInput."""
    content = body.text.encode()
    if len(content) > left:
        raise InvalidInput("This key has no room left for files.", hint="Delete what is not needed.", field="text")
    path = uploads_of(service_of(request).edge.home, shelf.collection) / f".{secrets.token_hex(8)}.part"
    write_private(path, content)
    return Upload(body.name, path, len(content), hashlib.sha256(content).hexdigest())


async def _note(request: Request, action: str, shelf: Shelf, **facts: int) -> None:
    service, tenant = service_of(request), caller_of_request(request).tenant
    await asyncio.to_thread(lambda: service.trail.did(tenant, action, shelf.collection, **facts))

"""/v1/files: files for fine-tuning, in OpenAI's shape."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.responses import FileResponse, Response

from edgellm.errors import InvalidInput
from edgellm.server.answering import caller_of_request, service_of
from edgellm.server.caller import Caller
from edgellm.server.errors import HttpRefused
from edgellm.server.files import MOST_FILES, FileShelf, StoredFile, room_of
from edgellm.server.forms import form_schema
from edgellm.server.pages import MOST, OrderedQuery, page_of
from edgellm.server.published import BYTES
from edgellm.server.refuse import JsonResponse
from edgellm.server.service import Service
from edgellm.server.uploads import Form, Limit, received

router = APIRouter(tags=["Fine-tuning"])
FILE_BYTES = 64 * 2**20
SUFFIX = ".jsonl"


class FilesQuery(OrderedQuery):
    """Which files."""

    limit: Annotated[int, Field(ge=1, le=MOST)] = MOST
    purpose: Literal["fine-tune"] | None = None


@router.post("/v1/files", openapi_extra=form_schema(["file", "purpose"], file="file", purpose="fine-tune"))
async def upload(request: Request) -> Response:
    """Keep a file of examples, one JSON object a line; it is read when a job is made of it."""
    service, caller = service_of(request), caller_of_request(request)
    shelf = FileShelf(service.edge.home)
    left = await asyncio.to_thread(_room, service, shelf, caller)
    limit, fields = Limit(files=1, file_bytes=FILE_BYTES, left_bytes=left), {"purpose": "purpose"}
    async with (
        service.doors.passing(caller.tenant),
        received(request, shelf.folder_of(caller), "file", fields, limit) as form,
    ):
        _check(form)
        file = await asyncio.to_thread(shelf.add, caller, form.uploads[0], "fine-tune")
    await asyncio.to_thread(service.trail.did, caller.tenant, "file.add", file.id, sha256=file.sha256)
    return JsonResponse(_object(file))


@router.get("/v1/files")
async def files(request: Request, query: Annotated[FilesQuery, Query()]) -> Response:
    """The key's files; an administrator sees everyone's."""
    service, caller = service_of(request), caller_of_request(request)
    found = await asyncio.to_thread(FileShelf(service.edge.home).list, caller)
    ordered = found if query.order == "desc" else found[::-1]
    return JsonResponse(page_of([_object(file) for file in ordered], query))


@router.get("/v1/files/{id}")
async def one_file(id: str, request: Request) -> Response:
    """What is known of a file."""
    service, caller = service_of(request), caller_of_request(request)
    return JsonResponse(_object(await asyncio.to_thread(FileShelf(service.edge.home).get, caller, id)))


@router.get("/v1/files/{id}/content", response_class=FileResponse, responses=BYTES)
async def content(id: str, request: Request) -> Response:
    """The file as it was sent."""
    service, caller = service_of(request), caller_of_request(request)
    shelf = FileShelf(service.edge.home)
    file = await asyncio.to_thread(shelf.get, caller, id)
    return FileResponse(shelf.content(file), media_type="application/octet-stream")


@router.delete("/v1/files/{id}")
async def remove(id: str, request: Request) -> Response:
    """Delete a file. Jobs that were made of it go on: they have read it."""
    service, caller = service_of(request), caller_of_request(request)
    file = await asyncio.to_thread(FileShelf(service.edge.home).remove, caller, id)
    await asyncio.to_thread(service.trail.did, caller.tenant, "file.remove", file.id)
    return JsonResponse({"id": file.id, "object": "file", "deleted": True})


def _room(service: Service, shelf: FileShelf, caller: Caller) -> int:
    """Raises: HttpRefused (413)."""
    if not caller.is_admin and len(shelf.list(caller)) >= MOST_FILES:
        message = f"This key has {MOST_FILES} files already."
        raise HttpRefused(message, hint="Delete what is not needed any more.", status=413)
    return room_of(service.edge.home, caller)


def _check(form: Form) -> None:
    """Raises: InvalidInput."""
    purposes = form.fields.get("purpose", [])
    if purposes != ["fine-tune"]:
        said = repr(purposes[0][:40]) if purposes else "missing"
        raise InvalidInput(f"purpose is {said}; it must be 'fine-tune', once.", field="purpose")
    if not form.uploads:
        raise InvalidInput("The field 'file' is missing.", field="file")
    if not form.uploads[0].filename.lower().endswith(SUFFIX):
        hint = f"Send one JSON object a line, in a file whose name ends in {SUFFIX}."
        raise InvalidInput("file has another name than a file of examples.", hint=hint, field="file")
    if not form.uploads[0].size:
        raise InvalidInput("file is empty.", field="file")


def _object(file: StoredFile) -> dict[str, Any]:
    return {
        "id": file.id,
        "object": "file",
        "bytes": file.bytes,
        "created_at": file.created_at,
        "filename": file.filename,
        "purpose": file.purpose,
        "status": "processed",
        "sha256": file.sha256,
    }

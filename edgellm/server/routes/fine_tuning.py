"""/v1/fine_tuning/jobs: models taught from uploaded files, in OpenAI's shape."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from edgellm.server.answering import caller_of_request, service_of
from edgellm.server.dialects.fine_tuning import FineTuningBody, event_objects, job_object
from edgellm.server.fine_tuning import Begun, FineTuning
from edgellm.server.pages import PageQuery, page_of
from edgellm.server.refuse import JsonResponse

router = APIRouter(tags=["Fine-tuning"])


@router.post("/v1/fine_tuning/jobs")
async def create(body: FineTuningBody, request: Request) -> Response:
    """Read the file, and begin to teach the model. What comes out is the key's own."""
    service = service_of(request)
    service.drain.check_new()
    async with service.training:
        begun = await asyncio.to_thread(_fine_tuning(request).begin, body)
    await _note(request, "fine_tuning.create", begun)
    return JsonResponse(_object(begun))


@router.get("/v1/fine_tuning/jobs")
async def jobs(request: Request, query: Annotated[PageQuery, Query()]) -> Response:
    """The key's jobs, newest first; an administrator sees everyone's."""
    found = await asyncio.to_thread(_fine_tuning(request).list)
    return JsonResponse(page_of([_object(begun) for begun in found], query))


@router.get("/v1/fine_tuning/jobs/{id}")
async def one_job(id: str, request: Request) -> Response:
    """How a job stands."""
    return JsonResponse(_object(await asyncio.to_thread(_fine_tuning(request).get, id)))


@router.get("/v1/fine_tuning/jobs/{id}/events")
async def events(id: str, request: Request, query: Annotated[PageQuery, Query()]) -> Response:
    """What a job said so far, newest first."""
    begun = await asyncio.to_thread(_fine_tuning(request).get, id)
    found = await asyncio.to_thread(service_of(request).edge.jobs.events, begun.job.id)
    return JsonResponse(page_of(event_objects(begun.asked, found), query))


@router.post("/v1/fine_tuning/jobs/{id}/cancel")
async def cancel(id: str, request: Request) -> Response:
    """End a job."""
    begun = await asyncio.to_thread(_fine_tuning(request).cancel, id)
    await _note(request, "fine_tuning.cancel", begun)
    return JsonResponse(_object(begun))


def _fine_tuning(request: Request) -> FineTuning:
    return FineTuning(service_of(request), caller_of_request(request))


def _object(begun: Begun) -> dict[str, Any]:
    return job_object(begun.asked, begun.job)


async def _note(request: Request, action: str, begun: Begun) -> None:
    trail, tenant = service_of(request).trail, caller_of_request(request).tenant
    await asyncio.to_thread(trail.did, tenant, action, begun.asked.id, training_file=begun.asked.training_file)

"""GET /admin/status: what the server does at this moment, for its administrator."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response

from edgellm.engine.metrics import EngineMetrics
from edgellm.errors import EdgeLLMError
from edgellm.sdk.facade import EdgeLLM
from edgellm.sdk.live import LiveFigures
from edgellm.server.answering import service_of
from edgellm.server.refuse import JsonResponse

router = APIRouter(tags=["Server"])


@router.get("/admin/status")
async def status(request: Request) -> Response:
    """Open requests with their tokens a second, the line, and what the engines measure."""
    return JsonResponse(msgspec.to_builtins(await live_figures(request)))


async def live_figures(request: Request) -> LiveFigures:
    """One reading, now."""
    service = service_of(request)
    names, engines = await asyncio.to_thread(_read, service.edge)
    requests = sorted((account.live(names) for account in service.accounts), key=lambda each: -each.seconds)
    return LiveFigures(
        address=str(request.base_url).rstrip("/"),
        model=service.names.own,
        started_at=service.started_at,
        requests=tuple(requests),
        running=service.line.running,
        most_running=service.options.running,
        waiting=service.line.waiting,
        most_waiting=service.options.waiting,
        engines=engines,
    )


def _read(edge: EdgeLLM) -> tuple[dict[str, str], dict[str, EngineMetrics]]:
    """The keys' names by id, and what each open model measured; one that starts anew has nothing to say."""
    engines = {}
    for model in edge.models.loaded():
        with suppress(EdgeLLMError):
            if (measured := edge.stats(model)) is not None:
                engines[model] = measured
    return {key.id: key.name for key in edge.keys.list()}, engines

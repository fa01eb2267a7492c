"""GET /health, /ready and /metrics: for who watches over the server."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request
from starlette.responses import PlainTextResponse, Response

from edgellm.engine.metrics import EngineMetrics
from edgellm.sdk.facade import EdgeLLM
from edgellm.server.answering import service_of
from edgellm.server.metrics import MEDIA_TYPE, exposition
from edgellm.server.refuse import JsonResponse

router = APIRouter(tags=["Server"])


@router.get("/health")
async def health() -> Response:
    """Whether the server answers."""
    return JsonResponse({"status": "ok"})


@router.get("/ready")
async def ready(request: Request) -> Response:
    """Whether it takes requests: 503 while it stops, and while no engine runs and none can be started."""
    service = service_of(request)
    service.drain.check_new()
    await asyncio.to_thread(_engines, service.edge)
    return JsonResponse({"status": "ready"})


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(request: Request) -> Response:
    """Figures in Prometheus' text format."""
    service = service_of(request)
    engines = await asyncio.to_thread(_engines, service.edge)
    return PlainTextResponse(exposition(service, engines), media_type=MEDIA_TYPE)


def _engines(edge: EdgeLLM) -> dict[str, EngineMetrics]:
    """What each open model measured. Raises: WorkerDied while one cannot be started again."""
    found = {}
    for model in edge.models.loaded():
        measured = edge.stats(model)
        if measured is not None:
            found[model] = measured
    return found

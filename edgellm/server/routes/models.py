"""GET /v1/models: what a key may name."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from edgellm.server.answering import caller_of_request, service_of
from edgellm.server.model_name import not_found
from edgellm.server.refuse import JsonResponse

router = APIRouter(tags=["OpenAI"])


@router.get("/v1/models")
async def list_models(request: Request) -> Response:
    """Models, models with an adapter, and aliases."""
    return JsonResponse({"object": "list", "data": [_model(name) for name in await _names(request)]})


@router.get("/v1/models/{id:path}")
async def one_model(id: str, request: Request) -> Response:
    """One of them."""
    if id not in await _names(request):
        raise not_found(id)
    return JsonResponse(_model(id))


async def _names(request: Request) -> list[str]:
    return await asyncio.to_thread(service_of(request).names.seen_by, caller_of_request(request))


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "edgellm"}

"""POST /v1/responses: OpenAI's newer API, stateless."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from edgellm.server.answering import answer, service_of
from edgellm.server.dialects.responses import Responses
from edgellm.server.dialects.responses_body import ResponsesBody
from edgellm.server.published import EVENTS

router = APIRouter(tags=["OpenAI"])


@router.post("/v1/responses", responses=EVENTS)
async def respond(body: ResponsesBody, request: Request) -> Response:
    """Answer a conversation; `stream` sends it as it is written."""
    dialect = Responses(service_of(request).edge.settings.sampling)
    return await answer(request, dialect, dialect.call(body), "resp_")

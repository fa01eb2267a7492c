"""POST /v1/messages and /v1/messages/count_tokens: Anthropic's clients."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from edgellm.server.answering import answer, service_of
from edgellm.server.dialects.anthropic import Anthropic
from edgellm.server.dialects.anthropic_body import CountTokensBody, MessagesBody
from edgellm.server.published import EVENTS
from edgellm.server.refuse import JsonResponse
from edgellm.server.routes.tokens import with_model

router = APIRouter(tags=["Anthropic"])


@router.post("/v1/messages", responses=EVENTS)
async def message(body: MessagesBody, request: Request) -> Response:
    """Answer a conversation; `stream` sends it as it is written."""
    dialect = Anthropic(service_of(request).edge.settings.sampling)
    return await answer(request, dialect, dialect.call(body), "msg_")


@router.post("/v1/messages/count_tokens")
async def count(body: CountTokensBody, request: Request) -> Response:
    """How many tokens a conversation has for its model."""
    dialect, edge = Anthropic(), service_of(request).edge
    call = dialect.count(body)
    tokens = await with_model(
        request, call.model, lambda model: edge.count(call.messages, model=model, tools=call.tools)
    )
    return JsonResponse(dialect.counted(tokens))

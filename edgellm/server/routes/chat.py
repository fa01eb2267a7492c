"""POST /v1/chat/completions."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from edgellm.server.answering import answer, service_of
from edgellm.server.bodies import ChatBody
from edgellm.server.dialects.openai_chat import OpenAIChat
from edgellm.server.published import EVENTS

router = APIRouter(tags=["OpenAI"])


@router.post("/v1/chat/completions", responses=EVENTS)
async def chat(body: ChatBody, request: Request) -> Response:
    """Answer a conversation; `stream` sends it as it is written."""
    dialect = OpenAIChat(service_of(request).edge.settings.sampling)
    return await answer(request, dialect, dialect.call(body), "chatcmpl-")

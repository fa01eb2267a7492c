"""POST /v1/completions."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter, Request
from starlette.responses import Response

from edgellm.server.answering import answer, new_answer, service_of, together
from edgellm.server.bodies import CompletionBody
from edgellm.server.dialects.openai_completions import OpenAICompletions
from edgellm.server.published import EVENTS

router = APIRouter(tags=["OpenAI"])


@router.post("/v1/completions", responses=EVENTS)
async def complete(body: CompletionBody, request: Request) -> Response:
    """Go on with a text, or with each of several; `echo` with `logprobs` scores the text itself."""
    dialect = OpenAICompletions(service_of(request).edge.settings.sampling)
    if body.stream:
        return await answer(request, dialect, dialect.call(body), "cmpl-")
    calls, name = dialect.calls(body), new_answer("cmpl-")
    return await together(request, calls, name, partial(dialect.together, calls, answer=name))

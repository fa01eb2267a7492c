"""POST /v1/feedback: what a person thinks of an answer, by the answer's id."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request
from starlette.responses import Response

from edgellm.errors import InvalidInput
from edgellm.server.answering import caller_of_request, service_of
from edgellm.server.bodies import FeedbackBody
from edgellm.server.refuse import JsonResponse
from edgellm.store.records import Rating

router = APIRouter(tags=["EdgeLLM"])
RATINGS: dict[str | None, Rating] = {"up": 1, "down": -1, None: 0}


@router.post("/v1/feedback")
async def rate(body: FeedbackBody, request: Request) -> Response:
    """Rate one of the key's own answers, and say what it should have been; a later one replaces it.

    Also: which earlier answer to the same messages it was asked for instead of.
    """
    service, tenant, answer_id = service_of(request), caller_of_request(request).tenant, body.response_id
    is_judged = body.rating is not None or body.correction is not None
    if not is_judged and body.replaces is None:
        raise InvalidInput("There is neither a rating nor a correction.", field="rating")
    if body.replaces is not None:
        await asyncio.to_thread(service.edge.answers.replaces, answer_id, tenant, body.replaces)
    if is_judged:
        rating = RATINGS[body.rating]
        await asyncio.to_thread(service.edge.answers.rate, answer_id, tenant, rating, body.correction)
        is_corrected = body.correction is not None
        said = (body.rating, "correction" if is_corrected else None)
        service.counters.ratings.update(each for each in said if each is not None)
        await asyncio.to_thread(service.trail.rated, tenant, answer_id, rating, is_corrected=is_corrected)
    return JsonResponse({"object": "feedback", "response_id": answer_id, "rating": body.rating})

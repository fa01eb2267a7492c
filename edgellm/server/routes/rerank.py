"""POST /v1/rerank: how well each text answers a question, in the shape of Cohere's and Jina's clients."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from edgellm.errors import InvalidInput
from edgellm.server.answering import caller_of_request, new_answer, service_of
from edgellm.server.bodies import Model
from edgellm.server.dialects.fields import Body, Flag, Harmless, Whole
from edgellm.server.refuse import JsonResponse
from edgellm.server.reranking import Reranking, checked_reranker
from edgellm.server.running import Running

router = APIRouter(tags=["Documents"])
MOST_TEXTS, MOST_CHARACTERS = 1_000, 100_000


class DocumentBody(Body):
    """A text as an object."""

    text: str


class RerankBody(Body):
    """POST /v1/rerank: https://docs.cohere.com/reference/rerank and https://jina.ai/reranker."""

    model: Model | None = None
    query: Annotated[str, Field(min_length=1, max_length=10_000)]
    documents: Annotated[list[str | DocumentBody], Field(min_length=1, max_length=MOST_TEXTS)]
    top_n: Annotated[Whole, Field(ge=1)] | None = None
    return_documents: Flag | None = None
    user: Harmless = None


@router.post("/v1/rerank")
async def rerank(body: RerankBody, request: Request) -> Response:
    """Put texts in order by a question, best first.

    `relevance_score` is the reranker's own: comparable within one answer only.
    """
    service, caller = service_of(request), caller_of_request(request)
    name = checked_reranker(service, caller, body.model)
    texts = [each if isinstance(each, str) else each.text for each in body.documents]
    _check("query", body.query)
    for number, text in enumerate(texts):
        _check(f"documents.{number}", text)
    work = Reranking(service, caller, body.model, body.query, texts)
    async with Running(service, caller, request.receive, work.run) as running:
        scores = await running.result()
    order = sorted(range(len(scores)), key=lambda index: (-scores[index], index))[: body.top_n]
    results = [_result(index, scores[index], texts[index] if body.return_documents else None) for index in order]
    return JsonResponse({"id": new_answer("rerank-").id, "object": "list", "model": name, "results": results})


def _result(index: int, score: float, text: str | None) -> dict[str, Any]:
    found: dict[str, Any] = {"index": index, "relevance_score": score}
    return found if text is None else {**found, "document": {"text": text}}


def _check(field: str, text: str) -> None:
    """Raises: InvalidInput."""
    if not text.strip():
        raise InvalidInput(f"{field} is empty; it cannot be compared with anything.", field=field)
    if len(text) > MOST_CHARACTERS:
        raise InvalidInput(f"{field} has {len(text):,} characters; {MOST_CHARACTERS:,} are taken.", field=field)

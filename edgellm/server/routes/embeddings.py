"""POST /v1/embeddings."""

from __future__ import annotations

import array
import base64
import sys
from collections.abc import Sequence

from fastapi import APIRouter, Request
from starlette.responses import Response

from edgellm.errors import InvalidInput
from edgellm.server.answering import caller_of_request, service_of
from edgellm.server.bodies import MOST_TEXTS, EmbeddingBody, texts_of
from edgellm.server.embedding import Embedding
from edgellm.server.refuse import JsonResponse
from edgellm.server.running import Running

router = APIRouter(tags=["OpenAI"])


@router.post("/v1/embeddings")
async def embed(body: EmbeddingBody, request: Request) -> Response:
    """One vector a text, of length 1; `base64` sends its 32-bit floats, little end first."""
    service, caller = service_of(request), caller_of_request(request)
    work = Embedding(service, caller, body.model, texts_of(body.input, "input", MOST_TEXTS)).run
    async with Running(service, caller, request.receive, work) as running:
        found = await running.result()
    size = len(found.vectors[0])
    if body.dimensions not in (None, size):
        message = f"dimensions is {body.dimensions}; the vectors of {body.model[:200]!r} have {size}."
        raise InvalidInput(message, hint="Leave it out.", field="dimensions")
    written = _base64 if body.encoding_format == "base64" else list
    data = [
        {"object": "embedding", "index": index, "embedding": written(vector)}
        for index, vector in enumerate(found.vectors)
    ]
    usage = {"prompt_tokens": found.tokens, "total_tokens": found.tokens}
    return JsonResponse({"object": "list", "data": data, "model": body.model, "usage": usage})


def _base64(vector: Sequence[float]) -> str:
    numbers = array.array("f", vector)
    if sys.byteorder == "big":
        numbers.byteswap()
    return base64.b64encode(numbers.tobytes()).decode()

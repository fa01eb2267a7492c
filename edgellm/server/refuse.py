"""A refusal as an HTTP answer, in the words of the dialect whose route was called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from edgellm.errors import EdgeLLMError
from edgellm.server.dialects.anthropic import Anthropic
from edgellm.server.dialects.ollama import OllamaChat
from edgellm.server.errors import headers_of, openai_error, public, status_of
from edgellm.server.json_text import json_bytes
from edgellm.server.rights import PAGES

Shape = Callable[[EdgeLLMError, int], dict[str, Any]]
SHAPES: Mapping[str, Shape] = {"/v1/messages": Anthropic().error, "/api/": OllamaChat().error}
"""Beginning of a path to how its clients read errors; every other path is OpenAI's."""


def shape_of(path: str) -> Shape:
    """How the clients of a path read errors."""
    return next((shape for beginning, shape in SHAPES.items() if path.startswith(beginning)), openai_error)


class JsonResponse(Response):
    """An answer in JSON."""

    media_type = "application/json"

    def __init__(self, content: Any, status_code: int = 200, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(json_bytes(content), status_code, headers)


def refusal(error: EdgeLLMError, path: str) -> JsonResponse:
    """The answer to a request that was refused."""
    status = status_of(error)
    answer = JsonResponse(shape_of(path)(public(error, status), status), status, headers_of(error, status))
    if status == 401 and path in PAGES:
        answer.headers.append("www-authenticate", 'Basic realm="EdgeLLM"')  # browsers read one challenge a line
    return answer


async def refuse(error: EdgeLLMError, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with a refusal, before any route has seen the request."""
    await refusal(error, scope["path"])(scope, receive, send)

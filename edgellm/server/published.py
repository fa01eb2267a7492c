"""The OpenAPI page: what FastAPI finds out by itself, with this server's own errors."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from edgellm.server.dialects.wire import EVENT_STREAM, JSON_LINES

REFUSAL = {"description": "A refusal; the body says why.", "content": {"application/json": {"schema": {}}}}

EVENTS: dict[int | str, dict[str, Any]] = {200: {"content": {EVENT_STREAM: {}}}}
LINES: dict[int | str, dict[str, Any]] = {200: {"content": {JSON_LINES: {}}}}
"""What a route may answer with besides JSON, when it is asked to stream."""
BYTES: dict[int | str, dict[str, Any]] = {200: {"content": {"application/octet-stream": {}}}}


class Published(FastAPI):
    """A FastAPI application whose page promises no 422: what is wrong with a body is a 400 that names the field."""

    def openapi(self) -> dict[str, Any]:
        """The page, OpenAPI 3.1."""
        page = super().openapi()
        for operations in page.get("paths", {}).values():
            for operation in operations.values():
                operation["responses"].pop("422", None)
                operation["responses"].update({"4XX": REFUSAL, "5XX": REFUSAL})
        return page

"""What the OpenAPI page says of a form: FastAPI sees only that the route reads the request itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

FILE = {"type": "string", "format": "binary"}


def form_schema(required: Sequence[str], *, file: str, several: bool = False, **texts: str | None) -> dict[str, Any]:
    """The body of a route. `texts`: further fields, each with the one value that it takes, or None for any."""
    files = {"type": "array", "items": FILE} if several else FILE
    fields = {name: {"type": "string"} | ({"const": value} if value else {}) for name, value in texts.items()}
    schema = {"type": "object", "required": list(required), "properties": {file: files, **fields}}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}

"""How a stream's events are written: server-sent events, and JSON lines."""

from __future__ import annotations

from typing import Any

from edgellm.server.json_text import json_bytes

EVENT_STREAM = "text/event-stream"
JSON_LINES = "application/x-ndjson"
COMMENT = b": still working\n\n"
"""A server-sent comment, which clients pass over."""


def event(data: dict[str, Any]) -> bytes:
    """A server-sent event (WHATWG HTML, section 9.2) named after its data's `type`."""
    return b"event: %b\ndata: %b\n\n" % (data["type"].encode(), json_bytes(data))


def line(data: dict[str, Any]) -> bytes:
    """A JSON value on a line of its own."""
    return json_bytes(data) + b"\n"

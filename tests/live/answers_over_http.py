"""Questions in every dialect, and whether what came back ends as its dialect says that answers end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx2

USER = [{"role": "user", "content": "Tell me about the sea, the ships on it and the lighthouses around it."}]
TIMEOUT_S = 60.0
"""A request that takes longer counts as one that hangs."""


class Malformed(AssertionError):
    """An answer that its client could not make sense of."""


@dataclass(frozen=True)
class Question:
    """A request for an answer."""

    path: str
    body: dict[str, Any] = field(default_factory=dict)


def questions(tokens: int) -> list[Question]:
    """The same question in each dialect, as a stream and whole."""
    model = {"model": "starter", "temperature": 0.7}
    chat = {**model, "messages": USER, "max_tokens": tokens}
    ollama = {"model": "starter", "messages": USER, "options": {"num_predict": tokens, "temperature": 0.7}}
    return [
        Question("/v1/chat/completions", {**chat, "stream": True}),
        Question("/v1/chat/completions", chat),
        Question("/v1/messages", {**chat, "stream": True}),
        Question("/api/chat", ollama),
        Question(
            "/v1/responses", {**model, "input": "Tell me of the sea.", "max_output_tokens": tokens, "stream": True}
        ),
        Question("/v1/completions", {**model, "prompt": "The sea is", "max_tokens": tokens, "stream": True}),
        Question("/v1/messages", chat),
        Question("/api/chat", {**ollama, "stream": False}),
    ]


def outcome(url: str, question: Question) -> str:
    """Ask, read to the end: `answered`, `refused` (a status) or `failed` (an error in the stream).

    Raises: Malformed; httpx2.HTTPError when the connection broke or nothing came for `TIMEOUT_S`.
    """
    with httpx2.stream("POST", url + question.path, json=question.body, timeout=TIMEOUT_S) as answer:
        text = answer.read().decode()
    if answer.status_code != 200:
        return _refused(answer, text)
    if "stream" in answer.headers["content-type"] or "ndjson" in answer.headers["content-type"]:
        return _streamed(question.path, text)
    if "error" in (whole := json.loads(text)) and whole["error"] is not None:
        raise Malformed(f"200 with an error: {text[:300]}")
    return "answered"


def _refused(answer: httpx2.Response, text: str) -> str:
    if answer.status_code != 503 or not answer.headers.get("retry-after") or not json.loads(text)["error"]:
        raise Malformed(f"{answer.status_code} {dict(answer.headers)} {text[:300]}")
    return "refused"


def _streamed(path: str, text: str) -> str:
    if path == "/api/chat":
        return _ollama(text)
    if path in ("/v1/messages", "/v1/responses"):
        return _named(path, list(_events(text)))
    data = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
    if not text.endswith("\n\n") or data[-1] != "[DONE]":
        raise Malformed(f"{path} ends with {text[-300:]!r}")
    chunks = [json.loads(each) for each in data[:-1]]
    if "error" in chunks[-1]:
        return "failed"
    if not [chunk for chunk in chunks if chunk["choices"] and chunk["choices"][0]["finish_reason"]]:
        raise Malformed(f"{path} says no reason for its end: {text[-300:]!r}")
    return "answered"


def _ollama(text: str) -> str:
    lines = [json.loads(line) for line in text.splitlines()]
    if "error" in lines[-1]:
        return "failed"
    if not text.endswith("\n") or [line["done"] for line in lines] != [False] * (len(lines) - 1) + [True]:
        raise Malformed(f"/api/chat ends with {text[-300:]!r}")
    return "answered"


def _events(text: str) -> Iterator[tuple[str, Any]]:
    """Server-sent events with their names."""
    for part in text.split("\n\n"):
        lines = [line for line in part.split("\n") if line and not line.startswith(":")]
        if lines:
            name, data = lines
            yield name.removeprefix("event: "), json.loads(data.removeprefix("data: "))


ENDS = {
    "/v1/messages": ("message_start", {"message_stop"}, {"error"}),
    "/v1/responses": (
        "response.created",
        {"response.completed", "response.incomplete"},
        {"error", "response.failed"},
    ),
}
"""The event that begins a stream; those that end an answer; those that end a failure."""


def _named(path: str, events: list[tuple[str, Any]]) -> str:
    first, good, bad = ENDS[path]
    last = events[-1][0]
    if events[0][0] != first or last not in good | bad:
        raise Malformed(f"{path}: {events[0][0]} to {last}")
    return "answered" if last in good else "failed"

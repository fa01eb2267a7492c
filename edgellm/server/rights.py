"""The table of rights itself: every route of the server, and who may call it."""

from __future__ import annotations

import re
from functools import lru_cache

from edgellm.server.access import Access, Right, Row

NONE, OWN, ALL = Right.NONE, Right.OWN, Right.ALL


def _open(method: str, path: str) -> Row:
    """For everyone, also without a key: it says nothing about anybody."""
    return Row(method=method, path=path, admin=ALL, user=ALL, viewer=ALL, stranger=ALL)


def _seen(method: str, path: str) -> Row:
    """What each key sees as far as its limits go."""
    return Row(method=method, path=path, admin=ALL, user=OWN, viewer=OWN)


def _asked(method: str, path: str) -> Row:
    """What makes a model work, and what a key may have of its own."""
    return Row(method=method, path=path, admin=ALL, user=OWN, viewer=NONE)


def _figures(method: str, path: str) -> Row:
    """Figures about everyone."""
    return Row(method=method, path=path, admin=ALL, user=NONE, viewer=ALL)


def _managed(method: str, path: str) -> Row:
    """For administrators."""
    return Row(method=method, path=path, admin=ALL, user=NONE, viewer=NONE)


ROWS = (
    _open("GET", "/health"),
    _open("GET", "/ready"),
    _figures("GET", "/metrics"),
    _managed("GET", "/openapi.json"),
    _managed("GET", "/admin"),
    _managed("GET", "/admin/status"),
    _seen("GET", "/v1/models"),
    _seen("GET", "/v1/models/{id:path}"),
    _asked("POST", "/v1/chat/completions"),
    _asked("POST", "/v1/completions"),
    _asked("POST", "/v1/embeddings"),
    _asked("POST", "/v1/rerank"),
    _seen("GET", "/v1/documents"),
    _asked("DELETE", "/v1/documents/{collection}"),
    _seen("GET", "/v1/documents/{collection}/files"),
    _asked("POST", "/v1/documents/{collection}/files"),
    _asked("DELETE", "/v1/documents/{collection}/files/{name:path}"),
    _asked("POST", "/v1/documents/{collection}/texts"),
    _seen("GET", "/v1/documents/{collection}/jobs"),
    _seen("GET", "/v1/documents/{collection}/jobs/{id}"),
    _asked("POST", "/v1/documents/{collection}/search"),
    _asked("POST", "/v1/documents/{collection}/ask"),
    _asked("POST", "/v1/files"),
    _asked("GET", "/v1/files"),
    _asked("GET", "/v1/files/{id}"),
    _asked("GET", "/v1/files/{id}/content"),
    _asked("DELETE", "/v1/files/{id}"),
    _asked("POST", "/v1/fine_tuning/jobs"),
    _asked("GET", "/v1/fine_tuning/jobs"),
    _asked("GET", "/v1/fine_tuning/jobs/{id}"),
    _asked("GET", "/v1/fine_tuning/jobs/{id}/events"),
    _asked("POST", "/v1/fine_tuning/jobs/{id}/cancel"),
    _asked("POST", "/v1/feedback"),
    _asked("POST", "/tokenize"),
    _asked("POST", "/detokenize"),
    _seen("GET", "/tokenizer_info"),
    _asked("POST", "/v1/messages"),
    _asked("POST", "/v1/messages/count_tokens"),
    _asked("POST", "/v1/responses"),
    _open("GET", "/"),
    _open("HEAD", "/"),
    _seen("GET", "/api/version"),
    _seen("GET", "/api/tags"),
    _seen("GET", "/api/ps"),
    _seen("POST", "/api/show"),
    _asked("POST", "/api/chat"),
    _asked("POST", "/api/generate"),
    _asked("POST", "/api/embed"),
    _asked("POST", "/api/embeddings"),
    _seen("POST", "/api/create"),
    _seen("POST", "/api/copy"),
    _seen("POST", "/api/push"),
)
UPLOADS = frozenset({"/v1/files", "/v1/documents/{collection}/files"})
"""Declared paths of routes that take a file in place of JSON."""
PAGES = frozenset({"/admin"})
"""Declared paths of pages for a browser, which takes a key as the password of HTTP Basic."""
TABLE = Access(ROWS)


@lru_cache(maxsize=1)
def _patterns() -> list[tuple[re.Pattern[str], str, tuple[str, ...]]]:
    """Each declared path as a pattern, with its methods; those without parameters first."""
    paths = sorted({row.path for row in ROWS}, key=lambda path: ("{" in path, path))
    return [(_pattern(path), path, tuple(row.method for row in ROWS if row.path == path)) for path in paths]


def _pattern(path: str) -> re.Pattern[str]:
    """`{name}` is one part of a path, `{name:path}` any number."""
    parts = re.split(r"(\{\w+(?::path)?\})", path)
    return re.compile("".join(re.escape(part) if not part.startswith("{") else _part(part) for part in parts))


def _part(parameter: str) -> str:
    return ".+" if parameter.endswith(":path}") else "[^/]+"


def route_of(method: str, path: str) -> str | None:
    """The declared path of the route that a request is for; None where there is none."""
    return next(
        (known for pattern, known, methods in _patterns() if method in methods and pattern.fullmatch(path)), None
    )


def methods_of(path: str) -> tuple[str, ...]:
    """Methods that a path has, in order."""
    return tuple(
        sorted({method for pattern, _, methods in _patterns() if pattern.fullmatch(path) for method in methods})
    )

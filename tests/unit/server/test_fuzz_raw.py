"""Bodies that are no JSON, or do not end, on every route: a 4xx in the dialect's shape, and the server goes on."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from edgellm.server.guard import body as body_guard
from tests.unit.server.published import operations

JSON = {"content-type": "application/json"}
PATHS = [each.path.replace("{", "").replace("}", "") for each in operations() if each.body is not None]
OBJECT = b'{"model": "fake:", "messages": [{"role": "user", "content": "%s"}]}'
NO_JSON: dict[str, bytes] = {
    "nothing but space": b" ",
    "cut off": b'{"model": "fake:"',
    "cut off in a text": b'{"model": "fa',
    "two values": b"{} {}",
    "text behind": b"{}x",
    "a comma too many": b'{"n": 1,}',
    "a comma too many in a list": b'{"stop": ["x",]}',
    "a comment": b'{"n": 1 /* one */}',
    "single quotes": b"{'n': 1}",
    "no quotes": b"{n: 1}",
    "Python's words": b'{"stream": True}',
    "NaN": b'{"temperature": NaN}',
    "infinity": b'{"temperature": Infinity}',
    "minus infinity": b'{"temperature": -Infinity}',
    "a float beyond doubles": b'{"temperature": 1e999}',
    "a long number": b'{"n": ' + b"9" * 5_000 + b"}",
    "a number of 21 digits": b'{"seed": ' + b"9" * 21 + b"}",
    "a leading zero": b'{"n": 01}',
    "a plus": b'{"n": +1}',
    "a bare point": b'{"n": .5}',
    "hexadecimal": b'{"n": 0x10}',
    "a name twice": b'{"model": "a", "model": "b"}',
    "a name twice inside": b'{"options": {"seed": 1, "seed": 2}}',
    "a name twice, once escaped": b'{"n": 1, "\\u006e": 2}',
    "half a pair": OBJECT % b"\\ud800",
    "half a pair, the second half": OBJECT % b"\\udc00",
    "half a pair in a name": b'{"\\udfff": 1}',
    "a wrong escape": OBJECT % b"\\x41",
    "a short escape": OBJECT % b"\\u12",
    "a line break in a text": OBJECT % b"a\nb",
    "a NUL in a text": OBJECT % b"\x00",
    "a NUL behind": b"{}\x00",
    "no UTF-8": OBJECT % b"\xff",
    "UTF-8 that is too long": OBJECT % b"\xc0\xaf",
    "a surrogate in UTF-8": OBJECT % b"\xed\xa0\x80",
    "beyond Unicode": OBJECT % b"\xf4\x90\x80\x80",
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"n": 1}'.encode("utf-16"),
    "UTF-32": '{"n": 1}'.encode("utf-32"),
    "Latin-1": OBJECT % "é".encode("latin-1"),
    "lists without an end": b"[" * 100_000,
    "objects without an end": b'{"a":' * 50_000,
    "deep lists": b'{"messages": ' + b"[" * 70 + b"]" * 70 + b"}",
    "deep objects": b'{"a":' * 70 + b"1" + b"}" * 70,
    "deep in a schema": b'{"tools": ' + b'[{"a":' * 40 + b"1" + b"}]" * 40 + b"}",
    "a form": b"model=fake%3A&n=1",
    "a page": b"<html></html>",
    "another protocol": b"\x16\x03\x01\x02\x00\x01\x00",
}
NO_OBJECT = [b"null", b"[]", b'"x"', b"5", b"true", b"1.5", b""]
OTHER_KINDS = [
    "text/plain",
    "text/json",
    "application/x-www-form-urlencoded",
    "application/x-ndjson",
    "application/json-patch+json",
    "multipart/form-data; boundary=x",
    "application/json, text/plain",
    "\x00",
]


def message_of(path: str, answer: httpx2.Response) -> str:
    """The words of a refusal, which must have the shape of its path's dialect."""
    said = answer.json()
    if path.startswith("/api/"):
        assert set(said) == {"error"}
        return str(said["error"])
    if path.startswith("/v1/messages"):
        assert (set(said), said["type"], set(said["error"])) == ({"type", "error"}, "error", {"type", "message"})
    else:
        assert (set(said), set(said["error"])) == ({"error"}, {"message", "type", "param", "code"})
    return str(said["error"]["message"])


def test_there_are_hundreds_of_them() -> None:
    assert len(NO_JSON) * len(PATHS) >= 500


@pytest.mark.parametrize("path", PATHS)
async def test_no_json(client: httpx2.AsyncClient, path: str) -> None:
    for what, raw in NO_JSON.items():
        answer = await client.post(path, content=raw, headers=JSON)
        assert answer.status_code == 400, what
        assert message_of(path, answer).startswith("The body is not the JSON that is wanted"), what


@pytest.mark.parametrize("path", PATHS)
async def test_no_object(client: httpx2.AsyncClient, path: str) -> None:
    for raw in NO_OBJECT:
        answer = await client.post(path, content=raw, headers=JSON)
        assert (answer.status_code, "body" in message_of(path, answer)) == (400, True), raw


@pytest.mark.parametrize("path", PATHS)
async def test_no_json_by_its_type(client: httpx2.AsyncClient, path: str) -> None:
    for kind in OTHER_KINDS:
        answer = await client.post(path, content=b"{}", headers={"content-type": kind})
        assert answer.status_code == 415, kind
        assert "application/json" in message_of(path, answer)
    for coding in ("gzip", "br", "deflate", "identity, gzip"):
        answer = await client.post(path, content=gzip.compress(b"{}"), headers={**JSON, "content-encoding": coding})
        assert (answer.status_code, "compressed" in message_of(path, answer)) == (415, True)
    twice = [("content-type", "application/json"), ("content-type", "application/json")]
    answer = await client.post(path, content=b"{}", headers=twice)
    assert (answer.status_code, "content-type" in message_of(path, answer)) == (400, True)


@pytest.mark.parametrize("path", PATHS)
async def test_a_body_that_does_not_end(client: httpx2.AsyncClient, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_guard, "READ_S", 0.05)

    async def endless() -> AsyncIterator[bytes]:
        yield b'{"model": "fake:"'
        await asyncio.sleep(5)

    answer = await client.post(path, content=endless(), headers=JSON)
    assert answer.status_code == 408
    assert "0.05 s" in message_of(path, answer)


@pytest.mark.parametrize("path", PATHS)
async def test_a_body_in_small_pieces_is_read(client: httpx2.AsyncClient, path: str) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for byte in b'{"no_such_field": 1}':
            yield bytes([byte])

    answer = await client.post(path, content=pieces(), headers=JSON)
    assert (answer.status_code, "no_such_field" in message_of(path, answer)) == (400, True)


async def test_a_long_text_is_refused_and_not_repeated(client: httpx2.AsyncClient) -> None:
    for path in PATHS:
        body: dict[str, Any] = {"model": "m" * 1_000_000, "no_such_field" * 10_000: 1}
        answer = await client.post(path, content=json.dumps(body).encode(), headers=JSON)
        assert answer.status_code == 400
        assert len(message_of(path, answer)) < 400

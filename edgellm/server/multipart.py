"""Forms with files (multipart/form-data, RFC 7578), read piece by piece; pure.

Stricter than the format allows: nothing before the first boundary, nothing between a boundary and its line's end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from email.parser import HeaderParser
from enum import Enum, auto
from typing import NoReturn

from edgellm.errors import InvalidInput

MOST_HEADER_BYTES, MOST_PARTS = 8 * 1024, 128
_BOUNDARY = re.compile(r"[A-Za-z0-9'()+_,./:=? -]{0,69}[A-Za-z0-9'()+_,./:=?-]")
"""RFC 2046, section 5.1.1."""
_ENCODINGS = ("", "7bit", "8bit", "binary")
"""Of a part: what is sent as it is."""


@dataclass(frozen=True, slots=True)
class Part:
    """The beginning of a field or a file."""

    name: str
    filename: str | None
    """As the client says it, hostile text; None: a field."""


class _At(Enum):
    BOUNDARY = auto()
    """Behind a boundary, whose line says whether it was the last one."""
    HEADERS = auto()
    CONTENT = auto()
    END = auto()


class Multipart:
    """Reads one form. Its pieces come in order: a part, its bytes, the next part.

    What follows the last boundary is passed over. Raises, from `feed` and `close`: InvalidInput with facts `field`.
    """

    def __init__(self, content_type: str) -> None:
        """`content_type`: the request's header, with the boundary."""
        self._delimiter = b"\r\n--" + _boundary(content_type)
        self._held = b"\r\n"  # the first boundary begins a line, too
        self._at = _At.CONTENT
        self._parts = 0

    def feed(self, data: bytes) -> Iterator[Part | bytes]:
        """What is complete with these bytes."""
        self._held += data
        while (found := self._next()) is not None:
            if found != b"":
                yield found

    def close(self) -> None:
        """There is no more."""
        if self._at is not _At.END:
            _refuse("it ends before its last boundary")

    def _next(self) -> Part | bytes | None:
        """The next step: a piece; nothing (b""), and there may be more; or None, and more bytes are needed."""
        if self._at is _At.CONTENT:
            return self._content()
        if self._at is _At.BOUNDARY:
            return self._boundary_line()
        if self._at is _At.HEADERS:
            return self._headers()
        self._held = b""
        return None

    def _content(self) -> bytes | None:
        place = self._held.find(self._delimiter)
        if place >= 0:
            piece, self._held = self._held[:place], self._held[place + len(self._delimiter) :]
            self._at = _At.BOUNDARY
        else:
            kept = len(self._delimiter) - 1  # the beginning of a boundary may be in them
            piece, self._held = self._held[:-kept], self._held[-kept:]
        if piece and not self._parts:
            _refuse("it does not begin with its boundary")
        return piece if piece or place >= 0 else None

    def _boundary_line(self) -> bytes | None:
        if len(self._held) < 2:
            return None
        line, self._held = self._held[:2], self._held[2:]
        if line == b"--":
            self._at = _At.END
        elif line == b"\r\n":
            self._at = _At.HEADERS
        else:
            _refuse("something follows a boundary on its line")
        return b""

    def _headers(self) -> Part | None:
        end = self._held.find(b"\r\n\r\n")
        if end > MOST_HEADER_BYTES or (end < 0 and len(self._held) > MOST_HEADER_BYTES):
            _refuse(f"a part's headers are longer than {MOST_HEADER_BYTES} bytes")
        if end < 0:
            return None
        raw, self._held = self._held[:end], self._held[end + 4 :]
        self._parts += 1
        if self._parts > MOST_PARTS:
            _refuse(f"it has more than {MOST_PARTS} parts")
        self._at = _At.CONTENT
        return _part(raw)


def _boundary(content_type: str) -> bytes:
    header = Message()
    header["content-type"] = content_type
    boundary = header.get_param("boundary")
    if not isinstance(boundary, str) or not _BOUNDARY.fullmatch(boundary):
        _refuse("its Content-Type names no boundary")
    return boundary.encode()


def _part(raw: bytes) -> Part:
    try:
        headers = HeaderParser().parsestr(raw.decode())
    except UnicodeDecodeError:
        _refuse("a part's headers are not UTF-8 text")
    name = headers.get_param("name", header="content-disposition")
    if headers.get_content_disposition() != "form-data" or not isinstance(name, str):
        _refuse("a part has no name")
    if str(headers.get("content-transfer-encoding", "")).strip().lower() not in _ENCODINGS:
        _refuse(f"the part {name[:40]!r} is encoded; send it as it is", name)
    return Part(name, headers.get_filename())


def _refuse(why: str, field: str = "body") -> NoReturn:
    raise InvalidInput(f"The body is not the form that is wanted: {why}.", field=field[:40])

"""Forms with files (multipart/form-data, RFC 7578), read piece by piece by python-multipart; pure.

What the library leaves to its user is done here: the number of parts, that a form has an end, names as UTF-8 text, and
that a part is sent as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from edgellm.errors import InvalidInput

MOST_HEADER_BYTES, MOST_HEADERS, MOST_PARTS = 4 * 1024, 8, 128
"""Of one header of a part; of its headers; of parts."""
_BOUNDARY = re.compile(rb"[A-Za-z0-9'()+_,./:=? -]{0,69}[A-Za-z0-9'()+_,./:=?-]")
"""RFC 2046, section 5.1.1."""
_ENCODINGS = (b"", b"7bit", b"8bit", b"binary")
"""Of a part: what is sent as it is."""


@dataclass(frozen=True, slots=True)
class Part:
    """The beginning of a field or a file."""

    name: str
    filename: str | None
    """As the client says it, hostile text; None: a field."""


class Multipart:
    """Reads one form. Its pieces come in order: a part, its bytes, the next part.

    What follows the last boundary is passed over. Raises, from `feed` and `close`: InvalidInput with facts `field`.
    """

    def __init__(self, content_type: str) -> None:
        """`content_type`: the request's header, with the boundary."""
        self._found: list[Part | bytes] = []
        self._parts = 0
        self._is_ended = False
        self._headers: dict[bytes, bytes] = {}
        self._name, self._value = b"", b""
        self._parser = MultipartParser(
            _boundary(content_type),
            {
                "on_part_begin": self._begin,
                "on_header_field": self._header_name,
                "on_header_value": self._header_value,
                "on_header_end": self._header_end,
                "on_headers_finished": self._headers_end,
                "on_part_data": self._data,
                "on_end": self._end,
            },
            max_header_count=MOST_HEADERS,
            max_header_size=MOST_HEADER_BYTES,
        )

    def feed(self, data: bytes) -> Iterator[Part | bytes]:
        """What is complete with these bytes."""
        if self._is_ended:
            return
        try:
            self._parser.write(data)
        except FormParserError as error:
            _refuse(f"{error}")
        found, self._found = self._found, []
        yield from found

    def close(self) -> None:
        """There is no more."""
        if not self._is_ended:
            _refuse("it ends before its last boundary")

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > MOST_PARTS:
            _refuse(f"it has more than {MOST_PARTS} parts")
        self._headers = {}

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        self._headers[self._name.lower()] = self._value
        self._name, self._value = b"", b""

    def _headers_end(self) -> None:
        self._found.append(_part(self._headers))

    def _data(self, data: bytes, start: int, end: int) -> None:
        self._found.append(data[start:end])

    def _end(self) -> None:
        self._is_ended = True


def _boundary(content_type: str) -> bytes:
    try:
        boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
    except UnicodeEncodeError:
        boundary = b""
    if not _BOUNDARY.fullmatch(boundary):
        _refuse("its Content-Type names no boundary")
    return boundary


def _part(headers: dict[bytes, bytes]) -> Part:
    kind, options = parse_options_header(headers.get(b"content-disposition"))
    try:
        name, filename = (None if each is None else each.decode() for each in map(options.get, (b"name", b"filename")))
    except UnicodeDecodeError:
        _refuse("a part's headers are not UTF-8 text")
    if kind != b"form-data" or name is None:
        _refuse("a part has no name")
    if headers.get(b"content-transfer-encoding", b"").strip().lower() not in _ENCODINGS:
        _refuse(f"the part {name[:40]!r} is encoded; send it as it is", name)
    return Part(name, filename)


def _refuse(why: str, field: str = "body") -> NoReturn:
    raise InvalidInput(f"The body is not the form that is wanted: {why}.", field=field[:40])

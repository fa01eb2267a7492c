"""Forms, read piece by piece: the same pieces wherever the bytes are cut, and nothing that is not quite a form."""

from __future__ import annotations

from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgellm.errors import InvalidInput
from edgellm.server.multipart import MOST_HEADER_BYTES, MOST_HEADERS, MOST_PARTS, Multipart, Part

TYPE = "multipart/form-data; boundary=XX"
Parts = list[tuple[str, str | None, bytes]]


def form(parts: Parts) -> bytes:
    body = b""
    for name, filename, content in parts:
        head = f'Content-Disposition: form-data; name="{name}"'
        head += "" if filename is None else f'; filename="{filename}"\r\nContent-Type: text/plain'
        body += b"--XX\r\n" + head.encode() + b"\r\n\r\n" + content + b"\r\n"
    return body + b"--XX--\r\n"


def read(*pieces: bytes, content_type: str = TYPE) -> Parts:
    parser, found = Multipart(content_type), list[tuple[str, str | None, bytes]]()
    for piece in pieces:
        for event in parser.feed(piece):
            if isinstance(event, Part):
                found.append((event.name, event.filename, b""))
            else:
                name, filename, content = found[-1]
                found[-1] = (name, filename, content + event)
    parser.close()
    return found


TWO: Parts = [("purpose", None, b"fine-tune"), ("file", "ä b.jsonl", b"\r\n--X\r\n--XY\x00\xff\r\n")]


def test_fields_and_files() -> None:
    assert read(form(TWO)) == TWO
    assert read(form([("file", "empty", b"")])) == [("file", "empty", b"")]
    assert read(form([])) == []


@given(
    st.lists(st.tuples(st.sampled_from(["a", "file"]), st.sampled_from([None, "x.txt"]), st.binary(max_size=200))),
    st.lists(st.integers(0, 600)),
)
def test_where_the_bytes_are_cut_changes_nothing(parts: Parts, cuts: list[int]) -> None:
    if any(b"\r\n--XX" in b"\r\n" + content + b"\r\n" for _, _, content in parts):
        return
    body = form(parts)
    at = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    assert read(*(body[start:end] for start, end in pairwise(at))) == parts


@given(st.binary(max_size=400))
def test_any_bytes_are_a_form_or_refused(noise: bytes) -> None:
    for body in (noise, b"--XX\r\n" + noise, form(TWO)[:-8] + noise, b"--XX\r\nContent-Disposition: " + noise):
        with suppress(InvalidInput):
            read(body)


def header(value: str) -> bytes:
    return b"--XX\r\n" + value.encode() + b"\r\n\r\nx\r\n--XX--"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--XX",
        b"--XX\r\n",
        form(TWO)[:-6],
        b"preamble\r\n" + form(TWO),
        b"--XX \r\n",
        b"--XXX\r\n",
        header("Content-Disposition: form-data"),
        header('Content-Disposition: attachment; name="a"'),
        header("Content-Type: text/plain"),
        header('Content-Disposition: form-data; name="a"\r\nContent-Transfer-Encoding: base64'),
        b'--XX\r\nContent-Disposition: form-data; name="\xff"\r\n\r\nx\r\n--XX--',
        header('Content-Disposition: form-data; name="a"\r\nX: ' + "x" * MOST_HEADER_BYTES),
        header('Content-Disposition: form-data; name="a"' + "\r\nX: y" * MOST_HEADERS),
        header('Content-Disposition: form-data; name="a"\r\nno colon'),
        form([("a", None, b"")] * (MOST_PARTS + 1)),
    ],
)
def test_what_is_not_quite_a_form_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidInput):
        read(body)


@pytest.mark.parametrize(
    "content_type",
    ["", "multipart/form-data", "multipart/form-data; boundary=", f"multipart/form-data; boundary={'x' * 71}"],
)
def test_without_a_boundary_nothing_is_read(content_type: str) -> None:
    with pytest.raises(InvalidInput, match="boundary"):
        Multipart(content_type)


def test_headers_without_an_end_are_not_collected() -> None:
    parser = Multipart(TYPE)
    list(parser.feed(b"--XX\r\n" + b"x" * MOST_HEADER_BYTES))
    with pytest.raises(InvalidInput, match="header"):
        list(parser.feed(b"x"))

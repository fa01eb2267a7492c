"""Formats are told by content first, by name second."""

from __future__ import annotations

import io

import pytest

from edgellm.retrieval.parse.kinds import kind_of
from edgellm.retrieval.parse.refusal import Refused
from tests.unit.retrieval.hostile import docx, paragraph, pptx, simple_pdf, xlsx

MAIL = b"Received: from x\nFrom: a@b.c\nSubject: Hi\n\nText"
LOG = b"".join(b"2024-01-02 10:00:0%d started\n" % second for second in range(6))


def kind(data: bytes, name: str) -> tuple[str, str | None]:
    return kind_of(data, name, io.BytesIO(data))


def _words_only(value: str | bytes) -> str:
    """Zip archives hold the time they were made at, and every process must give a test the same name."""
    return value if isinstance(value, str) else "bytes"


@pytest.mark.parametrize(
    ("data", "name", "expected"),
    [
        (simple_pdf(), "a.pdf", "pdf"),
        (b"\n\n" + simple_pdf(), "a", "pdf"),
        (docx(paragraph("x")), "a.docx", "docx"),
        (pptx(1, "<x/>"), "a.pptx", "pptx"),
        (xlsx(""), "a.xlsx", "xlsx"),
        (b"a,b\n1,2\n", "a.csv", "csv"),
        (b"a\tb\n", "a.TSV", "csv"),
        (b"<!-- x --><!DOCTYPE HTML><p>x", "a", "html"),
        (b"<p>x", "a.htm", "html"),
        (b"# x", "a.md", "markdown"),
        (b"def f(): pass", "a.py", "code"),
        (b"all: x", "Makefile", "code"),
        (b"<html>{{ x }}</html>", "a.vue", "code"),
        (MAIL, "a", "email"),
        (MAIL, "a.eml", "email"),
        (b"x", "a.log.3", "log"),
        (LOG, "messages", "log"),
        (b"Dear all", "a.txt", "text"),
        (b"Dear all", "README", "text"),
    ],
    ids=_words_only,
)
def test_a_format_is_recognised(data: bytes, name: str, expected: str) -> None:
    assert kind(data, name) == (expected, None)


@pytest.mark.parametrize(
    ("data", "name", "expected"),
    [(simple_pdf(), "a.docx", "pdf"), (b"plain words", "a.pdf", "text"), (MAIL, "a.csv", "email")],
)
def test_a_wrong_name_is_named(data: bytes, name: str, expected: str) -> None:
    found, notice = kind(data, name)
    assert found == expected
    assert notice == f"the name ends with '{name[1:]}', but the content is {expected}"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\xff\xd8\xff\xe0", "a picture .JPEG."),
        (b'<?xml version="1.0"?><!-- made by hand -->\n<svg width="1">', "a picture .SVG."),
        (b"\x1f\x8b\x08", "a gzip archive; unpack it first"),
        (b"{\\rtf1", "Rich Text"),
        (b"PK\x03\x04", "zip archive that it is made of is damaged"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "before 2007"),
    ],
)
def test_what_is_no_document_is_refused_by_its_name(data: bytes, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        kind(data, "a.txt")


@pytest.mark.timeout(10)
@pytest.mark.parametrize(("end", "expected"), [(b"<html>", "html"), (b"# words", "markdown")])
def test_a_file_that_begins_with_many_comments_is_told_at_once(end: bytes, expected: str) -> None:
    name = "a.html" if expected == "html" else "a.md"
    assert kind(b"<!-- a line of a licence -->\n" * 60 + end, name) == (expected, None)

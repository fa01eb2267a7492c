"""E-mail: subject, people, day, text; what is attached is told."""

from __future__ import annotations

import pytest

pytest.importorskip("selectolax")

from edgellm.retrieval.parse import mail
from edgellm.retrieval.parse.build import Builder
from edgellm.retrieval.values import Document
from tests.unit.retrieval.parse.reading import blocks

HEAD = "From: A <a@b.c>\nTo: x@y.z\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\nDate: Mon, 3 Feb 2025 10:00:00 +0000\n"
PLAIN = 'Content-Type: text/plain; charset="{}"\n\nA text.\n'
HTML = "Content-Type: text/html\n\n<p>An <b>HTML</b> text.</p>\n"
ATTACHED = 'Content-Type: application/pdf\nContent-Disposition: attachment; filename="a.pdf"\n\nx\n'


def read(text: str) -> Document:
    builder = Builder("email")
    mail.read(text.encode(), builder)
    return builder.document()


def mixed(kind: str, *parts: str) -> str:
    inner = "".join(f"--B\n{part}" for part in parts)
    return f"{HEAD}MIME-Version: 1.0\nContent-Type: multipart/{kind}; boundary=B\n\n{inner}--B--\n"


def test_a_message_has_a_heading_its_people_and_its_text() -> None:
    found = read(HEAD + "MIME-Version: 1.0\n" + PLAIN.format("utf-8"))
    assert blocks(found) == [
        "heading1: Grüße",
        "text: From: A <a@b.c>\nTo: x@y.z\nDate: Mon, 03 Feb 2025 10:00:00 +0000",
        "text: A text.",
    ]
    assert (found.title, found.written) == ("Grüße", "2025-02-03")


def test_the_text_is_preferred_and_attachments_are_told() -> None:
    found = read(mixed("mixed", PLAIN.format("utf-8"), ATTACHED))
    assert found.text.endswith("A text.")
    assert found.notices == ("the attachment 'a.pdf' was not read",)
    assert read(mixed("alternative", PLAIN.format("utf-8"), HTML)).text.endswith("A text.")
    assert read(mixed("alternative", HTML)).text.endswith("An HTML text.")


def test_an_encoding_that_does_not_exist_is_read_all_the_same() -> None:
    assert read(HEAD + "MIME-Version: 1.0\n" + PLAIN.format("no-such")).text.endswith("A text.")


def test_a_mailbox_is_its_messages() -> None:
    one = "From a@b.c Mon Feb  3 10:00:00 2025\n" + HEAD + "\nFirst.\n\n"
    found = read(one + one.replace("First", "Second"))
    assert [block for block in blocks(found) if "." in block and "@" not in block] == ["text: First.", "text: Second."]
    assert found.title is None

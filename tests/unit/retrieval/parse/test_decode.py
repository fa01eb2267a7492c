"""Bytes become text: by mark, as UTF-8, as they say themselves, or by a guess that is told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgellm.retrieval.parse.decode import declared_encoding, decoded
from edgellm.retrieval.parse.refusal import Refused

WORDS = "Grüße, größer als je zuvor"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-le", "utf-16-be"])
def test_unicode_is_recognised(encoding: str) -> None:
    assert decoded(WORDS.encode(encoding)) == (WORDS, None)


def test_an_older_encoding_is_a_guess_that_is_told() -> None:
    text, notice = decoded(WORDS.encode("cp1252"))
    assert text == WORDS
    assert notice == "not UTF-8: byte 0xFC at position 3; read as Windows-1252"


def test_a_page_says_its_encoding() -> None:
    page = '<meta charset="koi8-r"><p>привет'.encode("koi8-r")
    assert declared_encoding(page) == "koi8-r"
    assert decoded(page, "koi8-r") == ('<meta charset="koi8-r"><p>привет', None)


@pytest.mark.parametrize("declared", ["no-such", "base64", None])
def test_an_encoding_that_does_not_exist_is_not_believed(declared: str | None) -> None:
    assert decoded(WORDS.encode("latin-1"), declared)[0] == WORDS


def test_a_few_wrong_characters_are_counted() -> None:
    assert decoded(b"\xff\xfe" + ("x" * 200).encode("utf-16-le") + b"y")[1] == "1 characters are wrong in utf-16-le"


@pytest.mark.parametrize("data", [bytes(100), bytes(range(256)), b"\xff\xfe" + b"\xd8\xd8" * 9])
def test_what_is_no_text_is_refused(data: bytes) -> None:
    with pytest.raises(Refused, match=r"binary data|are wrong in it"):
        decoded(data)


@given(st.binary(max_size=300), st.sampled_from([None, "utf-8", "big5", "utf-7"]))
def test_any_bytes_are_text_or_refused(data: bytes, declared: str | None) -> None:
    try:
        text, _ = decoded(data, declared)
    except Refused:
        return
    assert isinstance(text, str)

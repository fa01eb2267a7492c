"""The bytes of a text file to text."""

from __future__ import annotations

import codecs
import re

from edgellm.retrieval.parse.refusal import Refused

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SAMPLE_BYTES = 64 * 1024
_DECLARED = re.compile(rb"""(?:charset|encoding)\s*=\s*["']?\s*([A-Za-z0-9_.:-]{2,30})""")
_BINARY = re.compile(rb"[\x00-\x06\x0e-\x1a\x1c-\x1f\x7f]")
MOST_BINARY = 0.02
"""Share of control bytes above which a file is no text; a log may have a few zeros where the power failed."""
MOST_WRONG = 0.02
"""Share of characters that are wrong in the encoding above which it is another one."""


def decoded(data: bytes, declared: str | None = None) -> tuple[str, str | None]:
    """The text, and a notice if its encoding was guessed or something was wrong in it.

    In turn: a byte-order mark, UTF-8, UTF-16 without a mark, the `declared` encoding, Windows-1252. Raises: Refused.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _lenient(data[len(mark) :], encoding)
    sample = data[:_SAMPLE_BYTES]
    wide = _wide_encoding(sample)
    if wide:
        return _lenient(data, wide)
    if len(_BINARY.findall(sample)) > max(1, MOST_BINARY * len(sample)):
        raise Refused("this is binary data of an unknown format")
    try:
        return data.decode("utf-8"), None
    except UnicodeDecodeError as error:
        wrong = f"not UTF-8: byte 0x{data[error.start]:02X} at position {error.start + 1}"
    if declared and _is_text_encoding(declared):
        return _lenient(data, declared)
    return data.decode("cp1252", "replace"), f"{wrong}; read as Windows-1252"


def declared_encoding(data: bytes) -> str | None:
    """What an HTML or XML file says about itself near its beginning."""
    found = _DECLARED.search(data[:2048])
    return found[1].decode("ascii") if found else None


def _lenient(data: bytes, encoding: str) -> tuple[str, str | None]:
    text = data.decode(encoding, "replace")
    wrong = text.count("\ufffd")
    if wrong > max(1, MOST_WRONG * len(text)):
        raise Refused(f"it says that it is {encoding}, but {wrong:,} of {len(text):,} characters are wrong in it")
    return text, f"{wrong} characters are wrong in {encoding}" if wrong else None


def _wide_encoding(sample: bytes) -> str | None:
    """UTF-16 without a mark: zeros at every other place."""
    half = len(sample) // 2
    for encoding, zeros in (("utf-16-le", sample[1::2]), ("utf-16-be", sample[::2])):
        if half >= 4 and zeros.count(0) > 0.7 * half and sample.count(0) < 0.6 * len(sample):
            return encoding
    return None


def _is_text_encoding(name: str) -> bool:
    try:
        b"x".decode(name, "replace")
    except (LookupError, ValueError):
        return False
    return True

"""What JSON a body may hold."""

from __future__ import annotations

import json
import time

import pytest

from edgellm.errors import InvalidInput
from edgellm.server.json_text import MAX_DEPTH, json_bytes, read_json

BAD = {
    "no utf-8": b'{"a": "\xff"}',
    "byte order mark": b'\xef\xbb\xbf{"a": 1}',
    "utf-16": '{"a": 1}'.encode("utf-16"),
    "nan": b'{"a": NaN}',
    "infinity": b'{"a": -Infinity}',
    "overflow": b'{"a": 1e999}',
    "many digits": b'{"a": ' + b"9" * 5_000_000 + b"}",
    "21 digits": b'{"a": 123456789012345678901}',
    "twice": b'{"a": 1, "a": 2}',
    "twice inside": b'{"b": [{"a": 1, "a": 1}]}',
    "half a pair": rb'{"a": "\ud800"}',
    "half a pair as a name": rb'{"\uDC00": 1}',
    "too deep lists": b"[" * 65 + b"]" * 65,
    "too deep objects": b'{"a":' * 65 + b"1" + b"}" * 65,
    "10,000 levels": b"[" * 10_000 + b"]" * 10_000,
    "a million open": b"[" * 1_000_000,
    "crossed": b"[{]}",
    "trailing": b'{"a": 1} x',
    "comment": b'{"a": 1 /* no */}',
    "single quotes": b"{'a': 1}",
    "control character": b'{"a": "\x01"}',
    "empty": b" ",
}


@pytest.mark.parametrize("name", BAD)
def test_what_no_body_may_hold(name: str) -> None:
    began = time.monotonic()
    with pytest.raises(InvalidInput) as refusal:
        read_json(BAD[name])
    assert refusal.value.facts["field"] == "body"
    assert len(str(refusal.value)) < 300
    assert time.monotonic() - began < 20


def test_what_it_may_hold() -> None:
    value = {"a": [1, -2.5, 1e-7, None, True, "é😀", {}], "[[[": ']]]{{{\\"', "n": 2**63}
    assert read_json(json.dumps(value).encode()) == value
    assert read_json(rb'"\ud83d\ude00"') == "😀"


def test_the_deepest_value() -> None:
    assert read_json(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)


def test_brackets_in_texts_do_not_nest() -> None:
    assert read_json(json.dumps({"a": "[{" * 500 + '"' + "]" * 7}).encode())


def test_half_a_pair_is_written_as_its_escape() -> None:
    assert json_bytes({"a": "é\ud800"}) == '{"a":"é\\ud800"}'.encode()
    with pytest.raises(ValueError, match="JSON"):
        json_bytes(float("nan"))

"""Typed decoding, also by threads that are the first to ask for a kind."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from edgellm.decoding import convert, from_json, from_msgpack, json_decoder, msgpack_decoder

FIRST_TOGETHER = """
import sys, threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import make_dataclass
from edgellm.decoding import convert, from_json, from_msgpack

sys.setswitchinterval(1e-6)
JSON = b'{"number": 1, "words": ["x"], "inner": {"share": 0.5}}'
PLAIN = {"number": 1, "words": ["x"], "inner": {"share": 0.5}}
PACKED = bytes.fromhex("83a66e756d62657201a5776f72647391a178a5696e6e657281a57368617265cb3fe0000000000000")

def kind(number):
    inner = make_dataclass(f"Inner{number}", [("share", float)])
    return make_dataclass(f"Outer{number}", [("number", int), ("words", list[str]), ("inner", inner)])

def ask(number):
    together.wait()
    ways = (lambda: from_json(JSON, asked), lambda: from_msgpack(PACKED, asked), lambda: convert(PLAIN, asked))
    return ways[number % 3]().inner.share

with ThreadPoolExecutor(8) as pool:
    for number in range(150):
        asked, together = kind(number), threading.Barrier(8)
        assert list(pool.map(ask, range(8))) == [0.5] * 8
"""


@dataclass(frozen=True)
class Inner:
    share: float


@dataclass(frozen=True)
class Outer:
    name: str
    inner: Inner | None = None


def test_threads_that_are_the_first_to_decode_a_kind_end_nothing() -> None:
    done = subprocess.run([sys.executable, "-c", FIRST_TOGETHER], capture_output=True, text=True, timeout=100)
    assert (done.returncode, done.stderr) == (0, "")


def test_values_become_typed() -> None:
    expected = Outer("a", Inner(0.5))
    assert from_json(b'{"name": "a", "inner": {"share": 0.5}}', type=Outer) == expected
    assert from_msgpack(msgspec.msgpack.encode(expected), type=Outer) == expected
    assert convert({"name": "a", "inner": {"share": 0.5}}, Outer) == expected
    assert convert("7", int, strict=False) == 7


@pytest.mark.parametrize("given", [b"", b"{", b'{"name": 1}', b'{"inner": null}', b'"\xff"'])
def test_what_is_not_of_the_kind_is_refused(given: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        from_json(given, type=Outer)


def test_a_kind_is_learnt_once() -> None:
    kinds: list[Any] = [Outer, list[Outer], dict[str, Any], tuple[str, ...], int | str]
    assert [json_decoder(kind) for kind in kinds] == [json_decoder(kind) for kind in kinds]
    assert [msgpack_decoder(kind) for kind in kinds] == [msgpack_decoder(kind) for kind in kinds]

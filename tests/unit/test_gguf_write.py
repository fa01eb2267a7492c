"""Writing GGUF files: what goes in comes out, for our reader and for gguf's own; a file appears whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgellm import disk_space, gguf_write
from edgellm.errors import DiskFull, InvalidInput
from edgellm.gguf_bytes import STRING
from edgellm.gguf_header import TENSOR_TYPES, raw_metadata, read_header
from edgellm.gguf_write import BOOL, F32, I32, U64, Buffer, NewTensor, copied, encoded, of_array, write_gguf
from tests.ggufs import GGUF

KEYS: dict[str, gguf_write.Value] = {"general.architecture": "llama", "llama.block_count": 2}


@pytest.fixture(autouse=True)
def small_disk_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_space, "SPARE_BYTES", 0)


def zeros(name: str, shape: tuple[int, ...] = (32, 2), kind: str = "Q8_0") -> NewTensor:
    tensor = NewTensor(name, shape, kind, list)
    return NewTensor(name, shape, kind, lambda: [bytes(tensor.size_bytes)])


def test_both_readers_read_what_was_written(tmp_path: Path) -> None:
    gguf = pytest.importorskip("gguf")
    path = tmp_path / "m.gguf"
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    metadata: dict[str, gguf_write.Value] = KEYS | {
        "a.float": 0.5,
        "a.flag": True,
        "a.words": ["x", "é"],
        "a.kinds": [3, 1],
    }
    write_gguf(path, metadata, [of_array("one", values), zeros("two"), of_array("three", values.astype(np.float16))])

    header = read_header(path)
    assert header.version == 3
    assert dict(header.metadata) == metadata | {"a.words": ("x", "é"), "a.kinds": (3, 1)}
    assert [(t.name, t.shape, t.type.name) for t in header.tensors] == [
        ("one", (3, 2), "F32"),
        ("two", (32, 2), "Q8_0"),
        ("three", (3, 2), "F16"),
    ]
    theirs = gguf.GGUFReader(path)
    assert {name: theirs.fields[name].contents() for name in metadata} == metadata
    assert np.array_equal(theirs.tensors[0].data, values)
    assert np.array_equal(theirs.tensors[2].data, values.astype(np.float16))


def test_whole_numbers_take_the_types_that_llama_cpp_expects() -> None:
    kinds: dict[gguf_write.Plain, int] = {7: 4, -7: 5, 2**32: U64, 2.0: F32, True: BOOL, "x": STRING}
    assert {value: encoded(value)[0] for value in kinds} == kinds
    assert encoded([3, 1])[4] == I32
    assert encoded([2**31])[4] == 4
    assert encoded([], kind=STRING) == bytes([9, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])


@pytest.mark.parametrize(
    ("value", "kind"), [([], None), ([1, "x"], None), (2**64, None), (-1, 4), (1, 99), ("x", 4), (1, STRING), (2, 9)]
)
def test_values_that_gguf_cannot_hold_are_refused(value: Any, kind: int | None) -> None:
    with pytest.raises(InvalidInput, match="cannot be one value"):
        encoded(value, kind)


def test_a_copy_is_bit_identical_and_keys_can_be_changed(tmp_path: Path) -> None:
    original, copy, changed = (tmp_path / f"{name}.gguf" for name in ("original", "copy", "changed"))
    many = [f"token {i}" for i in range(5000)]
    keys: dict[str, gguf_write.Value] = {"general.alignment": 64, "general.name": "Old", "tokens": many}
    arrays = [of_array("a", np.random.default_rng(0).normal(size=(700, 500))), zeros("b", (256, 9), "Q4_K")]
    write_gguf(original, KEYS | keys, arrays)
    header = read_header(original)
    write_gguf(copy, raw_metadata(original), [copied(header, tensor) for tensor in header.tensors])
    assert copy.read_bytes() == original.read_bytes()

    metadata: dict[str, gguf_write.Value] = {**raw_metadata(original), "general.name": "New", "added": 1}
    del metadata["llama.block_count"]
    write_gguf(changed, metadata, [copied(header, tensor) for tensor in header.tensors[1:]])
    found = read_header(changed)
    assert list(found.metadata) == ["general.architecture", "general.alignment", "general.name", "tokens", "added"]
    assert (found.text("general.name"), found.alignment, list(found.items("tokens"))) == ("New", 64, many)


def test_raw_metadata_is_what_lies_in_the_file(tmp_path: Path) -> None:
    file = GGUF()
    assert raw_metadata(file.write(tmp_path / "m.gguf")) == dict(file.keys)


def test_tensors_are_asked_for_one_at_a_time(tmp_path: Path) -> None:
    alive: list[str] = []

    def pieces(name: str) -> Iterator[Buffer]:
        alive.append(name)
        assert alive == [name]
        for _ in range(4):
            yield bytes(32)
        alive.remove(name)

    write_gguf(
        tmp_path / "m.gguf",
        KEYS,
        [NewTensor(n, (32,), "F32", lambda n=n: pieces(n)) for n in "abc"],  # type: ignore[misc]
    )
    assert [tensor.size_bytes for tensor in read_header(tmp_path / "m.gguf").tensors] == [128] * 3


def fails_with(error: Exception) -> NewTensor:
    def pieces() -> Iterator[Buffer]:
        yield bytes(64)
        raise error

    return NewTensor("bad", (32,), "F32", pieces)


def full() -> NewTensor:
    return fails_with(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))


BAD: dict[str, tuple[list[NewTensor], str]] = {
    "twice": ([zeros("a"), zeros("a")], "taken"),
    "no name": ([zeros("")], "empty"),
    "long name": ([zeros("x" * 64)], "longer than 63"),
    "unknown type": ([NewTensor("a", (32,), "Q9_9", list)], "unknown type 'Q9_9'"),
    "row that is no multiple of the block": ([NewTensor("a", (33,), "Q8_0", list)], "cannot have the shape"),
    "five dimensions": ([NewTensor("a", (1, 1, 1, 1, 1), "F32", list)], "cannot have the shape"),
    "no dimension": ([NewTensor("a", (), "F32", list)], "cannot have the shape"),
    "an empty dimension": ([NewTensor("a", (4, 0), "F32", list)], "cannot have the shape"),
    "too little content": (
        [NewTensor("a", (32,), "F32", lambda: [bytes(64), bytes(63)])],
        "came with 127 bytes.*need 128",
    ),
    "too much content": ([NewTensor("a", (32,), "F32", lambda: [bytes(129)])], "came with 129 bytes"),
    "a failure underway": ([zeros("a"), fails_with(InvalidInput("broken"))], "broken"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_written_leaves_the_old_file_alone(name: str, tmp_path: Path) -> None:
    tensors, reason = BAD[name]
    path = tmp_path / "m.gguf"
    path.write_bytes(b"old")
    with pytest.raises(InvalidInput, match=reason):
        write_gguf(path, KEYS, tensors)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["m.gguf"]


def test_a_full_disk_is_found_before_or_while_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DiskFull, match="was not written"):
        write_gguf(tmp_path / "m.gguf", KEYS, [full()])
    monkeypatch.setattr(disk_space, "SPARE_BYTES", 1 << 60)
    with pytest.raises(DiskFull, match="are free in"):
        write_gguf(tmp_path / "m.gguf", KEYS, [fails_with(AssertionError())])
    assert os.listdir(tmp_path) == []


def test_an_alignment_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"general\.alignment is 48"):
        write_gguf(tmp_path / "m.gguf", KEYS | {"general.alignment": encoded(48)}, [zeros("a")])


scalars = st.one_of(
    st.booleans(), st.integers(-(2**63), 2**64 - 1), st.floats(width=32, allow_nan=False), st.text(max_size=20)
)
arrays = st.one_of(
    st.lists(st.booleans(), min_size=1),
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1),
    st.lists(st.floats(width=32, allow_nan=False), min_size=1),
    st.lists(st.text(max_size=9), min_size=1),
)
names = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40).filter(
    lambda name: not name.startswith("general.")
)
kinds = st.sampled_from([kind for kind in TENSOR_TYPES.values() if kind.name != "F64"])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    metadata=st.dictionaries(names, st.one_of(scalars, arrays), max_size=6),
    tensors=st.dictionaries(names, st.tuples(kinds, st.lists(st.integers(1, 3), min_size=1, max_size=4)), max_size=4),
    alignment=st.sampled_from([1, 8, 32, 256]),
    seed=st.integers(0, 2**32),
)
def test_any_file_comes_back_as_it_went_in(
    metadata: dict[str, Any], tensors: dict[str, Any], alignment: int, seed: int, tmp_path: Path
) -> None:
    chance = np.random.default_rng(seed)
    contents: dict[str, bytes] = {}
    listed: list[NewTensor] = []
    for name, (kind, (first, *others)) in tensors.items():
        plan = NewTensor(name, (first * kind.block_items, *others), kind.name, list)
        contents[name] = chance.bytes(plan.size_bytes)
        listed.append(NewTensor(name, plan.shape, kind.name, lambda name=name: [contents[name]]))  # type: ignore[misc]
    path = tmp_path / "m.gguf"
    write_gguf(path, metadata | {"general.alignment": alignment}, listed)
    header = read_header(path)
    written = {key: tuple(value) if isinstance(value, list) else value for key, value in metadata.items()}
    assert dict(header.metadata) == written | {"general.alignment": alignment}
    whole = path.read_bytes()
    assert {t.name: whole[t.offset : t.offset + t.size_bytes] for t in header.tensors} == contents
    again = tmp_path / "again.gguf"
    write_gguf(again, raw_metadata(path), [copied(header, tensor) for tensor in header.tensors])
    assert hashlib.sha256(again.read_bytes()).digest() == hashlib.sha256(whole).digest()

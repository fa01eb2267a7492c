"""The header reader: sound files are understood, every other file is refused and nothing else happens."""

from __future__ import annotations

import os
import random
import struct
import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgellm.errors import ModelRejected
from edgellm.gguf_bytes import LongArray
from edgellm.gguf_header import read_header
from tests.ggufs import ARRAY, GGUF, STRING, U32, Tensor, boolean, model_keys, numbers, string, strings, text, u32

MUTATIONS = 2_000


def refused(path: Path) -> ModelRejected:
    with pytest.raises(ModelRejected) as caught:
        read_header(path)
    assert caught.value.facts["path"] == str(path)
    assert repr(str(path)) in str(caught.value)
    return caught.value


def test_reads_metadata_and_tensors(tmp_path: Path) -> None:
    header = read_header(GGUF().write(tmp_path / "m.gguf"))
    assert header.version == 3
    assert header.architecture == "llama"
    assert header.integer("llama.block_count") == 2
    assert header.count("tokenizer.ggml.tokens") == 8
    assert [tensor.name for tensor in header.tensors] == ["token_embd.weight", "blk.0.attn_q.weight"]
    assert header.parameters == 32 * 8 + 32 * 32
    assert header.weights_bytes == 4 * header.parameters
    assert header.tensors[0].offset == header.data_offset
    assert header.file_bytes == header.tensors[1].offset + header.tensors[1].size_bytes


def test_reads_version_2_and_a_custom_alignment(tmp_path: Path) -> None:
    file = GGUF(version=2, alignment=128, keys=model_keys(general__alignment=u32(128)))
    header = read_header(file.write(tmp_path / "m.gguf"))
    assert (header.version, header.alignment, header.data_offset % 128) == (2, 128, 0)


def test_long_arrays_are_streamed_not_kept(tmp_path: Path) -> None:
    words = [f"word {i} é" for i in range(50_000)]
    kinds = [3 if i % 10_000 == 7 else 1 for i in range(50_000)]
    keys = model_keys(tokenizer__ggml__tokens=strings(words), tokenizer__ggml__token_type=numbers(kinds))
    header = read_header(GGUF(keys=keys).write(tmp_path / "m.gguf"))
    assert isinstance(header.metadata["tokenizer.ggml.tokens"], LongArray)
    assert list(header.items("tokenizer.ggml.tokens")) == words
    assert header.special_tokens() == {i: words[i] for i in range(7, 50_000, 10_000)}
    assert list(header.items("no.such.key")) == []


def test_a_header_with_a_big_vocabulary_takes_little_time_and_memory(tmp_path: Path) -> None:
    keys = model_keys(tokenizer__ggml__tokens=strings([f"token{i}" for i in range(49_152)]))
    path = GGUF(keys=keys).write(tmp_path / "m.gguf")
    read_header(path)
    start = time.perf_counter()
    read_header(path)
    assert time.perf_counter() - start < 0.5
    tracemalloc.start()
    read_header(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * 1024**2


def key(name: str, value: bytes) -> dict[str, bytes]:
    return model_keys(**{name.replace(".", "__"): value})


def array(kind: int, count: int, content: bytes = b"") -> bytes:
    return struct.pack("<IIQ", ARRAY, kind, count) + content


HOSTILE: dict[str, tuple[GGUF, str]] = {
    "wrong magic": (GGUF(magic=b"GGML"), "starts with b'GGML'"),
    "version 0": (GGUF(version=0), "version 0"),
    "version 1": (GGUF(version=1), "version 1"),
    "version 4": (GGUF(version=4), "version 4"),
    "big-endian": (GGUF(version=3 << 24), "big-endian"),
    "2**64-1 keys": (GGUF(key_count=2**64 - 1), "key count"),
    "2**63 tensors": (GGUF(tensor_count=2**63), "tensor count"),
    "more keys than there are": (GGUF(key_count=200), "ends inside|key"),
    "more tensors than there are": (GGUF(tensor_count=3), "tensor"),
    "key of 2**62 bytes": (GGUF(keys=[("k", u32(1)), ("x" * 2000, u32(1))]), "over the limit of 1024"),
    "text of 2**62 bytes": (GGUF(keys=key("a", struct.pack("<IQ", STRING, 2**62))), "over the limit"),
    "text beyond the file": (GGUF(keys=key("a", struct.pack("<IQ", STRING, 2**20))), "ends inside"),
    "empty key": (GGUF(keys=[("", u32(1))]), "empty"),
    "key with control characters": (GGUF(keys=[("a\x1b[2Jb", u32(1))]), "not printable"),
    "key that is not UTF-8": (GGUF(keys=[("k", struct.pack("<I", STRING) + text(b"\xff\xfe"))]), "UTF-8"),
    "key twice": (GGUF(keys=[("k", u32(1)), ("k", u32(2))]), "appears twice"),
    "unknown value type": (GGUF(keys=key("a", struct.pack("<II", 99, 0))), "value type 99"),
    "truth value 7": (GGUF(keys=key("a", boolean(7))), "truth value"),
    "nested array": (GGUF(keys=key("a", array(ARRAY, 1, array(U32, 0)))), "nested"),
    "array of unknown type": (GGUF(keys=key("a", array(77, 5))), "value type 77"),
    "array of 2**63 items": (GGUF(keys=key("a", array(U32, 2**63))), "over the limit"),
    "array beyond the file": (GGUF(keys=key("a", array(U32, 4_000_000))), "ends inside"),
    "texts beyond the file": (GGUF(keys=key("a", array(STRING, 4_000_000))), "ends inside"),
    "text in an array of 2**63 bytes": (GGUF(keys=key("a", array(STRING, 2, struct.pack("<Q", 2**63)))), "ends inside"),
    "alignment 0": (GGUF(keys=key("general.alignment", u32(0))), "alignment"),
    "alignment 48": (GGUF(keys=key("general.alignment", u32(48))), "power of two"),
    "alignment 2**31": (GGUF(keys=key("general.alignment", u32(2**31))), "power of two"),
    "alignment is a text": (GGUF(keys=key("general.alignment", string("32"))), "not a whole number"),
    "alignment is a truth value": (GGUF(keys=key("general.alignment", boolean(1))), "not a whole number"),
    "tensor twice": (GGUF(tensors=[Tensor("a"), Tensor("a")]), "appears twice"),
    "tensor name of 64 bytes": (GGUF(tensors=[Tensor("a" * 64)]), "over the limit of 63"),
    "tensor without a name": (GGUF(tensors=[Tensor("")]), "empty"),
    "five dimensions": (GGUF(tensors=[Tensor("a", (1, 1, 1, 1, 1))]), "rank"),
    "no dimension": (GGUF(tensors=[Tensor("a", ())]), "impossible shape"),
    "a dimension of 0": (GGUF(tensors=[Tensor("a", (32, 0), size=32)]), "impossible shape"),
    "a shape that overflows": (GGUF(tensors=[Tensor("a", (2**32, 2**32), size=32)]), "impossible shape"),
    "a negative dimension": (GGUF(tensors=[Tensor("a", (2**64 - 1,), size=32)]), "impossible shape"),
    "removed tensor type": (GGUF(tensors=[Tensor("a", type=4)]), "unknown type 4"),
    "unknown tensor type": (GGUF(tensors=[Tensor("a", type=2**31)]), "unknown type"),
    "row that is no multiple of the block": (GGUF(tensors=[Tensor("a", (33,), type=2)]), "multiple of 32"),
    "tensor beyond the file": (GGUF(tensors=[Tensor("a", (2**40,), size=32)]), "truncated"),
    "offset beyond the file": (GGUF(tensors=[Tensor("a", offset=2**62, size=32)], data=bytes(64)), "truncated"),
    "offset that wraps around": (GGUF(tensors=[Tensor("a", offset=2**64 - 32, size=32)], data=b""), "truncated"),
    "unaligned offset": (GGUF(tensors=[Tensor("a", offset=4)], data=bytes(999)), "not aligned"),
    "overlapping tensors": (GGUF(tensors=[Tensor("a"), Tensor("b", offset=96)], data=bytes(999)), "overlaps"),
    "same place twice": (GGUF(tensors=[Tensor("a"), Tensor("b", offset=0)], data=bytes(999)), "overlaps"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_headers_are_refused_quickly(name: str, tmp_path: Path) -> None:
    file, reason = HOSTILE[name]
    path = file.write(tmp_path / "m.gguf")
    start = time.perf_counter()
    with pytest.raises(ModelRejected, match=reason):
        read_header(path)
    assert time.perf_counter() - start < 5


def test_many_long_arrays_cannot_take_long(tmp_path: Path) -> None:
    path = GGUF(keys={f"k{i}": array(7, 3_000_000, bytes(3_000_000)) for i in range(3)}).write(tmp_path / "m.gguf")
    assert "array items in the header" in str(refused(path).facts["reason"])


def test_many_texts_cannot_fill_the_memory(tmp_path: Path) -> None:
    big = string("x" * 10 * 1024**2)
    path = GGUF(keys={f"k{i}": big for i in range(4)}).write(tmp_path / "m.gguf")
    assert "memory" in str(refused(path).facts["reason"])


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    content = GGUF().bytes()
    path = tmp_path / "m.gguf"
    path.write_bytes(content)
    for size in [len(content) - 1, *reversed(range(0, len(content), 7))]:
        os.truncate(path, size)
        refused(path)


def test_what_is_no_regular_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "missing", Path("/dev/zero"), Path("a\0b"), Path("x" * 5000)):
        refused(path)


def test_a_file_that_shrinks_while_it_is_streamed_is_refused(tmp_path: Path) -> None:
    keys = model_keys(tokenizer__ggml__tokens=strings(["word" * 50] * 20_000))
    path = GGUF(keys=keys).write(tmp_path / "m.gguf")
    header = read_header(path)
    os.truncate(path, 2_000_000)
    with pytest.raises(ModelRejected, match="truncated"):
        list(header.items("tokenizer.ggml.tokens"))


def mutated(content: bytes, seed: int) -> bytes:
    """One to eight changes of bytes, numbers or length, mostly in the header."""
    chance = random.Random(seed)
    changed = bytearray(content)
    for _ in range(chance.randint(1, 8)):
        at = chance.randrange(len(changed))
        match chance.randrange(5):
            case 0:
                changed[at] ^= 1 << chance.randrange(8)
            case 1:
                changed[at] = chance.randrange(256)
            case 2:
                extreme = chance.choice([0, 1, 2**31, 2**32 - 1, 2**62, 2**63, 2**64 - 1])
                changed[at : at + 8] = struct.pack("<Q", extreme)
            case 3:
                del changed[at : at + chance.randint(1, 64)]
            case _:
                changed[at:at] = chance.randbytes(chance.randint(1, 64))
        changed = changed or bytearray(1)
    return bytes(changed)


def test_mutations_raise_nothing_but_model_rejected(tmp_path: Path) -> None:
    content = GGUF().bytes()[:-3_000] + bytes(3_000)
    path = tmp_path / "m.gguf"
    path.touch()
    rejected = 0
    for seed in range(MUTATIONS):
        with path.open("r+b") as file:  # emptying a file first takes longer than all the rest
            file.truncate(file.write(mutated(content, seed)))
        try:
            header = read_header(path)
        except ModelRejected:
            rejected += 1
        else:
            list(header.items("tokenizer.ggml.tokens"))
            assert all(t.offset + t.size_bytes <= header.file_bytes for t in header.tensors)
    assert MUTATIONS // 4 < rejected < MUTATIONS


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=400))
def test_arbitrary_bytes_are_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(b"GGUF\3\0\0\0" + content)
    with pytest.raises(ModelRejected):
        read_header(path)

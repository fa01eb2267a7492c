"""Headers of adapters: sound ones are understood, what llama.cpp would abort at never reaches it."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgellm.adapter_header import read_adapter_header
from edgellm.errors import InvalidInput
from edgellm.gguf_header import GGUFHeader, read_header
from edgellm.gguf_write import NewTensor, encoded, write_gguf
from tests.ggufs import F32, GGUF, Tensor, string

KEYS = {
    "general.type": string("adapter"),
    "general.architecture": string("llama"),
    "adapter.type": string("lora"),
    "adapter.lora.alpha": struct.pack("<If", F32, 8.0),
}
PAIR = (Tensor("blk.0.attn_q.weight.lora_a", (32, 4)), Tensor("blk.0.attn_q.weight.lora_b", (4, 32)))


def written(path: Path, keys: dict[str, bytes] | None = None, tensors: Any = PAIR) -> Path:
    return GGUF(keys=KEYS | (keys or {}), tensors=tensors).write(path / "a.gguf")


def base(path: Path, **parts: Any) -> GGUFHeader:
    return read_header(GGUF(**parts).write(path / "base.gguf"))


def test_a_sound_header_is_understood(tmp_path: Path) -> None:
    found = read_adapter_header(written(tmp_path))
    assert (found.architecture, found.alpha, found.ranks) == ("llama", 8.0, (4,))
    assert list(found.pairs) == ["blk.0.attn_q.weight"]
    found.check_base(base(tmp_path))


def test_an_adapter_without_alpha_is_not_scaled(tmp_path: Path) -> None:
    keys = {key: value for key, value in KEYS.items() if key != "adapter.lora.alpha"}
    path = GGUF(keys=keys, tensors=PAIR).write(tmp_path / "a.gguf")
    assert read_adapter_header(path).alpha == 0.0


@pytest.mark.parametrize(
    ("keys", "tensors", "reason"),
    [
        ({"general.type": string("model")}, PAIR, r"general\.type is 'model', not 'adapter'"),
        ({"adapter.type": string("control")}, PAIR, r"adapter\.type is 'control', not 'lora'"),
        ({"general.architecture": encoded(1)}, PAIR, r"general\.architecture is missing"),
        ({"adapter.lora.alpha": encoded(8)}, PAIR, "alpha is 8, not a 32-bit number"),
        ({"adapter.lora.alpha": encoded(8.0, 12)}, PAIR, r"alpha is 8\.0, not a 32-bit number"),
        ({"adapter.lora.alpha": encoded(float("nan"))}, PAIR, "alpha is nan"),
        ({}, PAIR[:1], r"'blk\.0\.attn_q\.weight' lacks \.lora_a or \.lora_b"),
        ({}, (*PAIR, Tensor("blk.0.attn_norm.weight")), "'blk.0.attn_norm.weight' lacks"),
        ({}, (), "holds no tensors"),
        ({}, (PAIR[0], Tensor("blk.0.attn_q.weight.lora_b", (4, 32), type=26)), "has the type I32"),
    ],
)
def test_other_headers_are_refused(keys: dict[str, bytes], tensors: Any, reason: str, tmp_path: Path) -> None:
    path = written(tmp_path, keys, tensors)
    with pytest.raises(InvalidInput, match=reason) as caught:
        read_adapter_header(path)
    assert repr(str(path)) in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "bad"), [("F32", "nan"), ("F32", "inf"), ("F16", "-inf"), ("BF16", "nan"), ("BF16", "inf")]
)
def test_values_that_are_not_finite_are_refused(kind: str, bad: str, tmp_path: Path) -> None:
    def content(value: float, count: int) -> bytes:
        whole = np.full(count, 0.5, np.float32)
        whole[-1] = value
        if kind == "BF16":
            return (whole.view(np.uint32) >> 16).astype("<u2").tobytes()
        return whole.astype({"F32": "<f4", "F16": "<f2"}[kind]).tobytes()

    for name, value in (("good", 3e38 if kind != "F16" else 6e4), ("bad", float(bad))):
        pieces = {".lora_a": ((32, 4), content(0.25, 128)), ".lora_b": ((4, 32), content(value, 128))}
        tensors = [
            NewTensor(f"blk.0.attn_q.weight{half}", shape, kind, lambda raw=raw: [raw])  # type: ignore[misc]
            for half, (shape, raw) in pieces.items()
        ]
        write_gguf(tmp_path / f"{name}.gguf", KEYS, tensors)
    read_adapter_header(tmp_path / "good.gguf").check_values()
    with pytest.raises(InvalidInput, match=r"attn_q\.weight\.lora_b' holds values that are not finite"):
        read_adapter_header(tmp_path / "bad.gguf").check_values()


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.write_bytes(path.read_bytes()[:-10])
    for each in (path, tmp_path / "missing.gguf", tmp_path, Path("zero\0byte")):
        with pytest.raises(InvalidInput, match="cannot be used"):
            read_adapter_header(each)


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ({"keys": {"general.architecture": string("qwen2")}}, "the family 'llama', the base is 'qwen2'"),
        ({"tensors": [Tensor("output.weight")]}, r"no tensor 'blk\.0\.attn_q\.weight'"),
        ({"tensors": [Tensor("blk.0.attn_q.weight", (32, 64))]}, r"the shape \[32, 64\], and it does not fit"),
        ({"tensors": [Tensor("blk.0.attn_q.weight", (64, 32))]}, r"the shape \[64, 32\], and it does not fit"),
        ({"tensors": [Tensor("blk.0.attn_q.weight", (32, 32, 2))]}, "does not fit"),
        ({"tensors": [Tensor("blk.0.attn_q.weight", (32,))]}, "does not fit"),
    ],
)
def test_a_base_that_the_adapter_does_not_fit_is_refused(parts: Any, reason: str, tmp_path: Path) -> None:
    found = read_adapter_header(written(tmp_path))
    with pytest.raises(InvalidInput, match=reason):
        found.check_base(base(tmp_path, **parts))

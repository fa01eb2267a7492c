"""The base's weights plus the adapter's, metadata untouched."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgellm.adapter_header import AdapterHeader, read_adapter_header
from edgellm.errors import InvalidInput
from edgellm.export.fuse import added, fuse, fused_bytes
from edgellm.gguf_header import GGUFHeader, raw_metadata, read_header
from edgellm.gguf_tensors import dequantized
from edgellm.gguf_write import Value, encoded, of_array, write_gguf

Q, NORM, EXPERTS = "blk.0.attn_q.weight", "blk.0.attn_norm.weight", "blk.0.ffn_up_exps.weight"
CHANCE = np.random.default_rng(3)


def values(*shape: int) -> np.ndarray:
    return CHANCE.normal(0, 1, shape).astype(np.float32)


WEIGHTS = {Q: values(6, 4), NORM: values(4), EXPERTS: values(3, 5, 4)}
A = {Q: values(2, 4), EXPERTS: values(3, 2, 4)}
B = {Q: values(6, 2), EXPERTS: values(3, 5, 2)}


@pytest.fixture
def base(tmp_path: Path) -> GGUFHeader:
    half = {name: array if array.ndim == 1 else array.astype(np.float16) for name, array in WEIGHTS.items()}
    metadata: dict[str, Value] = {
        "general.architecture": "llama",
        "general.file_type": encoded(3),
        "tokenizer.chat_template": "{{ x }}",
    }
    write_gguf(tmp_path / "base.gguf", metadata, [of_array(name, array) for name, array in half.items()])
    return read_header(tmp_path / "base.gguf")


@pytest.fixture
def adapter(tmp_path: Path) -> AdapterHeader:
    metadata: dict[str, Value] = {
        "general.architecture": "llama",
        "general.type": "adapter",
        "adapter.type": "lora",
        "adapter.lora.alpha": 6.0,
    }
    tensors = [of_array(f"{name}.lora_{half}", m[name]) for name in A for half, m in (("a", A), ("b", B))]
    write_gguf(tmp_path / "adapter.gguf", metadata, tensors)
    return read_adapter_header(tmp_path / "adapter.gguf")


def read(path: Path) -> dict[str, np.ndarray]:
    header = read_header(path)
    return {tensor.name: dequantized(header, tensor) for tensor in header.tensors}


def test_an_adapter_is_added_scaled_by_alpha_over_rank(
    base: GGUFHeader, adapter: AdapterHeader, tmp_path: Path
) -> None:
    fuse(base, added(adapter), tmp_path / "out.gguf", "F32")
    found = read(tmp_path / "out.gguf")
    for name in (Q, EXPERTS):
        expected = WEIGHTS[name].astype(np.float16).astype(np.float32) + 6.0 / 2 * (B[name] @ A[name])
        np.testing.assert_allclose(found[name], expected, rtol=1e-6)
    np.testing.assert_array_equal(found[NORM], WEIGHTS[NORM])


def test_half_precision_rounds_the_sum_once(base: GGUFHeader, adapter: AdapterHeader, tmp_path: Path) -> None:
    fuse(base, added(adapter), tmp_path / "full.gguf", "F32")
    fuse(base, added(adapter), tmp_path / "half.gguf", "F16")
    full, half = read(tmp_path / "full.gguf"), read(tmp_path / "half.gguf")
    np.testing.assert_array_equal(half[Q], full[Q].astype(np.float16).astype(np.float32))


def test_metadata_stays_byte_for_byte_but_for_the_file_type(base: GGUFHeader, tmp_path: Path) -> None:
    fuse(base, None, tmp_path / "out.gguf")
    before, after = raw_metadata(base.path), raw_metadata(tmp_path / "out.gguf")
    assert list(before) == list(after)
    assert after == before | {"general.file_type": encoded(1)}


def test_what_has_full_precision_and_no_adapter_is_copied(base: GGUFHeader, tmp_path: Path) -> None:
    fuse(base, None, tmp_path / "out.gguf", "F32")
    assert [tensor.type.name for tensor in read_header(tmp_path / "out.gguf").tensors] == ["F16", "F32", "F16"]


def test_a_value_that_half_precision_cannot_hold_is_refused_and_nothing_stays(tmp_path: Path) -> None:
    huge = np.full((32, 32), 1e5, np.float32)
    write_gguf(tmp_path / "base.gguf", {"general.architecture": "llama"}, [of_array(Q, huge)])
    write_gguf(
        tmp_path / "adapter.gguf",
        {"general.architecture": "llama", "general.type": "adapter", "adapter.type": "lora"},
        [of_array(f"{Q}.lora_a", values(2, 32)), of_array(f"{Q}.lora_b", values(32, 2))],
    )
    adapter = read_adapter_header(tmp_path / "adapter.gguf")
    with pytest.raises(InvalidInput, match="half precision"):
        fuse(read_header(tmp_path / "base.gguf"), added(adapter), tmp_path / "out.gguf", "F16")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["adapter.gguf", "base.gguf"]


def test_progress_counts_written_tensors(base: GGUFHeader, tmp_path: Path) -> None:
    seen: list[int] = []
    fuse(base, None, tmp_path / "out.gguf", on_tensor=seen.append)
    assert seen == [1, 2, 3]


def test_the_predicted_size_is_enough(base: GGUFHeader, adapter: AdapterHeader, tmp_path: Path) -> None:
    fuse(base, added(adapter), tmp_path / "out.gguf", "F32")
    assert read_header(tmp_path / "out.gguf").weights_bytes <= fused_bytes(base, "F32")

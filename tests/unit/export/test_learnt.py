"""What a run has learnt in the base's weights: LoRA, DoRA, whole tensors; what does not belong there is refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save_file

from edgellm.errors import TrainingError
from edgellm.export.fuse import fuse
from edgellm.export.learnt import learnt
from edgellm.gguf_header import GGUFHeader, read_header
from edgellm.gguf_tensors import dequantized
from edgellm.gguf_write import of_array, write_gguf

Numbers = NDArray[np.float32]
Q, NORM = "blk.0.attn_q", "blk.0.attn_norm"
CHANCE = np.random.default_rng(3)


def values(*shape: int) -> Numbers:
    return CHANCE.normal(0, 1, shape).astype(np.float32)


WEIGHT, OLD_NORM, A, B = values(6, 4), values(4), values(4, 2), values(2, 6)
LORA = {f"{Q}.lora_a": A, f"{Q}.lora_b": B}
SCALE = 3.0


@pytest.fixture
def base(tmp_path: Path) -> GGUFHeader:
    tensors = {f"{Q}.weight": WEIGHT, f"{NORM}.weight": OLD_NORM}
    write_gguf(
        tmp_path / "base.gguf", {"general.architecture": "llama"}, [of_array(*tensor) for tensor in tensors.items()]
    )
    return read_header(tmp_path / "base.gguf")


def fused(base: GGUFHeader, weights: Mapping[str, Numbers]) -> dict[str, Numbers]:
    """Every tensor of the base after a run that has these weights."""
    run = base.path.with_name("weights.safetensors")
    save_file(dict(weights), run)
    fuse(base, learnt(run, base, SCALE), base.path.with_name("out.gguf"), "F32")
    made = read_header(base.path.with_name("out.gguf"))
    return {tensor.name: dequantized(made, tensor) for tensor in made.tensors}


def test_lora_is_added(base: GGUFHeader) -> None:
    found = fused(base, LORA)
    np.testing.assert_allclose(found[f"{Q}.weight"], WEIGHT + SCALE * (A @ B).T, rtol=1e-6)
    np.testing.assert_array_equal(found[f"{NORM}.weight"], OLD_NORM)


def test_dora_gives_the_rows_the_lengths_it_has_learnt(base: GGUFHeader) -> None:
    magnitude = np.arange(1, 7, dtype=np.float32)
    found = fused(base, LORA | {f"{Q}.magnitude": magnitude})[f"{Q}.weight"]
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), magnitude, rtol=1e-5)
    added = WEIGHT + SCALE * (A @ B).T
    np.testing.assert_allclose(found / magnitude[:, None], added / np.linalg.norm(added, axis=1)[:, None], rtol=1e-5)


def test_a_dora_that_has_learnt_nothing_changes_nothing(base: GGUFHeader) -> None:
    new = {f"{Q}.lora_a": A, f"{Q}.lora_b": np.zeros_like(B), f"{Q}.magnitude": np.linalg.norm(WEIGHT, axis=1)}
    np.testing.assert_allclose(fused(base, new)[f"{Q}.weight"], WEIGHT, rtol=1e-6)


def test_a_row_of_zeros_stays_one(base: GGUFHeader) -> None:
    b = B.copy()
    b[:, 2] = 0
    pruned = WEIGHT.copy()
    pruned[2] = 0
    write_gguf(base.path, {"general.architecture": "llama"}, [of_array(f"{Q}.weight", pruned)])
    new = {f"{Q}.lora_a": A, f"{Q}.lora_b": b, f"{Q}.magnitude": np.linalg.norm(pruned, axis=1)}
    found = fused(read_header(base.path), new)[f"{Q}.weight"]
    assert np.isfinite(found).all()
    assert not found[2].any()


def test_whole_tensors_take_the_place_of_the_base_s(base: GGUFHeader) -> None:
    new = {f"{Q}.weight": values(6, 4), f"{NORM}.weight": values(4)}
    found = fused(base, new)
    for name, value in new.items():
        np.testing.assert_array_equal(found[name], value)


@pytest.mark.parametrize(
    ("weights", "reason"),
    [
        ({}, "holds no weights"),
        ({"blk.9.attn_q.lora_a": A, "blk.9.attn_q.lora_b": B}, "weights for 'blk.9.attn_q.weight'"),
        ({f"{Q}.lora_a": A}, f"have nothing for '{Q}.lora_b'"),
        ({f"{Q}.lora_b": B}, f"have nothing for '{Q}.lora_a'"),
        ({f"{Q}.lora_a": values(5, 2), f"{Q}.lora_b": B}, r"the shape \(5, 2\) for 'blk.0.attn_q.lora_a'; \(4, 2\)"),
        (LORA | {f"{Q}.magnitude": values(5)}, r"the shape \(5,\) for 'blk.0.attn_q.magnitude'"),
        ({f"{Q}.weight": values(4, 6)}, r"the shape \(4, 6\) for 'blk.0.attn_q.weight'"),
    ],
)
def test_what_does_not_belong_is_refused_and_nothing_stays(
    base: GGUFHeader, weights: dict[str, Numbers], reason: str
) -> None:
    with pytest.raises(TrainingError, match=reason):
        fused(base, weights)
    assert not base.path.with_name("out.gguf").exists()

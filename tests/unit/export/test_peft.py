"""Adapters as PEFT folders: Hugging Face's names, shapes and row order."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgellm.errors import InvalidInput
from edgellm.export.adapter_gguf import Lora
from edgellm.export.peft import peft_tensors, unpermuted, write_peft
from edgellm.gguf_header import GGUFHeader, read_header
from tests.ggufs import GGUF, numbers
from tests.unit.export.loras import random_lora

SPLIT = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
FUSED = {
    "attn_qkv": "self_attn.qkv_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_up": "mlp.gate_up_proj",
    "ffn_down": "mlp.down_proj",
}
FAMILIES = {"llama": SPLIT, "qwen2": SPLIT, "qwen3": SPLIT, "gemma3": SPLIT, "phi3": FUSED}


@pytest.fixture
def base(tmp_path: Path) -> GGUFHeader:
    """A header with four query heads and two key heads."""
    return read_header(GGUF().write(tmp_path / "base.gguf"))


def permute(weights: np.ndarray, n_head: int, n_head_kv: int | None) -> np.ndarray:
    """llama.cpp, convert_hf_to_gguf.py, `LlamaModel.permute`."""
    if n_head_kv is not None and n_head != n_head_kv:
        n_head = n_head_kv
    return (
        weights.reshape(n_head, 2, weights.shape[0] // n_head // 2, *weights.shape[1:])
        .swapaxes(1, 2)
        .reshape(weights.shape)
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_every_part_of_a_layer_has_its_name_and_shape(family: str, base: GGUFHeader) -> None:
    shapes = {f"blk.7.{part}.weight": (16, 32) for part in FAMILIES[family]}
    tensors = peft_tensors(random_lora(shapes, architecture=family), base)
    expected: dict[str, tuple[int, int]] = {}
    for module in FAMILIES[family].values():
        prefix = f"base_model.model.model.layers.7.{module}"
        expected |= {f"{prefix}.lora_A.weight": (3, 16), f"{prefix}.lora_B.weight": (32, 3)}
    assert {name: tensor.shape for name, tensor in tensors.items()} == expected


@pytest.mark.parametrize(("part", "heads", "kv"), [("attn_q", 4, 4), ("attn_k", 4, 2)])
def test_llama_rows_are_in_hugging_face_order(part: str, heads: int, kv: int, base: GGUFHeader) -> None:
    weights = np.random.default_rng(0).normal(size=(32, 5)).astype(np.float32)
    in_gguf = permute(weights, heads, kv)
    assert not np.array_equal(in_gguf, weights)
    assert np.array_equal(unpermuted(in_gguf, kv), weights)

    lora = random_lora({f"blk.0.{part}.weight": (24, 32)})
    (a, b), tensors = next(iter(lora.factors.values())), peft_tensors(lora, base)
    lora_a, lora_b = tensors.values()
    assert np.array_equal(lora_a, a.T)
    np.testing.assert_array_equal(permute(lora_b @ lora_a, heads, kv), b.T @ a.T)


@pytest.mark.parametrize(("family", "part"), [("llama", "attn_v"), ("llama", "attn_output"), ("qwen2", "attn_q")])
def test_other_rows_stay(family: str, part: str, base: GGUFHeader) -> None:
    lora = random_lora({f"blk.0.{part}.weight": (24, 32)}, architecture=family)
    lora_b = list(peft_tensors(lora, base).values())[1]
    assert np.array_equal(lora_b, next(iter(lora.factors.values()))[1].T)


def test_the_folder_holds_weights_and_configuration(base: GGUFHeader, tmp_path: Path) -> None:
    numpy_files = pytest.importorskip("safetensors.numpy")
    lora = random_lora({f"blk.{layer}.{part}.weight": (24, 32) for layer in (3, 4) for part in ("attn_q", "attn_v")})
    write_peft(tmp_path / "peft", lora, base, "SmolLM2-135M-Instruct")
    stored = numpy_files.load_file(tmp_path / "peft" / "adapter_model.safetensors")
    expected = peft_tensors(lora, base)
    assert stored.keys() == expected.keys()
    assert all(np.array_equal(stored[name], expected[name]) for name in expected)
    configuration = json.loads((tmp_path / "peft" / "adapter_config.json").read_text())
    asked = {
        "peft_type": "LORA",
        "base_model_name_or_path": "SmolLM2-135M-Instruct",
        "r": 3,
        "lora_alpha": 6.0,
        "target_modules": ["q_proj", "v_proj"],
        "layers_to_transform": [3, 4],
    }
    assert {key: configuration[key] for key in asked} == asked


def test_an_irregular_adapter_names_every_module(base: GGUFHeader, tmp_path: Path) -> None:
    pytest.importorskip("safetensors")
    write_peft(tmp_path, random_lora(), base, "base")
    configuration = json.loads((tmp_path / "adapter_config.json").read_text())
    assert configuration["target_modules"] == ["layers.0.self_attn.q_proj", "layers.1.mlp.down_proj"]
    assert configuration["layers_to_transform"] is None


def bad_adapters() -> dict[str, Lora]:
    lora = random_lora()
    wide = random_lora({"blk.2.attn_q.weight": (24, 32)}, rank=5)
    return {
        "'mamba' have no PEFT form": replace(lora, architecture="mamba"),
        r"'output\.weight' of a llama adapter": random_lora({"output.weight": (4, 4)}),
        r"'blk\.0\.attn_qkv\.weight' of a llama": random_lora({"blk.0.attn_qkv.weight": (4, 4)}),
        r"ranks \[3, 5\]": replace(lora, factors={**lora.factors, **wide.factors}),
    }


def test_what_has_no_peft_form_is_refused_and_nothing_is_written(base: GGUFHeader, tmp_path: Path) -> None:
    pytest.importorskip("safetensors")
    for reason, adapter in bad_adapters().items():
        with pytest.raises(InvalidInput, match=reason):
            write_peft(tmp_path / "peft", adapter, base, "base")
    assert not (tmp_path / "peft").exists()


def test_a_base_with_different_heads_in_each_layer_is_refused(tmp_path: Path) -> None:
    file = GGUF()
    keys = dict(file.keys) | {"llama.attention.head_count": numbers([4, 2])}
    header = read_header(GGUF(keys=keys).write(tmp_path / "base.gguf"))
    with pytest.raises(InvalidInput, match="no single number of heads"):
        peft_tensors(random_lora(), header)

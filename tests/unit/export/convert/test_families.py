"""Settings that llama.cpp would compute otherwise refuse a folder; both spellings of rope are read."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgellm.errors import ModelRejected
from edgellm.export.convert.config import Config
from edgellm.export.convert.families import context_tokens, interleaved, read_family
from edgellm.export.convert.names import LAYER_NAMES, OUTER_NAMES, folder_name, gguf_name
from edgellm.export.convert.rope import LLAMA3_FACTORS
from edgellm.export.peft import unpermuted
from tests.unit.export.convert.folders import CONFIG

LLAMA3 = {
    "factor": 32.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
    "rope_type": "llama3",
}
LONG = {"type": "longrope", "long_factor": [2.0], "short_factor": [1.0]}


def config(kind: str = "llama", **changed: Any) -> Config:
    return Config(Path("config.json"), CONFIG | {"model_type": kind} | changed)


def metadata(kind: str = "llama", **changed: Any) -> dict[str, Any]:
    family = read_family(config(kind, **changed))
    return {key.partition(".")[2]: value for key, value in family.metadata(64).items()}


@pytest.mark.parametrize(
    "kind", ["mixtral", "qwen3_moe", "gemma2", "gemma3n", "mamba", "phi", "falcon", "smollm3", "x/../y"]
)
def test_other_families_are_refused_by_name(kind: str) -> None:
    with pytest.raises(ModelRejected, match=f"the family '{kind}' are not converted; gemma3, "):
        read_family(config(kind))


@pytest.mark.parametrize(
    ("kind", "changed", "reason"),
    [
        ("llama", {"model_type": None}, "the family '' are not converted"),
        ("llama", {"hidden_size": None}, "it has no hidden_size"),
        ("llama", {"hidden_size": 4.0}, "hidden_size is 4.0, not a positive whole number"),
        ("llama", {"hidden_size": True}, "hidden_size is True"),
        ("llama", {"num_hidden_layers": 0}, "num_hidden_layers is 0"),
        ("llama", {"num_hidden_layers": 2**40}, "num_hidden_layers is 1099511627776"),
        ("llama", {"rope_theta": "1e4"}, "rope_theta is '1e4', not a positive number"),
        ("llama", {"rms_norm_eps": -1.0, "head_dim": 2}, "rms_norm_eps is -1.0"),
        ("llama", {"num_key_value_heads": 3, "num_attention_heads": 4, "head_dim": 2}, "cannot share 3 keys"),
        ("llama", {"hidden_act": "relu"}, "hidden_act is 'relu'"),
        ("llama", {"partial_rotary_factor": 0.5}, "rotates a part of each head"),
        ("llama", {"rope_scaling": {"rope_type": "yarn", "factor": 4.0}}, "scales rope by 'yarn'"),
        ("llama", {"rope_scaling": {"type": "dynamic", "factor": 4.0}}, "scales rope by 'dynamic'"),
        ("llama", {"rope_scaling": []}, "rope_scaling is .*, not a table"),
        ("llama", {"rope_scaling": LLAMA3 | {"low_freq_factor": 4.0}}, "low_freq_factor 4.0 is not below"),
        ("qwen2", {"rope_scaling": LLAMA3}, "scales rope by 'llama3', which is not converted for 'qwen2'"),
        ("qwen3", {"rope_traditional": True}, "rope_traditional is true"),
        ("llama", {"quantization_config": {"quant_method": "gptq"}}, "quantized by 'gptq'"),
        ("phi3", {"head_dim": 8}, "are not its width"),
        ("phi3", {"rope_scaling": LONG | {"long_factor": [1.0] * 3}}, "3 long and 1 short"),
        ("phi3", {"rope_scaling": LONG | {"long_factor": ["1"]}}, "long_factor is not a list"),
        ("gemma3", {"final_logit_softcapping": 30.0}, "final_logit_softcapping is set"),
        ("gemma3", {"query_pre_attn_scalar": 100}, "query_pre_attn_scalar is 100; llama.cpp divides by 256"),
        ("gemma3", {"layer_types": ["full_attention", "sliding_attention"], "num_hidden_layers": 2}, "layer_types"),
        ("gemma3", {"layer_types": "full_attention"}, "layer_types"),
        (
            "gemma3",
            {"rope_parameters": {"full_attention": {}, "sliding_attention": {"rope_type": "linear", "factor": 2.0}}},
            "scales the rope of layers with a sliding window",
        ),
    ],
)  # fmt: skip
def test_refused_settings(kind: str, changed: dict[str, Any], reason: str) -> None:
    with pytest.raises(ModelRejected, match=reason):
        metadata(kind, **changed)


def test_both_spellings_of_rope() -> None:
    for spelled in (
        {"rope_theta": 5e5, "rope_scaling": LLAMA3},
        {"rope_parameters": LLAMA3 | {"rope_theta": 5e5}},
    ):
        family = read_family(config(head_dim=128, **spelled))
        assert family.rotation.metadata["rope.freq_base"] == 5e5
        factors = family.rotation.tensors[LLAMA3_FACTORS]
        assert (len(factors), factors[0], factors[-1]) == (64, 1.0, 32.0)
        assert (factors[28], factors[35]) == (1.0, 32.0)
        assert 1 < factors[29] < factors[34] < 32


def test_gemma_rotates_its_local_layers_in_its_own_way() -> None:
    old = {"rope_theta": 1e6, "rope_local_base_freq": 1e4, "rope_scaling": {"rope_type": "linear", "factor": 8.0}}
    new = {
        "full_attention": {"rope_theta": 1e6, "rope_type": "linear", "factor": 8.0},
        "sliding_attention": {"rope_theta": 1e4, "rope_type": "default"},
    }
    first, second = metadata("gemma3_text", **old), metadata("gemma3_text", rope_parameters=new)
    assert first == second
    assert (first["rope.freq_base"], first["rope.freq_base_swa"], first["rope.scaling.factor"]) == (1e6, 1e4, 8.0)


def test_what_gemma_leaves_out_is_filled_in_also_inside_text_config() -> None:
    text = {"num_hidden_layers": 2, "hidden_size": 8, "intermediate_size": 16, "sliding_window": 32, "rope_theta": None}
    family = read_family(Config(Path("config.json"), {"model_type": "gemma3", "text_config": text}))
    assert (family.heads, family.kv_heads, family.head_width, family.vocabulary) == (8, 4, 256, 262_208)
    found = family.metadata(64)
    assert found["gemma3.attention.sliding_window"] == 32
    assert found["gemma3.rope.freq_base"] == 1e6
    assert "gemma3.attention.sliding_window_pattern" not in found


def test_gemmas_order_of_layers() -> None:
    kinds = ["sliding_attention", "full_attention"] * 2
    found = metadata("gemma3_text", num_hidden_layers=4, layer_types=kinds, query_pre_attn_scalar=256)
    assert found["attention.sliding_window_pattern"] == 2
    short = metadata("gemma3_text", num_hidden_layers=2, layer_types=["sliding_attention"] * 2)
    assert "attention.sliding_window_pattern" not in short


def test_long_phi() -> None:
    found = metadata("phi3", rope_scaling=LONG, max_position_embeddings=4096, original_max_position_embeddings=512)
    assert math.isclose(found["rope.scaling.attn_factor"], math.sqrt(1 + math.log(8) / math.log(512)))
    assert (found["rope.scaling.type"], found["rope.scaling.original_context_length"]) == ("longrope", 512)


@pytest.mark.parametrize(
    ("kind", "changed", "tokens"),
    [
        ("llama", {}, 64),
        ("mistral", {"sliding_window": 16}, 16),
        ("mistral", {"sliding_window": None}, 64),
        ("mistral", {"sliding_window": 1000}, 64),
        ("qwen2", {"sliding_window": 16}, 64),
        ("qwen2", {"sliding_window": 16, "use_sliding_window": True}, 16),
        ("gemma3", {"sliding_window": 16}, 64),
    ],
)
def test_texts_are_limited_to_a_window_that_llama_cpp_does_not_compute(
    kind: str, changed: dict[str, Any], tokens: int
) -> None:
    found, note = context_tokens(read_family(config(kind, **changed)))
    assert found == tokens
    assert (f"its {tokens} tokens" in note) == (tokens == 16)


def test_names_go_there_and_back() -> None:
    for architecture, names in LAYER_NAMES.items():
        for theirs in (*OUTER_NAMES, *(f"model.layers.11.{name}" for name in names)):
            ours = gguf_name(theirs, architecture)
            assert ours is not None
            assert folder_name(ours, architecture) == theirs


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("language_model.model.layers.0.mlp.up_proj.weight", "blk.0.ffn_up.weight"),
        ("model.language_model.norm.weight", "output_norm.weight"),
        ("language_model.lm_head.weight", "output.weight"),
        ("vision_tower.vision_model.head.bias", None),
        ("model.multi_modal_projector.mm_input_projection_weight", None),
        ("model.layers.3.self_attn.rotary_emb.inv_freq", None),
    ],
)
def test_names_of_gemmas_with_pictures(name: str, found: str | None) -> None:
    assert gguf_name(name, "gemma3") == found


@pytest.mark.parametrize(
    "name", ["model.layers.0.self_attn.q_proj.bias", "score.weight", "model.layers.01.mlp.up_proj.weight"]
)
def test_unknown_names(name: str) -> None:
    with pytest.raises(KeyError):
        gguf_name(name, "llama")


def test_rows_of_heads_change_places_and_back() -> None:
    rows = np.arange(16.0, dtype=np.float32).reshape(8, 2)
    moved = interleaved(rows, heads=2)
    assert moved[:, 0].tolist() == [0, 4, 2, 6, 8, 12, 10, 14]
    assert unpermuted(moved, heads=2).tolist() == rows.tolist()

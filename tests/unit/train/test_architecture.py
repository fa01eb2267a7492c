"""What llama.cpp reads out of a file's metadata, the trained decoder reads too, or refuses."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from edgellm.errors import ModelRejected
from edgellm.gguf_header import read_header
from edgellm.train.architecture import Architecture, read_architecture
from tests.ggufs import F32, GGUF, Tensor, numbers, string, u32

SIZES = {
    "block_count": 2, "context_length": 64, "embedding_length": 64, "feed_forward_length": 64,
    "attention.head_count": 4, "attention.head_count_kv": 2,
}  # fmt: skip


def real(value: float) -> bytes:
    return struct.pack("<If", F32, value)


def architecture(path: Path, family: str, *factors: str, **keys: bytes) -> Architecture:
    named = {f"{family}.{key.replace('__', '.')}": value for key, value in keys.items()}
    sizes = {f"{family}.{key}": u32(value) for key, value in SIZES.items()}
    epsilon = {f"{family}.attention.layer_norm_rms_epsilon": real(1e-5)}
    tensors = [Tensor("token_embd.weight", (64, 8)), *(Tensor(name, (8,)) for name in factors)]
    gguf = GGUF(keys={"general.architecture": string(family), **sizes, **epsilon, **named}, tensors=tensors)
    return read_architecture(read_header(gguf.write(path / "model.gguf")))


def test_a_factor_without_a_kind_of_scaling_is_linear(tmp_path: Path) -> None:
    assert architecture(tmp_path, "llama").rope.scale == 1
    assert architecture(tmp_path, "llama", rope__scaling__factor=real(4)).rope.scale == 0.25
    assert architecture(tmp_path, "llama", rope__scaling__factor=real(0)).rope.scale == 1
    none = architecture(tmp_path, "llama", rope__scaling__factor=real(4), rope__scaling__type=string("none"))
    assert none.rope.scale == 1


def test_which_factors_divide_the_frequencies(tmp_path: Path) -> None:
    long, short, llama3 = "rope_factors_long.weight", "rope_factors_short.weight", "rope_freqs.weight"
    assert architecture(tmp_path, "phi3", long, short).rope.factors == short
    assert architecture(tmp_path, "llama", llama3).rope.factors == llama3
    assert architecture(tmp_path, "llama").rope.factors is None


def test_gemma_sees_a_window_in_five_of_six_layers_or_as_the_file_says(tmp_path: Path) -> None:
    usual = architecture(tmp_path, "gemma3", attention__sliding_window=u32(16))
    assert [usual.is_local(layer) for layer in range(7)] == [True] * 5 + [False, True]
    other = {"attention__sliding_window": u32(16), "attention__sliding_window_pattern": u32(2)}
    assert [architecture(tmp_path, "gemma3", **other).is_local(layer) for layer in range(3)] == [True, False, True]
    assert not architecture(tmp_path, "gemma3").is_local(0)


def test_gemma_27b_divides_scores_by_its_width(tmp_path: Path) -> None:
    wide = {"block_count": u32(62), "attention__key_length": u32(32)}
    assert architecture(tmp_path, "gemma3", **wide).attention_scale == 0.25
    assert architecture(tmp_path, "llama", **wide).attention_scale == 32**-0.5


@pytest.mark.parametrize(
    ("family", "keys", "reason"),
    [
        ("mamba", {}, "family 'mamba'"),
        ("llama", {"rope__scaling__type": string("yarn")}, "the rope scaling 'yarn'"),
        ("gemma3", {"final_logit_softcapping": real(30)}, "capped logits"),
        ("gemma3", {"attention__sliding_window_pattern": numbers([1, 0])}, "an order of its own"),
        ("llama", {"attention__layer_norm_rms_epsilon": string("x")}, "no number under llama.attention"),
    ],
)
def test_refused_files(tmp_path: Path, family: str, keys: dict[str, bytes], reason: str) -> None:
    with pytest.raises(ModelRejected, match=reason):
        architecture(tmp_path, family, **keys)

"""The fit arithmetic on known shapes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgellm.errors import InvalidInput
from edgellm.gguf_header import read_header
from edgellm.hub.cards import CardFile, CardShape, ModelCard
from edgellm.hub.fit import Fit, ModelShape, Verdict, best, fit, fit_card, kv_bytes, shape_from_header
from edgellm.hub.hardware import Gpu, Hardware
from tests.ggufs import GGUF, Tensor, boolean, model_keys, numbers, string, u32

GIB = 1024**3
MACHINE = Hardware(
    system="Linux",
    architecture="x86_64",
    chip="test",
    physical_cores=8,
    logical_cores=16,
    usable_cores=8,
    total_memory_bytes=16 * GIB,
    available_memory_bytes=8 * GIB,
    disk_free_bytes=100 * GIB,
    bandwidth_bytes_per_s=40e9,
)
SMALL = ModelShape(
    weights_bytes=GIB,
    read_bytes_per_token=GIB,
    kv_values_per_token=2 * 16 * 8 * 64,
    vocabulary=128_000,
    embedding=2_048,
    feed_forward=8_192,
    trained_context_tokens=131_072,
)


def with_memory(size_bytes: int) -> Hardware:
    return replace(MACHINE, available_memory_bytes=size_bytes)


def test_the_kv_cache_is_exact() -> None:
    assert kv_bytes(SMALL, 4096, "f16") == 4096 * 16 * 8 * 64 * 2 * 2
    assert kv_bytes(SMALL, 4096, "q8_0") == 4096 * 16 * 8 * 64 * 2 * 34 // 32
    assert kv_bytes(SMALL, 4000, "f16") == kv_bytes(SMALL, 4096, "f16")
    recurrent = replace(SMALL, kv_values_per_token=0, state_bytes_per_sequence=1_000)
    assert kv_bytes(recurrent, 4096, "f16") == kv_bytes(recurrent, 512, "f16") == 12_000


def test_verdicts_and_their_sentence() -> None:
    needed = fit(SMALL, MACHINE, 4096).total_bytes
    assert fit(SMALL, with_memory(2 * needed), 4096).verdict is Verdict.FITS
    assert fit(SMALL, with_memory(needed + 1), 4096).verdict is Verdict.TIGHT
    refused = fit(SMALL, with_memory(needed - 1), 4096)
    assert refused.verdict is Verdict.NO
    assert refused.reason.startswith("Does not fit: needs 1.4 GB (1.1 GB weights, 134 MB KV cache for 4,096 tokens")


def test_the_parts_add_up() -> None:
    found = fit(SMALL, MACHINE, 4096)
    assert found.total_bytes == found.weights_bytes + found.kv_bytes + found.buffers_bytes
    assert found.available_bytes == 8 * GIB


@given(context=st.integers(256, 131_072), more=st.integers(0, 131_072), memory=st.integers(0, 64 * GIB))
def test_more_context_never_fits_better(context: int, more: int, memory: int) -> None:
    order = [Verdict.FITS, Verdict.TIGHT, Verdict.NO]
    small, large = (fit(SMALL, with_memory(memory), tokens) for tokens in (context, context + more))
    assert order.index(small.verdict) <= order.index(large.verdict)


def test_speed_is_bound_by_memory_or_by_few_cores() -> None:
    assert fit(SMALL, MACHINE, 4096).decode_tokens_per_s == pytest.approx(0.75 * 40e9 / GIB)
    two_cores = replace(MACHINE, usable_cores=2)
    assert fit(SMALL, two_cores, 4096).decode_tokens_per_s == pytest.approx(2 * 5e9 / GIB)
    metal = replace(two_cores, compute="metal")
    assert fit(SMALL, metal, 4096).decode_tokens_per_s == pytest.approx(0.75 * 40e9 / GIB)
    assert fit(SMALL, replace(MACHINE, bandwidth_bytes_per_s=None), 4096).decode_tokens_per_s is None


def test_with_cuda_the_gpu_memory_counts() -> None:
    gpu = Gpu(name="test", total_memory_bytes=GIB, available_memory_bytes=GIB // 2)
    found = fit(SMALL, replace(MACHINE, gpus=(gpu,), compute="cuda"), 4096)
    assert (found.verdict, found.available_bytes, found.decode_tokens_per_s) == (Verdict.NO, GIB // 2, None)


def test_the_shape_of_a_header(tmp_path: Path) -> None:
    shape = shape_from_header(read_header(GGUF().write(tmp_path / "m.gguf")))
    assert shape.kv_values_per_token == 2 * 2 * 2 * 8  # layers, K and V, KV heads, head size
    assert (shape.vocabulary, shape.embedding, shape.feed_forward) == (8, 32, 64)
    assert shape.trained_context_tokens == 512
    assert shape.weights_bytes == shape.read_bytes_per_token == 4 * (32 * 8 + 32 * 32)
    assert not shape.is_embedder


def test_an_untied_embedding_is_not_read_for_every_token(tmp_path: Path) -> None:
    tensors = [Tensor("token_embd.weight", (32, 8)), Tensor("output.weight", (32, 8))]
    shape = shape_from_header(read_header(GGUF(tensors=tensors).write(tmp_path / "m.gguf")))
    assert (shape.weights_bytes, shape.read_bytes_per_token) == (2 * 1024, 1024)


def test_only_the_used_experts_are_read(tmp_path: Path) -> None:
    keys = model_keys(llama__expert_count=u32(8), llama__expert_used_count=u32(2))
    tensors = [Tensor("token_embd.weight", (32, 8)), Tensor("blk.0.ffn_up_exps.weight", (32, 32, 8))]
    shape = shape_from_header(read_header(GGUF(keys=keys, tensors=tensors).write(tmp_path / "m.gguf")))
    assert shape.read_bytes_per_token == 1024 + 4 * 32 * 32 * 2


def test_heads_per_layer_and_recurrent_layers(tmp_path: Path) -> None:
    more = {"llama__attention__head_count_kv": numbers([0, 2]), "llama__attention__key_length": u32(16)}
    ssm = {"llama__ssm__inner_size": u32(64), "llama__ssm__state_size": u32(16), "llama__ssm__conv_kernel": u32(4)}
    shape = shape_from_header(read_header(GGUF(keys=model_keys(**more, **ssm)).write(tmp_path / "m.gguf")))
    assert shape.kv_values_per_token == 2 * (16 + 8)
    assert shape.state_bytes_per_sequence == 4 * (64 * 16 + 3 * 64)


@pytest.mark.parametrize("key", [{"llama__pooling_type": u32(1)}, {"llama__attention__causal": boolean(0)}])
def test_embedders_are_recognised_by_what_the_file_says(tmp_path: Path, key: dict[str, bytes]) -> None:
    assert shape_from_header(read_header(GGUF(keys=model_keys(**key)).write(tmp_path / "m.gguf"))).is_embedder


@pytest.mark.parametrize(("architecture", "is_embedder"), [("bert", True), ("nomic-bert-moe", True), ("odd", False)])
def test_embedders_are_recognised_by_their_architecture(tmp_path: Path, architecture: str, is_embedder: bool) -> None:
    keys = {"general.architecture": string(architecture)}
    shape = shape_from_header(read_header(GGUF(keys=keys).write(tmp_path / "m.gguf")))
    assert shape.is_embedder == is_embedder
    assert fit(shape, MACHINE, 512).is_embedder == is_embedder


def test_a_header_without_sizes_counts_weights_only(tmp_path: Path) -> None:
    keys = {"general.architecture": string("odd")}
    shape = shape_from_header(read_header(GGUF(keys=keys).write(tmp_path / "m.gguf")))
    assert (shape.kv_values_per_token, shape.trained_context_tokens) == (0, 0)
    assert fit(shape, MACHINE, 4096).verdict is Verdict.FITS


CARD = ModelCard(
    id="eight",
    name="Eight",
    publisher="Acme",
    family="Test",
    kind="chat",
    source="acme/eight",
    licence="MIT",
    commercial_use="yes",
    licence_note="",
    good_at="",
    verified="",
    parameters=8_000_000_000,
    context_tokens=32_768,
    shape=CardShape(layers=32, kv_heads=8, head_dim=128, embedding=4096, feed_forward=14_336, vocabulary=128_256),
)


@pytest.mark.parametrize(
    ("memory_gib", "quantization", "verdict"),
    [(64, "Q8_0", Verdict.FITS), (10, "Q6_K", Verdict.FITS), (7, "Q4_K_M", Verdict.FITS), (2, "Q3_K_M", Verdict.NO)],
)
def test_the_best_quantization_that_fits_is_chosen(memory_gib: int, quantization: str, verdict: Verdict) -> None:
    found = fit_card(CARD, with_memory(memory_gib * GIB), 4096)
    assert (found.quantization, found.verdict) == (quantization, verdict)


def test_a_card_with_files_is_judged_by_their_sizes() -> None:
    card = replace(CARD, files=(CardFile(quantization="Q4_K_M", file="a.gguf", size_bytes=5 * GIB),))
    assert fit_card(card, MACHINE, 4096).weights_bytes == 5 * GIB


def test_a_context_beyond_the_training_is_cut_and_said() -> None:
    whole = fit(SMALL, MACHINE, 131_072)
    assert "beyond" not in whole.reason
    cut = fit(SMALL, MACHINE, 999_999_999)
    assert (cut.context_tokens, cut.total_bytes) == (131_072, whole.total_bytes)
    assert cut.reason.endswith("999,999,999 tokens are beyond what it was trained for.")
    card = fit_card(CARD, MACHINE, 999_999_999)
    assert card.context_tokens == 32_768
    assert "beyond what it was trained for" in card.reason
    unknown = fit(replace(SMALL, trained_context_tokens=0), MACHINE, 500_000)
    assert unknown.context_tokens == 500_000


def test_a_card_without_a_shape_says_so() -> None:
    assert "KV cache is not counted" in fit_card(replace(CARD, shape=None), MACHINE, 4096).reason


def test_a_card_without_any_size_is_an_error() -> None:
    with pytest.raises(InvalidInput, match="eight"):
        fit_card(replace(CARD, parameters=None), MACHINE, 4096)


def test_unquantized_files_are_the_last_choice() -> None:
    def one(quantization: str, size: int) -> Fit:
        shape = replace(SMALL, weights_bytes=size)
        return replace(fit(shape, MACHINE, 4096), quantization=quantization)

    fits = [one("F16", 2 * GIB), one("Q4_K_M", GIB // 2), one("Q8_0", GIB)]
    assert best(fits).quantization == "Q8_0"

"""Folders as people have them: in shards, quantized by MLX, with pictures; and what of them is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from mlx.nn.layers.quantized import quantize

from edgellm.errors import ModelRejected
from edgellm.export.convert.folder import INDEX
from edgellm.export.convert.write import FloatType, convert_folder
from edgellm.gguf_header import read_header
from edgellm.gguf_tensors import dequantized
from tests.live.logits import kl, llama_logits, mlx_logits
from tests.live.model_folders import CONFIGS, MERGED_TOKENS, make_folder, parameters, random_model

pytestmark = pytest.mark.live

TOKENS = [(31 * n * n + 7 * n) % (MERGED_TOKENS - 3) + 3 for n in range(40)]
SAME = 1e-5
WEIGHTS = "model.safetensors"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "model", CONFIGS["qwen3"])


def converted(folder: Path, type: FloatType = "F32") -> Path:
    return convert_folder(folder, folder.with_suffix(".gguf"), type).path


def weights_of(folder: Path) -> dict[str, mx.array]:
    found: dict[str, mx.array] = mx.load(str(folder / WEIGHTS))  # type: ignore[assignment]
    mx.eval(found)
    return found


def save(folder: Path, weights: dict[str, mx.array], name: str = WEIGHTS) -> None:
    mx.save_safetensors(str(folder / name), weights, {"format": "mlx"})


def configure(folder: Path, **changed: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))


def test_shards(folder: Path) -> None:
    whole = converted(folder).read_bytes()
    weights = sorted(weights_of(folder).items())
    (folder / WEIGHTS).unlink()
    places: dict[str, str] = {}
    for number, part in enumerate((weights[::2], weights[1::2]), 1):
        name = f"model-{number:05}-of-00002.safetensors"
        save(folder, dict(part), name)
        places |= {tensor: name for tensor, _ in part}
    (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": places}))
    assert converted(folder).read_bytes() == whole


@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("dtype", [mx.float32, mx.float16, mx.bfloat16])
def test_folders_that_mlx_quantized(folder: Path, bits: int, dtype: mx.Dtype) -> None:
    model = random_model(CONFIGS["qwen3"])
    model.set_dtype(dtype)
    quantize(model, group_size=32, bits=bits)
    settings = {"group_size": 32, "bits": bits}
    configure(folder, quantization=settings, quantization_config=settings)
    save(folder, parameters(model))
    header = read_header(converted(folder))
    found = {tensor.name: dequantized(header, tensor) for tensor in header.tensors}
    layer = model.model.layers[1].self_attn.k_proj
    wanted = mx.dequantize(layer.weight, layer.scales.astype(mx.float32), layer.biases.astype(mx.float32), 32, bits)
    assert np.allclose(found["blk.1.attn_k.weight"], np.array(wanted), rtol=0, atol=1e-6)
    if dtype == mx.float32:
        assert kl(mlx_logits(model, TOKENS), llama_logits(header.path, TOKENS)) < SAME


def test_layers_with_a_quantization_of_their_own(folder: Path) -> None:
    model = random_model(CONFIGS["qwen3"])
    quantize(
        model,
        class_predicate=lambda path, m: (
            hasattr(m, "to_quantized") and {"group_size": 32, "bits": 8 if "down" in path else 4}
        ),
    )
    settings: dict[str, Any] = {"group_size": 32, "bits": 4}
    settings |= {f"model.layers.{n}.mlp.down_proj": {"group_size": 32, "bits": 8} for n in range(3)}
    configure(folder, quantization=settings)
    save(folder, parameters(model))
    assert kl(mlx_logits(model, TOKENS), llama_logits(converted(folder), TOKENS)) < SAME


@pytest.mark.parametrize(("bits", "mode"), [(3, "affine"), (6, "affine"), (4, "mxfp4")])
def test_quantizations_that_are_not_unpacked_are_refused(folder: Path, bits: int, mode: str) -> None:
    model = random_model(CONFIGS["qwen3"])
    quantize(model, group_size=32, bits=bits, mode=mode)
    configure(folder, quantization={"group_size": 32, "bits": bits, "mode": mode})
    save(folder, parameters(model))
    with pytest.raises(ModelRejected, match=f"quantized as '{mode}' with {bits} bits.*take the original"):
        converted(folder)


def test_a_quantization_that_lies_about_its_groups_is_refused(folder: Path) -> None:
    model = random_model(CONFIGS["qwen3"])
    quantize(model, group_size=32, bits=4)
    configure(folder, quantization={"group_size": 64, "bits": 4})
    save(folder, parameters(model))
    with pytest.raises(ModelRejected, match="in groups of 64"):
        converted(folder)


def test_gemma_with_pictures_gives_its_text_model(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "model", CONFIGS["gemma3"])
    plain = converted(folder).read_bytes()
    text = CONFIGS["gemma3"]
    (folder / "config.json").write_text(json.dumps({"model_type": "gemma3", "text_config": text, "eos_token_id": 2}))
    weights = {name.replace("model.", "language_model.model.", 1): value for name, value in weights_of(folder).items()}
    save(folder, weights | {"vision_tower.patch": mx.zeros((2, 2)), "multi_modal_projector.x": mx.zeros(3)})
    assert converted(folder).read_bytes() == plain


def test_a_tensor_under_two_names_is_refused(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "model", CONFIGS["gemma3"])
    save(folder, weights_of(folder) | {"language_model.model.norm.weight": mx.zeros(64)})
    with pytest.raises(ModelRejected, match="is there under another name too"):
        converted(folder)


def test_a_head_that_the_configuration_ties_is_left_out(folder: Path) -> None:
    plain = converted(folder).read_bytes()
    save(folder, weights_of(folder) | {"lm_head.weight": mx.zeros((8, 8))})
    assert converted(folder).read_bytes() == plain


def test_a_head_that_is_missing_is_refused(folder: Path) -> None:
    configure(folder, tie_word_embeddings=False)
    with pytest.raises(ModelRejected, match=r"no tensor for 'output.weight'"):
        converted(folder)
    configure(folder, tie_word_embeddings=None)
    assert converted(folder)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"model.norm.weight": None}, "no tensor for 'output_norm.weight'"),
        ({"model.norm.weight": mx.zeros(3)}, r"'output_norm.weight' has the shape \(3,\), not \(64,\)"),
        ({"model.layers.7.input_layernorm.weight": mx.zeros(64)}, "'blk.7.attn_norm.weight', beyond the 3 layers"),
        ({"model.layers.0.self_attn.q_proj.bias": mx.zeros(128)}, "does not belong to a 'qwen3' model"),
        ({"model.norm.weight": mx.full((64,), float("nan"))}, "'output_norm.weight' holds numbers that are not finite"),
        (
            {"model.embed_tokens.weight": mx.full((720, 64), 1e30)},
            "'token_embd.weight' holds numbers that are too large for F16.*BF16",
        ),
        ({"model.norm.weight": mx.zeros(64, mx.int32)}, "'I32'; F32, F16 and BF16"),
    ],
)
def test_refused_weights(folder: Path, changed: dict[str, Any], reason: str) -> None:
    weights = weights_of(folder) | changed
    save(folder, {name: value for name, value in weights.items() if value is not None})
    with pytest.raises(ModelRejected, match=reason):
        converted(folder, "F16")
    assert not folder.with_suffix(".gguf").exists()


def test_bfloat16_is_kept_bit_by_bit(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "model", CONFIGS["qwen3"], mx.bfloat16)
    header = read_header(converted(folder, "BF16"))
    name = "model.layers.0.mlp.up_proj.weight"
    wanted = np.array(weights_of(folder)[name].view(mx.uint16))
    tensor = next(tensor for tensor in header.tensors if tensor.name == "blk.0.ffn_up.weight")
    assert tensor.type.name == "BF16"
    raw = header.path.read_bytes()[tensor.offset : tensor.offset + tensor.size_bytes]
    assert raw == wanted.astype("<u2").tobytes()


def test_numbers_are_rounded_to_the_nearest_bfloat16(folder: Path) -> None:
    header = read_header(converted(folder, "BF16"))
    exact = np.array(weights_of(folder)["model.layers.0.mlp.up_proj.weight"])
    tensor = next(tensor for tensor in header.tensors if tensor.name == "blk.0.ffn_up.weight")
    wanted = np.array(mx.array(exact).astype(mx.bfloat16).astype(mx.float32))
    assert np.array_equal(dequantized(header, tensor), wanted)

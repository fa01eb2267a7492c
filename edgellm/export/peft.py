"""LoRA adapters as PEFT folders, which vLLM and Hugging Face libraries read.

Format: https://huggingface.co/docs/peft/developer_guides/checkpoint
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from edgellm.errors import InvalidInput, MissingExtra
from edgellm.export.adapter_gguf import Lora
from edgellm.gguf_header import GGUFHeader
from edgellm.paths import write_private

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_ATTENTION = {"attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj"}
_OUTPUTS = {"attn_output": "self_attn.o_proj", "ffn_down": "mlp.down_proj"}
_COMMON = _ATTENTION | _OUTPUTS | {"ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj"}
MODULES: Mapping[str, Mapping[str, str]] = {
    "llama": _COMMON,
    "qwen2": _COMMON,
    "qwen3": _COMMON,
    "gemma3": _COMMON,
    "phi3": _OUTPUTS | {"attn_qkv": "self_attn.qkv_proj", "ffn_up": "mlp.gate_up_proj"},
}
"""By family: a layer's linear parts in GGUF, and as Hugging Face's model classes call them."""
_BLOCK = re.compile(r"blk\.(\d+)\.(\w+)\.weight")


def write_peft(folder: Path, adapter: Lora, base: GGUFHeader, base_name: str) -> None:
    """Write `adapter_model.safetensors` and `adapter_config.json`.

    Args:
        base: header of the model that the adapter was trained on.
        base_name: what the configuration calls it; loaders take it for a folder or a repository.

    Raises: InvalidInput for a family, tensor or mixture of ranks without a PEFT form; MissingExtra; OSError.
    """
    try:
        from safetensors.numpy import save
    except ImportError:
        raise MissingExtra(
            "Writing PEFT files needs the package safetensors.",
            hint="Install it: pip install 'edgellm[train]'",
            extra="train",
        ) from None
    configuration = _configuration(adapter, base_name)
    content = save(peft_tensors(adapter, base), {"format": "pt"})
    write_private(folder / "adapter_model.safetensors", content)
    write_private(folder / "adapter_config.json", (json.dumps(configuration, indent=2) + "\n").encode())


def peft_tensors(adapter: Lora, base: GGUFHeader) -> dict[str, NDArray[np.float32]]:
    """PEFT's names: `lora_A` (rank, inputs) and `lora_B` (outputs, rank), outputs in Hugging Face's order."""
    import numpy as np

    found: dict[str, NDArray[np.float32]] = {}
    for name, (a, b) in adapter.factors.items():
        layer, part, module = _place(adapter.architecture, name)
        outputs = b.T
        if adapter.architecture == "llama" and part in ("attn_q", "attn_k"):
            outputs = unpermuted(outputs, heads_of(base, part))
        prefix = f"base_model.model.model.layers.{layer}.{module}"
        found[f"{prefix}.lora_A.weight"] = np.ascontiguousarray(a.T, np.float32)
        found[f"{prefix}.lora_B.weight"] = np.ascontiguousarray(outputs, np.float32)
    return found


def unpermuted(rows: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """Rows of a llama query or key projection in Hugging Face's order.

    ggml's llama files keep the two numbers that are rotated together side by side; Hugging Face keeps a head's first of
    every pair, then the second. Undoes `permute` of llama.cpp's `convert_hf_to_gguf.py`.
    """
    pairs = rows.reshape(heads, rows.shape[0] // heads // 2, 2, *rows.shape[1:])
    return pairs.swapaxes(1, 2).reshape(rows.shape)


def heads_of(base: GGUFHeader, part: str) -> int:
    """How many heads a llama query or key projection has. Raises: InvalidInput."""
    key = "llama.attention.head_count"
    every = base.integer(key)
    found = base.integer(f"{key}_kv") if part == "attn_k" and f"{key}_kv" in base.metadata else every
    if not found:
        raise InvalidInput(f"{str(base.path)!r} has no single number of heads under {key}.", field="base")
    return found


def _place(architecture: str, name: str) -> tuple[int, str, str]:
    """Layer, GGUF's and Hugging Face's name of a tensor's part."""
    modules = MODULES.get(architecture)
    if modules is None:
        known = ", ".join(MODULES)
        raise InvalidInput(
            f"Adapters of the family {architecture!r} have no PEFT form here; {known} have.", field="adapter"
        )
    match = _BLOCK.fullmatch(name)
    if match is None or match[2] not in modules:
        raise InvalidInput(f"Tensor {name!r} of a {architecture} adapter has no PEFT form here.", field="adapter")
    return int(match[1]), match[2], modules[match[2]]


def _configuration(adapter: Lora, base_name: str) -> dict[str, object]:
    ranks = {a.shape[1] for a, _ in adapter.factors.values()}
    if len(ranks) != 1:
        raise InvalidInput(
            f"An adapter of the ranks {sorted(ranks)} has no PEFT form here; one rank has.", field="adapter"
        )
    places = [_place(adapter.architecture, name) for name in adapter.factors]
    layers, modules = {place[0] for place in places}, {place[2] for place in places}
    is_regular = len(places) == len(layers) * len(modules)
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base_name,
        "r": ranks.pop(),
        "lora_alpha": adapter.alpha,
        "lora_dropout": 0.0,
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "target_modules": sorted(module.rpartition(".")[2] for module in modules)
        if is_regular
        else sorted(f"layers.{layer}.{module}" for layer, _, module in places),
        "layers_to_transform": sorted(layers) if is_regular else None,
        "layers_pattern": "layers" if is_regular else None,
    }

"""PEFT folders as adapters in memory.

Format: https://huggingface.co/docs/peft/developer_guides/checkpoint
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from edgellm.decoding import from_json
from edgellm.errors import InvalidInput
from edgellm.export.adapter_gguf import Lora
from edgellm.export.convert.families import interleaved
from edgellm.export.convert.safetensors import Entry, read_entries, regular_file
from edgellm.export.peft import MODULES, heads_of
from edgellm.gguf_header import GGUFHeader

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_MATRIX = re.compile(r"base_model\.model\.model\.layers\.(\d+)\.(.+)\.lora_([AB])\.weight")
_MAX_CONFIG_BYTES = 1024**2


class _Config(msgspec.Struct):
    r: int
    lora_alpha: float


def read_peft(folder: Path, base: GGUFHeader) -> Lora:
    """The adapter in a folder that PEFT or `write_peft` wrote, for a base of the families of `peft.MODULES`.

    Raises: InvalidInput for what is no LoRA of the base's linear layers; ModelRejected for damaged files.
    """
    config = _config(folder / CONFIG)
    entries = read_entries(folder / WEIGHTS)
    found: dict[str, dict[str, Entry]] = {}
    for name, entry in entries.items():
        tensor, side = _place(name, base)
        found.setdefault(tensor, {})[side] = entry
    factors = {}
    for tensor, pair in found.items():
        if set(pair) != {"A", "B"} or pair["A"].shape[0] != config.r:
            raise InvalidInput(
                f"{str(folder)!r} has no pair of matrices of the rank {config.r} for {tensor!r}.", field="adapter"
            )
        factors[tensor] = (pair["A"].rows().T, _outputs(pair["B"], tensor, base).T)
    return Lora(base.architecture, config.lora_alpha, factors)


def _config(path: Path) -> _Config:
    with regular_file(path) as file:
        raw = file.read(_MAX_CONFIG_BYTES)
    try:
        return from_json(raw, type=_Config)
    except msgspec.DecodeError as error:
        raise InvalidInput(f"{str(path)!r} is no configuration of a LoRA adapter: {error}.", field="adapter") from error


def _place(name: str, base: GGUFHeader) -> tuple[str, str]:
    """The base's tensor, and A or B."""
    modules = {theirs: ours for ours, theirs in MODULES.get(base.architecture, {}).items()}
    match = _MATRIX.fullmatch(name)
    if match is None or match[2] not in modules:
        raise InvalidInput(f"{name!r} belongs to no linear layer of a {base.architecture!r} model.", field="adapter")
    return f"blk.{match[1]}.{modules[match[2]]}.weight", match[3]


def _outputs(entry: Entry, tensor: str, base: GGUFHeader) -> NDArray[np.float32]:
    """B as (outputs, rank), rows in GGUF's order."""
    part = tensor.split(".")[2]
    if base.architecture == "llama" and part in ("attn_q", "attn_k"):
        return interleaved(entry.rows(), heads_of(base, part))
    return entry.rows()

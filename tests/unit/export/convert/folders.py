"""Writes safetensors files and model folders, sound ones and broken ones."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

CONFIG: dict[str, Any] = {
    "model_type": "qwen2",
    "hidden_size": 4,
    "intermediate_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "vocab_size": 8,
    "max_position_embeddings": 64,
}


def entry(start: int, size: int, dtype: str = "F32") -> dict[str, Any]:
    """One flat tensor of the header."""
    return {"dtype": dtype, "shape": [size // 4], "data_offsets": [start, start + size]}


def write_safetensors(path: Path, header: Any, data: bytes, length: int | None = None) -> Path:
    """A file from its parts; `header` is JSON already, or becomes it. Returns: `path`."""
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes((len(raw) if length is None else length).to_bytes(8, "little") + raw + data)
    return path


def make_folder(path: Path, config: Mapping[str, Any] = CONFIG, **files: str) -> Path:
    """A folder with one small tensor; `files` use `__` for a dot. Returns: `path`."""
    path.mkdir(exist_ok=True)
    (path / "config.json").write_text(json.dumps(dict(config)))
    write_safetensors(path / "model.safetensors", {"model.norm.weight": entry(0, 16)}, bytes(16))
    for name, content in files.items():
        (path / name.replace("__", ".")).write_text(content)
    return path

"""A GGUF base, with or without an adapter, as the folder that Hugging Face libraries or mlx_lm open."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from edgellm.adapter_header import AdapterHeader
from edgellm.disk_space import check_space
from edgellm.errors import DiskFull, InvalidInput, ModelRejected
from edgellm.events import JobEvent, Progressed, Started
from edgellm.export.convert.names import folder_name
from edgellm.export.convert.parity import check_tokenizer, end_tokens
from edgellm.export.convert.rope import LLAMA3_FACTORS, LONG_FACTORS, SHORT_FACTORS
from edgellm.export.convert.safetensors import ITEM_BYTES
from edgellm.export.convert.write import FloatType, as_bytes
from edgellm.export.fuse import delta
from edgellm.export.hf_config import folder_config, generation_config
from edgellm.export.hf_tokenizer import tokenizer_config, tokenizer_json
from edgellm.export.peft import unpermuted
from edgellm.gguf_header import GGUFHeader, TensorInfo, read_header
from edgellm.gguf_tensors import dequantized
from edgellm.paths import private_dir, replacing, sync_dir, write_private

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Layout = Literal["hf", "mlx"]
_FORMATS = {"hf": "pt", "mlx": "mlx"}
"""Who wrote the weights, as both loaders want to know."""
_TORCH_TYPES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}
_ROPE = (LLAMA3_FACTORS, LONG_FACTORS, SHORT_FACTORS)
WEIGHTS = "model.safetensors"
OnEvent = Callable[[JobEvent], None]


@dataclass(frozen=True, slots=True)
class Source:
    """What is written."""

    base: Path
    """A GGUF file of any quantization."""
    adapter: AdapterHeader | None = None
    """Added to the weights; the caller has checked that it fits."""


@dataclass(frozen=True, slots=True)
class WrittenFolder:
    """A finished folder."""

    path: Path
    notes: tuple[str, ...]
    """What a reader of the folder should know."""


def write_folder(
    source: Source, out: Path, layout: Layout, type: FloatType = "F16", on_event: OnEvent = lambda _event: None
) -> WrittenFolder:
    """Write config.json, the tokenizer and one safetensors file; the folder appears whole or not at all.

    The tokenizer is compared with llama.cpp's reading of the file first.
    Raises: InvalidInput when `out` exists; ModelRejected for a family, setting or vocabulary that has no such form;
    DiskFull; MissingExtra.
    """
    if out.exists():
        raise InvalidInput(f"{str(out)!r} exists already.", hint="Name another folder.", field="out", value=str(out))
    header = read_header(source.base)
    factors = {t.name: dequantized(header, t).tolist() for t in header.tensors if t.name in _ROPE}
    texts = {
        "config.json": _json(folder_config(header, factors, _TORCH_TYPES[type])),
        "tokenizer.json": _json(tokenizer_json(header)),
        "tokenizer_config.json": _json(tokenizer_config(header)),
        "generation_config.json": _json(generation_config(header, end_tokens(source.base))),
    }
    notes = check_tokenizer(source.base, out / "tokenizer.json", texts["tokenizer.json"])
    plan = [_Planned(header, tensor, source.adapter, type) for tensor in header.tensors if tensor.name not in _ROPE]
    check_space(out.parent, sum(planned.size_bytes for planned in plan))
    with _beside(out) as work:
        for name, text in texts.items():
            write_private(work / name, text.encode())
        on_event(Started(title=f"Write {out.name}", total=sum(p.size_bytes for p in plan), unit="bytes"))
        _write_weights(work / WEIGHTS, plan, _FORMATS[layout], on_event)
    return WrittenFolder(out, notes)


class _Planned:
    """One tensor of the folder."""

    def __init__(self, header: GGUFHeader, tensor: TensorInfo, adapter: AdapterHeader | None, type: FloatType) -> None:
        self._header, self._tensor, self._adapter = header, tensor, adapter
        self.type = type
        self.shape = tensor.shape[::-1]
        self.size_bytes = tensor.count * ITEM_BYTES[type]
        try:
            self.name = folder_name(tensor.name, header.architecture)
        except KeyError:
            raise ModelRejected(
                f"{str(header.path)!r} has the tensor {tensor.name!r}, which a {header.architecture!r} folder has not.",
                hint="Export it as GGUF.",
                path=str(header.path),
            ) from None

    def content(self) -> memoryview:
        """The numbers in the folder's order."""
        return as_bytes(self._header.path, self._tensor.name, self._values(), self.type)

    def _values(self) -> NDArray[np.float32]:
        header, name = self._header, self._tensor.name
        values = dequantized(header, self._tensor)
        if self._adapter is not None and name in self._adapter.pairs:
            values = values + delta(self._adapter, name)
        if header.architecture == "gemma3" and name.endswith("norm.weight"):
            return values - 1
        if header.architecture == "llama" and (".attn_q." in name or ".attn_k." in name):
            heads = header.integer("llama.attention.head_count") or 1
            own = header.integer("llama.attention.head_count_kv") or heads
            return unpermuted(values, heads if ".attn_q." in name else own)
        return values


def _write_weights(path: Path, plan: list[_Planned], written_by: str, on_event: OnEvent) -> None:
    """One safetensors file, a tensor at a time."""
    listed: dict[str, Any] = {"__metadata__": {"format": written_by}}
    end = 0
    for planned in plan:
        start, end = end, end + planned.size_bytes
        listed[planned.name] = {"dtype": planned.type, "shape": list(planned.shape), "data_offsets": [start, end]}
    head = json.dumps(listed, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    done = 0
    with replacing(path) as file:
        file.write(len(head).to_bytes(8, "little") + head)
        for planned in plan:
            file.write(planned.content())
            done += planned.size_bytes
            on_event(Progressed(done=done, total=end, note=planned.name))


def _json(content: dict[str, Any]) -> str:
    return json.dumps(content, ensure_ascii=False, indent=2) + "\n"


@contextmanager
def _beside(out: Path) -> Iterator[Path]:
    """A new folder next to `out` that takes its name when the block ends well, and goes when it does not."""
    private_dir(out.parent)
    work = private_dir(out.with_name(f".{out.name}.{os.getpid()}.part"))
    try:
        yield work
        sync_dir(work)
        work.rename(out)
        sync_dir(out.parent)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise DiskFull(f"The disk is full; {str(out)!r} was not written.", hint="Free some space.") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)

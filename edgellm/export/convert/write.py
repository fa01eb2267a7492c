"""A model folder becomes one GGUF file."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from edgellm.events import JobEvent, Progressed, Started
from edgellm.export.convert.config import Config
from edgellm.export.convert.families import Family, context_tokens, read_family
from edgellm.export.convert.folder import ModelFolder, open_folder
from edgellm.export.convert.names import gguf_name
from edgellm.export.convert.parity import check_tokenizer
from edgellm.export.convert.refusal import refuse
from edgellm.export.convert.rope import as_array
from edgellm.export.convert.tokenizer import tokenizer_metadata
from edgellm.export.convert.weights import PackedWeight, Weight, read_weights
from edgellm.gguf_write import NewTensor, Value, of_array, write_gguf
from edgellm.paths import private_dir

if TYPE_CHECKING:
    from numpy.typing import NDArray

FloatType = Literal["F32", "F16", "BF16"]
FILE_TYPES: Mapping[FloatType, int] = {"F32": 0, "F16": 1, "BF16": 32}
"""llama.cpp's number of a file's prevailing type."""
_PIECE_ITEMS = 4 * 1024**2
_OUTPUT = "output.weight"


@dataclass(frozen=True, slots=True)
class Converted:
    """A finished conversion."""

    path: Path
    architecture: str
    """GGUF's name of the family."""
    tensors: int
    parameters: int
    size_bytes: int
    notes: tuple[str, ...]
    """What a reader of the file should know."""


def convert_folder(
    folder: Path, out: Path, type: FloatType, on_event: Callable[[JobEvent], None] = lambda _event: None
) -> Converted:
    """Convert a Hugging Face or MLX folder (safetensors) to GGUF. Nothing of the folder is imported or run.

    `type` is that of matrices; norms, biases and rope factors stay F32. `out` appears complete or not at all, after the
    tokenizer was compared with the folder's own.
    Raises: ModelRejected, naming the file and the reason; DiskFull; MissingExtra without the `tokenizers` package.
    """
    opened = open_folder(folder)
    family = read_family(Config(folder / "config.json", opened.config))
    weights = _named(opened, family)
    context, note = context_tokens(family)
    vocabulary = tokenizer_metadata(opened, family.vocabulary)
    metadata = _metadata(_name(folder, family, vocabulary), family, type, context) | vocabulary
    notes = _check_vocabulary(opened, metadata, private_dir(out.parent)) + ((note,) if note else ())
    tensors = [_tensor(family, name, weight, type) for name, weight in weights.items()]
    tensors += [of_array(name, as_array(factors)) for name, factors in family.rotation.tensors.items()]
    total = sum(tensor.size_bytes for tensor in tensors)
    on_event(Started(title=f"Convert {folder.name}", total=total, unit="bytes"))
    write_gguf(out, metadata, _counted(tensors, total, on_event))
    parameters = sum(tensor.size_bytes // tensor.kind.block_bytes for tensor in tensors)
    return Converted(out, family.architecture, len(tensors), parameters, out.stat().st_size, notes)


def fitting_type(folder: ModelFolder) -> FloatType:
    """BF16 where most of a folder's bytes are that, which F16 cannot always hold; else F16."""
    sizes = {"BF16": 0}
    for entry in folder.tensors.values():
        sizes[entry.dtype] = sizes.get(entry.dtype, 0) + entry.size_bytes
    return "BF16" if 2 * sizes["BF16"] > sum(sizes.values()) else "F16"


def _metadata(name: str, family: Family, type: FloatType, context: int) -> dict[str, Value]:
    return {
        "general.architecture": family.architecture,
        "general.type": "model",
        "general.name": name,
        "general.file_type": FILE_TYPES[type],
        **family.metadata(context),
    }


def _name(folder: Path, family: Family, vocabulary: Mapping[str, Value]) -> str:
    """The folder's name. By a name with phi-3 llama.cpp knows Phi-3's own tokenizer; it dies of it with any other."""
    name, texts = folder.resolve().name, vocabulary["tokenizer.ggml.tokens"]
    has_phi_tokens = isinstance(texts, list) and {"</s>", "<unk>", "<s>", "<|endoftext|>"} <= set(texts)
    if not has_phi_tokens or family.architecture != "phi3":
        return re.sub(r"(?i)(phi)-?3", r"\1 3", name)
    return name if re.search(r"(?i)phi-?3", name) else f"{name} (Phi-3)"


def _check_vocabulary(folder: ModelFolder, metadata: Mapping[str, Value], beside: Path) -> tuple[str, ...]:
    """Compare token ids on a file without weights, so that hours of writing are not for nothing."""
    with tempfile.TemporaryDirectory(dir=beside, prefix=".vocabulary-") as place:
        probe = Path(place) / "vocabulary.gguf"
        write_gguf(probe, metadata, [])
        return check_tokenizer(probe, folder.path / "tokenizer.json", folder.text("tokenizer.json") or "")


def _named(folder: ModelFolder, family: Family) -> dict[str, Weight | PackedWeight]:
    """Weights by GGUF name, every one that the family has and no other."""
    config = Config(folder.path / "config.json", folder.config)
    found: dict[str, Weight | PackedWeight] = {}
    for name, weight in read_weights(config, folder.tensors).items():
        try:
            ours = gguf_name(name, family.architecture)
        except KeyError:
            refuse(folder.path, f"tensor {name!r} does not belong to a {family.architecture!r} model")
        if ours in found:
            refuse(folder.path, f"tensor {name!r} is there under another name too")
        if ours is not None:
            found[ours] = weight
    if family.is_tied:
        found.pop(_OUTPUT, None)
    shapes = family.shapes()
    if _OUTPUT in found or family.is_tied is False:
        shapes[_OUTPUT] = shapes["token_embd.weight"]
    for name, shape in shapes.items():
        if name not in found:
            refuse(folder.path, f"it has no tensor for {name!r}")
        if found[name].shape != shape:
            refuse(folder.path, f"the tensor for {name!r} has the shape {found[name].shape}, not {shape}")
    if extra := sorted(set(found) - set(shapes)):
        refuse(folder.path, f"it has a tensor for {extra[0]!r}, beyond the {family.layers} layers of config.json")
    return {name: found[name] for name in shapes}


def _tensor(family: Family, name: str, weight: Weight | PackedWeight, type: FloatType) -> NewTensor:
    kind = type if len(weight.shape) > 1 else "F32"
    return NewTensor(name, weight.shape[::-1], kind, partial(_pieces, family, name, weight, kind))


def _pieces(family: Family, name: str, weight: Weight | PackedWeight, kind: str) -> Iterator[memoryview]:
    """The tensor's bytes; whole where its rows change places, a few rows at a time elsewhere."""
    if family.changes(name):
        yield as_bytes(weight.path, name, family.to_gguf(name, weight.rows()), kind)
        return
    row_items = max(1, weight.shape[-1] if len(weight.shape) > 1 else 1)
    step = max(1, _PIECE_ITEMS // row_items)
    for start in range(0, weight.shape[0], step):
        yield as_bytes(weight.path, name, weight.rows(start, start + step), kind)


def as_bytes(source: Path, name: str, values: NDArray[Any], kind: str) -> memoryview:
    """float32 numbers as F32, F16 or BF16 (rounded to the nearest, ties to even).

    Raises: ModelRejected for a number that is not finite, or too large for F16.
    """
    import numpy as np

    if not np.isfinite(values).all():
        refuse(source, f"tensor {name!r} holds numbers that are not finite")
    if kind == "BF16":
        bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32)
        stored: NDArray[Any] = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2")
    elif kind == "F16":
        if np.abs(values).max(initial=0) > np.finfo(np.float16).max:
            refuse(source, f"tensor {name!r} holds numbers that are too large for F16", "Take BF16 or F32.")
        stored = np.ascontiguousarray(values, dtype="<f2")
    else:
        stored = np.ascontiguousarray(values, dtype="<f4")
    return stored.reshape(-1).view(np.uint8).data


def _counted(tensors: list[NewTensor], total: int, on_event: Callable[[JobEvent], None]) -> Iterator[NewTensor]:
    """The same tensors, each reporting when it is written."""
    done = 0

    def pieces(tensor: NewTensor) -> Iterator[Any]:
        nonlocal done
        yield from tensor.pieces()
        done += tensor.size_bytes
        on_event(Progressed(done=done, total=total, note=tensor.name))

    for tensor in tensors:
        yield NewTensor(tensor.name, tensor.shape, tensor.type, partial(pieces, tensor))

"""What a LoRA adapter in GGUF form says about itself, and whether it fits a base.

Format: llama.cpp's `llama_adapter_lora_init`. `<base tensor>.lora_a` is (rank, inputs) and `.lora_b` (outputs, rank),
slowest dimension first; their product is scaled by alpha / rank. What llama.cpp would abort at is refused here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgellm.errors import InvalidInput, ModelRejected
from edgellm.gguf_header import GGUFHeader, TensorInfo, raw_metadata, read_header
from edgellm.gguf_tensors import raw_blocks

KIND = {"general.type": "adapter", "adapter.type": "lora"}
"""What tells such a file from others."""
ALPHA = "adapter.lora.alpha"
A, B = ".lora_a", ".lora_b"
FLOAT32 = bytes([6, 0, 0, 0])
NO_WEIGHTS = ("I8", "I16", "I32", "I64", "F64", "Q8_1", "Q8_K")
"""Types that llama.cpp cannot multiply with."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Where the two matrices of one weight lie."""

    a: TensorInfo
    b: TensorInfo

    @property
    def rank(self) -> int:
        """Inner dimension of the product."""
        return self.b.shape[0]


@dataclass(frozen=True, slots=True)
class AdapterHeader:
    """The header of an adapter whose matrices come in pairs."""

    file: GGUFHeader
    alpha: float
    """0: the product is not scaled."""
    pairs: Mapping[str, Pair]
    """By the name of the base's tensor."""

    @property
    def architecture(self) -> str:
        """Family of the base."""
        return self.file.architecture

    @property
    def ranks(self) -> tuple[int, ...]:
        """Every rank that occurs, smallest first."""
        return tuple(sorted({pair.rank for pair in self.pairs.values()}))

    def check_base(self, base: GGUFHeader) -> None:
        """Raises: InvalidInput when a base of another family or other shapes is needed."""
        if base.architecture != self.architecture:
            raise unusable(
                self.file.path, f"it is for the family {self.architecture!r}, the base is {base.architecture!r}"
            )
        shapes = {tensor.name: tensor.shape for tensor in base.tensors}
        for name, pair in self.pairs.items():
            if name not in shapes:
                raise unusable(self.file.path, f"the base has no tensor {name!r}")
            inputs, outputs, *experts = (*shapes[name], 1)[: max(2, len(shapes[name]))]
            if pair.a.shape != (inputs, pair.rank, *experts) or pair.b.shape != (pair.rank, outputs, *experts):
                raise unusable(
                    self.file.path,
                    f"tensor {name!r} of the base has the shape {list(shapes[name])}, and it does not fit",
                )

    def check_values(self) -> None:
        """Read the matrices. Raises: InvalidInput when one holds NaN or infinity, which would end the engine.

        Quantized matrices are not looked at.
        """
        for pair in self.pairs.values():
            for tensor in (pair.a, pair.b):
                if not _is_finite(self.file, tensor):
                    raise unusable(self.file.path, f"tensor {tensor.name!r} holds values that are not finite")


def _is_finite(file: GGUFHeader, tensor: TensorInfo) -> bool:
    import numpy as np  # deferred: a header is read without it

    raw = raw_blocks(file, tensor)
    if tensor.type.name == "BF16":
        return not bool(((raw.view("<u2") & 0x7F80) == 0x7F80).any())
    plain = {"F32": "<f4", "F16": "<f2"}.get(tensor.type.name)
    return plain is None or bool(np.isfinite(raw.view(plain)).all())


def read_adapter_header(path: Path) -> AdapterHeader:
    """Read and check an adapter's header. Raises: InvalidInput, also for a damaged file."""
    try:
        file = read_header(path)
    except ModelRejected as error:
        raise unusable(path, str(error.facts["reason"])) from error
    for key, value in KIND.items():
        if file.text(key) != value:
            raise unusable(path, f"{key} is {file.text(key)!r}, not {value!r}")
    if not file.architecture:
        raise unusable(path, "general.architecture is missing")
    return AdapterHeader(file, _alpha(file), _pairs(file))


def _alpha(file: GGUFHeader) -> float:
    alpha = file.metadata.get(ALPHA, 0.0)
    is_float32 = ALPHA not in file.metadata or raw_metadata(file.path)[ALPHA][:4] == FLOAT32
    if not isinstance(alpha, float) or not math.isfinite(alpha) or not is_float32:
        raise unusable(file.path, f"{ALPHA} is {alpha!r}, not a 32-bit number")
    return alpha


def _pairs(file: GGUFHeader) -> dict[str, Pair]:
    found = {tensor.name: tensor for tensor in file.tensors}
    names = list(dict.fromkeys(name.removesuffix(A).removesuffix(B) for name in found))
    for name in names:
        if not {name + A, name + B} <= found.keys():
            raise unusable(file.path, f"tensor {name!r} lacks {A} or {B}")
        for tensor in (found[name + A], found[name + B]):
            if tensor.type.name in NO_WEIGHTS:
                raise unusable(file.path, f"tensor {tensor.name!r} has the type {tensor.type.name}")
    if not names:
        raise unusable(file.path, "it holds no tensors")
    return {name: Pair(found[name + A], found[name + B]) for name in names}


def unusable(path: Path | str, reason: str) -> InvalidInput:
    """The error for a file that cannot be used as an adapter."""
    return InvalidInput(
        f"The adapter {str(path)!r} cannot be used: {reason}.",
        hint="An adapter is a LoRA GGUF file made for this model.",
        field="adapter",
        path=str(path),
    )

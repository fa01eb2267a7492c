"""A base with an adapter added to its weights, as a full-precision GGUF: the base's metadata, byte for byte.

LoRA (Hu et al. 2021, https://arxiv.org/abs/2106.09685): W + alpha / rank * B A, added in float32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from edgellm.errors import InvalidInput
from edgellm.gguf_header import GGUFHeader, TensorInfo, raw_metadata, read_header
from edgellm.gguf_tensors import dequantized
from edgellm.gguf_write import NewTensor, copied, encoded, write_gguf

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Precision = Literal["F16", "F32"]
FILE_TYPES: Mapping[Precision, int] = {"F32": 0, "F16": 1}
"""llama.cpp's numbers (LLAMA_FTYPE) under general.file_type."""
PLAIN_TYPES = ("F32", "F16", "BF16", "F64", "I8", "I16", "I32", "I64")
"""Copied as they are where nothing is added: full precision already, or no weights."""
A, B = ".lora_a", ".lora_b"
Advance = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Pair:
    """An adapter's two matrices for one weight."""

    a: TensorInfo
    """(rank, inputs); with experts (experts, rank, inputs)."""
    b: TensorInfo
    """(outputs, rank); with experts (experts, outputs, rank)."""

    @property
    def rank(self) -> int:
        """Inner dimension of the product."""
        return self.b.shape[0]


class Adapter:
    """A LoRA adapter in GGUF form, checked against the base it is to be added to."""

    def __init__(self, path: Path, base: GGUFHeader) -> None:
        """Raises: ModelRejected for a damaged file, InvalidInput for one that is no adapter of this base."""
        self._header = read_header(path)
        self._check_kind(base)
        alpha = self._header.metadata.get("adapter.lora.alpha")
        if not isinstance(alpha, float):
            raise self._refused(f"adapter.lora.alpha is {alpha!r}, not a number")
        self._alpha = alpha
        self.pairs = self._paired()
        self._check_shapes({tensor.name: tensor for tensor in base.tensors})

    def delta(self, name: str) -> NDArray[np.float32]:
        """What is added to the weight `name`, in its shape (outputs, inputs)."""
        import numpy as np

        pair = self.pairs[name]
        product = np.matmul(dequantized(self._header, pair.b), dequantized(self._header, pair.a))
        scale = self._alpha / pair.rank if self._alpha else 1.0  # llama.cpp takes alpha 0 for "no scaling"
        scaled: NDArray[np.float32] = np.float32(scale) * product
        return scaled

    def _check_kind(self, base: GGUFHeader) -> None:
        expected = {"general.type": "adapter", "adapter.type": "lora", "general.architecture": base.architecture}
        for key, value in expected.items():
            if self._header.text(key) != value:
                raise self._refused(f"{key} is {self._header.text(key)!r}, not {value!r}")

    def _paired(self) -> dict[str, Pair]:
        found = {tensor.name: tensor for tensor in self._header.tensors}
        names = {name.removesuffix(A).removesuffix(B) for name in found}
        for name in sorted(names):
            if not {name + A, name + B} <= found.keys():
                raise self._refused(f"{name!r} lacks {A} or {B}")
        return {name: Pair(found[name + A], found[name + B]) for name in names}

    def _check_shapes(self, base: Mapping[str, TensorInfo]) -> None:
        for name, pair in self.pairs.items():
            if name not in base:
                raise self._refused(f"the base has no tensor {name!r}")
            inputs, outputs, *experts = base[name].shape
            if pair.a.shape != (inputs, pair.rank, *experts) or pair.b.shape != (pair.rank, outputs, *experts):
                raise self._refused(f"{name!r} is {list(base[name].shape)} in the base and does not fit")

    def _refused(self, reason: str) -> InvalidInput:
        return InvalidInput(
            f"The adapter {str(self._header.path)!r} cannot be added to this model: {reason}.",
            hint="Use an adapter that was trained on this base.",
            field="adapter",
            path=str(self._header.path),
        )


def fused_bytes(base: GGUFHeader, precision: Precision) -> int:
    """Size of the tensors that `fuse` writes, at most."""
    width = {"F16": 2, "F32": 4}[precision]
    return sum(max(tensor.size_bytes, tensor.count * width) for tensor in base.tensors)


def fuse(
    base: GGUFHeader,
    adapter: Adapter | None,
    target: Path,
    precision: Precision = "F16",
    on_tensor: Advance = lambda _: None,
) -> None:
    """Write the base's weights, plus the adapter's, at full precision; one tensor in memory at a time.

    Vectors (norms, biases) become F32. `on_tensor` is told how many tensors are written.
    Raises: InvalidInput when a weight does not fit F16; ModelRejected, MissingExtra, DiskFull.
    """
    metadata = raw_metadata(base.path) | {"general.file_type": encoded(FILE_TYPES[precision])}
    tensors = (_written(base, tensor, adapter, precision) for tensor in base.tensors)
    write_gguf(target, metadata, [_counted(tensor, at, on_tensor) for at, tensor in enumerate(tensors, 1)])


def _counted(tensor: NewTensor, at: int, on_tensor: Advance) -> NewTensor:
    def pieces() -> Iterator[bytes | memoryview]:
        yield from tensor.pieces()
        on_tensor(at)

    return NewTensor(tensor.name, tensor.shape, tensor.type, pieces)


def _written(base: GGUFHeader, tensor: TensorInfo, adapter: Adapter | None, precision: Precision) -> NewTensor:
    is_changed = adapter is not None and tensor.name in adapter.pairs
    if not is_changed and tensor.type.name in PLAIN_TYPES:
        return copied(base, tensor)
    chosen: Precision = "F32" if len(tensor.shape) == 1 else precision

    def pieces() -> Iterator[memoryview]:
        values = dequantized(base, tensor)
        if adapter is not None and is_changed:
            values += adapter.delta(tensor.name)
        yield memoryview(_narrowed(values, chosen, tensor.name).reshape(-1)).cast("B")

    return NewTensor(tensor.name, tensor.shape, chosen, pieces)


def _narrowed(values: NDArray[np.float32], precision: Precision, name: str) -> NDArray[np.floating]:
    import numpy as np

    if precision == "F32":
        return values.astype("<f4", copy=False)
    with np.errstate(over="ignore"):
        narrow = values.astype("<f2")
    if not np.isfinite(narrow).all():
        largest = float(np.abs(values).max())
        raise InvalidInput(
            f"Tensor {name!r} has values up to {largest:g}, which half precision (F16) cannot hold.",
            hint="Add F32 to the quantizations.",
            field="precision",
        )
    return narrow

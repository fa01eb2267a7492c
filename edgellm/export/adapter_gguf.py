"""LoRA adapters between memory and GGUF files that llama.cpp attaches to a base."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgellm.adapter_header import ALPHA, KIND, A, B, read_adapter_header
from edgellm.errors import InvalidInput
from edgellm.gguf_tensors import dequantized
from edgellm.gguf_write import NewTensor, of_array, write_gguf

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Factors = tuple[NDArray[np.float32], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Lora:
    """A low-rank adapter (Hu et al. 2021, https://arxiv.org/abs/2106.09685): W x + alpha / rank * B^T A^T x."""

    architecture: str
    """`general.architecture` of the base."""
    alpha: float
    """Strength times rank."""
    factors: Mapping[str, Factors]
    """By the base's GGUF tensor name: A (inputs, rank) and B (rank, outputs), rows in GGUF's order."""


def write_adapter_gguf(path: Path, adapter: Lora, name: str = "") -> None:
    """Write the file that the engine attaches; whole or not at all.

    Args:
        name: what the file calls itself (`general.name`).

    Raises: InvalidInput when factors do not belong together or are not finite, or alpha is 0, which to llama.cpp means
        no scaling; DiskFull.
    """
    _check(adapter)
    metadata = KIND | {"general.architecture": adapter.architecture}
    if name:
        metadata["general.name"] = name
    write_gguf(path, {**metadata, ALPHA: float(adapter.alpha)}, list(_tensors(adapter)))


def read_adapter_gguf(path: Path) -> Lora:
    """An adapter as float32, whichever types the file has. Raises: InvalidInput, ModelRejected, MissingExtra."""
    header = read_adapter_header(path)
    factors = {
        name: (dequantized(header.file, pair.a).T, dequantized(header.file, pair.b).T)
        for name, pair in header.pairs.items()
    }
    return Lora(header.architecture, header.alpha, factors)


def _tensors(adapter: Lora) -> Iterator[NewTensor]:
    for name, (a, b) in adapter.factors.items():
        yield of_array(name + A, a.T.astype("float32"))
        yield of_array(name + B, b.T.astype("float32"))


def _check(adapter: Lora) -> None:
    import numpy as np

    if not adapter.factors or not np.isfinite(adapter.alpha) or not adapter.alpha:
        raise InvalidInput(f"An adapter needs factors and an alpha that is not {adapter.alpha:g}.", field="alpha")
    for name, (a, b) in adapter.factors.items():
        if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[0]:
            raise InvalidInput(
                f"The factors of {name!r} have the shapes {a.shape} and {b.shape}; (inputs, rank) and (rank, outputs) "
                "are needed.",
                field="factors",
            )
        if not np.isfinite(a).all() or not np.isfinite(b).all():
            raise InvalidInput(f"The factors of {name!r} hold values that are not finite.", field="factors")

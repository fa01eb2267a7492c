"""The importance matrix as a file: llama.cpp's own GGUF form of it, which its tools read too.

`<weight>.in_sum2` holds the sums of squared inputs (experts, columns), `<weight>.counts` their rows (experts, 1):
https://github.com/ggml-org/llama.cpp/tree/master/tools/imatrix
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgellm.errors import InvalidInput
from edgellm.gguf_header import GGUFHeader, TensorInfo, read_header
from edgellm.gguf_tensors import raw_blocks
from edgellm.gguf_write import Value, of_array, write_gguf

SUMS, COUNTS = ".in_sum2", ".counts"
Totals = Mapping[str, tuple[NDArray[np.float32], NDArray[np.float32]]]
"""Sums of squares (experts, columns) and counts (experts, 1) by weight name."""


def write_totals(path: Path, totals: Totals, texts: int, text_tokens: int) -> None:
    """Write the file. texts, text_tokens: how many were read, and the length of the longest. Raises: DiskFull."""
    metadata: dict[str, Value] = {
        "general.type": "imatrix",
        "imatrix.datasets": ["EdgeLLM"],
        "imatrix.chunk_count": texts,
        "imatrix.chunk_size": text_tokens,
    }
    tensors = []
    for name, (sums, counts) in totals.items():
        tensors += [of_array(name + SUMS, sums), of_array(name + COUNTS, counts)]
    write_gguf(path, metadata, tensors)


def read_means(path: Path) -> dict[str, NDArray[np.float32]]:
    """Mean squared input by weight name: (columns,), experts one after the other, as llama.cpp's quantizer takes it.

    An expert that no token reached has the mean of the others. Raises: InvalidInput, ModelRejected.
    """
    header = read_header(path)
    found = {tensor.name: tensor for tensor in header.tensors}
    names = [name.removesuffix(SUMS) for name in found if name.endswith(SUMS)]
    if header.text("general.type") != "imatrix" or any(name + COUNTS not in found for name in names):
        raise InvalidInput(f"{str(path)!r} is no importance matrix.", field="imatrix", path=str(path))
    return {name: _means(_floats(header, found[name + SUMS]), _floats(header, found[name + COUNTS])) for name in names}


def _means(sums: NDArray[np.float32], counts: NDArray[np.float32]) -> NDArray[np.float32]:
    others = sums.sum(axis=0) / max(1.0, float(counts.sum()))
    means = np.where(counts > 0, sums / np.maximum(counts, 1), others)
    return np.ascontiguousarray(means.reshape(-1), dtype=np.float32)


def _floats(header: GGUFHeader, tensor: TensorInfo) -> NDArray[np.float32]:
    if tensor.type.name != "F32":
        message = f"Tensor {tensor.name!r} of {str(header.path)!r} is {tensor.type.name}, not F32."
        raise InvalidInput(message, field="imatrix", path=str(header.path))
    return raw_blocks(header, tensor).view(np.float32)

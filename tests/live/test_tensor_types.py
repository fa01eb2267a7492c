"""Weights of every type, read as ggml itself reads them: the trainer and every export start from these numbers."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edgellm.errors import ModelRejected
from edgellm.gguf_header import TENSOR_TYPES, TensorType, read_header
from edgellm.gguf_tensors import dequantized
from edgellm.gguf_write import NewTensor, write_gguf

pytestmark = pytest.mark.live

UNREAD = {"I8", "I16", "I32", "I64", "Q8_1", "Q8_K"}
"""No weights: indices, and what activations are rounded to; such a file is refused by the tensor's name."""
NUMBERS = {number: kind for number, kind in TENSOR_TYPES.items() if kind.name not in {*UNREAD, "F64"}}
ROWS, BLOCKS = 3, 7


class Traits(ctypes.Structure):
    """`ggml_type_traits` of ggml.h."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("block_items", ctypes.c_int64),
        ("interleaved", ctypes.c_int64),
        ("block_bytes", ctypes.c_size_t),
        ("is_quantized", ctypes.c_bool),
        ("to_float", ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)),
    )


def ggml() -> ctypes.CDLL:
    import llama_cpp

    folder = Path(llama_cpp.__file__).parent / "lib"
    library = ctypes.CDLL(str(next(path for path in folder.glob("libggml-base.*") if path.suffix in (".so", ".dylib"))))
    library.ggml_get_type_traits.restype = ctypes.POINTER(Traits)
    return library


def ggml_values(number: int, kind: TensorType, raw: NDArray[np.uint8]) -> NDArray[np.float32]:
    """What ggml makes of the bytes."""
    traits = ggml().ggml_get_type_traits(number).contents
    assert (traits.block_items, traits.block_bytes) == (kind.block_items, kind.block_bytes)
    if kind.name == "F32":  # ggml has nothing to do
        return raw.view("<f4")
    values = np.empty(raw.size // kind.block_bytes * kind.block_items, np.float32)
    traits.to_float(raw.ctypes.data, values.ctypes.data, values.size)
    return values


def written(path: Path, kind: TensorType, raw: NDArray[np.uint8]) -> Path:
    shape = (BLOCKS * kind.block_items, ROWS)
    write_gguf(path, {"general.architecture": "llama"}, [NewTensor("w", shape, kind.name, lambda: iter([raw.data]))])
    return path


def some_bytes(kind: TensorType, seed: int) -> NDArray[np.uint8]:
    """Blocks of every possible content: scales, signs, grids and offsets all occur."""
    return np.random.default_rng(seed).integers(0, 256, ROWS * BLOCKS * kind.block_bytes, np.uint8)


@pytest.mark.parametrize(("number", "kind"), NUMBERS.items(), ids=[kind.name for kind in NUMBERS.values()])
def test_a_type_is_read_as_ggml_reads_it(tmp_path: Path, number: int, kind: TensorType) -> None:
    pytest.importorskip("gguf")
    seen = 0
    for seed in range(8):
        raw = some_bytes(kind, seed)
        header = read_header(written(tmp_path / "w.gguf", kind, raw))
        with np.errstate(all="ignore"):  # random scales are infinite here and there
            ours = dequantized(header, header.tensors[0]).reshape(-1)
        theirs = ggml_values(number, kind, raw)
        is_number = np.isfinite(theirs)
        assert (np.isfinite(ours) == is_number).all()
        np.testing.assert_allclose(ours[is_number], theirs[is_number], rtol=1e-6, atol=0)
        seen += int(is_number.sum())
    assert seen > ROWS * BLOCKS * kind.block_items


def test_doubles_are_narrowed_unless_they_are_too_large(tmp_path: Path) -> None:
    kind = next(kind for kind in TENSOR_TYPES.values() if kind.name == "F64")
    values = np.random.default_rng(1).normal(size=ROWS * BLOCKS)
    header = read_header(written(tmp_path / "w.gguf", kind, values.view(np.uint8)))
    read = dequantized(header, header.tensors[0])
    assert read.shape == (ROWS, BLOCKS)
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read.reshape(-1), values.astype(np.float32))
    values[3] = 1e300
    header = read_header(written(tmp_path / "w.gguf", kind, values.view(np.uint8)))
    with pytest.raises(ModelRejected, match="float32 cannot hold"):
        dequantized(header, header.tensors[0])


@pytest.mark.parametrize("kind", [kind for kind in TENSOR_TYPES.values() if kind.name in UNREAD], ids=lambda k: k.name)
def test_what_is_not_read_is_refused_by_name(tmp_path: Path, kind: TensorType) -> None:
    pytest.importorskip("gguf")
    header = read_header(written(tmp_path / "w.gguf", kind, some_bytes(kind, 1)))
    with pytest.raises(ModelRejected, match=f"the type {kind.name}, which cannot be read"):
        dequantized(header, header.tensors[0])

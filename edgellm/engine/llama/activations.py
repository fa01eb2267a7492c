"""What goes into each weight matrix: squared activations by input column, seen through llama.cpp's `cb_eval`.

llama.cpp has no getter for a tensor's sources, so its struct is spelt out here as ggml.h has it; `check_layout` proves
the spelling on a tensor that ggml itself makes, and refuses to go on when anything differs.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgellm.engine.llama.library import lib
from edgellm.errors import EngineError

LEAST_ROWS = 16
"""Smaller products are attention over few positions or a cut batch, and are left out."""
_F32 = 0
_OPS = {b"MUL_MAT": False, b"MUL_MAT_ID": True}


class Tensor(ctypes.Structure):
    """`struct ggml_tensor` of ggml 0.25 (ggml.h)."""


Tensor._fields_ = [
    ("type", ctypes.c_int),
    ("buffer", ctypes.c_void_p),
    ("ne", ctypes.c_int64 * 4),
    ("nb", ctypes.c_size_t * 4),
    ("op", ctypes.c_int),
    ("op_params", ctypes.c_int32 * 16),
    ("flags", ctypes.c_int32),
    ("src", ctypes.POINTER(Tensor) * 10),
    ("view_src", ctypes.POINTER(Tensor)),
    ("view_offs", ctypes.c_size_t),
    ("data", ctypes.c_void_p),
    ("name", ctypes.c_char * 64),
    ("extra", ctypes.c_void_p),
    ("padding", ctypes.c_char * 8),
]


class _InitParams(ctypes.Structure):
    _fields_ = [("mem_size", ctypes.c_size_t), ("mem_buffer", ctypes.c_void_p), ("no_alloc", ctypes.c_bool)]


class _Object(ctypes.Structure):
    """`struct ggml_object`, which precedes every tensor and is part of `ggml_tensor_overhead`."""

    _fields_ = [
        ("offs", ctypes.c_size_t),
        ("size", ctypes.c_size_t),
        ("next", ctypes.c_void_p),
        ("type", ctypes.c_int),
        ("padding", ctypes.c_char * 4),
    ]


def _ggml() -> Any:
    """The ggml functions needed here, which the binding does not declare."""
    functions = lib._lib if hasattr(lib, "_lib") else None
    if functions is None or not hasattr(functions, "ggml_tensor_overhead"):
        functions = ctypes.CDLL(None)  # macOS and Linux: what is loaded already
    pointer = ctypes.POINTER(Tensor)
    for name, result, arguments in (
        ("ggml_tensor_overhead", ctypes.c_size_t, []),
        ("ggml_init", ctypes.c_void_p, [_InitParams]),
        ("ggml_free", None, [ctypes.c_void_p]),
        ("ggml_new_tensor_2d", pointer, [ctypes.c_void_p, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]),
        ("ggml_mul_mat", pointer, [ctypes.c_void_p, pointer, pointer]),
        ("ggml_set_name", pointer, [pointer, ctypes.c_char_p]),
        ("ggml_op_desc", ctypes.c_char_p, [pointer]),
        ("ggml_nbytes", ctypes.c_size_t, [pointer]),
        ("ggml_backend_tensor_get", None, [pointer, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t]),
    ):
        function = getattr(functions, name)
        function.restype, function.argtypes = result, arguments
    return functions


ggml = _ggml()


def check_layout() -> None:
    """Raises: EngineError unless the installed ggml lays its tensors out as `Tensor` says."""
    expected = ctypes.sizeof(_Object) + ctypes.sizeof(Tensor)
    found = ggml.ggml_tensor_overhead()
    if found != expected:
        raise _unknown_layout(f"a tensor takes {found} bytes, not {expected}")
    context = ggml.ggml_init(_InitParams(8 * found, None, True))
    try:
        weight = ggml.ggml_set_name(ggml.ggml_new_tensor_2d(context, _F32, 5, 7), b"weight")
        values = ggml.ggml_set_name(ggml.ggml_new_tensor_2d(context, _F32, 5, 3), b"values")
        product = ggml.ggml_mul_mat(context, weight, values).contents
        seen = [(source.contents.name, tuple(source.contents.ne)) for source in product.src[:2]]
        if seen != [(b"weight", (5, 7, 1, 1)), (b"values", (5, 3, 1, 1))] or tuple(product.ne) != (7, 3, 1, 1):
            raise _unknown_layout("the parts of a product are elsewhere")
        if tuple(product.src[1].contents.nb) != (4, 20, 60, 60) or product.src[2]:
            raise _unknown_layout("the strides or sources of a product are elsewhere")
    finally:
        ggml.ggml_free(context)


def _unknown_layout(reason: str) -> EngineError:
    return EngineError(
        f"The importance matrix cannot be measured: this llama.cpp lays out tensors differently ({reason}).",
        hint="Quantize without it, or install the llama-cpp-python version that EdgeLLM names.",
    )


class Activations:
    """Sums of squared inputs by weight; `watcher` is what a context's `cb_eval` takes.

    Attributes: `failure` is what went wrong in a callback, out of which no exception can leave.
    """

    def __init__(self) -> None:
        check_layout()
        self.watcher = lib.ggml_backend_sched_eval_callback(self._see)
        self.failure: Exception | None = None
        self._sums: dict[str, NDArray[np.float64]] = {}
        self._counts: dict[str, NDArray[np.int64]] = {}

    def totals(self) -> dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]]:
        """By weight name: sums of squares (experts, columns) and how many rows went into each (experts, 1).

        A weight without experts has one.
        """
        return {
            name: (sums.astype(np.float32), self._counts[name].astype(np.float32)[:, None])
            for name, sums in self._sums.items()
        }

    def _see(self, address: int, is_question: bool, _user_data: int | None) -> bool:
        if self.failure is not None:
            return False
        try:
            node = ctypes.cast(address, ctypes.POINTER(Tensor))
            if is_question:
                return self._is_wanted(node)
            self._add(node.contents, with_experts=_OPS[ggml.ggml_op_desc(node)])
        except Exception as error:  # ctypes would print and drop it
            self.failure = error
        return self.failure is None

    @staticmethod
    def _is_wanted(node: Any) -> bool:
        op = ggml.ggml_op_desc(node)
        if op not in _OPS:
            return False
        tensor = node.contents
        weight, values = tensor.src[0].contents, tensor.src[1].contents
        rows = values.ne[2] if _OPS[op] else values.ne[1]
        return _weight_name(weight) is not None and values.type == _F32 and rows >= LEAST_ROWS

    def _add(self, tensor: Any, *, with_experts: bool) -> None:
        name = _weight_name(tensor.src[0].contents)
        assert name is not None
        values = _floats(tensor.src[1])
        columns = values.shape[-1]
        experts = tensor.src[0].contents.ne[2] if with_experts else 1
        sums = self._sums.setdefault(name, np.zeros((experts, columns)))
        counts = self._counts.setdefault(name, np.zeros(experts, np.int64))
        if not with_experts:
            rows = values.reshape(-1, columns)
            sums[0] += np.einsum("rc,rc->c", rows, rows, dtype=np.float64)
            counts[0] += len(rows)
            return
        chosen = _integers(tensor.src[2])  # (tokens, experts used)
        values = np.broadcast_to(values[0], (*chosen.shape, columns))
        for expert in np.unique(chosen):
            rows = values[chosen == expert]
            sums[expert] += np.einsum("rc,rc->c", rows, rows, dtype=np.float64)
            counts[expert] += len(rows)


def _weight_name(weight: Any) -> str | None:
    """The name under which the file has this weight; None for what is no weight of a layer."""
    name: bytes = weight.name
    name = name.split(b"#")[1] if name.count(b"#") == 2 else name  # a copy on another device: CUDA0#name#0
    is_weight = name.endswith(b".weight") and (name.startswith(b"blk.") or name == b"output.weight")
    return name.decode() if is_weight else None


def _floats(pointer: Any) -> NDArray[np.float32]:
    """An F32 tensor, slowest dimension first; with experts (1, tokens, experts used or 1, columns)."""
    values: NDArray[np.float32] = _array(pointer, np.float32)
    return values


def _integers(pointer: Any) -> NDArray[np.int32]:
    """A two-dimensional I32 tensor, which may be a view into a wider one."""
    numbers: NDArray[np.int32] = _array(pointer, np.int32)[0, 0]
    return numbers


def _array(pointer: Any, kind: Any) -> Any:
    tensor = pointer.contents
    size = ggml.ggml_nbytes(pointer)
    raw = np.empty(size, np.uint8)
    ggml.ggml_backend_tensor_get(pointer, raw.ctypes.data, 0, size)
    shape, strides = tuple(tensor.ne)[::-1], tuple(tensor.nb)[::-1]
    return np.ndarray(shape, kind, buffer=raw, strides=strides)

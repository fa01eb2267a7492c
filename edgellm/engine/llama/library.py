"""llama.cpp's C functions, its log and what was built into it: the only import of llama_cpp.

llama.cpp writes to standard error from C. Here every line goes to the logger `edgellm.llama` instead, and the last
warnings and errors are kept, because a failed call returns no reason: the reason is in the log.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import logging
import sys
from collections import deque
from typing import Any


def _bindings() -> Any:
    """`llama_cpp.llama_cpp` without what its package imports beside it.

    The package's own module brings the `Llama` class with chat formats, caches and tokenizers along: 150 ms of every
    worker's start, and nothing of it is used here.
    """
    if "llama_cpp" in sys.modules:
        return importlib.import_module("llama_cpp.llama_cpp")
    spec = importlib.util.find_spec("llama_cpp")
    if spec is None:
        raise ModuleNotFoundError("llama-cpp-python is not installed.", name="llama_cpp")
    sys.modules["llama_cpp"] = importlib.util.module_from_spec(spec)  # not executed: a bare package
    try:
        return importlib.import_module("llama_cpp.llama_cpp")
    finally:
        del sys.modules["llama_cpp"]  # who imports the package itself gets the whole of it


lib: Any = _bindings()
"""The C API under its own names (`llama_decode`, `llama_batch`, ...), as declared by llama-cpp-python."""

logger = logging.getLogger("edgellm.llama")
logger.addHandler(logging.NullHandler())  # without one, Python would print warnings to standard error
_LEVELS = {3: logging.WARNING, 4: logging.ERROR}
"""ggml's levels as ggml.h has them. Its INFO counts as DEBUG here: it writes some hundred lines a model."""
_complaints: deque[str] = deque(maxlen=8)


@lib.llama_log_callback  # type: ignore[untyped-decorator]  # declared by ctypes
def _log(level: int, text: bytes, _user_data: int | None) -> None:
    severity = _LEVELS.get(level, logging.DEBUG)
    line = text.decode("utf-8", "replace").rstrip()
    if severity >= logging.WARNING and line:
        _complaints.append(line)
    if line and logger.isEnabledFor(severity):
        logger.log(severity, line)


def listen() -> None:
    """Take llama.cpp's log; needed again once something else took it, as importing llama_cpp's own package does."""
    lib.llama_log_set(_log, None)


listen()
lib.llama_backend_init()


def forget_complaints() -> None:
    """Start collecting reasons afresh; call before a call that may fail."""
    _complaints.clear()


def complaints() -> str:
    """What llama.cpp warned about since `forget_complaints`, oldest first; empty when it said nothing."""
    return "; ".join(_complaints)


def version() -> str:
    """llama.cpp's own version and the Python binding's."""
    return f"{lib.llama_version().decode()} (llama-cpp-python {importlib.metadata.version('llama-cpp-python')})"


def system_info() -> str:
    """The instruction sets and backends compiled in, as llama.cpp prints them."""
    return str(lib.llama_print_system_info().decode())


def offloads() -> bool:
    """Whether a GPU backend is compiled in and finds a device."""
    return bool(lib.llama_supports_gpu_offload())


def device(gpu_layers: int) -> str:
    """What computes with this many layers offloaded: `cpu`, `metal`, `cuda`, or llama.cpp's own name for it."""
    if gpu_layers == 0 or not offloads():
        return "cpu"
    first = system_info().split(":")[0].strip().lower()
    return {"mtl": "metal"}.get(first, first)


def text(pointer_bytes: bytes | None) -> str:
    """A C string as text; empty for NULL."""
    return (pointer_bytes or b"").decode("utf-8", "replace")

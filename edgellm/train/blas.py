"""A fast BLAS for MLX on Linux processors.

The mlx-cpu wheel carries reference BLAS: 4 GFLOP/s on two cores, where OpenBLAS makes 200. numpy's wheel carries an
OpenBLAS that chooses its kernels by the processor, with 64-bit integers and under names of its own. A library
of one function hands MLX's products of matrices on to it: it is compiled where it is used, because the two differ
in the width of their arguments, and loaded before MLX, because symbols that are global by then win over the wheel's.
"""

from __future__ import annotations

import ctypes
import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

from edgellm.paths import private_dir
from edgellm.train.threads import ThreadChoice

_BRIDGE = """
#include <stdint.h>

void scipy_cblas_sgemm64_(int, int, int, int64_t, int64_t, int64_t, float, const float *, int64_t, const float *,
                          int64_t, float, float *, int64_t);

void cblas_sgemm(int order, int transpose_a, int transpose_b, int m, int n, int k, float alpha, const float *a, int lda,
                 const float *b, int ldb, float beta, float *c, int ldc) {
    scipy_cblas_sgemm64_(order, transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}
"""
_COMPILERS = ("cc", "gcc", "clang")
_COMPILE_S = 60


def find_openblas() -> Path | None:
    """The OpenBLAS of numpy's wheel; None where there is none, or the system's own BLAS is used (macOS)."""
    found = importlib.util.find_spec("numpy")
    if sys.platform != "linux" or found is None or found.origin is None:
        return None
    libraries = Path(found.origin).parent.parent / "numpy.libs"
    return next(iter(sorted(libraries.glob("libscipy_openblas64_*.so*"))), None)


def load_openblas(folder: Path) -> str:
    """Have MLX use OpenBLAS in this process; before its first import.

    Returns: the library that was loaded; empty where the system's own is fast; else why it is not, in words.
    `folder`: where the bridge to it is compiled.
    """
    assert "mlx.core" not in sys.modules, "MLX has bound its own BLAS already"
    if sys.platform != "linux":
        return ""
    library = find_openblas()
    if library is None:
        return "slow: numpy was not installed from its wheel, which brings OpenBLAS"
    try:
        bridge = _bridge(folder)
        for each in (library, bridge):
            ctypes.CDLL(str(each), mode=ctypes.RTLD_GLOBAL)
    except (OSError, subprocess.SubprocessError) as error:
        return f"slow: OpenBLAS could not be loaded ({error})"
    return str(library)


def _bridge(folder: Path) -> Path:
    """Compile the library of one function. Raises: OSError, SubprocessError."""
    compiler = next(filter(None, map(shutil.which, _COMPILERS)), None)
    if compiler is None:
        raise FileNotFoundError("no C compiler: install gcc or clang")
    target = private_dir(folder) / "blas.so"
    command = [compiler, "-shared", "-fPIC", "-O2", "-x", "c", "-", "-o", str(target)]
    subprocess.run(command, input=_BRIDGE, text=True, check=True, capture_output=True, timeout=_COMPILE_S)
    return target


class BlasThreads:
    """OpenBLAS' threads, their number chosen anew after each step; nothing where OpenBLAS is not loaded."""

    def __init__(self, loaded: str) -> None:
        """`loaded` is what `load_openblas` returned."""
        self._blas = ctypes.CDLL(loaded) if loaded and Path(loaded).exists() else None
        most = self._blas.scipy_openblas_get_num_threads64_() if self._blas is not None else 1
        self._choice = ThreadChoice(most)

    def note(self, tokens: int, seconds: float, work: str) -> None:
        """A step of so many tokens took `seconds`; the next uses what is best now. As `ThreadChoice.note`."""
        before = self._choice.threads
        self._choice.note(tokens, seconds, work)
        if self._blas is not None and self._choice.threads != before:
            self._blas.scipy_openblas_set_num_threads64_(self._choice.threads)

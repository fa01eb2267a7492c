"""A fast BLAS for MLX on Linux processors.

The mlx-cpu wheel carries reference BLAS: 4 GFLOP/s on two cores, where OpenBLAS makes 200. Symbols of a library
that is loaded globally before MLX win over those of the wheel. The `cmeel-openblas` wheel needs the Fortran runtime
under its plain name, which many systems lack; mlx-cpu carries the same runtime under another name, so a folder of
links gives it the name, and the process that trains is started with that folder in its library path.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from edgellm.paths import private_dir
from edgellm.train.threads import ThreadChoice

_FORTRAN = "libgfortran.so.5"


def find_openblas() -> Path | None:
    """The installed OpenBLAS; None where there is none, or the system's own BLAS is used (macOS)."""
    if sys.platform != "linux":
        return None
    for site in _site_folders():
        library = site / "cmeel.prefix" / "lib" / "libopenblas.so"
        if library.exists():
            return library
    return None


def blas_environment(environment: Mapping[str, str], links: Path) -> dict[str, str]:
    """The environment for a process that will call `load_openblas`.

    `links` is a folder that this function fills with links to the Fortran runtime of the mlx-cpu wheel.
    """
    if find_openblas() is None:
        return dict(environment)
    private_dir(links)
    for library in _fortran_runtime():
        name = _FORTRAN if library.name.startswith("libgfortran") else library.name
        link = links / name
        if not link.exists():
            link.unlink(missing_ok=True)
            link.symlink_to(library)
    paths = [str(links), *filter(None, [environment.get("LD_LIBRARY_PATH")])]
    return {**environment, "LD_LIBRARY_PATH": os.pathsep.join(paths)}


def load_openblas() -> str:
    """Load OpenBLAS for this process, before the first import of MLX; what was loaded, empty where nothing was."""
    assert "mlx.core" not in sys.modules, "MLX has bound its own BLAS already"
    library = find_openblas()
    if library is None:
        return ""
    try:
        ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
    except OSError as error:
        return f"not loaded: {error}"
    return str(library)


class BlasThreads:
    """OpenBLAS' threads, their number chosen anew after each step; nothing where OpenBLAS is not loaded."""

    def __init__(self, loaded: str) -> None:
        """`loaded` is what `load_openblas` returned."""
        self._blas = ctypes.CDLL(loaded) if loaded and Path(loaded).exists() else None
        self._choice = ThreadChoice(self._blas.openblas_get_num_threads() if self._blas is not None else 1)

    def note(self, tokens: int, seconds: float) -> None:
        """A step of so many tokens took `seconds`; the next uses what is best now."""
        before = self._choice.threads
        self._choice.note(tokens, seconds)
        if self._blas is not None and self._choice.threads != before:
            self._blas.openblas_set_num_threads(self._choice.threads)


def _fortran_runtime() -> list[Path]:
    return [
        library
        for site in _site_folders()
        for pattern in ("libgfortran-*.so*", "libquadmath-*.so*")
        for library in (site / "mlx_cpu.libs").glob(pattern)
    ]


def _site_folders() -> list[Path]:
    """Folders that packages of this interpreter lie in."""
    found = importlib.util.find_spec("mlx")
    places = list(found.submodule_search_locations or []) if found is not None else []
    return [Path(place).parent for place in places]

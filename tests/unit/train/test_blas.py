"""MLX's products of matrices are OpenBLAS', on every processor; where they cannot be, it is said."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from edgellm.train import blas

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system's own BLAS is used")
MULTIPLY = """
import sys
from pathlib import Path
from edgellm.train import blas
if sys.argv[2] == "idle":
    blas._BRIDGE = "void cblas_sgemm(void) {}"
loaded = blas.load_openblas(Path(sys.argv[1]))
assert Path(loaded).exists(), loaded
import mlx.core as mx
import numpy as np
dice = np.random.default_rng(0)
a, b = dice.normal(size=(130, 70)).astype(np.float32), dice.normal(size=(70, 90)).astype(np.float32)
for left, right in ((mx.array(a), mx.array(b)), (mx.array(a.T.copy()).T, mx.array(b)), (mx.array(a), mx.array(b.T).T)):
    difference = float(np.abs(np.array(left @ right) - a @ b).max())
    assert difference < 1e-4, "differs"
"""


def multiplied(folder: Path, bridge: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", MULTIPLY, str(folder), bridge]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_mlx_multiplies_with_it(tmp_path: Path) -> None:
    pytest.importorskip("mlx.core")
    done = multiplied(tmp_path, "whole")
    assert done.returncode == 0, done.stderr


def test_nothing_else_multiplies(tmp_path: Path) -> None:
    """A bridge that does nothing must be noticed: MLX asks it."""
    pytest.importorskip("mlx.core")
    assert "differs" in multiplied(tmp_path, "idle").stderr


def test_without_a_compiler_it_says_why_it_is_slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "mlx.core", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    said = blas.load_openblas(tmp_path / "blas")
    assert said == "slow: OpenBLAS could not be loaded (no C compiler: install gcc or clang)"


def test_without_numpys_wheel_it_says_why_it_is_slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "mlx.core", raising=False)
    monkeypatch.setattr(blas, "find_openblas", lambda: None)
    assert blas.load_openblas(tmp_path / "blas").startswith("slow: numpy was not installed from its wheel")

"""Where a process that computes with MLX keeps what it compiles."""

from __future__ import annotations

from pathlib import Path

from edgellm.train.environment import mlx_environment


def test_kernels_lie_where_nobody_else_may_write(tmp_path: Path) -> None:
    folder = tmp_path / "run" / "tmp"
    environment = mlx_environment({"TMPDIR": "/tmp", "HOME": "/home/anna"}, folder)
    assert environment["TMPDIR"] == str(folder)
    assert environment["HOME"] == "/home/anna"
    assert folder.stat().st_mode & 0o777 == 0o700

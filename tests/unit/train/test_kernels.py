"""Compiled kernels go from one process to the next, whole."""

from __future__ import annotations

from pathlib import Path

from edgellm.train.kernels import keep_kernels, lend_kernels


def compiled(folder: Path, name: str, content: bytes) -> Path:
    path = folder / "mlx" / "0.32.4" / "cpu" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_what_one_process_compiled_the_next_one_has(tmp_path: Path) -> None:
    compiled(tmp_path / "one", "libexp.so", b"library")
    compiled(tmp_path / "one", "exp.cpp", b"source")
    keep_kernels(tmp_path / "one", tmp_path / "kept")
    lend_kernels(tmp_path / "kept", tmp_path / "two")
    assert [path.name for path in (tmp_path / "two").rglob("*.*") if path.is_file()] == ["libexp.so"]
    assert (tmp_path / "two" / "mlx" / "0.32.4" / "cpu" / "libexp.so").read_bytes() == b"library"
    assert (tmp_path / "two").stat().st_mode & 0o777 == 0o700


def test_what_is_kept_is_not_written_again(tmp_path: Path) -> None:
    compiled(tmp_path / "one", "libexp.so", b"first")
    keep_kernels(tmp_path / "one", tmp_path / "kept")
    compiled(tmp_path / "two", "libexp.so", b"second")
    keep_kernels(tmp_path / "two", tmp_path / "kept")
    assert [path.read_bytes() for path in (tmp_path / "kept").rglob("*.so")] == [b"first"]


def test_none_are_lent_before_any_are_kept(tmp_path: Path) -> None:
    lend_kernels(tmp_path / "kept", tmp_path / "one")
    assert not list(tmp_path.rglob("*.so"))

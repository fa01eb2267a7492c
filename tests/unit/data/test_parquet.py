"""Parquet through pyarrow, where it is installed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from edgellm.data.lines import LINE_LIMIT_BYTES
from edgellm.data.sources import FileSource
from edgellm.errors import DataRejected, MissingExtra
from tests.unit.data.harness import fact, read, reasons, turns


def test_rows_are_read_and_numbered(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = [fact(number) for number in range(2500)]
    rows[7]["completion"] = None  # type: ignore[assignment]
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "a.parquet")
    records = read(tmp_path / "a.parquet")
    assert [record.source.line for record in records] == list(range(1, 2501))
    assert turns(records[2499]) == [("user", rows[2499]["prompt"]), ("assistant", rows[2499]["completion"])]
    assert reasons(records) == []  # null is an empty answer, which cleaning drops


@pytest.mark.parametrize("is_nested", [False, True])
def test_a_small_file_does_not_become_a_large_one_in_memory(tmp_path: Path, is_nested: bool) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    long = "x" * 100_000
    turns_of = [{"role": "user", "content": long}, {"role": "assistant", "content": long}]
    rows = [{"messages": turns_of} if is_nested else {"prompt": long, "completion": long}] * 2000
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "a.parquet", compression="zstd")
    before = pyarrow.total_allocated_bytes()
    records = FileSource(tmp_path / "a.parquet").records()
    [(_, asked), (_, told)] = turns(next(iter(records)))
    assert asked == told == long
    assert pyarrow.total_allocated_bytes() - before < 20_000_000, "400 MB, if each row had its own copy"


def test_a_text_longer_than_a_line_may_be_is_refused(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = [fact(1), fact(2) | {"completion": "x" * (LINE_LIMIT_BYTES + 1)}]
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "a.parquet")
    with pytest.raises(DataRejected, match=r"a\.parquet:2: the row holds a text of more than 8 MiB"):
        read(tmp_path / "a.parquet")


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    path = tmp_path / "a.parquet"
    path.write_bytes(b"PAR1" + b"\0" * 100 + b"PAR1")
    with pytest.raises(DataRejected, match=r"a\.parquet:1"):
        read(path)


def test_without_the_package_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    path = tmp_path / "a.parquet"
    path.write_bytes(b"PAR1")
    with pytest.raises(MissingExtra, match=r"edgellm\[parquet\]"):
        read(path)

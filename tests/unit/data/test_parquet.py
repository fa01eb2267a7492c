"""Parquet through pyarrow, where it is installed."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import pytest

from edgellm.data import parquet_reader
from edgellm.data.lines import LINE_LIMIT_BYTES
from edgellm.data.rows import Dropped
from edgellm.data.sources import FileSource
from edgellm.errors import DataRejected, MissingExtra
from edgellm.limited import Limits, Stream, start_limited
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
    path = tmp_path / "a.parquet"
    parquet.write_table(pyarrow.Table.from_pylist(rows), path, compression="zstd")
    tracemalloc.start()
    try:
        seen = [turns(record) == [("user", long), ("assistant", long)] for record in FileSource(path).records()]
        assert tracemalloc.get_traced_memory()[1] < 50_000_000, "400 MB, if all rows were held at once"
    finally:
        tracemalloc.stop()
    assert seen == [True] * 2000


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


def test_values_that_are_no_texts_are_none(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = [{"prompt": datetime(2026, 1, 31), "completion": "On that day."}] * 2
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "a.parquet")
    [first, _] = read(tmp_path / "a.parquet")
    assert isinstance(first, Dropped)
    assert "an object" in first.detail


ROW = "import sys, msgspec; row = msgspec.msgpack.encode([{'prompt': 'Where?', 'completion': 'Up north.'}]); "
ROW += (
    "say = lambda data: (sys.stdout.buffer.write(len(data).to_bytes(4, 'big') + data), sys.stdout.flush()); say(row); "
)


@pytest.mark.parametrize(
    ("child", "said"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", r"crashed the reader \(SIGSEGV\)"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGALRM)", "takes too long"),
        ("import os; os._exit(9)", "needs more than 4"),
        ("raise SystemExit('no room')", "exit code 1: no room"),
        ("say(b'\\xc1')", "exit code 0"),
        ("say(msgspec.msgpack.encode([1]))", "exit code 0"),
        ("sys.stdout.buffer.write(b'\\xff' * 100)", "exit code 0"),
        ("while True: say(b'\\xc1')", "Broken pipe"),
    ],
)
def test_whatever_becomes_of_the_reader_is_an_error_behind_its_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, child: str, said: str
) -> None:
    pytest.importorskip("pyarrow")
    monkeypatch.setattr(parquet_reader, "start_limited", standing_in(f"{ROW}\n{child}", []))
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    records = FileSource(tmp_path / "a.parquet").records()
    assert turns(next(records)) == [("user", "Where?"), ("assistant", "Up north.")]
    with pytest.raises(DataRejected, match=rf"a\.parquet:2: the row and what follows cannot be read: .*{said}"):
        next(records)


def test_a_reader_that_nobody_listens_to_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyarrow")
    started: list[subprocess.Popen[bytes]] = []
    monkeypatch.setattr(parquet_reader, "start_limited", standing_in(f"{ROW}\nwhile True: say(row)", started))
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    with contextlib.closing(FileSource(tmp_path / "a.parquet").records()) as records:  # type: ignore[type-var]
        next(records)
    assert started[0].returncode is not None


def standing_in(program: str, started: list[subprocess.Popen[bytes]]) -> Callable[..., subprocess.Popen[bytes]]:
    """What starts another program in place of the reader."""

    def start(
        _command: Sequence[str], limits: Limits, environment: Mapping[str, str], streams: tuple[Stream, Stream, Stream]
    ) -> subprocess.Popen[bytes]:
        started.append(start_limited([sys.executable, "-c", program], limits, environment, streams))
        return started[-1]

    return start


def test_without_the_package_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    path = tmp_path / "a.parquet"
    path.write_bytes(b"PAR1")
    with pytest.raises(MissingExtra, match=r"edgellm\[parquet\]"):
        read(path)

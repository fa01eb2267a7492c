"""Rows of Parquet files, through pyarrow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

from edgellm.data.lines import LINE_LIMIT_BYTES
from edgellm.data.reading import Reading
from edgellm.data.rows import Record, Source
from edgellm.errors import DataRejected, MissingExtra

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

BATCH_ROWS = 1000
ROWS_BYTES = 64 * 1024**2
"""Most memory for rows as they are handed out, were each to hold every text of its batch."""


def read_parquet(handle: BinaryIO, reading: Reading) -> Iterator[Record]:
    """One record for each row; lines are row numbers from 1. Raises: DataRejected, MissingExtra."""
    try:
        import pyarrow  # deferred: an optional install
    except ModuleNotFoundError as error:
        raise MissingExtra(
            "Parquet files need pyarrow.", hint="Install it with: pip install 'edgellm[parquet]'", extra="parquet"
        ) from error
    number = 0
    try:
        for row in _rows(handle):
            number += 1
            if _longest(row) > LINE_LIMIT_BYTES:
                raise _refused(reading.file, number, f"holds a text of more than {LINE_LIMIT_BYTES // 1024**2} MiB")
            yield reading.record(row, Source(reading.file, number))
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise _refused(reading.file, number + 1, f"and what follows cannot be read: {error}") from error


def _rows(handle: BinaryIO) -> Iterator[dict[str, Any]]:
    """A few rows at a time, texts that repeat held once: a file of a kilobyte can stand for gigabytes otherwise."""
    from pyarrow.parquet import ParquetFile

    texts = _texts(ParquetFile(handle))
    for batch in ParquetFile(handle, read_dictionary=texts).iter_batches(batch_size=BATCH_ROWS):
        together = max(1, ROWS_BYTES // max(1, batch.nbytes))
        for at in range(0, batch.num_rows, together):
            yield from batch.slice(at, together).to_pylist()


def _texts(file: ParquetFile) -> list[str]:
    """Paths of the columns that hold texts, those within lists included."""
    columns = (file.schema.column(at) for at in range(len(file.schema)))
    return [column.path for column in columns if column.physical_type == "BYTE_ARRAY"]


def _longest(value: object) -> int:
    """Characters of the longest text in a row, or in a part of it."""
    if isinstance(value, str | bytes):
        return len(value)
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return max(map(_longest, parts), default=0)


def _refused(file: str, row: int, found: str) -> DataRejected:
    return DataRejected(f"{file}:{row}: the row {found}.", file=file, line=row)

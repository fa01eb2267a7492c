"""Rows of Parquet files, through pyarrow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from edgellm.data.reading import Reading
from edgellm.data.rows import Record, Source
from edgellm.errors import DataRejected, MissingExtra

BATCH_ROWS = 1000


def read_parquet(handle: BinaryIO, reading: Reading) -> Iterator[Record]:
    """One record for each row; lines are row numbers from 1. Raises: DataRejected, MissingExtra."""
    try:
        import pyarrow  # deferred: an optional install
        import pyarrow.parquet
    except ModuleNotFoundError as error:
        raise MissingExtra(
            "Parquet files need pyarrow.", hint="Install it with: pip install 'edgellm[parquet]'", extra="parquet"
        ) from error
    number = 0
    try:
        for batch in pyarrow.parquet.ParquetFile(handle).iter_batches(batch_size=BATCH_ROWS):
            for row in batch.to_pylist():
                number += 1
                yield reading.record(row, Source(reading.file, number))
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        message = f"{reading.file}:{number + 1}: the Parquet file cannot be read from this row on: {error}"
        raise DataRejected(message, file=reading.file, line=number + 1) from error

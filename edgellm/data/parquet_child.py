"""The limited process that reads a Parquet file, which is its standard input, and writes frames of rows.

A frame is its length in four bytes and a list of rows in MessagePack; a text in place of the list says why there is no
further row, an empty list that there was none. Only here is pyarrow imported.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec

from edgellm.data.lines import LINE_LIMIT_BYTES

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

BATCH_ROWS = 1000
ROWS_BYTES = 8 * 1024**2
"""Most memory for the rows of a frame, were each to hold every text of its batch."""
ROW_BYTES = 64 * 1024**2
"""Characters of a row, every value that is no text counted as one."""
FRAME_BYTES = 10 * ROW_BYTES
"""Room for the largest row: a number takes up to nine bytes, a character four."""
FRAME_S = 60
"""For the rows of one frame, from the moment at which they are asked for."""
OUT_OF_MEMORY = 9
"""The exit code that says so."""
LONGEST_REASON = 500


def main() -> None:
    """Read the file and write the frames."""
    frames = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what the library prints is no frame
    os.environ |= {"ARROW_DEFAULT_MEMORY_POOL": "system", "OPENBLAS_NUM_THREADS": "1"}  # others reserve much memory
    signal.alarm(FRAME_S)
    try:
        for rows in _frames(sys.stdin.buffer):
            signal.alarm(0)  # to be read may take as long as it likes
            frames.write(len(rows).to_bytes(4, "big") + rows)
            frames.flush()
            signal.alarm(FRAME_S)
    except MemoryError:
        os._exit(OUT_OF_MEMORY)  # nothing that needs memory can be done now


def _frames(handle: BinaryIO) -> Iterator[bytes]:
    """Rows in order, then what ended them."""
    import pyarrow

    ready: list[Any] = []
    end: list[Any] | str = []
    try:
        for rows in _rows(handle):
            for row in rows:
                _check(row)
                ready.append(row)
            yield _encoded(ready)
            ready = []
    except pyarrow.ArrowMemoryError as error:
        raise MemoryError from error
    except Refused as error:
        end = str(error)
    except (pyarrow.ArrowException, OSError, ValueError, RecursionError) as error:
        end = f"and what follows cannot be read: {error}"[:LONGEST_REASON]
    if ready:
        yield _encoded(ready)
    yield _encoded(end)


def _rows(handle: BinaryIO) -> Iterator[list[dict[str, Any]]]:
    """A few rows at a time, texts that repeat held once: a file of a kilobyte can stand for gigabytes otherwise."""
    from pyarrow.parquet import ParquetFile

    texts = _texts(ParquetFile(handle))
    file = ParquetFile(handle, read_dictionary=texts)
    for batch in file.iter_batches(batch_size=BATCH_ROWS, use_threads=False):
        together = max(1, ROWS_BYTES // max(1, batch.nbytes))
        for at in range(0, batch.num_rows, together):
            yield batch.slice(at, together).to_pylist()


def _texts(file: ParquetFile) -> list[str]:
    """Paths of the columns that hold texts, those within lists included."""
    columns = (file.schema.column(at) for at in range(len(file.schema)))
    return [column.path for column in columns if column.physical_type == "BYTE_ARRAY"]


class Refused(Exception):
    """A row is too large; the text says how."""


def _check(row: dict[str, Any]) -> None:
    lengths = list(_lengths(row))
    if max(lengths, default=0) > LINE_LIMIT_BYTES:
        raise Refused(f"holds a text of more than {LINE_LIMIT_BYTES // 1024**2} MiB")
    if sum(lengths) > ROW_BYTES:
        raise Refused(f"holds more than {ROW_BYTES // 1024**2} MiB")


def _lengths(value: object) -> Iterator[int]:
    """Characters of each text and name in a row, or in a part of it; of any other value, one."""
    if isinstance(value, dict):
        for name, part in value.items():
            yield len(name)
            yield from _lengths(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _lengths(part)
    else:
        yield len(value) if isinstance(value, str | bytes) else 1


def _encoded(rows: list[Any] | str) -> bytes:
    """Values that are neither text, number nor list (days, decimals) as an object with the name of their type."""
    return msgspec.msgpack.encode(_plain(rows))


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if value is None or isinstance(value, str | bytes | int | float):
        return value
    return {type(value).__name__: str(value)}


if __name__ == "__main__":
    main()

"""Lines of a text file: strict UTF-8, bounded, each with its number."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import BinaryIO

from edgellm.errors import DataRejected

LINE_LIMIT_BYTES = 8 * 1024**2


class Lines:
    """The lines of one file, read once. `notes` fills while they are read."""

    def __init__(self, handle: BinaryIO, file: str) -> None:
        self._handle = handle
        self._file = file
        self.notes: list[str] = []
        """What was accepted although it is unusual."""
        self.is_cut = False
        """Whether the last line has no newline."""

    def __iter__(self) -> Iterator[tuple[int, str]]:
        """Line numbers from 1 and texts that end with a newline, CRLF made LF; the last may lack it.

        Raises: DataRejected naming file and line: not UTF-8, a NUL byte, a line over `LINE_LIMIT_BYTES`.
        """
        has_crlf = False
        for number, raw in enumerate(self._raw_lines(), 1):
            text = self._decoded(raw, number)
            if text.endswith("\r\n"):
                has_crlf = True
                text = text[:-2] + "\n"
            self.is_cut = not text.endswith("\n")
            yield number, text
        if has_crlf:
            self.notes.append("Windows line ends (CRLF)")

    def _raw_lines(self) -> Iterator[bytes]:
        number = 0
        while raw := self._handle.readline(LINE_LIMIT_BYTES + 1):
            number += 1
            if len(raw) > LINE_LIMIT_BYTES:
                raise rejected(
                    self._file,
                    number,
                    f"is longer than {LINE_LIMIT_BYTES // 1024**2} MiB",
                    "Cut it up, or remove it: no training row is that long.",
                )
            yield raw

    def _decoded(self, raw: bytes, number: int) -> str:
        if number == 1 and raw.startswith(codecs.BOM_UTF8):
            self.notes.append("byte-order mark at the beginning")
            raw = raw.removeprefix(codecs.BOM_UTF8)
        if b"\0" in raw:
            raise rejected(self._file, number, "holds a NUL byte", "Is this a text file? Save it as plain UTF-8.")
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError as error:
            found = f"is not UTF-8: byte 0x{raw[error.start]:02X} at position {error.start + 1}"
            raise rejected(self._file, number, found, "Save the file as UTF-8.") from error


def rejected(file: str, line: int, found: str, hint: str = "") -> DataRejected:
    """The error for a line of a file."""
    return DataRejected(f"{file}:{line}: the line {found}.", hint=hint, file=file, line=line)

"""A stream to write to: whether it is a terminal, how wide, with colour or without."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from typing import TextIO

from edgellm.cli.style import CODES, RESET, Part, plain, role_of


class Channel:
    """One of the process's two streams for people and programs to read.

    What comes from outside (models, files, names, errors) is cleaned here, on a terminal or not: a pipe's
    reader may print it.
    """

    def __init__(self, stream: TextIO, environment: Mapping[str, str]) -> None:
        self._stream = stream
        self._environment = environment
        self.is_terminal = stream.isatty()
        dumb = environment.get("TERM") == "dumb"
        self.has_cursor = self.is_terminal and not dumb
        """Whether a line can be drawn over."""
        self.has_colour = self.has_cursor and not environment.get("NO_COLOR")

    @property
    def width(self) -> int | None:
        """Columns of the terminal; None when nobody's screen limits the line."""
        return self._columns() if self.is_terminal else None

    def _columns(self) -> int:
        wanted = self._environment.get("COLUMNS", "")
        if wanted.isdigit() and int(wanted) > 0:
            return int(wanted)
        try:
            return os.get_terminal_size(self._stream.fileno()).columns or 80
        except OSError:  # no such thing behind the stream
            return shutil.get_terminal_size().columns

    def line(self, *parts: Part) -> None:
        """One line; control characters in any part are made harmless."""
        from edgellm.safetext import clean_line  # deferred: its patterns take time to compile, and help prints none

        drawn = (self.paint(clean_line(plain(part)), role_of(part)) for part in parts)
        self.write("".join(drawn).rstrip(" ") + "\n")

    def paint(self, text: str, role: str) -> str:
        """`text`, already clean, in the role's colour when colours are wanted; no role, no colour."""
        return f"{CODES[role]}{text}{RESET}" if role and text and self.has_colour else text

    def write(self, text: str) -> None:
        """Text that is already clean, at once."""
        self._stream.write(text)
        self._stream.flush()

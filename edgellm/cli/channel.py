"""A stream to write to: whether it is a terminal, how wide, with colour or without."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping, Sequence
from typing import TextIO

from edgellm.cli.style import CODES, RESET, Part, display_width, plain, retext, role_of, wrap

USUAL_COLUMNS = 80
NARROWEST = 20
"""Columns a paragraph keeps however narrow the terminal is."""


def harmless(text: str) -> str:
    """`text` on one line, without anything that could steer a terminal."""
    from edgellm.safetext import clean_line  # deferred: its patterns take time to compile, and help needs none

    return clean_line(text)


class Channel:
    """One of the process's two streams for people and programs to read.

    What comes from outside (models, files, names, errors) is cleaned here, on a terminal or not: a pipe's
    reader may print it.
    """

    def __init__(self, stream: TextIO, environment: Mapping[str, str]) -> None:
        self._stream = stream
        self._environment = environment
        self.encoding = (stream.encoding or "").lower()
        self.is_terminal = stream.isatty()
        dumb = environment.get("TERM") == "dumb"
        self.has_cursor = self.is_terminal and not dumb
        """Whether a line can be drawn over."""
        self.has_colour = self.has_cursor and not environment.get("NO_COLOR")

    @property
    def width(self) -> int | None:
        """Columns of the terminal; None when nobody's screen limits the line."""
        return self.columns() if self.is_terminal else None

    def columns(self) -> int:
        """Columns of the terminal, or as many as are usual."""
        wanted = self._environment.get("COLUMNS", "")
        if wanted.isdigit() and int(wanted) > 0:
            return int(wanted)
        try:
            return os.get_terminal_size(self._stream.fileno()).columns or USUAL_COLUMNS
        except OSError:  # nothing behind the stream that has a size
            return USUAL_COLUMNS

    def line(self, *parts: Part) -> None:
        """One line; control characters in any part are made harmless."""
        drawn = (self.paint(harmless(plain(part)), role_of(part)) for part in parts)
        self.write("".join(drawn).rstrip(" ") + "\n")

    def hanging(self, lead: Sequence[Part], text: Part) -> None:
        """A paragraph beside `lead`: on a terminal its further lines are indented as far as `lead` is wide."""
        indent = sum(display_width(plain(part)) for part in lead)
        width = self.width
        lines = [plain(text)] if width is None else wrap(harmless(plain(text)), max(width - indent, NARROWEST))
        self.line(*lead, retext(text, lines[0]))
        for line in lines[1:]:
            self.line(" " * indent, retext(text, line))

    def paint(self, text: str, role: str) -> str:
        """`text`, already clean, in the role's colour when colours are wanted; no role, no colour."""
        return f"{CODES[role]}{text}{RESET}" if role and text and self.has_colour else text

    def write(self, text: str) -> None:
        """Text that is already clean, at once. Raises: BrokenPipeError when nobody reads it any more; OSError."""
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError as error:
            if error.errno == errno.EIO and self.is_terminal:  # the terminal was closed
                raise BrokenPipeError(errno.EPIPE, "the terminal is gone") from error
            raise

"""Lines of a stream broken between words, for a terminal."""

from __future__ import annotations

from edgellm.cli.style import char_columns, display_width

FENCE = "```"
LONGEST_HELD = 30
"""Columns of a word after which it is shown unfinished: a link, or a script without spaces."""


class WordWrap:
    """Holds a word back until it is complete, then puts it on this line or the next; code blocks are left alone."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._column = 0
        self._space = ""
        self._word = ""
        self._line = ""  # as the model wrote it, as far as it decides about a fence
        self._is_code = False

    def feed(self, text: str) -> str:
        """What of `text`, and of what was held back, can be shown now."""
        return "".join(self._take(char) for char in text)

    def flush(self) -> str:
        """What was held back."""
        return self._place()

    def _take(self, char: str) -> str:
        if char == "\n":
            return self._end_line()
        if len(self._line) < len(FENCE):
            self._line = (self._line + char).lstrip()
        if self._is_code or self._line.startswith(FENCE):
            return self._place() + char
        if char.isspace():
            placed = self._place()
            self._space += char
            return placed
        wide = char_columns(char) == 2
        before = self._place() if wide else ""
        self._word += char
        return before + (self._place() if wide or display_width(self._word) >= LONGEST_HELD else "")

    def _end_line(self) -> str:
        placed = self._place()
        if self._line.startswith(FENCE):
            self._is_code = not self._is_code
        self._line, self._space, self._column = "", "", 0
        return placed + "\n"

    def _place(self) -> str:
        """The word that was held back, after its space or on a new line."""
        space, word = self._space, self._word
        if not word:
            return ""
        self._space = self._word = ""
        needed = display_width(space) + display_width(word)
        if self._column and self._column + needed > self._width:
            self._column = display_width(word)
            return "\n" + word
        self._column += needed
        return space + word

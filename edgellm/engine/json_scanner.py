"""Where a JSON value ends in a text that is still being written."""

from __future__ import annotations

import re

_PAIRS = {"}": "{", "]": "["}


class JsonScanner:
    """Finds where a JSON object or list ends while it is being written. Numbers and words are not checked."""

    _PLAIN = re.compile(r"[ \t\r\n0-9+\-.,:eEtrufalsn]*")
    _CHARACTERS = re.compile(r'[^"\\]*')

    def __init__(self, opened: str = "") -> None:
        """opened: brackets that were read already."""
        self.is_done = False
        self.is_broken = False
        self._open = list(opened)
        self._in_string = False
        self._is_escaped = False

    def push(self, text: str, start: int = 0) -> int:
        """Where the JSON in `text` ends, or stops being JSON; its length while neither is known.

        start: how much of the text was pushed before.
        """
        at = start
        while at < len(text) and not self.is_done:
            if self._is_escaped:
                self._is_escaped = False
                at += 1
                continue
            known = self._CHARACTERS if self._in_string else self._PLAIN
            skipped = known.match(text, at)
            at = at if skipped is None else skipped.end()
            if at == len(text):
                break
            if not self._take(text[at]):
                self.is_broken = True
                break
            at += 1
        return at

    def _take(self, character: str) -> bool:
        """One character that decides something. Returns: whether JSON can have it here."""
        if self._in_string:
            self._is_escaped = character == "\\"
            self._in_string = self._is_escaped
        elif character == '"':
            self._in_string = True
        elif character in "{[":
            self._open.append(character)
        elif self._open and _PAIRS.get(character) == self._open[-1]:
            self._open.pop()
            self.is_done = not self._open
        else:
            return False
        return True

"""Bytes of tokens to text: whole characters, stop strings, reasoning kept apart."""

from __future__ import annotations

import codecs
from collections.abc import Iterable
from enum import Enum, auto
from typing import TYPE_CHECKING

from edgellm.types import ToolCallPiece

if TYPE_CHECKING:
    from edgellm.engine.toolcalls import CallSplitter

_SPACE = " \t\r\n"


class AnswerText:
    """Turns one answer's pieces into (text, reasoning) pairs, each piece looked at once; calls of tools are set apart.

    A character cut in two, the beginning of a stop string and the beginning of a tag are held back until the next
    pieces decide. Stop strings are looked for in the answer, not in the reasoning, nor in calls.
    """

    def __init__(
        self,
        *,
        stop: tuple[str, ...] = (),
        reasoning_tags: tuple[tuple[str, str], ...] = (),
        reasoning_open: bool = False,
        calls: CallSplitter | None = None,
    ) -> None:
        self._characters = codecs.getincrementaldecoder("utf-8")("replace")
        self._reasoning = ReasoningSplitter(reasoning_tags, is_open=reasoning_open) if reasoning_tags else None
        self._stop = StopStrings(stop) if stop else None
        self._calls = calls
        self._pieces: list[ToolCallPiece] = []

    @property
    def is_stopped(self) -> bool:
        """Whether a stop string has appeared; the text ends before it."""
        return self.stopped_by is not None

    @property
    def stopped_by(self) -> str | None:
        """The stop string that has appeared."""
        return None if self._stop is None else self._stop.found

    def push(self, piece: bytes, tag: str = "") -> tuple[str, str]:
        """The answer text and the reasoning text that are certain after this piece.

        tag: what a control token spells; dropped where it has no meaning.
        """
        text, reasoning = self._characters.decode(piece), ""
        if tag and self._expects(tag):
            text += tag
        if self._reasoning is not None:
            text, reasoning = self._reasoning.push(text)
        return self._written(text), reasoning

    def finish(self) -> tuple[str, str]:
        """What was held back and is text after all; half a character is dropped."""
        text, reasoning = ("", "") if self._reasoning is None else self._reasoning.finish()
        text = self._written(text)
        if self._calls is not None:
            rest, pieces = self._calls.finish()
            self._pieces += pieces
            text += rest if self._stop is None else self._stop.push(rest)
        return text + ("" if self._stop is None else self._stop.finish()), reasoning

    @property
    def has_calls(self) -> bool:
        """Whether a tool was called, to the end of its arguments."""
        return self._calls is not None and self._calls.has_calls

    def take_calls(self) -> tuple[ToolCallPiece, ...]:
        """The pieces of calls since the last time."""
        pieces, self._pieces = tuple(self._pieces), []
        return pieces

    def _expects(self, tag: str) -> bool:
        opens_block = self._reasoning is not None and self._reasoning.expects_tag
        return opens_block or (self._calls is not None and self._calls.expects(tag))

    def _written(self, text: str) -> str:
        """The text of the answer in what is no reasoning."""
        if self._calls is not None:
            text, pieces = self._calls.push(text)
            self._pieces += pieces
        return text if self._stop is None else self._stop.push(text)


class StopStrings:
    """Ends a text before the first of the given strings, also across pieces."""

    def __init__(self, stop: tuple[str, ...]) -> None:
        self.found: str | None = None
        """The one that ended the text."""
        self._stop = stop
        self._held = ""

    def push(self, text: str) -> str:
        """The text that can no longer become part of a stop string."""
        if self.found is not None:
            return ""
        text = self._held + text
        places = [(at, len(stop), stop) for stop in self._stop if (at := text.find(stop)) >= 0]
        if places:
            at, _, self.found = min(places)
            self._held = ""
            return text[:at]
        return self._hold(text)

    def finish(self) -> str:
        """The held text: the stop string it began never came."""
        held, self._held = self._held, ""
        return held

    def _hold(self, text: str) -> str:
        certain = len(text) - held_length(text, self._stop)
        self._held = text[certain:]
        return text[:certain]


class _Mode(Enum):
    START = auto()
    REASONING = auto()
    AFTER = auto()
    """Reasoning has ended; white space before the answer is dropped."""
    ANSWER = auto()


class ReasoningSplitter:
    """Parts thinking blocks from the answer.

    A block opens only at the beginning of the text, where models put it: a tag that is talked about
    later stays text.
    """

    def __init__(self, tags: tuple[tuple[str, str], ...], *, is_open: bool = False) -> None:
        self._tags = tags
        self._closing = tuple(close for _, close in tags)
        self._mode = _Mode.REASONING if is_open else _Mode.START
        self._held = ""
        self._is_blank = True
        """Nothing but white space was written in the current block."""

    @property
    def expects_tag(self) -> bool:
        """Whether a tag now would open or close a block."""
        return self._mode in (_Mode.START, _Mode.REASONING)

    def push(self, text: str) -> tuple[str, str]:
        """The (answer, reasoning) text that is certain now."""
        if self._mode is _Mode.ANSWER:
            return text, ""
        self._held += text
        answer, reasoning = "", ""
        if self._mode is _Mode.START:
            self._open()
        if self._mode is _Mode.REASONING:
            reasoning = self._think()
        if self._mode is _Mode.AFTER:
            self._held = self._held.lstrip(_SPACE)
            if self._held:
                self._mode = _Mode.ANSWER
        if self._mode is _Mode.ANSWER:
            answer, self._held = self._held, ""
        return answer, reasoning

    def finish(self) -> tuple[str, str]:
        """The held text: the tag it began never came."""
        held, self._held = self._held, ""
        return ("", held.rstrip(_SPACE)) if self._mode is _Mode.REASONING else (held, "")

    def _open(self) -> None:
        """Leave the start when it is clear whether a block opens here."""
        begun = self._held.lstrip(_SPACE)
        for opening, closing in self._tags:
            if begun.startswith(opening):
                self._mode, self._closing = _Mode.REASONING, (closing,)
                self._held = begun[len(opening) :]
                return
        if begun and not any(opening.startswith(begun) for opening, _ in self._tags):
            self._mode = _Mode.ANSWER

    def _think(self) -> str:
        """Reasoning text up to the closing tag or to what could become one."""
        if self._is_blank:
            self._held = self._held.lstrip(_SPACE)
            self._is_blank = not self._held
        found = [(at, close) for close in self._closing if (at := self._held.find(close)) >= 0]
        if found:
            at, close = min(found)
            reasoning, self._held = self._held[:at], self._held[at + len(close) :]
            self._mode = _Mode.AFTER
            return reasoning.rstrip(_SPACE)
        certain = len(self._held) - held_length(self._held, self._closing)
        reasoning = self._held[:certain].rstrip(_SPACE)  # white space before a closing tag is not part of it
        self._held = self._held[len(reasoning) :]
        return reasoning


def held_length(text: str, needles: Iterable[str]) -> int:
    """Length of the longest end of `text` that one of the needles begins with."""
    longest = 0
    for needle in needles:
        for length in range(min(len(needle) - 1, len(text)), longest, -1):
            if text.endswith(needle[:length]):
                longest = length
                break
    return longest

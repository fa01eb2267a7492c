"""Calls of tools in what a model writes, told from the text around them while it is written.

A call whose name and arguments have begun is reported piece by piece, its arguments as the model writes them. What
turns out to be no call before that is text again, to the letter; what comes after broken arguments is text too. Only
white space and the marks of a call (its tags, braces, commas) are left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from enum import Enum, auto
from typing import Any

from edgellm.engine.call_syntax import NAME, Calling
from edgellm.engine.json_scanner import JsonScanner
from edgellm.engine.text import held_length
from edgellm.types import ToolCallPiece

_S = r"[ \t\r\n]{0,8}"
_ARGUMENTS = rf'{_S}(?=\{{{_S}["}}])'
_OBJECT = re.compile(
    rf'{_S}(\[?){_S}\{{{_S}(?:"type"{_S}:{_S}"function"{_S},{_S})?"name"{_S}:{_S}"({NAME})"{_S},'
    rf'{_S}"(?:arguments|parameters)"{_S}:{_ARGUMENTS}'
)
_NAMED = re.compile(rf"{_S}()({NAME}){_S}(?:\[CALL_ID\][A-Za-z0-9_-]{{0,64}})?(?:\[ARGS\])?{_ARGUMENTS}")
_NAME_SO_FAR = re.compile(r"[\w\[\]\s-]{0,200}")
_BARE_LIMIT_CHARACTERS = 300
"""An object without a mark that has not named a tool by then is an answer in JSON."""
_SEPARATORS = " \t\r\n,;"


class _Mode(Enum):
    TEXT = auto()
    BODY = auto()
    """After an opening mark: what is called is not known yet."""
    ARGUMENTS = auto()
    REST = auto()
    """After the arguments, inside the call's object."""
    AFTER = auto()
    """After a call, before its closing mark or another call."""


class CallSplitter:
    """Parts calls from the text of one answer. Calls of names that were not offered are text."""

    def __init__(self, calling: Calling, new_id: Callable[[], str]) -> None:
        self.has_calls = False
        """Whether a call is complete, with a JSON object as its arguments."""
        self._syntax = calling.syntax
        self._names = calling.names
        self._new_id = new_id
        self._is_bare = calling.syntax.is_bare and not calling.is_open
        self._held = ""
        self._opening = ""
        """What the call in hand began with; text again when it is none."""
        self._position = -1
        """Number of the newest call."""
        self._is_list = False
        self._is_wrapped = False
        """Whether the call is an object around its arguments."""
        self._arguments: list[str] = []
        self._scanner = JsonScanner()
        self._scanned = 0
        self._said: list[str] = []
        self._pieces: list[ToolCallPiece] = []
        self._mode = _Mode.BODY if self._is_bare or calling.is_open else _Mode.TEXT
        self._steps = {
            _Mode.TEXT: self._text,
            _Mode.BODY: self._body,
            _Mode.ARGUMENTS: self._argument,
            _Mode.REST: self._rest,
            _Mode.AFTER: self._after,
        }

    def expects(self, tag: str) -> bool:
        """Whether a control token that spells `tag` is a mark of a call."""
        return tag in self._syntax.tags

    def push(self, text: str) -> tuple[str, tuple[ToolCallPiece, ...]]:
        """The text and the pieces of calls that are certain now."""
        self._held += text
        while self._steps[self._mode]():
            continue
        return self._taken()

    def finish(self) -> tuple[str, tuple[ToolCallPiece, ...]]:
        """What was held back: the call it began never came."""
        held, self._held = self._held, ""
        if self._mode is _Mode.BODY:
            self._said += [self._opening, held]
        elif self._mode is _Mode.TEXT:
            self._said.append(held if held.strip() or self._position < 0 else "")
        elif self._mode is not _Mode.ARGUMENTS:
            rest = held.strip(_SEPARATORS + "]}")
            self._said.append("" if self._syntax.closing.startswith(rest) else held)
        return self._taken()

    def _taken(self) -> tuple[str, tuple[ToolCallPiece, ...]]:
        text, pieces = "".join(self._said), joined_calls(self._pieces)
        self._said.clear()
        self._pieces.clear()
        return text, pieces

    # One step a mode. Each returns whether there may be more to do with what is held.

    def _text(self) -> bool:
        marks = self._syntax.openings
        found = [(at, mark) for mark in marks if (at := self._held.find(mark)) >= 0]
        at, mark = min(found, default=(len(self._held) - held_length(self._held, marks), ""))
        text = self._held[:at].rstrip()  # white space before a call is no text
        self._said.append(text)
        if found:
            self._begin_body(len(text), at + len(mark))
        else:
            self._held = self._held[len(text) :]
        return bool(found)

    def _begin_body(self, start: int, end: int) -> None:
        self._opening, self._held = self._held[start:end], self._held[end:]
        self._scanner, self._scanned = JsonScanner(), 0
        self._mode = _Mode.BODY

    def _body(self) -> bool:
        header = _OBJECT.match(self._held) or (_NAMED.match(self._held) if self._syntax.is_named else None)
        if header is not None:
            return self._begin_arguments(header) if header[2] in self._names else self._give_up()
        body = self._held.lstrip()
        if not body:
            return False
        if body[0] in "{[":
            return self._whole()
        is_name = self._syntax.is_named and _NAME_SO_FAR.fullmatch(body.partition("{")[0]) is not None
        return False if is_name and len(body.partition("{")[2].strip()) == 0 else self._give_up()

    def _begin_arguments(self, header: re.Match[str]) -> bool:
        self._begin(header[2])
        self._is_list = bool(header[1]) or self._is_list
        self._held = self._held[header.end() :]
        self._scanner, self._arguments = JsonScanner(), []
        self._mode = _Mode.ARGUMENTS
        self._is_wrapped = header.re is _OBJECT
        return True

    def _whole(self) -> bool:
        """A call that is written in another order is known when its JSON is complete."""
        self._scanned = self._scanner.push(self._held, self._scanned)
        if self._is_bare and self._scanned > _BARE_LIMIT_CHARACTERS:
            return self._give_up()
        if self._scanner.is_done:
            calls = _calls_in(self._held[: self._scanned], self._names, takes_none=not self._is_bare)
            for name, arguments in calls:
                self._begin(name)
                self._pieces.append(ToolCallPiece(position=self._position, arguments=arguments))
                self.has_calls = True
            if calls:
                self._held, self._mode = self._held[self._scanned :], _Mode.AFTER
                return True
        return self._give_up() if self._scanner.is_done or self._scanner.is_broken else False

    def _give_up(self) -> bool:
        """It is no call: its beginning is text, and what follows is looked at anew."""
        self._said.append(self._opening)
        self._opening, self._is_bare, self._is_list = "", False, False
        self._mode = _Mode.TEXT
        return True

    def _begin(self, name: str) -> None:
        self._position += 1
        self._pieces.append(ToolCallPiece(position=self._position, id=self._new_id(), name=name))

    def _argument(self) -> bool:
        end = self._scanner.push(self._held)
        written, self._held = self._held[:end], self._held[end:]
        if written:
            self._arguments.append(written)
            self._pieces.append(ToolCallPiece(position=self._position, arguments=written))
        if not (self._scanner.is_done or self._scanner.is_broken):
            return False
        if _json_object("".join(self._arguments)) is not None:
            self.has_calls = True
        self._mode = _Mode.REST if self._is_wrapped else _Mode.AFTER
        self._scanner, self._scanned = JsonScanner("{"), 0
        return True

    def _rest(self) -> bool:
        body = self._held.lstrip()
        if not body:
            return False
        if body[0] == ",":  # members after the arguments, such as an id
            self._scanned = self._scanner.push(self._held, self._scanned)
            if self._scanner.is_done:
                self._held = self._held[self._scanned :]
            elif not self._scanner.is_broken:
                return False
        elif body[0] == "}":
            self._held = body[1:]
        self._mode = _Mode.AFTER
        return True

    def _after(self) -> bool:
        rest, closing = self._held.lstrip(_SEPARATORS), self._syntax.closing
        if not rest or (closing != rest and closing.startswith(rest)):
            return False
        if rest[0] == "]" and self._is_list:
            self._held, self._is_list = rest[1:], False
        elif closing and rest.startswith(closing):
            self._held, self._mode = rest[len(closing) :], _Mode.TEXT
        elif rest[0] == "{":
            self._begin_body(0, len(self._held) - len(rest))
        else:
            self._mode = _Mode.TEXT
        return True


def joined_calls(pieces: Iterable[ToolCallPiece]) -> tuple[ToolCallPiece, ...]:
    """The pieces in order, those of one call that follow each other as one."""
    joined: list[ToolCallPiece] = []
    for piece in pieces:
        if joined and not piece.id:  # only a call's first piece has its id
            joined[-1] = replace(joined[-1], arguments=joined[-1].arguments + piece.arguments)
        else:
            joined.append(piece)
    return tuple(joined)


def _json_object(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _calls_in(text: str, names: Collection[str], *, takes_none: bool) -> list[tuple[str, str]]:
    """Names and arguments of an object or a list of objects; empty when one of them is no call.

    takes_none: whether the arguments may be missing. Arguments written as a text that holds JSON are read.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return []
    calls = []
    for item in value if isinstance(value, list) else [value]:
        name = item.get("name") if isinstance(item, dict) else None
        if not isinstance(name, str) or name not in names:
            return []
        arguments = item.get("arguments", item.get("parameters", {} if takes_none else None))
        if isinstance(arguments, str):
            arguments = _json_object(arguments)
        if not isinstance(arguments, dict):
            return []
        calls.append((name, json.dumps(arguments, ensure_ascii=False)))
    return calls

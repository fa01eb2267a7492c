"""Word files (.docx, WordprocessingML)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from edgellm.retrieval.parse.build import Builder
from edgellm.retrieval.parse.office import Element, Parts
from edgellm.retrieval.parse.refusal import Refused

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_UNSEEN = (_FALLBACK, f"{_W}moveFrom")
"""What is there twice, or was moved elsewhere."""
_BREAKS = {f"{_W}tab": "\t", f"{_W}br": "\n", f"{_W}cr": "\n", f"{_W}noBreakHyphen": "-"}
_DEEPEST_STYLE = 20
_TITLE_STYLES = ("title",)


def read(handle: BinaryIO, builder: Builder) -> None:
    """Headings by style, paragraphs, tables as rows, footnotes and endnotes at the end.

    Deleted and hidden text is left out. Raises: Refused.
    """
    parts = Parts(handle)
    root = parts.xml("word/document.xml")
    body = root.find(f"{_W}body") if root is not None else None
    if body is None:
        raise Refused("it has no body")
    builder.title, builder.written = parts.described()
    _Body(builder, _heading_levels(parts)).read(body)
    for name in ("word/footnotes.xml", "word/endnotes.xml"):
        notes = parts.xml(name)
        for note in notes if notes is not None else ():
            builder.text("\n".join(_text(each) for each in note.iter(f"{_W}p")))


class _Body:
    """Reads the parts of a body in order."""

    def __init__(self, builder: Builder, levels: dict[str, int]) -> None:
        self._builder = builder
        self._levels = levels
        self._items: list[str] = []

    def read(self, body: Element) -> None:
        for element in _flat(body):
            if element.tag == f"{_W}tbl":
                self._end_list()
                self._builder.table(_rows(element))
            elif element.tag == f"{_W}p":
                self._paragraph(element)
        self._end_list()

    def _paragraph(self, element: Element) -> None:
        style = element.find(f"{_W}pPr/{_W}pStyle")
        level = _own_level(element) or self._levels.get(style.get(f"{_W}val", "") if style is not None else "", 0)
        is_item = element.find(f"{_W}pPr/{_W}numPr") is not None
        text = _text(element)
        if is_item and not level:
            self._items += [f"- {text.strip()}"] if text.strip() else []
            return
        self._end_list()
        if level:
            self._builder.heading(text, level)
        else:
            self._builder.text(text)

    def _end_list(self) -> None:
        self._builder.text("\n".join(self._items))
        self._items = []


def _flat(body: Element) -> Iterator[Element]:
    """Paragraphs and tables, those within content controls and other wrappers too."""
    waiting = list(reversed(body))
    while waiting:
        element = waiting.pop()
        if element.tag in (f"{_W}p", f"{_W}tbl"):
            yield element
        elif element.tag not in (f"{_W}sectPr", *_UNSEEN):
            waiting += reversed(element)


def _text(paragraph: Element) -> str:
    """What a reader sees: the runs, inserted ones and those of text boxes too."""
    found: list[str] = []
    waiting = [paragraph]
    while waiting:
        element = waiting.pop()
        if element.tag in _UNSEEN or (element.tag == f"{_W}r" and _is_hidden(element)):
            continue
        if element.tag == f"{_W}t":
            found.append(element.text or "")
        elif element.tag in _BREAKS:
            found.append(_BREAKS[element.tag])
        elif element.tag != f"{_W}pPr":
            waiting += reversed(element)
    return "".join(found)


def _is_hidden(run: Element) -> bool:
    mark = run.find(f"{_W}rPr/{_W}vanish")
    return mark is not None and mark.get(f"{_W}val", "true") not in ("0", "false", "off")


def _rows(table: Element) -> Iterator[list[str]]:
    """Cells of each row; a table within a cell is part of the cell's text."""
    for row in _below(table, f"{_W}tr"):
        yield [" ".join(_text(each) for each in cell.iter(f"{_W}p")) for cell in _below(row, f"{_W}tc")]


def _below(element: Element, tag: str) -> Iterator[Element]:
    """The nearest descendants with this tag, through wrappers."""
    waiting = list(reversed(element))
    while waiting:
        found = waiting.pop()
        if found.tag == tag:
            yield found
        elif found.tag in (f"{_W}sdt", f"{_W}sdtContent", f"{_W}ins", f"{_W}customXml"):
            waiting += reversed(found)


def _own_level(element: Element) -> int:
    """The outline level that the paragraph itself has, from 1; 0: none."""
    return _level(element.find(f"{_W}pPr/{_W}outlineLvl"))


def _level(mark: Element | None) -> int:
    value = mark.get(f"{_W}val", "") if mark is not None else ""
    return int(value) + 1 if value in tuple("012345678") else 0


def _heading_levels(parts: Parts) -> dict[str, int]:
    """Depth of every style that makes headings, by its id; styles inherit it from those they are based on."""
    root = parts.xml("word/styles.xml")
    own, based = dict[str, int](), dict[str, str]()
    for style in root.iter(f"{_W}style") if root is not None else ():
        name, key = style.find(f"{_W}name"), style.get(f"{_W}styleId", "")
        words = (name.get(f"{_W}val", "") if name is not None else "").lower()
        number = words.removeprefix("heading ")
        level = int(number) if words.startswith("heading ") and number in tuple("123456789") else 0
        own[key] = 1 if words in _TITLE_STYLES else level or _level(style.find(f"{_W}pPr/{_W}outlineLvl"))
        parent = style.find(f"{_W}basedOn")
        based[key] = parent.get(f"{_W}val", "") if parent is not None else ""
    return {key: _inherited(key, own, based) for key in own}


def _inherited(key: str, own: dict[str, int], based: dict[str, str]) -> int:
    for _ in range(_DEEPEST_STYLE):
        if own.get(key) or key not in based:
            break
        key = based[key]
    return own.get(key, 0)

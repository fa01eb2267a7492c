"""PowerPoint files (.pptx, PresentationML)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from edgellm.retrieval.parse.build import Builder
from edgellm.retrieval.parse.office import Element, Parts
from edgellm.retrieval.parse.refusal import Refused

_P = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_ID = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
MOST_SLIDES = 5_000
_MAIN = "ppt/presentation.xml"
_TITLES = ("title", "ctrTitle")
_LEFT_OUT = ("sldNum", "dt", "ftr", "hdr")
"""Placeholders with slide numbers, dates and running titles."""


def read(handle: BinaryIO, builder: Builder) -> None:
    """Each slide is a page: its title a heading, then its texts, tables and notes; hidden slides are left out.

    Raises: Refused.
    """
    parts = Parts(handle)
    root = parts.xml(_MAIN)
    if root is None:
        raise Refused("it has no slides")
    builder.title, builder.written = parts.described()
    related = parts.related(_MAIN)
    names = [related.get(item.get(_ID, ""), ("", ""))[1] for item in root.iter(f"{_P}sldId")]
    if len(names) > MOST_SLIDES:
        raise Refused(f"it says that it has {len(names):,} slides; at most {MOST_SLIDES:,} are read")
    builder.pages = len(names)
    for number, name in enumerate(names, 1):
        _read_slide(parts, name, number, builder)


def _read_slide(parts: Parts, name: str, number: int, builder: Builder) -> None:
    slide = parts.xml(name)
    if slide is None:
        builder.notice(f"slide {number} is missing in the file")
        return
    if slide.get("show", "1") in ("0", "false"):
        builder.notice(f"slide {number} is hidden and was left out")
        return
    shapes = list(_shapes(slide))
    titles = [shape for shape in shapes if _placeholder(shape) in _TITLES]
    for shape in titles:
        builder.heading(_text(shape), 1, number)
    for shape in shapes:
        if shape.tag == f"{_A}tbl":
            builder.table(_rows(shape), number)
        elif shape not in titles and _placeholder(shape) not in _LEFT_OUT:
            builder.text(_text(shape), number)
    for kind, target in parts.related(name).values():
        notes = parts.xml(target) if kind == "notesSlide" else None
        for shape in _shapes(notes) if notes is not None else ():
            if _placeholder(shape) == "body" and (text := _text(shape)).strip():
                builder.text(f"Notes: {text}", number)


def _shapes(slide: Element) -> Iterator[Element]:
    """Text shapes and tables in order, those of groups too."""
    waiting = [slide]
    while waiting:
        element = waiting.pop()
        if element.tag in (f"{_P}sp", f"{_A}tbl"):
            yield element
        elif element.tag != _FALLBACK:
            waiting += reversed(element)


def _placeholder(shape: Element) -> str | None:
    mark = shape.find(f"{_P}nvSpPr/{_P}nvPr/{_P}ph")
    return mark.get("type", "body") if mark is not None else None


def _text(element: Element) -> str:
    return "\n".join(filter(str.strip, map(_paragraph, element.iter(f"{_A}p"))))


def _paragraph(paragraph: Element) -> str:
    marks = (each for each in paragraph.iter() if each.tag in (f"{_A}t", f"{_A}br"))
    return "".join((each.text or "") if each.tag == f"{_A}t" else "\n" for each in marks)


def _rows(table: Element) -> Iterator[list[str]]:
    for row in table.iter(f"{_A}tr"):
        yield [_text(cell) for cell in row.findall(f"{_A}tc")]

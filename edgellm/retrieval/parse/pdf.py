"""PDF files, read with pypdf."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, BinaryIO

from pypdf import PageObject, PdfReader
from pypdf.errors import DependencyError, PyPdfError
from pypdf.generic import Destination

from edgellm.retrieval.parse.build import Builder
from edgellm.retrieval.parse.pdf_lines import Line, PageLines, drop_running_titles
from edgellm.retrieval.parse.refusal import Refused

FEWEST_CHARS = 20
"""A page with a picture and fewer characters is a scan."""
MOST_PAGES = 20_000
LONGEST_HEADING = 160
HEADING_SIZE = 1.15
"""How much larger than the running text a line is set that is taken for a heading, where the file has no outline."""
DEEPEST = 4
_LINES_OF_HEADING = 3
_BROKEN = (PyPdfError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError, NotImplementedError)
"""What pypdf raises for files that are damaged in one way or another."""
_NUMBER = re.compile(r"\A(?:(?:chapter|appendix|part|section)\s+)?(?:\d+|[A-Z])(?:\.\d+)*[.:]?\s+", re.IGNORECASE)
_LEADERS = re.compile(r" ?(?:\. ?){4,}")
Outline = dict[int, list[tuple[str, int]]]


def read(handle: BinaryIO, builder: Builder, page_read: Callable[[], None] = lambda: None) -> None:
    """The text of every page in the order in which it was drawn; `page_read` is called after each. Raises: Refused."""
    reader = _opened(handle)
    count = len(reader.pages)
    if count > MOST_PAGES:
        raise Refused(f"it says that it has {count:,} pages; at most {MOST_PAGES:,} are read")
    _describe(reader, builder, count)
    pages, broken, scanned = [], {}, []
    for number in range(1, count + 1):
        try:
            page = reader.pages[number - 1]
            pages.append(PageLines.of(page, number))
            if pages[-1].characters < FEWEST_CHARS and _has_picture(page):
                scanned.append(number)
        except _BROKEN as error:
            broken[number] = f"{type(error).__name__}: {error}"
        page_read()
    if broken and not any(page.characters for page in pages):
        raise Refused(f"no page can be read; the first fails with {next(iter(broken.values()))}")
    _Writer(builder, _outline(reader), pages).write()
    for number, reason in broken.items():
        builder.notice(f"page {number} could not be read: {reason}")
    if scanned:
        word = "page {} is a scanned picture" if len(scanned) == 1 else "pages {} are scanned pictures"
        builder.notice(f"{word.format(ranges(scanned))}; text in pictures is not read")


def ranges(numbers: Sequence[int]) -> str:
    """Numbers in order as people write them: 1-3, 7."""
    found: list[list[int]] = []
    for number in numbers:
        if found and found[-1][-1] == number - 1:
            found[-1][1:] = [number]
        else:
            found.append([number])
    return ", ".join("-".join(map(str, each)) for each in found)


def _opened(handle: BinaryIO) -> PdfReader:
    try:
        reader = PdfReader(handle)
        if reader.is_encrypted and not reader.decrypt(""):
            raise Refused("it is encrypted; remove the password in the program that made it")
        len(reader.pages)
    except DependencyError as error:
        raise Refused("it is encrypted; print it to a new PDF without encryption") from error
    except _BROKEN as error:
        raise Refused(f"the PDF is damaged: {error}") from error
    return reader


def _describe(reader: PdfReader, builder: Builder, count: int) -> None:
    """Title, day and number of pages; what is damaged of it is left out."""
    builder.pages = count
    try:
        found = reader.metadata
        builder.title = str(found.title) if found and found.title else None
        day = found and (found.modification_date or found.creation_date)
        builder.written = day.date().isoformat() if day else None
    except _BROKEN:
        builder.notice("its title and date are damaged")


def _has_picture(page: PageObject) -> bool:
    """Whether a picture is drawn on the page; none is unpacked."""
    resources = page.get("/Resources")
    objects: Any = resources.get_object().get("/XObject") if resources is not None else None
    return objects is not None and any(
        item.get_object().get("/Subtype") == "/Image" for item in objects.get_object().values()
    )


def _outline(reader: PdfReader) -> Outline:
    """The file's own table of contents: titles and depths by page number; empty when it has none or a damaged one."""
    found: Outline = {}
    try:
        for item, level in _entries(reader.outline):
            page = reader.get_destination_page_number(item)
            if page is not None and item.title:
                found.setdefault(page + 1, []).append((_bare(str(item.title)), level))
    except (*_BROKEN, RecursionError):
        return {}
    return found


def _entries(items: Any, level: int = 1) -> Iterator[tuple[Destination, int]]:
    for item in items:
        if isinstance(item, list):
            yield from _entries(item, level + 1)
        else:
            yield item, level


def _bare(text: str) -> str:
    """What of a heading is compared: letters and digits, without the number before it."""
    return re.sub(r"[\W_]+", "", _NUMBER.sub("", text.strip())).casefold()


class _Writer:
    """Writes the lines of all pages as headings, paragraphs and tables."""

    def __init__(self, builder: Builder, outline: Outline, pages: Sequence[PageLines]) -> None:
        self._builder = builder
        self._outline = outline
        self._pages = drop_running_titles(pages)
        self._levels = {} if outline else self._levels_by_size()

    def write(self) -> None:
        for page in self._pages:
            gathered: list[Line] = []
            at = 0
            while at < len(page.lines):
                line = page.lines[at]
                level, count = self._heading(page.lines[at : at + _LINES_OF_HEADING], page.number)
                if gathered and (level or line.begins_paragraph or line.is_row != gathered[-1].is_row):
                    self._flush(gathered, page.number)
                if level:
                    words = joined([each.text for each in page.lines[at : at + count]])
                    self._builder.heading(words, level, page.number)
                else:
                    gathered.append(line)
                at += count
            self._flush(gathered, page.number)

    def _flush(self, lines: list[Line], page: int) -> None:
        if len(lines) > 1 and lines[0].is_row:
            self._builder.table([line.cells for line in lines], page)
        elif lines:
            self._builder.text(joined([line.text for line in lines]), page)
        lines.clear()

    def _heading(self, lines: Sequence[Line], page: int) -> tuple[int, int]:
        """Depth of the heading that the first lines are, and how many they are; 0 and 1 for all others."""
        line = lines[0]
        if self._levels:
            is_short = len(line.text) <= LONGEST_HEADING and not line.text.endswith((".", ",", ";"))
            return self._levels.get(line.size, 0) if is_short and any(map(str.isalpha, line.text)) else 0, 1
        titles = self._outline.get(page, [])
        for count in range(1, len(lines) + 1 if titles else 1):
            bare = _bare(joined([each.text for each in lines[:count]]))
            for title, level in titles:
                if bare and title == bare:
                    titles.remove((title, level))  # the same words further down the page are no heading
                    return level, count
        return 0, 1

    def _levels_by_size(self) -> dict[float, int]:
        """Depths of the sizes that are larger than that of most characters, largest first."""
        sizes: Counter[float] = Counter()
        for page in self._pages:
            for line in page.lines:
                sizes[line.size] += len(line.text)
        if not sizes:
            return {}
        body = sizes.most_common(1)[0][0]
        larger = sorted((size for size in sizes if size >= body * HEADING_SIZE), reverse=True)
        return {size: min(at, DEEPEST) for at, size in enumerate(larger, 1)}


def joined(lines: Sequence[str]) -> str:
    """Lines of a paragraph; a word that was divided at a line's end is whole again."""
    text = _LEADERS.sub(" … ", "\n".join(lines))
    return re.sub(r"(?<=[a-zß-ÿ])[-\u00ad]\n(?=[a-zß-ÿ])", "", text)

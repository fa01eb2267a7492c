"""Cuts a document into passages along its structure, measured in the embedder's tokens."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from edgellm.data.sentences import sentence_spans
from edgellm.retrieval.values import Block, Chunk, Document

Count = Callable[[str], int]
HEADINGS_SHARE = 3
"""Headings take at most one part in so many of a passage; the outermost give way."""
CHARS_PER_TOKEN = 20
"""More than any language has: no tokenizer is asked for the length of a longer text, and no passage is longer. A word
that a vocabulary does not know is one token, and in a script without blanks a whole page may be one word."""
_PARAGRAPHS = re.compile(r"\S.*?(?=\n[^\S\n]*\n|\Z)", re.DOTALL)
_NO_SIGNATURE = re.compile(r"\s*(?:#|@|//|/\*|\*|\"\"\"|--)")


def chunk(document: Document, *, count: Count, size: int, overlap: int = 0) -> list[Chunk]:
    """The passages of a document, in order.

    `count` gives the tokens of a text, `size` the most tokens of `Chunk.embedded_text`, `overlap` how many tokens of
    whole sentences at the end of a passage are repeated at the beginning of the next in the same section.

    A passage lies under one path of headings and on one page. Headings stand in the path and not in the text, but for
    one with nothing below it. Sentences, rows and lines are whole where they fit. A passage that begins within a table
    has the table's first line as its innermost heading, one within a function the function's. Every character of
    every block that is not blank is in a passage or in the path of one. `size` holds unless a single character has
    more tokens; a passage has at most `CHARS_PER_TOKEN` times as many characters.
    """
    if size < 1 or not 0 <= overlap < size:
        raise ValueError(f"size {size} and overlap {overlap} do not go together: 0 <= overlap < size")
    cutter = _Cutter(document, count, size, overlap)
    return [passage for section in cutter.sections() for passage in cutter.passages(section)]


@dataclass(frozen=True, slots=True)
class _Section:
    """Blocks that may be in one passage."""

    path: tuple[Block, ...]
    blocks: list[Block]

    @property
    def is_heading(self) -> bool:
        """Whether it is a heading and nothing else."""
        return self.blocks[0].kind == "heading"


@dataclass(frozen=True, slots=True)
class _Piece:
    """A sentence, row or line: what is not divided if it fits."""

    start: int
    end: int
    tokens: int
    block: int
    """Number of its block in the section."""
    header: str = ""
    """The line above that says what it is part of."""
    is_text: bool = False


class _Cutter:
    def __init__(self, document: Document, count: Count, size: int, overlap: int) -> None:
        self._document = document
        self._text = document.text
        self._count = count
        self._base = count("")
        self._size = size
        self._overlap = overlap

    def sections(self) -> list[_Section]:
        """All sections, of headings those that stand in nobody's path."""
        found: list[_Section] = []
        path: tuple[Block, ...] = ()
        for block in self._document.blocks:
            if not self._text[block.start : block.end].strip():
                continue
            if block.kind == "heading":
                path = tuple(each for each in path if each.level < block.level)
                found.append(_Section(self._fitting(path), [block]))
                path += (block,)
            elif found and not found[-1].is_heading and found[-1].blocks[0].page == block.page:
                found[-1].blocks.append(block)
            else:
                found.append(_Section(self._fitting(path), [block]))
        shown = {each.start for section in found if not section.is_heading for each in section.path}
        return [section for section in found if not section.is_heading or section.blocks[0].start not in shown]

    def passages(self, section: _Section) -> Iterator[Chunk]:
        """The passages of one section."""
        headings = tuple(map(self._line, section.path))
        pieces = self._pieces(section, self._size - self._count(" > ".join(headings)))
        begin = done = 0
        while done < len(pieces):
            end = self._end(pieces, begin, headings)
            found = self._built(section, pieces[begin:end], headings)
            while found.tokens > self._size and end > begin + 1:
                end = max(begin + 1, min(end - 1, begin + (end - begin) * self._size // found.tokens))
                found = self._built(section, pieces[begin:end], headings)
            if end <= done:  # what is repeated leaves no room for what is new
                begin = done
            elif found.tokens > self._size and (halves := self._halves(pieces[begin])):
                pieces[begin:end] = halves
            else:
                yield found if found.tokens <= self._size else self._bare(found)
                begin, done = self._repeated(pieces, begin, end), end

    def _end(self, pieces: Sequence[_Piece], begin: int, headings: tuple[str, ...]) -> int:
        """Up to where the pieces fit, by their tokens and characters; a block is not torn to fill the last half."""
        until = pieces[begin].start + CHARS_PER_TOKEN * self._size
        total = self._count("\n".join((" > ".join(headings), pieces[begin].header))) + pieces[begin].tokens
        end = begin + 1
        while end < len(pieces) and total + pieces[end].tokens <= self._size and pieces[end].end <= until:
            total += pieces[end].tokens
            end += 1
        if end == len(pieces):
            return end
        last = end
        while last > begin and pieces[last - 1].block == pieces[end].block:
            last -= 1
        kept = sum(piece.tokens for piece in pieces[begin:last])
        return last if 2 * kept >= self._size else end

    def _repeated(self, pieces: Sequence[_Piece], begin: int, end: int) -> int:
        """Where the passage after `pieces[begin:end]` begins."""
        if not self._overlap:
            return end
        total, at = 0, end
        while at - 1 > begin and pieces[at - 1].is_text and total + pieces[at - 1].tokens <= self._overlap:
            at -= 1
            total += pieces[at].tokens
        return at

    def _built(self, section: _Section, pieces: Sequence[_Piece], headings: tuple[str, ...]) -> Chunk:
        start, end, header = pieces[0].start, pieces[-1].end, pieces[0].header
        found = Chunk(
            text=self._text[start:end],
            start=start,
            end=end,
            headings=(*headings, header) if header else headings,
            page=section.blocks[0].page,
        )
        return replace(found, tokens=self._count(found.embedded_text))

    def _bare(self, found: Chunk) -> Chunk:
        """A passage that is too long with its headings: one character."""
        return replace(found, headings=(), tokens=self._count(found.text))

    def _pieces(self, section: _Section, room: int) -> list[_Piece]:
        found: list[_Piece] = []
        for number, block in enumerate(section.blocks):
            header, header_end = self._header(block)
            room_here = room - (self._count(header) if header else 0)
            for start, end in self._spans(block):
                carried = header if start >= header_end else ""
                piece = _Piece(start, end, 0, number, carried, block.kind in ("text", "heading"))
                found += self._fitted(piece, max(1, room_here))
        return found

    def _fitted(self, piece: _Piece, room: int) -> Iterator[_Piece]:
        """The piece, or pieces of it that have room, as near to its middle as a blank is."""
        waiting = [piece]
        while waiting:
            each = waiting.pop()
            is_countable = each.end - each.start <= CHARS_PER_TOKEN * self._size
            tokens = self._count(self._text[each.start : each.end]) - self._base if is_countable else room + 1
            halves = self._halves(each) if tokens > room else []
            if halves:
                waiting += reversed(halves)
            else:
                yield replace(each, tokens=tokens)

    def _halves(self, piece: _Piece) -> list[_Piece]:
        """The piece cut in two, what is blank of it left out; nothing where it is one character."""
        start, end = piece.start, piece.end
        if end - start < 2:
            return []
        middle = (start + end) // 2
        quarter = (end - start) // 4
        blank = max(self._text.rfind(mark, middle - quarter, middle + quarter) for mark in (" ", "\n"))
        cut = blank if blank > start else middle
        spans = (self._stripped(start, cut), self._stripped(cut, end))
        return [
            replace(piece, start=begin, end=until, tokens=self._length(begin, until))
            for begin, until in spans
            if begin < until
        ]

    def _length(self, start: int, end: int) -> int:
        is_countable = end - start <= CHARS_PER_TOKEN * self._size
        return self._count(self._text[start:end]) - self._base if is_countable else self._size

    def _stripped(self, start: int, end: int) -> tuple[int, int]:
        piece = self._text[start:end]
        return end - len(piece.lstrip()), start + len(piece.rstrip())

    def _spans(self, block: Block) -> Iterator[tuple[int, int]]:
        """Sentences of a text, rows of a table, paragraphs of code or, where one is too long, its lines."""
        text = self._text[block.start : block.end]
        if block.kind in ("text", "heading"):
            spans = sentence_spans(text)
        elif block.kind == "table":
            spans = list(_lines(text, 0, len(text)))
        else:
            spans = list(self._code_spans(text))
        return ((block.start + start, block.start + end) for start, end in spans)

    def _code_spans(self, text: str) -> Iterator[tuple[int, int]]:
        for found in _PARAGRAPHS.finditer(text):
            is_short = len(found[0]) <= CHARS_PER_TOKEN * self._size
            if is_short and self._count(found[0]) * 2 <= self._size:
                yield found.span()
            else:
                yield from _lines(text, *found.span())

    def _header(self, block: Block) -> tuple[str, int]:
        """The line of a table or function that is repeated, if it is short, and where it ends."""
        is_code = block.kind == "code" and self._document.kind == "code"
        if (block.kind == "table" or is_code) and self._text.find("\n", block.start, block.end) >= 0:
            for start, end in _lines(self._text, block.start, block.end):
                if block.kind == "table" or not _NO_SIGNATURE.match(self._text[start:end]):
                    line = " ".join(self._text[start:end].split())
                    is_short = len(line) <= CHARS_PER_TOKEN * self._size and self._is_short(line)
                    return (line, end) if is_short else ("", 0)
        return "", 0

    def _is_short(self, text: str) -> bool:
        return self._count(text) * HEADINGS_SHARE <= self._size

    def _fitting(self, path: tuple[Block, ...]) -> tuple[Block, ...]:
        """The innermost headings that fit."""
        while path and not self._is_short(" > ".join(map(self._line, path))):
            path = path[1:]
        return path

    def _line(self, block: Block) -> str:
        return " ".join(self._text[block.start : block.end].split())


def _lines(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Begin and end of each line that is not blank."""
    while start < end:
        found = text.find("\n", start, end)
        until = found if found >= 0 else end
        if text[start:until].strip():
            yield start, until
        start = until + 1

"""Passages of documents: a few paragraphs under one heading, each with file and line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgellm.data.clean import clean
from edgellm.data.detect import Format
from edgellm.data.rows import Dropped, Example, Source, content_id
from edgellm.data.rules import Rules
from edgellm.data.sentences import sentences
from edgellm.data.sources import FileSource
from edgellm.data.text_reader import text_files
from edgellm.errors import DataRejected
from edgellm.paths import as_text
from edgellm.sizes import size

PASSAGE_WORDS = 120
"""A passage ends at the paragraph after which it would have more; about 160 tokens of English."""
FEWEST_WORDS = 5
"""Shorter passages say nothing that could be asked about."""
CHARS_PER_WORD = 8
"""A text counts at least one word for so many characters: scripts without spaces, and words without an end."""
MOST_PASSAGES = 10_000
MOST_BYTES = 64 * 1024**2
LONGEST_HEADING = 300
"""A longer line is no heading."""
LONGEST_CUT = 20_000
"""A paragraph is cut here before its sentences are looked for: their search is slow on texts without an end."""
_HEADING = re.compile(r"(#{1,6})\s+(.+?)\s*#*$")
_FENCE = re.compile(r"\s*(```|~~~)")


@dataclass(frozen=True, slots=True)
class Passage:
    """A stretch of a document that can be asked about."""

    id: str
    """First 16 hexadecimal digits of the SHA-256 over title and text."""
    title: str
    """The headings above it, outermost first, joined by ` / `; empty when there is none."""
    text: str
    """One line: paragraphs and their lines are joined by spaces."""
    source: Source

    @property
    def sentences(self) -> list[str]:
        """The text cut where sentences end."""
        return sentences(self.text)


def read_passages(files: Sequence[str | Path]) -> Iterator[Passage]:
    """Every passage of documents and folders of them once, in their order.

    Raises: DataRejected for a file that cannot be read, that holds conversations already, or for too much of it.
    """
    known: set[str] = set()
    for file in files:
        _refuse_if_too_large(Path(file))
        source = FileSource(file)
        for passage in _passages_of(source):
            if passage.id not in known:
                known.add(passage.id)
                yield passage
            if len(known) > MOST_PASSAGES:
                message = f"{source.report.path}: there are more than {MOST_PASSAGES:,} passages."
                raise DataRejected(message, hint="Draft from fewer documents at a time.", file=source.report.path)


def _refuse_if_too_large(path: Path) -> None:
    """Raises: DataRejected. Where a text has no blank line it is held in memory as a whole."""
    paths = text_files(path, as_text(path)) if path.is_dir() else [path]
    found = sum(each.stat().st_size for each in paths if each.is_file())
    if found > MOST_BYTES:
        message = f"{as_text(path)}: {size(found)} of documents; at most {size(MOST_BYTES)} are read at a time."
        raise DataRejected(message, hint="Draft from a part of it.", file=as_text(path))


def _passages_of(source: FileSource) -> Iterator[Passage]:
    cutter = _Cutter()
    for record in source.records():
        has_lines = source.report.format in (Format.TEXT, Format.FOLDER)
        found = record if isinstance(record, Dropped) else clean(record, _RULES)
        if isinstance(found, Dropped):
            continue
        if found.messages:
            hint = "Build a dataset of it: edgellm data build FILE --name NAME"
            message = f"{found.source}: this file holds questions with answers already."
            raise DataRejected(message, hint=hint, file=found.source.file, line=found.source.line)
        yield from cutter.cut(found, has_lines=has_lines)


_RULES = Rules()


def word_count(text: str) -> int:
    """Words of a text, at least one for every `CHARS_PER_WORD` characters."""
    return max(len(text.split()), len(text) // CHARS_PER_WORD)


class _Cutter:
    """Cuts the texts of one source; headings stay valid from one text of a file to the next."""

    def __init__(self) -> None:
        self._file = ""
        self._headings: dict[int, str] = {}

    def cut(self, example: Example, *, has_lines: bool) -> Iterator[Passage]:
        if example.source.file != self._file:
            self._file, self._headings = example.source.file, {}
        part: list[tuple[int, str]] = []
        for offset, title, text in self._paragraphs(example.text):
            line = example.source.line + (offset if has_lines else 0)
            if part and (title is not None or _words([*part, (line, text)]) > PASSAGE_WORDS):
                yield from self._passage(part)
                part = []
            if title is None:
                part += [(line, piece) for piece in _pieces(text)]
            else:
                self._enter(*title)
        yield from self._passage(part)

    def _paragraphs(self, text: str) -> Iterator[tuple[int, tuple[int, str] | None, str]]:
        """Number of its first line, a heading's level and words or None, and the paragraph on one line."""
        begun, lines, fence = 0, list[str](), ""
        for number, line in enumerate([*text.split("\n"), ""]):
            mark = _FENCE.match(line)
            heading = None if fence or len(line) > LONGEST_HEADING else _HEADING.match(line)
            if mark and fence in ("", mark[1]):
                fence = "" if fence else mark[1]
            if heading or not line.strip():
                if lines:
                    yield begun, None, " ".join(lines)
                lines = []
                if heading:
                    yield number, (len(heading[1]), heading[2]), ""
                continue
            begun = number if not lines else begun
            lines.append(" ".join(line.split()))

    def _enter(self, level: int, words: str) -> None:
        self._headings = {at: name for at, name in self._headings.items() if at < level} | {level: words}

    def _passage(self, part: list[tuple[int, str]]) -> Iterator[Passage]:
        """The paragraphs as passages of at most `PASSAGE_WORDS`: more than one only of a paragraph that is longer."""
        title = " / ".join(self._headings[level] for level in sorted(self._headings))[:_LONGEST_TITLE]
        begun: list[tuple[int, str]] = []
        for line, piece in [*part, (0, "")]:
            if begun and (not piece or _words([*begun, (line, piece)]) > PASSAGE_WORDS):
                text = " ".join(words for _, words in begun)
                if word_count(text) >= FEWEST_WORDS:
                    yield Passage(content_id([title, text]), title, text, Source(self._file, begun[0][0]))
                begun = []
            begun.append((line, piece))


_LONGEST_TITLE = 200
_LONGEST_PIECE = PASSAGE_WORDS * CHARS_PER_WORD


def _words(part: list[tuple[int, str]]) -> int:
    """Words of the pieces, as one text."""
    return word_count(" ".join(text for _, text in part))


def _pieces(paragraph: str) -> Iterator[str]:
    """The paragraph; one that is longer than a passage by sentences, which are cut where they are longer."""
    if word_count(paragraph) <= PASSAGE_WORDS:
        yield paragraph
        return
    for begin in range(0, len(paragraph), LONGEST_CUT):
        for sentence in sentences(paragraph[begin : begin + LONGEST_CUT]):
            yield from [sentence] if word_count(sentence) <= PASSAGE_WORDS else _by_words(sentence)


def _by_words(sentence: str) -> Iterator[str]:
    """Pieces as long as a passage may be; a word that is longer is cut."""
    begun = ""
    for word in sentence.split():
        for at in range(0, len(word), _LONGEST_PIECE):
            longer = f"{begun} {word[at : at + _LONGEST_PIECE]}".strip()
            if begun and word_count(longer) > PASSAGE_WORDS:
                yield begun
                longer = word[at : at + _LONGEST_PIECE]
            begun = longer
    yield begun

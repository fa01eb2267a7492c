"""What the pieces of retrieval hand to each other: documents, chunks, embedders, hits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Literal

KINDS = ("pdf", "docx", "pptx", "xlsx", "csv", "html", "markdown", "text", "code", "email", "log")
"""Formats of files that are read."""
BlockKind = Literal["heading", "text", "table", "code"]
SearchMode = Literal["reranked", "fused", "vector", "words"]
"""By what a search ranks; `fused`: by vectors and words; `reranked`: by a cross-encoder, the best of `fused`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A piece of a document's structure: `Document.text[start:end]`."""

    kind: BlockKind
    start: int
    end: int
    """Character offsets into `Document.text`; blocks are in order and do not overlap."""
    page: int | None = None
    """Page, slide or sheet it stands on, from 1; None where the format has none."""
    level: int = 0
    """Depth of a heading, from 1; 0 for everything else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What was read from one file: its text and where its parts are."""

    kind: str
    """Format: pdf, docx, pptx, xlsx, csv, html, markdown, text, code, email, log."""
    text: str
    blocks: tuple[Block, ...]
    title: str | None = None
    pages: int | None = None
    """Number of pages, slides or sheets; None where the format has none."""
    written: str | None = None
    """Day on which the file says it was written, ISO 8601 (2026-01-31)."""
    notices: tuple[str, ...] = ()
    """What could not be read though the file as a whole could: "pages 3-4 are scanned pictures"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """A passage that is found as one: `Document.text[start:end]`."""

    text: str
    start: int
    end: int
    headings: tuple[str, ...] = ()
    """The headings above it, outermost first."""
    page: int | None = None
    """Page of its first character."""
    tokens: int = 0
    """Length of what is embedded, headings included, in the embedder's tokens."""

    @property
    def embedded_text(self) -> str:
        """What the embedder reads: the headings, then the passage."""
        return below_headings(self.headings, self.text)


def below_headings(headings: Sequence[str], text: str) -> str:
    """A passage as every model reads it: `Ferry > Fares`, and the text in the next line."""
    return "\n".join((" > ".join(headings), text)) if headings else text


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedderIdentity:
    """Which vectors can be compared: those of the same weights, used in the same way."""

    name: str
    sha256: str
    """Of the weights file that both runtimes were made from."""
    dimensions: int
    max_tokens: int
    """Longest text it reads; what is longer would be cut."""
    query_prefix: str = ""
    passage_prefix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """A file as it was when it was read."""

    name: str
    """Path as the user gave it, absolute; what a citation shows."""
    sha256: str
    size: int
    """Bytes."""
    modified: float
    """Seconds since 1970."""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which files are searched; empty fields ask for nothing."""

    files: tuple[str, ...] = ()
    """Names, or patterns with * and ?; one must fit."""
    kinds: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    """All of them."""
    since: str | None = None
    until: str | None = None
    """ISO days; compared with the day the document says it was written, else with the file's modification."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A chunk that was found."""

    chunk_id: int
    file: str
    page: int | None
    headings: tuple[str, ...]
    text: str
    start: int
    end: int
    score: float
    """What the ranking sorts by; larger is better, comparable within one search only."""
    similarity: float | None = None
    """Cosine with the question, -1 to 1, whichever list it was found in; None where the question had no vector."""
    word_rank: int | None = None
    """Place in the list by words, from 1; None: not in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionInfo:
    """A collection as a list shows it."""

    name: str
    embedder: str
    files: int
    """Files that can be searched."""
    failed: int
    """Files that could not be read."""
    chunks: int
    size_bytes: int
    updated: float
    """Seconds since 1970."""
    reason: str = ""
    """Why it cannot be opened; empty: it can. Nothing else is known of it then but its size and time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedFile:
    """A file of a collection."""

    name: str
    kind: str
    """As `Document.kind`; empty when the file could not be read."""
    size: int
    """Bytes."""
    modified: float
    chunks: int
    pages: int | None = None
    title: str | None = None
    tags: tuple[str, ...] = ()
    reason: str = ""
    """Why it could not be read; empty: it can be searched."""
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A passage in its surroundings."""

    file: str
    page: int | None
    headings: tuple[str, ...]
    text: str
    """The page, or where there are no pages some lines around the passage."""
    start: int
    end: int
    """Where the passage is in `text`."""


def named_place(file: str, page: int | None, headings: Sequence[str]) -> str:
    """Where a passage is, in words: `fares.pdf, page 3, Ferry > Fares`. As hostile as the file's name and text are."""
    parts = (PurePath(file).name or file, f"page {page}" if page is not None else "", " > ".join(headings))
    return ", ".join(part for part in parts if part)

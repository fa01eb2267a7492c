"""What faces show of a collection: its files, and a passage on its page."""

from __future__ import annotations

from edgellm.errors import InvalidInput
from edgellm.retrieval.collection import Collection, StoredChunk, StoredFile
from edgellm.retrieval.values import IndexedFile, Place

AROUND = 1500
"""Characters before and after a passage that are shown where a document has no pages."""


def indexed_file(stored: StoredFile) -> IndexedFile:
    """A file as a list shows it."""
    return IndexedFile(
        name=stored.file.name,
        kind=stored.kind or "",
        size=stored.file.size,
        modified=stored.file.modified,
        chunks=stored.chunks,
        pages=stored.pages,
        title=stored.title,
        tags=stored.file.tags,
        reason=stored.reason or "",
        notices=stored.notices,
    )


def place_of(collection: Collection, file: str, start: int, end: int) -> Place:
    """The passage [start, end) of a file in its surroundings. Raises: NotFound, InvalidInput."""
    text = collection.text(file)
    if not 0 <= start < end <= len(text):
        message = f"{file} has no passage from {start} to {end}: its text has {len(text)} characters."
        raise InvalidInput(message, hint="The file has changed since: search again.", field="start")
    chunks = collection.chunks_of(file)
    within = next((each for each in chunks if each.chunk.start <= start < each.chunk.end), None)
    page = within.chunk.page if within else None
    first, last = _page(chunks, page) if page is not None else _around(text, start, end)
    return Place(
        file=file,
        page=page,
        headings=within.chunk.headings if within else (),
        text=text[min(first, start) : max(last, end)],
        start=start - min(first, start),
        end=end - min(first, start),
    )


def _page(chunks: list[StoredChunk], page: int) -> tuple[int, int]:
    """Where the passages of a page begin and end."""
    spans = [(each.chunk.start, each.chunk.end) for each in chunks if each.chunk.page == page]
    return min(begin for begin, _ in spans), max(end for _, end in spans)


def _around(text: str, start: int, end: int) -> tuple[int, int]:
    """Whole lines around a passage."""
    first = text.rfind("\n", 0, max(0, start - AROUND)) + 1
    last = text.find("\n", min(len(text), end + AROUND))
    return first, len(text) if last < 0 else last

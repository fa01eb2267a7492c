"""What faces show of a collection: its files, and a passage on its page."""

from __future__ import annotations

from edgellm.errors import InvalidInput
from edgellm.retrieval.collection import Collection, StoredChunk, StoredFile
from edgellm.retrieval.values import IndexedFile, Place

AROUND, MOST_OF_PAGE = 1500, 20_000
"""Characters before and after a passage that are shown: where a document has no pages, and of a page, at most. A sheet
is a page, and may be as long as a book."""


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
    first, last = _around(text, start, end, AROUND if page is None else MOST_OF_PAGE)
    if page is not None:
        begin, until = _page(chunks, page)
        first, last = max(first, begin), min(last, until)
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


def _around(text: str, start: int, end: int, room: int) -> tuple[int, int]:
    """`room` characters before and after a passage, and what is left of the lines there, at most as many again."""
    first, last = max(0, start - room), min(len(text), end + room)
    before, after = text[max(0, first - room) : first], text[last : last + room]
    return first - len(before.rpartition("\n")[2]), last + len(after.partition("\n")[0])

"""Hits as a search would give them."""

from __future__ import annotations

from edgellm.retrieval.ground.passages import Passage
from edgellm.retrieval.values import Hit

FARES = "A ticket costs nine crowns. Children under ten travel free on the ferry."
KEEPER = "Ruben Astley keeps the lamp. He is the eleventh in the line."


def hit(text: str = FARES, *, chunk_id: int = 1, file: str = "/docs/fares.pdf", start: int = 100, page: int = 3) -> Hit:
    """A passage under two headings."""
    return Hit(
        chunk_id=chunk_id,
        file=file,
        page=page,
        headings=("Ferry", "Fares"),
        text=text,
        start=start,
        end=start + len(text),
        score=1.0,
    )


def passage(number: int = 1, text: str = FARES, start: int = 100) -> Passage:
    """A hit with its number."""
    return Passage(number=number, hit=hit(text, chunk_id=number, start=start))

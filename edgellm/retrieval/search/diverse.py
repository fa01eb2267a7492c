"""A choice of passages that are not all from one page, nor copies of each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from edgellm.retrieval.values import Hit

PER_PAGE = 2
"""Passages of one page."""
PAGE_CHARACTERS = 3000
"""What counts as a page where a format has none."""


def diverse(hits: Iterable[Hit], limit: int) -> list[Hit]:
    """`limit` of the hits, in their order: the best that are from enough pages; others only where those run out.

    No more hits are taken from the iterable than are needed.
    """
    chosen: list[tuple[int, Hit]] = []
    others: list[tuple[int, Hit]] = []
    texts: set[str] = set()
    pages: Counter[tuple[str, str, int]] = Counter()
    for place, hit in enumerate(hits):
        page, text = _page(hit), " ".join(hit.text.split())
        if text in texts or pages[page] == PER_PAGE:
            others.append((place, hit))
            continue
        chosen.append((place, hit))
        texts.add(text)
        pages[page] += 1
        if len(chosen) == limit:
            break
    return [hit for _, hit in sorted((chosen + others)[:limit], key=lambda placed: placed[0])]


def _page(hit: Hit) -> tuple[str, str, int]:
    if hit.page is None:
        return hit.file, "place", hit.start // PAGE_CHARACTERS
    return hit.file, "page", hit.page

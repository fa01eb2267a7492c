"""What an answer from documents rests on: its sources, as the screen names them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgellm.retrieval.values import named_place
from edgellm.safetext import clean_line
from edgellm.types import Citation, Evidence

LONGEST_PLACE = 200
"""Characters of a file's name, page and headings together."""


@dataclass(frozen=True, slots=True)
class Source:
    """A passage that an answer cites, with every sentence of it that holds something up."""

    number: int
    """As the answer cites it."""
    citations: tuple[Citation, ...]

    @property
    def place(self) -> str:
        """File, page and headings; clean."""
        first = self.citations[0]
        return place(first.file, first.page, first.headings)


def sources(evidence: Evidence | None) -> list[Source]:
    """The passages that are cited, each once, by number."""
    found: dict[int, list[Citation]] = {}
    for citation in evidence.citations if evidence else ():
        found.setdefault(citation.n, []).append(citation)
    return [Source(number, tuple(found[number])) for number in sorted(found)]


def marks(source: Source, page: str, shift: int) -> list[tuple[int, int]]:
    """Where the cited sentences are on a page whose text begins `-shift` characters into the file's; sorted.

    One that the page does not hold at its place is looked for; none comes back when the file has changed too much.
    """
    found: list[tuple[int, int]] = []
    for cited in source.citations:
        begin = cited.start + shift
        if begin < 0 or not page.startswith(cited.text, begin):
            begin = page.find(cited.text)
        if begin >= 0 and cited.text:
            found.append((begin, begin + len(cited.text)))
    return sorted(set(found))


def place(file: str, page: int | None, headings: Sequence[str]) -> str:
    """`fares.pdf, page 3, Ferry > Fares`; clean, on one line."""
    return clean_line(named_place(file, page, headings))[:LONGEST_PLACE]


def stored_evidence(values: Mapping[str, Any] | None) -> Evidence | None:
    """The evidence that was stored with an answer; None where there is none of this kind."""
    if not values:
        return None
    import msgspec  # deferred: not needed before an answer from documents is opened again

    from edgellm.decoding import convert

    try:
        return convert(values, Evidence)
    except msgspec.ValidationError:
        return None

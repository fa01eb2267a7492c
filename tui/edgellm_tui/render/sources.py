"""What stands under an answer from documents: where it comes from, and what nothing holds up."""

from __future__ import annotations

from collections.abc import Iterator

from textual.content import Content

from edgellm.safetext import clean_line
from edgellm.types import Evidence
from edgellm_tui.evidence import sources
from edgellm_tui.render.doubts import SIGN


def source_lines(evidence: Evidence, width: int) -> list[Content]:
    """An empty line, the sources by number, and what the reader has to know about them."""
    return [Content(""), *(part for line in _lines(evidence) for part in line.wrap(width))]


def _lines(evidence: Evidence) -> Iterator[Content]:
    name = clean_line(evidence.collection)
    if evidence.is_weak:
        yield Content.styled(f"! Nothing in {name} comes near the question; no model was asked.", "notice")
        return
    cited = sources(evidence)
    yield Content.styled(f"Sources in {name}" if cited else f"No passage of {name} is cited.", "dim")
    for source in cited:
        yield Content.assemble((f"[{source.number}] ", "accent"), source.place)
    if doubted := len(evidence.unsupported):
        yield Content.assemble((SIGN, "notice"), (f" {_sentences(doubted)} no passage supports", "dim"))
    if evidence.removed:
        yield Content.styled(f"{_citations(evidence.removed)} taken out: no passage says it", "dim")


def _sentences(count: int) -> str:
    return "a sentence that" if count == 1 else f"{count} sentences that"


def _citations(count: int) -> str:
    return "1 citation was" if count == 1 else f"{count} citations were"

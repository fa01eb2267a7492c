"""What tests of readers share: a document's blocks as short lines."""

from __future__ import annotations

from edgellm.retrieval.parse.build import Builder
from edgellm.retrieval.values import Document


def blocks(source: Builder | Document) -> list[str]:
    """A line a block: kind, the level of a heading, the page where there is one, and the text."""
    document = source.document() if isinstance(source, Builder) else source
    found = []
    for block in document.blocks:
        page = f" p{block.page}" if block.page else ""
        found.append(f"{block.kind}{block.level or ''}{page}: {document.text[block.start : block.end]}")
    return found

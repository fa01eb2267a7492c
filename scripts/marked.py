"""Generated parts of a Markdown file, between `<!-- name:start -->` and `<!-- name:end -->`."""

from __future__ import annotations


def replace_part(text: str, name: str, content: str) -> str:
    """`text` with the part called `name` replaced.

    Raises: ValueError when the markers are missing or out of order.
    """
    start, end = _borders(text, name)
    return f"{text[:start]}\n{content.rstrip()}\n{text[end:]}"


def read_part(text: str, name: str) -> str:
    """The part called `name`, without its markers. Raises: ValueError."""
    start, end = _borders(text, name)
    return text[start:end].strip("\n")


def _borders(text: str, name: str) -> tuple[int, int]:
    opening, closing = f"<!-- {name}:start -->", f"<!-- {name}:end -->"
    start, end = text.find(opening), text.find(closing)
    if start < 0 or end < start:
        raise ValueError(f"The file needs {opening} and, after it, {closing}.")
    return start + len(opening), end

"""A session's title from its first message."""

from __future__ import annotations

import re

TITLE_CHARACTERS = 48
_MARKS = re.compile(r"^[\s#>*`~_-]++|(?<![\s*`~_])[\s*`~_]++$")
"""At a line's ends; a run is looked at from its beginning alone, or it would be as often as it is long."""


def title_from(text: str, limit: int = TITLE_CHARACTERS) -> str:
    """The first line with words in it, without Markdown marks, cut at a word; empty when there is none.

    The result has at most `limit` characters, an ellipsis included.
    """
    lines = (_MARKS.sub("", line) for line in text.splitlines())
    line = next((" ".join(line.split()) for line in lines if any(map(str.isalnum, line))), "")
    if len(line) <= limit:
        return line
    head = line[:limit]
    cut = head.rfind(" ")
    return (head[:cut] if cut > limit // 2 else head[: limit - 1]).rstrip(" ,.;:") + "…"

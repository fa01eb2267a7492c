"""Search over all messages and titles: by words first, by plain text when words find nothing."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from edgellm.store.db import Database, Row
from edgellm.store.records import SearchHit

MAX_WORDS = 32
MAX_QUERY_CHARACTERS = 1000
TITLE_WEIGHT = 4.0
"""How much more a match in a title counts."""
_OPEN, _CLOSE = "\x02", "\x03"
_AROUND = 60

_IN_MESSAGES = f"""SELECT s.id, m.id, s.title, m.role,
        snippet(messages_search, 0, '{_OPEN}', '{_CLOSE}', '…', 16), m.created_at, messages_search.rank
    FROM messages_search JOIN messages m ON m.number = messages_search.rowid JOIN sessions s ON s.id = m.session_id
    WHERE messages_search MATCH ? ORDER BY messages_search.rank LIMIT ?"""
_IN_TITLES = f"""SELECT s.id, NULL, s.title, NULL,
        snippet(sessions_search, 0, '{_OPEN}', '{_CLOSE}', '…', 16), s.updated_at, sessions_search.rank * {TITLE_WEIGHT}
    FROM sessions_search JOIN sessions s ON s.number = sessions_search.rowid
    WHERE sessions_search MATCH ? ORDER BY sessions_search.rank LIMIT ?"""
_PLAIN = r"""SELECT s.id, NULL, s.title, NULL, s.title, s.updated_at, 0.0 FROM sessions s
        WHERE s.title LIKE ?1 ESCAPE '\'
    UNION ALL SELECT s.id, m.id, s.title, m.role, m.content, m.created_at, 1.0
        FROM messages m JOIN sessions s ON s.id = m.session_id WHERE m.content LIKE ?1 ESCAPE '\'
    ORDER BY 7, 6 DESC LIMIT ?2"""


def search(database: Database, query: str, limit: int) -> list[SearchHit]:
    """At most `limit` hits, best first; none for a blank query."""
    text = " ".join(query[:MAX_QUERY_CHARACTERS].replace("\x00", " ").split())
    if not text or limit < 1:
        return []
    by_words = words_query(text)
    if by_words:
        rows = database.read(_IN_MESSAGES, (by_words, limit)) + database.read(_IN_TITLES, (by_words, limit))
        if rows:
            best = sorted(rows, key=lambda row: (row[6], -row[5]))[:limit]
            return [_hit(row, *_unmarked(row[4])) for row in best]
    like = "%" + re.sub(r"([%_\\])", r"\\\1", text) + "%"
    rows = database.read(_PLAIN, (like, limit))
    return [_hit(row, *_around(row[4], text)) for row in rows]


def words_query(text: str) -> str:
    """The FTS5 expression for all words of `text`, the last as a prefix if it may go on; empty when it has none.

    Every word is a quoted string, so nothing in it is an operator.
    """
    words = [word for word in text.split() if any(map(str.isalnum, word))][:MAX_WORDS]
    quoted = ['"' + word.replace('"', '""') + '"' for word in words]
    if quoted and unicodedata.category(words[-1][-1])[0] in "LMN":  # not after punctuation: `C++` is no beginning
        quoted[-1] += "*"
    return " ".join(quoted)


def _hit(row: Row, snippet: str, highlights: Sequence[tuple[int, int]]) -> SearchHit:
    return SearchHit(
        session_id=row[0],
        message_id=row[1],
        title=row[2],
        role=row[3],
        snippet=snippet,
        highlights=tuple(highlights),
        created_at=row[5],
    )


def _unmarked(marked: str) -> tuple[str, list[tuple[int, int]]]:
    """The snippet without FTS5's marks, and what stood between them."""
    text, spans, start = "", [], 0
    for part in re.split(f"([{_OPEN}{_CLOSE}])", marked):
        if part == _OPEN:
            start = len(text)
        elif part == _CLOSE:
            spans.append((start, len(text)))
        else:
            text += part
    return text, spans


def _around(text: str, wanted: str) -> tuple[str, list[tuple[int, int]]]:
    """A piece of `text` around the first place where `wanted` stands."""
    match = re.search(re.escape(wanted), text, re.IGNORECASE)
    start, end = match.span() if match else (0, 0)
    first, last = max(0, start - _AROUND), min(len(text), end + _AROUND)
    lead = "…" if first else ""
    snippet = lead + text[first:last] + ("…" if last < len(text) else "")
    moved = len(lead) - first
    return snippet, [(start + moved, end + moved)] if match else []

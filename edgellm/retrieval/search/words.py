"""The passages that hold a question's words: any text becomes a safe FTS5 query, and its rare words decide."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Sequence

from edgellm.retrieval.collection.texts import storable
from edgellm.retrieval.collection.words import folded, spaced
from edgellm.retrieval.search.nearest import Scored
from edgellm.store.db import Execute

MAX_CHARACTERS = 10_000
"""A longer question is cut."""
MAX_WORDS = 64
"""Different words that are looked up; the rarest of them are searched."""
MAX_SCORED = 10_000
"""Passages that one question ranks: BM25 costs a microsecond for each that holds a word."""
COMMON_SHARE = 0.5
"""A word in more of the passages than this tells nothing: BM25's weight of it is zero."""


def by_words(execute: Execute, question: str, depth: int, files: frozenset[int] | None) -> Scored:
    """At most `depth` passages of these files (None: of all), with their BM25 scores; larger is better."""
    expression = expression_for(execute, words_of(question))
    if not expression:
        return []
    inside = "" if files is None else " AND c.file IN (SELECT value FROM json_each(?2))"
    parameters = [expression] if files is None else [expression, json.dumps(sorted(files))]
    rows = execute(
        "SELECT number, score FROM ("
        "SELECT words.rowid AS number, -bm25(words) AS score FROM words CROSS JOIN chunks c ON c.id = words.rowid "
        f"WHERE words MATCH ?1{inside} LIMIT {MAX_SCORED}) ORDER BY score DESC, number LIMIT {depth:d}",
        parameters,
    )
    return [(number, score) for number, score in rows]


def words_of(text: str) -> list[str]:
    """The different words of a text in the word index's sense, in order; at most `MAX_WORDS`."""
    plain = folded(storable(text[:MAX_CHARACTERS]))
    split = "".join(character if _is_of_word(character) else " " for character in plain)
    return list(dict.fromkeys(spaced(split).split()))[:MAX_WORDS]


def expression_for(execute: Execute, words: Sequence[str]) -> str:
    """The FTS5 query for the words that tell most: the rare ones, one of which a passage must hold.

    Where even the rarest is in more passages than can be ranked, a passage must hold all of them.
    """
    passages: int = execute("SELECT coalesce(sum(chunk_count), 0) FROM files")[0][0]
    counts = sorted((_count(execute, word), place, word) for place, word in enumerate(words))
    present = [(count, word) for count, _, word in counts if count]
    telling = [(count, word) for count, word in present if count <= COMMON_SHARE * passages] or present[:1]
    chosen, total = [], 0
    for count, word in telling:
        total += count
        if total > MAX_SCORED:
            break
        chosen.append(_quoted(word))
    return " OR ".join(chosen) or " AND ".join(_quoted(word) for _, word in telling)


def _count(execute: Execute, word: str) -> int:
    """In how many passages it is."""
    found: int = execute("SELECT count(*) FROM words WHERE words MATCH ?", (_quoted(word),))[0][0]
    return found


def _quoted(word: str) -> str:
    """A string in FTS5's sense: nothing in it is an operator."""
    return '"' + word.replace('"', '""') + '"'


def _is_of_word(character: str) -> bool:
    category = unicodedata.category(character)
    return category[0] in "LMN" or category == "Co"

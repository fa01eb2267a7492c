"""The passages that hold a question's words: any text becomes a safe FTS5 query, and its rare words decide."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Sequence
from itertools import accumulate

from edgellm.retrieval.collection.texts import storable
from edgellm.retrieval.collection.words import folded, spaced
from edgellm.retrieval.search.nearest import Scored
from edgellm.store.db import Execute

MAX_CHARACTERS = 10_000
"""A longer question is cut."""
MAX_WORDS = 64
"""Different words that are looked up; the rarest of them are searched."""
MAX_SCORED = 4000
"""Passages that one question ranks: BM25 costs more than a microsecond for each that holds a word."""
COMMON_SHARE, MAX_COUNTED = 0.5, 50_000
"""A word in more passages than this share, or this number, tells too little: it is left out where others are there."""


def by_words(execute: Execute, question: str, depth: int, files: frozenset[int] | None) -> Scored:
    """At most `depth` passages of these files (None: of all), with their BM25 scores; larger is better."""
    expression = expression_for(execute, words_of(question), MAX_SCORED if files is None else MAX_COUNTED)
    if not expression:
        return []
    chosen, parameters = "words WHERE words MATCH ?1", [expression]
    if files is not None:
        chosen = "words CROSS JOIN chunks c ON c.id = words.rowid WHERE words MATCH ?1"
        chosen += " AND c.file IN (SELECT value FROM json_each(?2))"
        parameters.append(json.dumps(sorted(files)))
    scored = f"SELECT words.rowid AS number, -bm25(words) AS score FROM {chosen} LIMIT {MAX_SCORED}"
    rows = execute(f"SELECT number, score FROM ({scored}) ORDER BY score DESC, number LIMIT {depth:d}", parameters)
    return [(number, score) for number, score in rows]


def words_of(text: str) -> list[str]:
    """The different words of a text in the word index's sense, in order; at most `MAX_WORDS`."""
    plain = folded(storable(text[:MAX_CHARACTERS]))
    split = "".join(character if _is_of_word(character) else " " for character in plain)
    return list(dict.fromkeys(spaced(split).split()))[:MAX_WORDS]


def expression_for(execute: Execute, words: Sequence[str], most: int) -> str:
    """The FTS5 query: one of the rare words, or all words that tell anything; empty when no passage has any.

    The rarest words are taken until `most` passages hold them: as many as can be ranked, or, where only some files are
    searched, as can be looked through. A passage that holds all words is found by both parts, and so counts them twice:
    on headings as questions this raised nDCG@10 from 0.61 to 0.62 where every word could be ranked, and from 0.49 to
    0.63 where few could.
    """
    passages: int = execute("SELECT coalesce(sum(chunk_count), 0) FROM files")[0][0]
    common = min(int(COMMON_SHARE * passages), MAX_COUNTED)
    counts = sorted((_count(execute, word, common + 1), place, word) for place, word in enumerate(words))
    present = [(count, _quoted(word)) for count, _, word in counts if count]
    telling = [(count, word) for count, word in present if count <= common] or present
    totals = accumulate(count for count, _ in telling)
    rare = [word for (_, word), total in zip(telling, totals, strict=True) if total <= most]
    every = " AND ".join(word for _, word in telling)
    return " OR ".join([*rare, f"({every})"]) if len(telling) > 1 else every


def _count(execute: Execute, word: str, at_most: int) -> int:
    """In how many passages it is, counted no further than it matters."""
    passages = "SELECT 1 FROM words WHERE words MATCH ? LIMIT ?"
    found: int = execute(f"SELECT count(*) FROM ({passages})", (_quoted(word), at_most))[0][0]
    return found


def _quoted(word: str) -> str:
    """A string in FTS5's sense: nothing in it is an operator."""
    return '"' + word.replace('"', '""') + '"'


def _is_of_word(character: str) -> bool:
    category = unicodedata.category(character)
    return category[0] in "LMN" or category == "Co"

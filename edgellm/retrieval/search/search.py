"""From a question to hits: filter, rank by vectors and by words, fuse, rerank, choose."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from edgellm.errors import InvalidInput
from edgellm.retrieval.collection import Collection, StoredChunk
from edgellm.retrieval.collection.bits import Floats
from edgellm.retrieval.collection.collection import View
from edgellm.retrieval.collection.reading import chunks_by_id
from edgellm.retrieval.search.diverse import diverse
from edgellm.retrieval.search.filters import files_for
from edgellm.retrieval.search.fuse import reciprocal_ranks
from edgellm.retrieval.search.nearest import Scored, checked_question, cosines, nearest
from edgellm.retrieval.search.words import by_words
from edgellm.retrieval.values import Filters, Hit, SearchMode, below_headings

Rerank = Callable[[str, Sequence[str]], Sequence[float] | Floats]
"""A question and passages to one score a passage; larger is better."""
MAX_LIMIT = 1000
MIN_POOL, POOL_FACTOR = 50, 5
"""Passages of each list that are fused, and of which the hits are chosen."""
FEWEST_RERANKED, MOST_RERANKED = 20, 50
"""Passages that a reranker reads, between these twice as many as are asked for; on a processor it reads tens a
second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    text: str
    vector: Floats | None
    mode: SearchMode
    pool: int
    """Passages of each list."""


def search(
    collection: Collection,
    question: str,
    vector: Floats | None,
    *,
    limit: int = 10,
    filters: Filters = Filters(),  # noqa: B008  a frozen value
    mode: SearchMode = "fused",
    rerank: Rerank | None = None,
) -> list[Hit]:
    """At most `limit` passages, best first.

    `vector`: the question's, float32 (d,), unit length; None is enough for the mode `words`. `rerank` is what the mode
    `reranked` needs. Raises: InvalidInput, StoreDamaged, StoreError.
    """
    most = MOST_RERANKED if mode == "reranked" else MAX_LIMIT
    if not 1 <= limit <= most:
        other = f", or for up to {MAX_LIMIT} by another mode" if mode == "reranked" else ""
        raise InvalidInput(f"{limit} hits were asked for.", hint=f"Ask for 1 to {most}{other}.", field="limit")
    if vector is None and mode != "words":
        raise InvalidInput(f"A search by {mode!r} needs the question's vector.", field="vector")
    if mode == "reranked" and rerank is None:
        raise InvalidInput("A reranked search needs a reranker.", field="rerank")
    asked = _Question(text=question, vector=vector, mode=mode, pool=max(MIN_POOL, POOL_FACTOR * limit))
    with collection.view() as view:
        hits = _hits(view, asked, files_for(view.execute, filters))
        if mode != "reranked":
            return diverse(hits, limit)
        read = list(islice(hits, min(MOST_RERANKED, max(FEWEST_RERANKED, 2 * limit))))
    assert rerank is not None  # refused above
    return diverse(_reranked(read, question, rerank), limit)


def _hits(view: View, asked: _Question, files: frozenset[int] | None) -> Iterator[Hit]:
    """Everything that was found, best first; a passage's text is read when its turn comes."""
    words = by_words(view.execute, asked.text, asked.pool, files) if asked.mode != "vector" else []
    near: Scored = []
    if asked.vector is not None and asked.mode != "words":
        near = nearest(view, asked.vector, asked.pool, files)
    fused = reciprocal_ranks([number for number, _ in found] for found in (near, words))
    ranked = {"vector": near, "words": words}.get(asked.mode, fused[: asked.pool])
    similarities = dict(near)
    if asked.vector is not None:
        others = [number for number, _ in ranked if number not in similarities]
        similarities |= cosines(view, others, checked_question(view, asked.vector))
    word_ranks = {number: rank for rank, (number, _) in enumerate(words, 1)}
    for number, score in ranked:
        for stored in chunks_by_id(view.execute, [number]):
            yield _hit(stored, score, similarities.get(number), word_ranks.get(number))


def _hit(stored: StoredChunk, score: float, similarity: float | None, word_rank: int | None) -> Hit:
    chunk = stored.chunk
    return Hit(
        chunk_id=stored.id,
        file=stored.file,
        page=chunk.page,
        headings=chunk.headings,
        text=chunk.text,
        start=chunk.start,
        end=chunk.end,
        score=score,
        similarity=similarity,
        word_rank=word_rank,
    )


def _reranked(hits: Sequence[Hit], question: str, rerank: Rerank) -> list[Hit]:
    """The hits in the reranker's order. Raises: InvalidInput when it does not return a finite score for each."""
    texts = [below_headings(hit.headings, hit.text) for hit in hits]
    scores = [float(score) for score in rerank(question, texts)] if hits else []
    if len(scores) != len(hits) or not all(map(math.isfinite, scores)):
        message = f"The reranker gave {len(scores)} scores for {len(hits)} passages, or one that is no number."
        raise InvalidInput(message, field="rerank")
    scored = [replace(hit, score=score) for hit, score in zip(hits, scores, strict=True)]
    return sorted(scored, key=lambda hit: -hit.score)

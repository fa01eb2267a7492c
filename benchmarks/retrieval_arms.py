"""Ways to find the ten nearest of many vectors: ours, sqlite-vec, numpy, faiss, usearch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.retrieval_corpus import DIMENSIONS, Corpus
from edgellm.retrieval.collection import Collection
from edgellm.retrieval.search import search
from edgellm.retrieval.search.nearest import nearest
from edgellm.retrieval.search.search import MIN_POOL
from edgellm.retrieval.values import Chunk, Document, EmbedderIdentity, SourceFile

PASSAGES_A_FILE = 200
GRAPH_LIMIT = 200_000
"""Passages up to which usearch's graph is built; it takes minutes a million."""
BITS_CANDIDATES = 500
"""What sqlite-vec's bit scan needs to find as many of the exact ten as ours."""
Ask = Callable[[int], Sequence[int]]
"""A question's number to the passages found, best first."""


@dataclass(frozen=True, slots=True)
class SearchArm:
    """One way to search, ready to be asked."""

    name: str
    ask: Ask
    memory_bytes: int
    """What it holds in memory for its index."""
    close: Callable[[], None] = lambda: None


def all_arms(corpus: Corpus, folder: Path) -> tuple[list[SearchArm], list[str]]:
    """Every arm that is installed, with its index filled; then those that are left out, with the reason."""
    arms, skipped = [*ours(corpus, folder), in_numpy(corpus)], []
    rivals: dict[str, Callable[[], Sequence[SearchArm]]] = {
        "sqlite_vec": lambda: sqlite_vec_arms(corpus, folder),
        "faiss": lambda: [faiss_flat(corpus)],
        "usearch": lambda: [usearch_graph(corpus)],
    }
    for module, make in rivals.items():
        if find_spec(module) is None:
            skipped.append(f"{module}: not installed (`make setup EXTRAS=bench`).")
        elif module == "usearch" and len(corpus.texts) > GRAPH_LIMIT:
            skipped.append(f"usearch at {len(corpus.texts):,} passages: its graph takes minutes to build.")
        else:
            arms += make()
    return arms, skipped


def ours(corpus: Corpus, folder: Path) -> list[SearchArm]:
    """The collection: the nearest alone, and a whole search by vectors and words with the hits' texts."""
    collection = filled_collection(corpus, folder / "collection.sqlite")

    def nearest_ids(number: int) -> list[int]:
        with collection.view() as view:
            found = nearest(view, corpus.question_vectors[number], MIN_POOL, None)
        return [chunk - 1 for chunk, _ in found[:10]]

    def hits(number: int) -> list[int]:
        found = search(collection, corpus.questions[number], corpus.question_vectors[number])
        return [hit.chunk_id - 1 for hit in found]

    with collection.view() as view:
        mirror = view.mirror
    held = sum(part.nbytes for part in (mirror.signs, mirror.files, mirror.first_chunks, mirror.starts))
    whole = SearchArm("edgellm, whole search", hits, held)
    return [SearchArm("edgellm", nearest_ids, held, collection.close), whole]


def filled_collection(corpus: Corpus, path: Path) -> Collection:
    """A collection in which passage number i has the id i + 1."""
    identity = EmbedderIdentity(name="all-MiniLM-L6-v2", sha256="0" * 64, dimensions=DIMENSIONS, max_tokens=256)
    collection = Collection.create(path, identity)
    for first in range(0, len(corpus.texts), PASSAGES_A_FILE):
        text = ""
        chunks: list[Chunk] = []
        for passage in corpus.texts[first : first + PASSAGES_A_FILE]:
            chunks.append(Chunk(text=passage, start=len(text), end=len(text) + len(passage), page=len(chunks)))
            text += passage + "\n\n"
        file = SourceFile(name=f"file {first}", sha256="0" * 64, size=len(text), modified=0.0)
        document = Document(kind="text", text=text, blocks=())
        collection.put(file, document, chunks, corpus.vectors[first : first + PASSAGES_A_FILE])
    collection.close()  # what was written is in the file, as it is for whoever asks later
    return Collection.open(path)


def in_numpy(corpus: Corpus) -> SearchArm:
    """A matrix in memory; its product takes all cores."""

    def ask(number: int) -> list[int]:
        scores = corpus.vectors @ corpus.question_vectors[number]
        best = np.argpartition(-scores, 10)[:10]
        found: list[int] = best[np.argsort(-scores[best])].tolist()
        return found

    return SearchArm("numpy", ask, corpus.vectors.nbytes)


def sqlite_vec_arms(corpus: Corpus, folder: Path) -> list[SearchArm]:
    """sqlite-vec's float scan, and its bit scan with `BITS_CANDIDATES` candidates, rescored."""
    import apsw
    import sqlite_vec

    connection = apsw.Connection(str(folder / "vec0.sqlite"))
    connection.enable_load_extension(True)
    connection.load_extension(sqlite_vec.loadable_path())
    connection.enable_load_extension(False)
    connection.execute(f"CREATE VIRTUAL TABLE floats USING vec0(id INTEGER PRIMARY KEY, v float[{DIMENSIONS}])")
    connection.execute(f"CREATE VIRTUAL TABLE bits USING vec0(id INTEGER PRIMARY KEY, v bit[{DIMENSIONS}])")
    connection.execute("CREATE TABLE plain (id INTEGER PRIMARY KEY, v BLOB)")
    packed = np.packbits(corpus.vectors > 0, axis=1)
    with connection:
        for number, (row, bits) in enumerate(zip(corpus.vectors, packed, strict=True)):
            connection.execute("INSERT INTO floats VALUES (?, ?)", (number, row.tobytes()))
            connection.execute("INSERT INTO bits VALUES (?, vec_bit(?))", (number, bits.tobytes()))
            connection.execute("INSERT INTO plain VALUES (?, ?)", (number, row.tobytes()))
    rescored = f"""SELECT id FROM plain WHERE id IN (
        SELECT id FROM bits WHERE v MATCH vec_bit(?1) AND k = {BITS_CANDIDATES}
    ) ORDER BY vec_distance_L2(v, ?2) LIMIT 10"""

    def scan(number: int) -> list[int]:
        question = corpus.question_vectors[number].tobytes()
        return [row[0] for row in connection.execute("SELECT id FROM floats WHERE v MATCH ? AND k = 10", (question,))]

    def bit_scan(number: int) -> list[int]:
        question = corpus.question_vectors[number]
        bits = np.packbits(question > 0).tobytes()
        return [row[0] for row in connection.execute(rescored, (bits, question.tobytes()))]

    scanned = SearchArm("sqlite-vec, float scan", scan, 0, connection.close)
    return [scanned, SearchArm("sqlite-vec, bits rescored", bit_scan, 0)]


def faiss_flat(corpus: Corpus) -> SearchArm:
    """faiss, exact, with as many threads as it takes, as numpy has."""
    import faiss

    index: Any = faiss.IndexFlatIP(DIMENSIONS)
    index.add(corpus.vectors)

    def ask(number: int) -> list[int]:
        found: list[int] = index.search(corpus.question_vectors[number : number + 1], 10)[1][0].tolist()
        return found

    return SearchArm("faiss, flat", ask, corpus.vectors.nbytes)


def usearch_graph(corpus: Corpus) -> SearchArm:
    """usearch's graph (HNSW) with its defaults."""
    from usearch.index import Index

    index = Index(ndim=DIMENSIONS, metric="ip", dtype="f32")
    index.add(np.arange(len(corpus.vectors)), corpus.vectors)

    def ask(number: int) -> list[int]:
        found: list[int] = index.search(corpus.question_vectors[number], 10).keys.tolist()
        return found

    return SearchArm("usearch, graph", ask, int(index.memory_usage))

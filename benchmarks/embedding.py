"""Embedding: chunks a second beside sentence-transformers with its defaults, and how long a question takes."""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import harness
from benchmarks.report import Limit, Report, Spread, Target
from edgellm.engine.native import NativeChild
from edgellm.retrieval.embed.bulk import Bulk, BulkInfo
from edgellm.retrieval.embed.embedder import Runtime
from edgellm.retrieval.embed.open import DEFAULT, QUESTION_THREADS, found
from edgellm.retrieval.embed.source import EmbedderSource, read_source
from edgellm.retrieval.embed.twin import Twin, find_or_make_twin
from edgellm.retrieval.embed.wordpiece import WordPiece

STOCK, BULK, TWIN = "sentence-transformers", "edgellm, torch", "edgellm, twin"
CHUNKS, TRIAL_CHUNKS = 512, 16
TWIN_SHARE = 4
"""The twin is slower; it gets this part of the chunks."""
QUESTIONS, TRIAL_QUESTIONS = 100, 5
SHORTEST_WORDS, LONGEST_WORDS = 20, 180
Vectors = Any


def chunks(count: int) -> list[str]:
    """Pieces of this project's documentation, as long as chunks of mixed files are: the same ones each time."""
    root, dice = Path(__file__).resolve().parent.parent, random.Random(0)
    words = " ".join(path.read_text(encoding="utf-8") for path in sorted((root / "docs").glob("*.md"))).split()
    lengths = [dice.randint(SHORTEST_WORDS, LONGEST_WORDS) for _ in range(count)]
    starts = [dice.randrange(len(words) - LONGEST_WORDS) for _ in lengths]
    return [" ".join(words[start : start + length]) for start, length in zip(starts, lengths, strict=True)]


class Stock:
    """The library in its own process."""

    def __init__(self, folder: Path) -> None:
        self._child = NativeChild("benchmarks.embedding_stock", str(folder))
        self._child.send({})
        self._width: int = self._child.receive()["width"]

    def embed(self, texts: Sequence[str], *, singly: bool = False) -> tuple[list[float], Vectors]:
        """Seconds of each call inside the process, and the vectors."""
        self._child.send({"texts": list(texts), "singly": singly})
        seconds: list[float] = self._child.receive()["seconds"]
        vectors = np.empty((len(texts), self._width), np.float32)
        self._child.receive_into(memoryview(vectors))  # type: ignore[arg-type]
        return seconds, vectors

    def close(self) -> None:
        """End the process."""
        self._child.close()


class Bench:
    """All arms, open."""

    def __init__(self, source: EmbedderSource, folder: Path, options: harness.Options) -> None:
        count, questions = (TRIAL_CHUNKS, TRIAL_QUESTIONS) if options.is_trial else (CHUNKS, QUESTIONS)
        self.texts = chunks(count)
        self.questions = [text[:60] for text in self.texts[:questions]]
        self._source, self._wordpiece = source, WordPiece(source.rules)
        path, self.manifest = find_or_make_twin(source, folder)
        self.stock, self.bulk = Stock(source.folder.path), Bulk(source.folder.path)
        self.twin, self.one_thread = Twin(path, source.identity), Twin(path, source.identity, threads=QUESTION_THREADS)
        self.vectors = self.stock.embed(self.texts)[1]
        for runtime in (self.bulk, self.twin, self.one_thread):
            self._embedded(runtime, self.texts[:1])

    def close(self) -> None:
        """End the processes."""
        for each in (self.stock, self.bulk, self.twin, self.one_thread):
            each.close()

    def with_stock(self, _round: int) -> Mapping[str, float]:
        """The library's defaults."""
        seconds, _ = self.stock.embed(self.texts)
        return {"chunks": len(self.texts) / sum(seconds), **latencies(self.stock.embed(self.questions, singly=True)[0])}

    def with_bulk(self, _round: int) -> Mapping[str, float]:
        """Texts to vectors through the child process, tokens and pipes included."""
        return self._rate(self.bulk, self.texts)

    def with_twin(self, _round: int) -> Mapping[str, float]:
        """The same without torch; questions with as few threads as beside torch."""
        seconds = [timed_s(partial(self._embedded, self.one_thread, [text])) for text in self.questions]
        return {**self._rate(self.twin, self.texts[::TWIN_SHARE]), **latencies(seconds)}

    def _rate(self, runtime: Runtime, texts: Sequence[str]) -> Mapping[str, float]:
        started = time.perf_counter()
        vectors = self._embedded(runtime, texts)
        seconds = time.perf_counter() - started
        step = len(self.texts) // len(texts)
        worst = float((vectors * self.vectors[::step]).sum(axis=1).min())
        return {"chunks": len(texts) / seconds, "1 - cosine": max(0.0, 1 - worst)}

    def _embedded(self, runtime: Runtime, texts: Sequence[str]) -> Vectors:
        return runtime.embed([self._wordpiece.wrapped(text, self._source.identity.max_tokens) for text in texts])


def latencies(seconds: Sequence[float]) -> Mapping[str, float]:
    """Milliseconds of one question."""
    times = sorted(1000 * each for each in seconds)
    return {"question p50": statistics.median(times), "question p99": times[int(0.99 * (len(times) - 1))]}


def timed_s(act: Callable[[], object]) -> float:
    """Wall time of one call in seconds."""
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def run(options: harness.Options) -> Report:
    """Every arm in turn on the same chunks. Raises: MachineBusy."""
    source = read_source(*found(DEFAULT))
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(source, Path(folder), options)
        try:
            cases = {STOCK: bench.with_stock, BULK: bench.with_bulk, TWIN: bench.with_twin}
            arms = harness.take_turns(cases, options)
            return report(arms, bench, options)
        finally:
            bench.close()


def report(arms: Mapping[str, Mapping[str, Spread]], bench: Bench, options: harness.Options) -> Report:
    """The table, with what was decided by measurement."""
    info = bench.bulk.info
    assert isinstance(info, BulkInfo)
    parity = bench.manifest.parity
    return Report(
        name="Embedding",
        what=f"{len(bench.texts)} chunks of {SHORTEST_WORDS} to {LONGEST_WORDS} words with {DEFAULT}. With torch we "
        f"compute in {info.precision} with {info.threads} threads, chosen by measurement. `1 - cosine`: the worst "
        f"chunk against the library's own vector. The twin: {parity.cosine_min:.6f} at worst on {parity.texts} probes.",
        units={"chunks": "a second", "question p50": "ms", "question p99": "ms", "1 - cosine": ""},
        arms=arms,
        targets=[
            Target(path="ingest", metric="chunks", against=STOCK, arm=BULK, floor=1.5, aim=3),
            Target(path="ingest without torch", metric="chunks", against=STOCK, arm=TWIN, floor=None, aim=1),
            Target(
                path="a question", metric="question p50", against=STOCK, arm=TWIN, floor=1, aim=3, is_lower_better=True
            ),
        ],
        limits=[
            Limit(path=f"vectors of {arm}", arm=arm, metric="1 - cosine", floor=0.001, aim=0.0001)
            for arm in (BULK, TWIN)
        ]
        + [Limit(path="a question's vector", arm=TWIN, metric="question p50", floor=10, aim=5)],
        settings={"rounds": options.rounds, "threads": info.threads, "precision": info.precision},
        is_trial=options.is_meaningless,
    )


if __name__ == "__main__":
    sys.exit(harness.main_without_texts(run))

"""Search in collections: time and recall at growing sizes, beside sqlite-vec, numpy, faiss and usearch."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks import harness
from benchmarks.report import Limit, Report, Spread, Target
from benchmarks.retrieval_arms import SearchArm, all_arms
from benchmarks.retrieval_corpus import Corpus, grown, invented_corpus, real_corpus

SIZES = (10_000, 50_000, 100_000)
AIMED = 50_000
"""The size that floor and aim are stated for, and the least that they are asked of: what every search costs at least
counts for more in a smaller collection."""
LARGE = 1_000_000
TRIAL_SIZES = (700,)
Measured = dict[str, dict[str, Spread]]


def run(sizes: Sequence[int], options: harness.Options) -> Report:
    """Each arm answers the same questions, one at a time, at each size. Raises: MachineBusy, ArmFailed."""
    corpus = invented_corpus() if options.is_trial else real_corpus()
    arms: Measured = {}
    skipped: list[str] = []
    for size in sizes:
        with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
            found, skipped = measured(grown(corpus, size), Path(folder), options)
        arms |= {_named(name, size): spreads for name, spreads in found.items()}
    return Report(
        name="Search in documents",
        what="The ten nearest of 384-dimensional vectors of all-MiniLM-L6-v2, one question at a time. `recall@10`: "
        f"share of the exact ten. The first {len(corpus.texts):,} are real passages, the others mixtures of two. "
        "`whole search` adds words, fusion and texts, and takes hits from several pages: not the exact ten.",
        units={"p50": "ms", "p99": "ms", "recall@10": "", "missed": "%", "memory": "MiB"},
        arms=arms,
        targets=[target for size in sizes for target in _targets(size)],
        limits=[_recall_limit(size) for size in sizes],
        skipped=skipped,
        settings={"rounds": options.rounds, "questions": len(corpus.questions)},
        is_trial=options.is_meaningless,
    )


def measured(corpus: Corpus, folder: Path, options: harness.Options) -> tuple[Measured, list[str]]:
    """What every arm needs for one size; then the arms that are missing."""
    arms, skipped = all_arms(corpus, folder)
    exact = corpus.exact()
    try:
        return harness.take_turns({arm.name: partial(answers, arm, exact) for arm in arms}, options), skipped
    finally:
        for arm in arms:
            arm.close()


def answers(arm: SearchArm, exact: Sequence[set[int]], _round: int) -> dict[str, float]:
    """Ask every question once."""
    times, shares = [], []
    for number, wanted in enumerate(exact):
        before = time.perf_counter()
        found = arm.ask(number)
        times.append((time.perf_counter() - before) * 1000)
        shares.append(len(wanted & set(found)) / len(wanted))
    return {
        "p50": float(np.quantile(times, 0.5)),
        "p99": float(np.quantile(times, 0.99)),
        "recall@10": float(np.mean(shares)),
        "missed": 100 * (1 - float(np.mean(shares))),
        "memory": arm.memory_bytes / 2**20,
    }


def _targets(size: int) -> list[Target]:
    ratios: dict[str, tuple[float | None, float | None]] = dict.fromkeys(
        ("sqlite-vec, float scan", "sqlite-vec, bits rescored", "numpy", "faiss, flat", "usearch, graph"), (None, None)
    )
    if size >= AIMED:
        ratios |= {"sqlite-vec, float scan": (10, 50), "faiss, flat": (None, 8)}
    return [
        Target(
            path=f"top 10 of {size:,}",
            metric="p50",
            against=_named(name, size),
            arm=_named("edgellm", size),
            floor=floor,
            aim=aim,
            is_lower_better=True,
        )
        for name, (floor, aim) in ratios.items()
    ]


def _recall_limit(size: int) -> Limit:
    return Limit(
        path=f"of the exact ten missed, {size:,}", arm=_named("edgellm", size), metric="missed", floor=1, aim=1
    )


def _named(arm: str, size: int) -> str:
    return f"{arm}, {size:,}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Read our own option, then run as every benchmark does. Returns the exit code."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--million", action="store_true", help="also a million passages (3 GB of disk, half an hour)")
    own, others = parser.parse_known_args(arguments)
    is_trial = "--trial" in others
    sizes = TRIAL_SIZES if is_trial else (*SIZES, LARGE) if own.million else SIZES
    return harness.main_without_texts(partial(run, sizes), others, run.__doc__)


if __name__ == "__main__":
    sys.exit(main())

"""The store: what a saved message, a search and an opening cost, beside a bare write and sync of the same disk."""

from __future__ import annotations

import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks import harness
from benchmarks.idle import wait_until_idle
from benchmarks.report import Report, Spread
from edgellm.store import Store, open_store
from edgellm.store.sessions import Sessions

SESSIONS, MESSAGES_EACH, WORDS_EACH, VOCABULARY = 200, 50, 100, 20_000
APPENDS_A_ROUND, READS_A_ROUND = 50, 10

Act = Callable[[], object]


def fill(store: Store, sessions: int) -> None:
    """Conversations of invented words with the frequencies of a language (Zipf)."""
    dice = random.Random(0)
    weights = [1 / rank for rank in range(1, VOCABULARY + 1)]
    words = ["".join(dice.choices("abcdefghijklmnopqrstuvwxyz", k=dice.randint(3, 10))) for _ in weights]
    for number in range(sessions):
        session = store.sessions.create(title=f"Session {number} {words[number]}")
        for _ in range(MESSAGES_EACH):
            text = " ".join(dice.choices(words, weights, k=WORDS_EACH))
            store.sessions.append(session.id, "user", text)
    store.sessions.append(store.sessions.list()[-1].id, "user", "one needle among many words")


def acts(store: Store, folder: Path) -> Mapping[str, tuple[Act, int]]:
    """Arm to what is timed and how often a round."""
    sessions: Sessions = store.sessions
    target = sessions.create(title="growing").id
    old = sessions.list(limit=1, offset=5)[0].id
    common = sessions.path(old)[0].content.split()[0]
    return {
        "bare write and sync of 4 KiB": (lambda: write_and_sync(folder / "bare"), APPENDS_A_ROUND),
        "append a message": (lambda: sessions.append(target, "user", "words " * WORDS_EACH), APPENDS_A_ROUND),
        "list 50 sessions": (sessions.list, READS_A_ROUND),
        f"read a branch of {MESSAGES_EACH}": (lambda: sessions.path(old), READS_A_ROUND),
        "search a rare word": (lambda: sessions.search("needle"), READS_A_ROUND),
        "search a common word": (lambda: sessions.search(common), READS_A_ROUND),
        "search the beginning of a word": (lambda: sessions.search("one ne"), READS_A_ROUND),
        "search a part of a word": (lambda: sessions.search("eedl"), READS_A_ROUND),
        "open, check and close": (lambda: open_store(store.path).close(), 1),
    }


def write_and_sync(path: Path) -> None:
    """The least a durable append can cost on this disk."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(descriptor, bytes(4096))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def run(options: harness.Options) -> Report:
    """Every act in turn, many times, on one store. Raises: MachineBusy."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        with open_store(Path(name) / "store" / "edgellm.db") as store:
            fill(store, 2 if options.is_trial else SESSIONS)
        size_mib = store.path.stat().st_size / 2**20
        with open_store(store.path) as store:
            arms = acts(store, Path(name))
            times: dict[str, list[float]] = {arm: [] for arm in arms}
            for _ in range(options.rounds):
                if not options.is_meaningless:
                    wait_until_idle()
                for arm, (act, repeats) in arms.items():
                    times[arm] += [timed_ms(act) for _ in range(repeats)]
    return Report(
        name="Store",
        what=f"{SESSIONS * MESSAGES_EACH:,} messages of {WORDS_EACH} words in {SESSIONS} sessions, {size_mib:.0f} MiB. "
        "An append has returned when the message would survive a power cut.",
        units={"wall": "ms"},
        arms={arm: {"wall": Spread(tuple(found))} for arm, found in times.items()},
        settings={"rounds": options.rounds},
        is_trial=options.is_meaningless,
    )


def timed_ms(act: Act) -> float:
    """Wall time of one call in milliseconds."""
    before = time.perf_counter()
    act()
    return (time.perf_counter() - before) * 1000


if __name__ == "__main__":
    sys.exit(harness.main_without_texts(run))

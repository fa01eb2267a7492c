"""Answers by content hash, one file each: what was asked once of the same subject is not asked again.

The key covers the subject's identity and everything of the question, so that a changed model is never judged by the
answers of the old one. A run that was killed goes on through this alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from edgellm.decoding import from_json
from edgellm.evals.values import Asked, Likelihood, Said, Subject
from edgellm.paths import write_private
from edgellm.types import Message

FORMAT = 1
MOST_BYTES = 256 * 1024**2
"""What is kept in all: some hundred thousand answers."""
T = TypeVar("T")


class Cache:
    """A folder of answers. Thread- and process-safe: a file appears whole, and two writers write the same."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, key: str, kind: type[T]) -> T | None:
        """What is kept under a key; None where nothing is, or nothing that can be read."""
        with suppress(FileNotFoundError, msgspec.DecodeError):
            return from_json(self._path(key).read_bytes(), type=kind)
        return None

    def put(self, key: str, value: object) -> None:
        """Keep a value. Raises: OSError."""
        write_private(self._path(key), msgspec.json.encode(value))

    def prune(self, most_bytes: int = MOST_BYTES) -> int:
        """Remove the answers that were written first, until the rest fits. Returns: how many went.

        Whoever still wants one asks again. Raises: OSError.
        """
        found = sorted(self._files())
        excess, removed = sum(size for _, size, _ in found) - most_bytes, 0
        for _, size, path in found:
            if excess <= 0:
                break
            path.unlink(missing_ok=True)
            excess -= size
            removed += 1
        return removed

    def _files(self) -> Iterator[tuple[int, int, Path]]:
        """When each answer was written, its bytes, its path; one that another process removed is left out."""
        for path in self._folder.glob("*/*.json"):
            with suppress(FileNotFoundError):
                status = path.stat()
                yield status.st_mtime_ns, status.st_size, path

    def _path(self, key: str) -> Path:
        return self._folder / key[:2] / f"{key}.json"


class Remembering:
    """A subject whose answers are kept."""

    def __init__(self, subject: Subject, cache: Cache) -> None:
        self._subject, self._cache = subject, cache
        self._sent: list[str] = []
        self.name, self.identity, self.can_weigh = subject.name, subject.identity, subject.can_weigh

    @property
    def asked(self) -> int:
        """How many questions went to the subject itself."""
        return len(self._sent)

    def answer(self, asked: Asked) -> Said:
        """As `Subject`."""
        return self._kept("answer", asked, Said, lambda: self._subject.answer(asked))

    def likelihood(self, messages: Sequence[Message], text: str) -> Likelihood:
        """As `Subject`."""
        question = [list(messages), text]
        return self._kept("likelihood", question, Likelihood, lambda: self._subject.likelihood(messages, text))

    def _kept(self, what: str, question: Any, kind: type[T], ask: Callable[[], T]) -> T:
        key = key_of(self.identity, what, question)
        found = self._cache.get(key, kind)
        if found is None:
            found = ask()
            self._sent.append(key)
            self._cache.put(key, found)
        return found


def key_of(identity: str, what: str, question: Any) -> str:
    """SHA-256 of all that decides an answer."""
    content = msgspec.json.encode([FORMAT, identity, what, question], order="deterministic")
    return hashlib.sha256(content).hexdigest()

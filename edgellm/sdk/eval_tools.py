"""What answers are scored with besides the answers themselves, and how far the asking is."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgellm.errors import DataRejected, MissingExtra
from edgellm.evals.runner import Pace
from edgellm.evals.scorers import needs
from edgellm.evals.suite import Suite, read_suite
from edgellm.evals.values import Case, Embed, Tools
from edgellm.events import Progressed
from edgellm.paths import Home
from edgellm.sdk.eval_request import SuiteFile
from edgellm.sdk.work import Emit

TOLD_EVERY_S = 0.2
"""Progress is not told more often."""


@dataclass(frozen=True, slots=True)
class NamedEmbed:
    """An embedder's function with its name."""

    name: str
    embed: Embed

    def __call__(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """The vectors of texts."""
        return self.embed(texts)


class Telling:
    """Passes on how far the asking is, a few times a second and at its end."""

    def __init__(self, emit: Emit) -> None:
        self._emit, self._next = emit, 0.0

    def __call__(self, pace: Pace) -> None:
        """Tell it, or not yet."""
        now = time.monotonic()
        if now >= self._next or pace.done == pace.total:
            self._next = now + TOLD_EVERY_S
            self._emit(Progressed(done=pace.done, total=pace.total, rate=pace.rate, left_s=pace.left_s))


def unchanged(file: SuiteFile) -> Suite:
    """The suite that a job was begun with. Raises: DataRejected for one that changed since."""
    suite = read_suite(Path(file.path))
    if suite.sha256 != file.sha256:
        message = f"The suite {file.path!r} is not what it was when the run began."
        raise DataRejected(message, hint="Begin a new run.", file=file.path)
    return suite


@contextmanager
def scoring_tools(home: Home, cases: Sequence[Case]) -> Iterator[Tools]:
    """What the cases need, opened; without the judge. Raises: MissingExtra, ModelError for the embedder."""
    wanted = {need for case in cases for need in needs(case)}
    with _embedding(home, "embed" in wanted) as embed:
        yield Tools(embed=embed, personal=_personal_finder() if "personal" in wanted else None)


@contextmanager
def _embedding(home: Home, is_wanted: bool) -> Iterator[Embed | None]:
    if not is_wanted:
        yield None
        return
    from edgellm.retrieval.embed.open import DEFAULT, open_embedder  # only `similarity` needs it
    from edgellm.settings import load_settings

    name = load_settings(home, os.environ).default_embedder or DEFAULT
    embedder = open_embedder(name, kept=home.embedders)
    try:
        yield NamedEmbed(embedder.identity.name, _one_by_one(embedder.embed_query))
    finally:
        embedder.close()


def _personal_finder() -> Callable[[str], Sequence[str]] | None:
    """Finds mail addresses, telephone and account numbers; None where what it needs is not installed."""
    from edgellm.data.personal import FINDERS, phone_finder

    try:
        finders = (*FINDERS.values(), phone_finder(None))
    except MissingExtra:
        return None
    return lambda text: [text[begin:end] for find in finders for begin, end in find(text)]


def _one_by_one(embed: Callable[[str], Any]) -> Embed:
    """Texts of both sides embedded alike, as questions are; one thread at a time, as the embedder wants it."""
    lock = threading.Lock()

    def every(texts: Sequence[str]) -> Sequence[Sequence[float]]:
        with lock:
            return [embed(text).tolist() for text in texts]

    return every

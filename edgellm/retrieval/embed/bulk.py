"""Many texts at once through sentence-transformers, in a process of its own."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgellm.engine.native import NativeChild
from edgellm.errors import EngineError, MissingExtra
from edgellm.retrieval.embed.embedder import OnDone, Tokens, nothing, unit_rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WINDOW_TEXTS = 2048
"""Texts sent at a time: enough to sort by length, and a bounded message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkInfo:
    """How the process computes; chosen by measurement when it opened the model."""

    dimensions: int
    device: str
    threads: int
    precision: str


def is_bulk_installed() -> bool:
    """Whether sentence-transformers and torch are there; neither is imported for it."""
    return all(importlib.util.find_spec(name) is not None for name in ("sentence_transformers", "torch"))


def require_bulk() -> None:
    """Raises: MissingExtra without sentence-transformers and torch."""
    if not is_bulk_installed():
        raise MissingExtra(
            "sentence-transformers and torch are not installed.",
            hint='Install them: pip install "edgellm[embed]"',
            extra="embed",
        )


class Bulk:
    """Computes vectors with torch. Any thread may call it; one call is served at a time.

    The process starts with the first call and again after it died; the call that it died of fails.
    """

    def __init__(self, folder: Path) -> None:
        """`folder` is one that `read_source` accepted. Raises: MissingExtra."""
        require_bulk()
        self._folder = folder
        self._lock = threading.Lock()
        self._child: NativeChild | None = None
        self.info: BulkInfo | None = None
        """Known once the process has started."""

    @property
    def pid(self) -> int:
        """The process id; 0 while there is no process."""
        return self._child.pid if self._child else 0

    def embed(self, inputs: Sequence[Tokens], on_done: OnDone = nothing) -> NDArray[np.float32]:
        """As `Runtime.embed`. Raises: WorkerDied, EngineError."""
        import numpy as np

        with self._lock:
            child, info = self._opened()
            found = np.empty((len(inputs), info.dimensions), np.float32)
            try:
                for start in range(0, len(inputs), WINDOW_TEXTS):
                    rows = found[start : start + WINDOW_TEXTS]
                    for done in self._fill(child, rows, inputs[start : start + WINDOW_TEXTS]):
                        on_done(start + done)
            except BaseException:  # an answer may be half read; Ctrl+C included
                self._drop()
                raise
        return unit_rows(found)

    def close(self) -> None:
        """End the process; what it was doing is lost."""
        child, self._child = self._child, None
        if child is not None:
            child.close()

    @staticmethod
    def _fill(child: NativeChild, rows: NDArray[np.float32], inputs: Sequence[Tokens]) -> Iterator[int]:
        """Vectors of one window as they come. Yields: how many are there, after each batch."""
        import numpy as np

        child.send({"inputs": [list(map(int, tokens)) for tokens in inputs]})
        done = 0
        while done < len(inputs):
            places = child.receive()["places"]
            piece = np.empty((len(places), rows.shape[1]), np.float32)
            child.receive_into(memoryview(piece))  # type: ignore[arg-type]
            rows[places] = piece
            done += len(places)
            yield done

    def _opened(self) -> tuple[NativeChild, BulkInfo]:
        if self._child is None or self.info is None:
            self._child = NativeChild("edgellm.retrieval.embed.bulk_child", str(self._folder))
            try:
                self._child.send({})
                self.info = BulkInfo(**self._child.receive())
                if self.info.dimensions < 1:
                    raise EngineError(f"sentence-transformers finds no dimensions in {str(self._folder)!r}.")
            except BaseException:
                self._drop()
                raise
        return self._child, self.info

    def _drop(self) -> None:
        self.close()
        self.info = None

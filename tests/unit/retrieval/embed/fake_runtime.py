"""A runtime without a process: vectors follow from token ids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgellm.retrieval.embed.embedder import OnDone, Tokens, nothing, unit_rows


class FakeRuntime:
    """Remembers what it was asked."""

    def __init__(self, *, differs_at: int | None = None) -> None:
        self.calls: list[list[list[int]]] = []
        self.is_closed = False
        self._differs_at = differs_at

    def embed(self, inputs: Sequence[Tokens], on_done: OnDone = nothing) -> Any:
        """As `Runtime.embed`."""
        self.calls.append([list(tokens) for tokens in inputs])
        on_done(len(inputs))
        rows = [np.random.default_rng(list(tokens)).standard_normal(8) for tokens in inputs]
        if self._differs_at is not None:
            rows[self._differs_at] = -rows[self._differs_at]
        return unit_rows(np.array(rows, np.float32).reshape(len(rows), 8))

    def close(self) -> None:
        """Remember it."""
        self.is_closed = True

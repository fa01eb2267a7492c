"""An embedder without a model, and a parser without a child."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgellm.errors import ParseFailed
from edgellm.retrieval.embed.embedder import OnDone, nothing
from edgellm.retrieval.values import Block, Document, EmbedderIdentity

DIMENSIONS = 64


class WordEmbedder:
    """A word is a direction, a text the sum of its words: texts that share words are near each other."""

    identity = EmbedderIdentity(name="words", sha256="0" * 64, dimensions=DIMENSIONS, max_tokens=50)

    def __init__(self) -> None:
        self.calls: list[int] = []
        """Number of texts of each call."""

    def count(self, text: str) -> int:
        """Words."""
        return len(text.split())

    def embed_passages(self, texts: Sequence[str], on_done: OnDone = nothing) -> NDArray[np.float32]:
        """See TextEmbedder."""
        self.calls.append(len(texts))
        on_done(len(texts))
        return np.stack([self.embed_query(text) for text in texts])

    def embed_query(self, text: str) -> NDArray[np.float32]:
        """See TextEmbedder."""
        total = sum((_direction(word.strip(".,?!")) for word in text.lower().split()), np.full(DIMENSIONS, 1e-3))
        return (total / np.linalg.norm(total)).astype(np.float32)

    def close(self) -> None:
        """Nothing to end."""


class QuickEmbedder(WordEmbedder):
    """A text is a direction: quicker, where nothing has to be near anything."""

    def embed_query(self, text: str) -> NDArray[np.float32]:
        """See TextEmbedder."""
        direction = _direction(text)
        return (direction / np.linalg.norm(direction)).astype(np.float32)


def _direction(word: str) -> NDArray[np.float64]:
    seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8])
    return np.random.default_rng(seed).standard_normal(DIMENSIONS)


def parse(names: Sequence[str]) -> Iterator[Document | ParseFailed]:
    """Each file as one block of text; one that says "damaged" fails."""
    for name in names:
        text = Path(name).read_text(encoding="utf-8")
        if "damaged" in text:
            yield ParseFailed(f"{name} cannot be read: it is damaged.", path=name, reason="it is damaged")
        else:
            yield Document(kind="text", text=text, blocks=(Block(kind="text", start=0, end=len(text)),))

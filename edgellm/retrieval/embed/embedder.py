"""What turns texts into vectors, and what every vector has to be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from edgellm.errors import EngineError, InvalidInput
from edgellm.retrieval.values import EmbedderIdentity

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Tokens = Sequence[int]
MARKS = 2
"""Tokens that stand around every text: CLS and SEP."""
OnDone = Callable[[int], None]
"""Told how many texts are done, each time that some are."""


def nothing(_done: int) -> None:
    """Progress that nobody wants."""


class TextEmbedder(Protocol):
    """Texts to unit vectors that can be compared with all others of the same `identity`.

    Any thread may call it. A text longer than `identity.max_tokens`, marks and prefix included, is cut there; an empty
    one is refused.
    """

    @property
    def identity(self) -> EmbedderIdentity:
        """Which vectors these can be compared with."""

    def count(self, text: str) -> int:
        """Tokens of a text without those that stand around every text."""

    def embed_passages(self, texts: Sequence[str], on_done: OnDone = nothing) -> NDArray[np.float32]:
        """One unit vector a text: (texts, dimensions). Raises: InvalidInput, WorkerDied, EngineError."""

    def embed_query(self, text: str) -> NDArray[np.float32]:
        """The unit vector of a question: (dimensions,). Raises: InvalidInput, WorkerDied, EngineError."""

    def close(self) -> None:
        """End the processes behind it. Repeating it does nothing."""


class Runtime(Protocol):
    """What computes vectors from token ids."""

    def embed(self, inputs: Sequence[Tokens], on_done: OnDone = nothing) -> NDArray[np.float32]:
        """One unit vector a text: (texts, dimensions), in order. Raises: WorkerDied, EngineError."""

    def close(self) -> None:
        """End the process."""


def room_for_passage(embedder: TextEmbedder) -> int:
    """Tokens of a passage that are read: without the marks, and without what the model's makers put before it."""
    return max(1, embedder.identity.max_tokens - MARKS - embedder.count(embedder.identity.passage_prefix))


def check_text(text: str, at: int = 0) -> str:
    """`text` itself. Raises: InvalidInput when it is empty or no Unicode text."""
    if not text.strip():
        raise InvalidInput(f"Text {at} is empty; it has no embedding.", field="texts", index=at)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        found = f"U+{ord(text[error.start]):04X}"
        message = f"Text {at} has {found}, half of a surrogate pair, at character {error.start}."
        raise InvalidInput(message, hint="Send valid Unicode text.", field="texts", index=at) from error
    return text


def unit_rows(vectors: NDArray[Any]) -> NDArray[np.float32]:
    """Each row at unit length. Raises: EngineError for a row with NaN or infinity, or of zeros."""
    import numpy as np

    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1)
    wrong = np.flatnonzero(~np.isfinite(lengths) | (lengths == 0))
    if wrong.size:
        at = int(wrong[0])
        raise EngineError(
            f"The embedder computed a vector of length {lengths[at]} for text {at} (NaN, infinite or zero).",
            hint="The model's files may be damaged: get the model again.",
            index=at,
        )
    units: NDArray[np.float32] = (vectors / lengths[:, None]).astype(np.float32)
    return units

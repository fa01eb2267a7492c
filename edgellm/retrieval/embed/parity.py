"""The gate of a twin: the same tokens and the same vectors as the folder it was made from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from edgellm.errors import ModelRejected
from edgellm.retrieval.embed.embedder import Runtime
from edgellm.retrieval.embed.probe import PROBES
from edgellm.retrieval.embed.wordpiece import WordPiece

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST_COSINE = 0.999
Tokenize = Callable[[str], Sequence[int]]


class Parity(msgspec.Struct, frozen=True, kw_only=True):
    """How near two runtimes of an embedder are."""

    texts: int
    cosine_min: float
    cosine_mean: float
    texts_cut_alike: int
    """By the other runtime's own tokenizer; it is not used, because it is handed ids."""


def differently_cut(wordpiece: WordPiece, tokenize: Tokenize) -> list[str]:
    """The probes that another tokenizer cuts otherwise."""
    return [text for text in PROBES if wordpiece.ids(text) != list(tokenize(text))]


def check_tokens(wordpiece: WordPiece, tokenize: Tokenize, of: Path) -> None:
    """Compare token ids on the probes with those of the folder's own tokenizer. Raises: ModelRejected."""
    for text in differently_cut(wordpiece, tokenize):
        ours, theirs = wordpiece.ids(text), list(tokenize(text))
        at = next(
            (at for at, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), min(len(ours), len(theirs))
        )
        what = f"token {at} is {theirs[at : at + 3]}, not {ours[at : at + 3]}"
        raise _refusal(of, f"its own tokenizer cuts {text[:60]!r} otherwise than WordPiece's rules: {what}")


def cosines(one: Runtime, other: Runtime, inputs: Sequence[Sequence[int]], of: Path, who: str) -> NDArray[Any]:
    """Cosine of each text's two vectors; `other` is called `who` in a refusal.

    Raises: ModelRejected when one is below `LEAST_COSINE`; EngineError.
    """
    found: NDArray[Any] = (one.embed(inputs) * other.embed(inputs)).sum(axis=1)
    worst = int(found.argmin())
    if not found[worst] >= LEAST_COSINE:
        reason = (
            f"{who} computes another vector for probe {worst} ({len(inputs[worst])} tokens): "
            f"cosine {found[worst]:.5f}, at least {LEAST_COSINE} is needed"
        )
        raise _refusal(of, reason)
    return found


def _refusal(of: Path, reason: str) -> ModelRejected:
    return ModelRejected(
        f"{str(of)!r} cannot be used: {reason}.",
        hint="Get the model again or choose another one.",
        path=str(of),
        reason=reason,
    )

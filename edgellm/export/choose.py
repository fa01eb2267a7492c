"""Which of several measured quantizations to use on this machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgellm.export.manifest import Exported
from edgellm.sizes import size

CLOSE_KL = 0.05
"""Mean KL divergence, in nats a token, up to which answers are hardly told from full precision's."""
SAME_SPEED = 0.9
"""Speeds within this ratio are the same: they are measured on a few tokens."""
MEMORY_SHARE = 0.8
"""Of the memory that is free, weights may take this; the rest is for the KV cache."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What to use, and why."""

    quantization: str
    reason: str


@dataclass(frozen=True, slots=True)
class RuledOut:
    """A quantization that a suite of questions speaks against."""

    score: float | None
    """Its score, clearly worse than the best one's; None: the file could not be opened here."""


def recommended(
    files: Sequence[Exported], available_bytes: int, ruled_out: Mapping[str, RuledOut] | None = None
) -> Choice:
    """The fastest that fits and stays close to full precision, the closest of those equally fast; the closest of all
    that fit when none stays close; the smallest when none fits.

    files: at least one. ruled_out: by quantization, what is not taken while there is another that fits.
    """
    against = ruled_out or {}
    fitting = [file for file in files if file.size_bytes <= MEMORY_SHARE * available_bytes]
    if not fitting:
        smallest = min(files, key=lambda file: file.size_bytes)
        return Choice(
            smallest.quantization, f"none fits the {size(available_bytes)} that are free; this is the smallest"
        )
    able = [file for file in fitting if file.quantization not in against]
    if not able:
        return _least_bad(fitting, against)
    close = [file for file in able if file.verification.passed and _kl(file) <= CLOSE_KL]
    if not close:
        closest = min(able, key=_kl)
        return Choice(
            closest.quantization,
            f"none stays within a KL of {CLOSE_KL:g}; this is the closest{_left_out(fitting, against)}",
        )
    fastest = max(file.verification.tokens_per_s for file in close)
    best = min((file for file in close if file.verification.tokens_per_s >= SAME_SPEED * fastest), key=_kl)
    return Choice(
        best.quantization,
        f"{best.verification.tokens_per_s:.0f} tokens a second at a KL of {_kl(best):.4f}, {size(best.size_bytes)}: "
        f"among the fastest of those within a KL of {CLOSE_KL:g}, the closest to full precision"
        f"{_left_out(fitting, against)}",
    )


def _least_bad(fitting: Sequence[Exported], against: Mapping[str, RuledOut]) -> Choice:
    asked = [(found.score, file) for file in fitting if (found := against[file.quantization]).score is not None]
    if not asked:
        return Choice(min(fitting, key=_kl).quantization, "none could be opened here; this is the closest")
    _, best = max(asked, key=lambda each: each[0])
    return Choice(
        best.quantization,
        "all that fit are clearly worse at the suite than one that does not fit; this is the best of them",
    )


def _left_out(fitting: Sequence[Exported], against: Mapping[str, RuledOut]) -> str:
    """Which that fit are not counted, and why not."""
    words = [
        f"{name} ({'too large to be asked' if against[name].score is None else 'clearly worse at the suite'})"
        for name in (file.quantization for file in fitting)
        if name in against
    ]
    return f"; not counting {', '.join(words)}" if words else ""


def _kl(file: Exported) -> float:
    return file.verification.comparison.kl_mean

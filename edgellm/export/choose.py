"""Which of several measured quantizations to use on this machine."""

from __future__ import annotations

from collections.abc import Sequence
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


def recommended(files: Sequence[Exported], available_bytes: int) -> Choice:
    """The fastest that fits and stays close to full precision, the closest of those equally fast; the closest of all
    that fit when none stays close; the smallest when none fits.

    files: at least one.
    """
    fitting = [file for file in files if file.size_bytes <= MEMORY_SHARE * available_bytes]
    if not fitting:
        smallest = min(files, key=lambda file: file.size_bytes)
        return Choice(
            smallest.quantization, f"none fits the {size(available_bytes)} that are free; this is the smallest"
        )
    close = [file for file in fitting if file.verification.passed and _kl(file) <= CLOSE_KL]
    if not close:
        closest = min(fitting, key=_kl)
        return Choice(closest.quantization, f"none stays within a KL of {CLOSE_KL:g}; this is the closest")
    fastest = max(file.verification.tokens_per_s for file in close)
    best = min((file for file in close if file.verification.tokens_per_s >= SAME_SPEED * fastest), key=_kl)
    return Choice(
        best.quantization,
        f"{best.verification.tokens_per_s:.0f} tokens a second at a KL of {_kl(best):.4f}, {size(best.size_bytes)}: "
        f"among the fastest of those within a KL of {CLOSE_KL:g}, the closest to full precision",
    )


def _kl(file: Exported) -> float:
    return file.verification.comparison.kl_mean

"""Whether a base may learn here: it must be read as llama.cpp reads it, or what it learns is of no use there."""

from __future__ import annotations

from dataclasses import dataclass

from edgellm.errors import ModelRejected
from edgellm.gguf_header import GGUFHeader

LIMIT_NATS = 1e-4
"""Largest mean divergence from llama.cpp, both at full precision."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What was found."""

    kl: float
    """Mean Kullback-Leibler divergence, llama.cpp to ours, in nats a token."""
    layers: int
    """How many of the base's layers were read."""
    fault: str = ""
    """The part that differs; empty where the divergence is within the limit."""


def refuse(header: GGUFHeader, gate: Gate) -> None:
    """Raises: ModelRejected when our decoder reads the base in another way than llama.cpp."""
    if gate.fault:
        raise ModelRejected(
            f"The trainer reads {str(header.path)!r} in another way than llama.cpp: {gate.fault} of the family "
            f"{header.architecture!r} differs, by {gate.kl:.2g} nats a token where {LIMIT_NATS:g} are allowed.",
            hint="Nothing was trained. Choose another base model, and report this one.",
            path=str(header.path),
        )

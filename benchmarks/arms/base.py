"""What every compared program must do: serve a prompt and say when each piece arrived."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmConfig:
    """How every arm of one benchmark is set up."""

    model: Path
    context_tokens: int
    parallel: int
    """Requests served at once, by arms that can."""
    threads: int
    """Compute threads of arms that do not choose for themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One greedy completion."""

    prompt: str
    max_tokens: int
    conversation: str | None = None
    """Name under which an arm that can keeps the KV state on disk."""


@dataclass(slots=True, kw_only=True)
class Served:
    """What came back, with arrival times on `time.perf_counter`."""

    asked_at: float
    arrivals: list[tuple[float, int]] = field(default_factory=list)
    """When a piece of text arrived, and its length in characters."""
    ended_at: float = 0.0
    computed_prompt_tokens: int | None = None
    """Prompt tokens that were not taken from a cache; None where an arm does not say."""
    completion_tokens: int = 0

    @property
    def first_at(self) -> float:
        """When the first text arrived."""
        return self.arrivals[0][0]

    @property
    def last_at(self) -> float:
        """When the last text arrived."""
        return self.arrivals[-1][0]


OnPiece = Callable[[int], None]
"""Called with the number of pieces so far, after each arrival."""


class Arm(Protocol):
    """A program under test. `serve` may be called from several threads at once."""

    name: str

    def start(self) -> None:
        """Load the model; returns when it can serve."""

    def serve(self, ask: Ask, on_piece: OnPiece | None = None) -> Served:
        """Serve one completion to its end."""

    def stop(self) -> None:
        """Release everything."""


class ArmFailed(Exception):
    """An arm could not start or serve; the message carries its own words."""

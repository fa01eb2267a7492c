"""What a server does at this moment, as its administrator sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from edgellm.engine.metrics import EngineMetrics

Stage = Literal["waiting", "reading", "writing"]
"""In the line; its prompt is read; its answer is written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveRequest:
    """A request that has not ended."""

    tenant: str
    """Id of its key, or `local`."""
    key: str
    """The key's name; empty without a key."""
    model: str
    """As the client wrote it."""
    stage: Stage
    tokens: int
    """Pieces written so far; a piece is a token, now and then several."""
    tokens_per_s: float
    """Since the first of them; 0 while there are fewer than two."""
    seconds: float
    """Since it came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveFigures:
    """One reading, as `GET /admin/status` answers it."""

    address: str
    """As the client called it: http://127.0.0.1:8000."""
    model: str
    """The one that the server was started with."""
    started_at: float
    """Seconds since the epoch."""
    requests: tuple[LiveRequest, ...]
    """Oldest first."""
    running: int
    """Turns in use, of `most_running`."""
    most_running: int
    waiting: int
    """Requests in the line, of `most_waiting`."""
    most_waiting: int
    engines: Mapping[str, EngineMetrics]
    """What each open model measured; one that does not answer is left out."""

    @property
    def tokens_per_s(self) -> float:
        """Of all requests together."""
        return sum(request.tokens_per_s for request in self.requests)

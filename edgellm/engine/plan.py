"""What one step does: memory operations in order, then spans to compute."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, Protocol

from edgellm.engine.backend import Span

if TYPE_CHECKING:
    from edgellm.engine.sequence import Sequence


class CacheKey(NamedTuple):
    """Texts are shared only under equal keys."""

    tenant: str
    adapter: str | None
    """As `Backend.open_adapter` calls it: another content of the same file is another adapter."""
    request_id: int | None
    """None with the prefix cache on; otherwise a request shares with itself alone."""


class Tier(StrEnum):
    """Where a prompt's beginning was found."""

    LIVE = "live"
    """In the KV cache."""
    HOST = "host"
    """In host memory."""
    DISK = "disk"
    """In a saved conversation."""


class SavedState(Protocol):
    """KV state outside the cache."""

    @property
    def tier(self) -> Tier: ...

    @property
    def tokens(self) -> tuple[int, ...]:
        """The text whose state this is."""

    def read(self) -> bytes:
        """The state. Raises: InvalidInput when it is damaged or gone."""


@dataclass(frozen=True, slots=True)
class Share:
    """Give the empty slot `target` the first `end` positions of `source`."""

    source: int
    target: int
    end: int


@dataclass(frozen=True, slots=True)
class Trim:
    """Forget the positions of `slot` from `start` on."""

    slot: int
    start: int


@dataclass(frozen=True, slots=True)
class Save:
    """Copy the state of `slot` out of the KV cache before it is trimmed away."""

    slot: int
    key: CacheKey
    tokens: tuple[int, ...]
    conversation: str | None
    """Whose text it is."""
    is_unsaved: bool = False
    """Whether the conversation has to be written to disk as well."""


@dataclass(frozen=True, slots=True)
class Restore:
    """Fill the empty `slot` and keep its first `end` positions. Always the last operation of its plan."""

    slot: int
    state: SavedState
    end: int


MemoryOperation = Share | Trim | Save | Restore


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One step. Memory operations without spans are a step too."""

    memory: tuple[MemoryOperation, ...] = ()
    spans: tuple[Span, ...] = ()
    sequences: tuple[Sequence, ...] = ()
    """Whose spans these are, in the same order."""
    adapter: str | None = None
    stuck: Sequence | None = None
    """A sequence that the KV cache cannot hold even alone; it has to end."""

"""What a prompt can begin with: texts in the KV cache, in host memory, on disk."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from edgellm.engine.hostcache import HostCache
from edgellm.engine.plan import CacheKey, SavedState, Tier
from edgellm.engine.prefix import PrefixTree, common_length
from edgellm.engine.sequence import Sequence, State
from edgellm.engine.slots import Slots

WORTH_WAITING_TOKENS = 16
"""A prompt waits for a beginning that is being computed when that is at least this long."""
WORTH_RESTORING_TOKENS = 16
"""A saved state is read back when it saves at least this much over what is in the KV cache."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A beginning of a prompt that need not be computed."""

    length: int = 0
    slot: int | None = None
    state: SavedState | None = None

    @property
    def tier(self) -> Tier | None:
        """Where it is; None when there is nothing to reuse."""
        if self.slot is not None:
            return Tier.LIVE
        return self.state.tier if self.state is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginnings:
    """Looks texts up; their owner is `Memory`, which changes them."""

    slots: Slots
    tree: PrefixTree[int]
    host: HostCache
    parked: Collection[int]
    """Slots that nobody continues."""
    can_share: bool
    """Whether a text can be cut at a position."""

    def sources(self, sequence: Sequence, tokens: tuple[int, ...], common: dict[int, int]) -> list[Source]:
        """Everything the sequence could begin with, most promising first; the last one is nothing.

        `common`: slots whose texts begin like `tokens`, with the lengths. The last token is never taken: its logits
        are needed.
        """
        live = [Source(length=self._usable(slot, length), slot=slot) for slot, length in common.items()]
        live.sort(key=lambda source: (-source.length, source.slot not in self.parked, source.slot))
        best = live[0].length if live else 0
        saved = [s for s in self._saved(sequence, tokens) if s.length >= best + WORTH_RESTORING_TOKENS]
        saved.sort(key=lambda source: -source.length)
        return [*saved, *(source for source in live[:1] if source.length), Source()]

    def is_coming(self, common: dict[int, int], known: int, running: Collection[Sequence]) -> bool:
        """Whether a running sequence is about to hold more of the prompt than is known now."""
        if not self.can_share:
            return False
        reading = (s.slot for s in running if s.state is State.PREFILL and s.slot is not None)
        return any(common.get(slot, 0) > max(known, WORTH_WAITING_TOKENS - 1) for slot in reading)

    def covered_tokens(self, key: CacheKey, tokens: tuple[int, ...]) -> int:
        """Length of the beginning of `tokens` that is in the KV cache or in host memory."""
        live = (self._usable(slot, length) for slot, length in self.tree.matches(key, tokens).items())
        saved = (length for state, length in self.host.matches(key, tokens).items() if self._is_usable(state, length))
        return max([*live, *saved], default=0)

    def _usable(self, slot: int, common: int) -> int:
        """How many of the common positions the slot can give away now."""
        held = self.slots.held(slot)
        if self.can_share:
            return min(common, held)
        return held if slot in self.parked and held <= common else 0

    def _is_usable(self, state: SavedState, common: int) -> bool:
        """Whether the state can be cut to the common positions."""
        return self.can_share or common == len(state.tokens)

    def _saved(self, sequence: Sequence, tokens: tuple[int, ...]) -> Iterator[Source]:
        wanted = tokens[:-1]
        found: list[tuple[SavedState, int]] = list(self.host.matches(sequence.key, wanted).items())
        if sequence.saved is not None:
            found.append((sequence.saved, common_length(sequence.saved.tokens, wanted, 0)))
        for state, length in found:
            if self._is_usable(state, length):
                yield Source(length=length, state=state)

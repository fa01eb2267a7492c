"""KV states in host memory: what was pushed out of the KV cache, least recently used dropped first."""

from __future__ import annotations

from dataclasses import dataclass

from edgellm.engine.plan import CacheKey, Tier
from edgellm.engine.prefix import PrefixTree


@dataclass(frozen=True, slots=True, eq=False)
class HostState:
    """The KV state of one text."""

    key: CacheKey
    tokens: tuple[int, ...]
    content: bytes
    conversation: str | None = None
    """Whose text it is."""

    @property
    def tier(self) -> Tier:
        return Tier.HOST

    def read(self) -> bytes:
        return self.content


class HostCache:
    """States under a byte budget. Loading one keeps it, so that many prompts can begin with it."""

    def __init__(self, budget_bytes: int, state_bytes_per_token: int) -> None:
        self.budget_bytes = budget_bytes
        self.used_bytes = 0
        self._bytes_per_token = state_bytes_per_token
        self._tree: PrefixTree[HostState] = PrefixTree()
        self._states: dict[HostState, None] = {}  # least recently used first

    def __len__(self) -> int:
        return len(self._states)

    def has_room_for(self, tokens: int) -> bool:
        """Whether the state of so many tokens is worth saving: it fits the whole budget."""
        return max(1, tokens * self._bytes_per_token) <= self.budget_bytes

    def matches(self, key: CacheKey, tokens: tuple[int, ...]) -> dict[HostState, int]:
        """States whose text begins like `tokens`, with the length of the common beginning."""
        return self._tree.matches(key, tokens)

    def put(self, state: HostState) -> None:
        """Keep the state, and drop those that it covers or whose turn it is."""
        if len(state.content) > self.budget_bytes:
            return
        for other, common in self.matches(state.key, state.tokens).items():
            if common == len(other.tokens):
                self.drop(other)
        self._tree.insert(state.key, state.tokens, state)
        self._states[state] = None
        self.used_bytes += len(state.content)
        while self.used_bytes > self.budget_bytes:
            self.drop(next(iter(self._states)))

    def touch(self, state: HostState) -> None:
        """The state was used just now."""
        if state in self._states:
            del self._states[state]
            self._states[state] = None

    def forget(self, conversation: str) -> None:
        """Drop every state of the conversation."""
        for state in [state for state in self._states if state.conversation == conversation]:
            self.drop(state)

    def drop(self, state: HostState) -> None:
        """Forget the state, if it is still here."""
        if state in self._states:
            del self._states[state]
            self._tree.remove(state)
            self.used_bytes -= len(state.content)

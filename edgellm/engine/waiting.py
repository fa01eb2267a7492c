"""The waiting line: preempted first, then tenants in turn, each in order of arrival."""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Collection, Iterator

from edgellm.engine.sequence import Sequence

ADAPTER_PATIENCE = 8
"""Admissions that may overtake the head of the line because their adapter is already in use."""


class WaitingLine:
    """Sequences that hold no memory, and whose turn is next."""

    def __init__(self) -> None:
        self._resuming: list[Sequence] = []
        self._tenants: dict[str, deque[Sequence]] = {}  # the tenant whose turn is next comes first

    def __len__(self) -> int:
        return len(self._resuming) + self.new

    @property
    def new(self) -> int:
        """Requests that have not been admitted yet."""
        return sum(map(len, self._tenants.values()))

    def add(self, sequence: Sequence) -> None:
        """A new request joins the end of its tenant's line."""
        self._tenants.setdefault(sequence.request.tenant, deque()).append(sequence)

    def add_resuming(self, sequence: Sequence) -> None:
        """A sequence that has run before joins the front, the older the earlier."""
        insort(self._resuming, sequence, key=lambda s: s.order)

    def remove(self, sequence: Sequence) -> None:
        """The sequence was cancelled."""
        if sequence in self._resuming:
            self._resuming.remove(sequence)
            return
        tenant = sequence.request.tenant
        line = self._tenants[tenant]
        line.remove(sequence)
        if not line:
            del self._tenants[tenant]

    def admit(self, sequence: Sequence) -> None:
        """The sequence has got a place; its tenant goes to the end of the round."""
        if sequence not in self._resuming:
            head = next(self._in_turn())
            if head is not sequence:
                head.overtaken += 1
            tenant = sequence.request.tenant
            self._tenants[tenant] = self._tenants.pop(tenant)
        self.remove(sequence)

    def candidates(self, adapters: Collection[str | None]) -> list[Sequence]:
        """Who should be admitted, in order; `adapters` are those in use, which are preferred within bounds."""
        line = list(self._in_turn())
        if line and adapters and line[0].overtaken < ADAPTER_PATIENCE:
            line.sort(key=lambda sequence: sequence.adapter not in adapters)
        return [*self._resuming, *line]

    def _in_turn(self) -> Iterator[Sequence]:
        """New requests, one of each tenant a round."""
        lines = list(self._tenants.values())
        for position in range(max(map(len, lines), default=0)):
            yield from (line[position] for line in lines if position < len(line))

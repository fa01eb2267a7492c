"""What one request costs, while it runs and when it has ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self, TypeVar

from edgellm.errors import BudgetExceeded, EdgeLLMError, QueueFull, RequestCancelled
from edgellm.sdk.live import LiveRequest
from edgellm.sdk.serving import UsageRow
from edgellm.server.caller import Caller
from edgellm.server.errors import ServerStopping
from edgellm.server.model_name import ModelName
from edgellm.server.service import Service
from edgellm.store.records import OK
from edgellm.types import Timings, Usage

T = TypeVar("T")
TURNED_AWAY = (BudgetExceeded, QueueFull, ServerStopping)
"""What cost nothing and may come by the thousand: counted in memory only, by route and status."""


class Account:
    """Counts one request; at the end of its block the budget is charged and the request is noted, however it ended."""

    def __init__(self, service: Service, caller: Caller, name: ModelName, operation: str) -> None:
        """`operation`: what is done, as `Tracing.note` calls it."""
        self.name = name
        self.usage = Usage()
        self.timings = Timings()
        self._service = service
        self._caller = caller
        self._operation = operation
        self._began = service.clock()
        self._turn_at: float | None = None
        self._first_token_at: float | None = None
        self._pieces = 0
        self._energy: float | None = None

    def turn_came(self) -> None:
        """The request has left the line."""
        self._turn_at = self._service.clock()
        self._energy = self._service.meter.begin()

    def token_came(self) -> None:
        """A piece of the answer is there."""
        self._pieces += 1
        if self._first_token_at is None:
            self._first_token_at = self._service.clock()

    def add(self, usage: Usage, timings: Timings | None) -> None:
        """What the engine counted; as often as it worked for the request."""
        self.usage = Usage(
            prompt_tokens=self.usage.prompt_tokens + usage.prompt_tokens,
            cached_tokens=self.usage.cached_tokens + usage.cached_tokens,
            completion_tokens=self.usage.completion_tokens + usage.completion_tokens,
        )
        self.timings = timings or self.timings

    def live(self, names: Mapping[str, str]) -> LiveRequest:
        """What is seen of the request while it runs. `names`: of keys, by id."""
        now, first = self._service.clock(), self._first_token_at
        written_s = 0.0 if first is None else now - first
        return LiveRequest(
            tenant=self._caller.tenant,
            key=names.get(self._caller.tenant, ""),
            model=str(self.name),
            stage="waiting" if self._turn_at is None else "reading" if first is None else "writing",
            tokens=self._pieces,
            tokens_per_s=(self._pieces - 1) / written_s if self._pieces > 1 and written_s > 0 else 0.0,
            seconds=now - self._began,
        )

    async def store(self, put: Callable[[T], object], value: T) -> None:
        """Write to the store also when the task is cancelled meanwhile.

        An answer does not fail because it cannot be counted or kept.
        """
        try:
            await asyncio.shield(asyncio.to_thread(put, value))
        except EdgeLLMError as error:
            self._service.log.error("store", error)

    async def __aenter__(self) -> Self:
        self._service.accounts.add(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        service, now = self._service, self._service.clock()
        service.accounts.discard(self)
        energy_j = None if self._energy is None else service.meter.end(self._energy)
        status = _status(kind)
        if status != OK:
            service.counters.failures[status] += 1
        if kind is not None and issubclass(kind, TURNED_AWAY):
            return
        service.budget.spend(self._caller.tenant, self.usage.prompt_tokens + self.usage.completion_tokens)
        service.counters.spent(self.usage, energy_j)
        row = self._row(now, status, energy_j)
        self._measure(row)
        service.tracing.note(self._operation, row)
        await self.store(service.edge.usage.add, row)

    def _row(self, now: float, status: str, energy_j: float | None) -> UsageRow:
        return UsageRow(
            tenant=self._caller.tenant,
            model=self.name.base,
            adapter=self.name.adapter,
            usage=self.usage,
            timings=self.timings,
            status=status,
            seconds=now - self._began,
            ttft_s=None if self._first_token_at is None else self._first_token_at - self._began,
            energy_j=energy_j,
        )

    def _measure(self, row: UsageRow) -> None:
        counters = self._service.counters
        if row.seconds is not None:
            counters.duration.observe(self._operation, row.seconds)
        if row.ttft_s is not None:
            counters.first_token.observe(self._operation, row.ttft_s)


def _status(kind: type[BaseException] | None) -> str:
    if kind is None:
        return OK
    return RequestCancelled.__name__ if issubclass(kind, asyncio.CancelledError) else kind.__name__

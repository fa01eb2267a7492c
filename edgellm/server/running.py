"""Work for one client, watched: what it says, whether the client is still there, whether its key still holds."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, Self, TypeVar

from starlette.types import Receive

from edgellm.errors import KeyRefused
from edgellm.server.caller import Caller
from edgellm.server.service import Service
from edgellm.types import StreamEvent

TICK_S = 0.25
"""How long a reader is kept waiting at most, and how often key and server are looked at."""
ENDING_S = 0.5
T = TypeVar("T")
Work = Callable[[Callable[[StreamEvent], None]], Awaitable[T]]


class ClientGone(Exception):
    """The client closed its connection; nobody reads what would be said now."""


@dataclass(frozen=True, slots=True)
class Ended(Generic[T]):
    """The work is done."""

    result: T


class Running(Generic[T]):
    """One piece of work in a task of its own; leaving the block ends it.

    `next` says what happens: an event, the end, or nothing yet. It raises the work's error; ClientGone; KeyRefused when
    the key was revoked meanwhile; ServerStopping when the server waited long enough for the answer.
    """

    def __init__(self, service: Service, caller: Caller, receive: Receive, work: Work[T]) -> None:
        """`receive`: the connection, its request read."""
        self._service = service
        self._caller = caller
        self._events: asyncio.Queue[StreamEvent | Ended[T] | Exception] = asyncio.Queue()
        self._look_at = service.clock() + TICK_S
        self._tasks = [asyncio.create_task(self._run(work)), asyncio.create_task(self._watch(receive))]

    async def next(self) -> StreamEvent | Ended[T] | None:
        """What happens next; None when nothing did for `TICK_S`."""
        await self._look()
        if not self._events.empty():
            return _said(self._events.get_nowait())
        try:
            async with asyncio.timeout(TICK_S):
                return _said(await self._events.get())
        except TimeoutError:
            return None

    async def result(self) -> T:
        """The work's result, its events passed over."""
        while not isinstance(found := await self.next(), Ended):
            continue
        return found.result

    async def close(self) -> None:
        """End the work. What cannot be interrupted ends by itself later: nobody waits longer for it than `ENDING_S`."""
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks, timeout=ENDING_S)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    async def _run(self, work: Work[T]) -> None:
        try:
            self._events.put_nowait(Ended(await work(self._events.put_nowait)))
        except Exception as error:  # the reader raises it
            self._events.put_nowait(error)

    async def _watch(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            continue
        self._events.put_nowait(ClientGone())

    async def _look(self) -> None:
        if self._service.clock() < self._look_at:
            return
        self._look_at = self._service.clock() + TICK_S
        self._service.drain.check_open()
        if self._caller.key_id is None:
            return
        if not await asyncio.to_thread(self._service.keyring.is_valid, self._caller):
            raise KeyRefused("This key was revoked.")


def _said(found: StreamEvent | Ended[T] | Exception) -> StreamEvent | Ended[T]:
    """Raises: what the work raised, ClientGone."""
    if isinstance(found, Exception):
        raise found
    return found

"""The waiting line: bounded, fair between tenants, first come first served within one."""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from edgellm.errors import DeadlineExceeded, QueueFull

SHORTEST_WAIT_S, LONGEST_WAIT_S = 1.0, 60.0
"""What a client that is turned away is told at least and at most."""
WEIGHT = 0.2
"""Of the newest turn in the average length of turns."""

Place = asyncio.Future[None]


class Line:
    """Hands out `running` turns; at most `waiting` requests wait for one, of one tenant half when another waits too.

    Turns go to the tenants in rotation. A newcomer who finds the line filled by a tenant with more than its half takes
    the place of that tenant's youngest request. Belongs to one event loop.
    """

    def __init__(self, running: int, waiting: int, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` measures turns, in seconds, for the estimate of `retry_after_s`."""
        self._most_running = running
        self._most_waiting = waiting
        self._clock = clock
        self._running = 0
        self._places: OrderedDict[str, deque[Place]] = OrderedDict()
        self._turn_s = SHORTEST_WAIT_S

    @property
    def running(self) -> int:
        """Turns in use."""
        return self._running

    @property
    def waiting(self) -> int:
        """Requests in the line."""
        return sum(map(len, self._places.values()))

    def waiting_of(self, tenant: str) -> int:
        """Requests of one tenant in the line."""
        return len(self._places.get(tenant, ()))

    @asynccontextmanager
    async def turn(self, tenant: str, deadline_s: float | None = None) -> AsyncIterator[None]:
        """Wait for a turn and hold it for the block.

        Raises: QueueFull (facts: `limit`, `retry_after_s`), at once or when a newcomer needs the place;
        DeadlineExceeded after `deadline_s` seconds in the line.
        """
        await self._enter(tenant, deadline_s)
        began = self._clock()
        try:
            yield
        finally:
            self._turn_s += WEIGHT * (max(0.0, self._clock() - began) - self._turn_s)
            self._leave()

    async def _enter(self, tenant: str, deadline_s: float | None) -> None:
        if self._running < self._most_running:  # then nobody waits
            self._running += 1
            return
        self._make_room(tenant)
        place = asyncio.get_running_loop().create_future()
        self._places.setdefault(tenant, deque()).append(place)
        try:
            async with asyncio.timeout(deadline_s):
                await place
        except BaseException as error:
            self._give_up(tenant, place)
            if isinstance(error, TimeoutError):
                message = f"The request waited {deadline_s:g} s for its turn, which was all the time it had."
                raise DeadlineExceeded(message, deadline_s=deadline_s) from None
            raise

    def _give_up(self, tenant: str, place: Place) -> None:
        """Take a place out of the line; a turn that it was given in the same moment goes to the next."""
        if place.done() and not place.cancelled() and place.exception() is None:
            self._leave()
        else:
            place.cancel()
            self._remove(tenant, place)

    def _remove(self, tenant: str, place: Place) -> None:
        own = self._places.get(tenant)
        if own is not None and place in own:
            own.remove(place)
            if not own:
                del self._places[tenant]

    def _leave(self) -> None:
        """Hand the turn on; without anyone waiting it becomes free."""
        while self._places:
            tenant, own = self._places.popitem(last=False)
            place = own.popleft()
            if own:
                self._places[tenant] = own  # behind the others
            if not place.done():  # a cancelled one is about to leave by itself
                place.set_result(None)
                return
        self._running -= 1

    def _make_room(self, tenant: str) -> None:
        """Raises: QueueFull."""
        half = max(1, self._most_waiting // 2)
        own, waiting = self.waiting_of(tenant), self.waiting
        if own >= half and waiting > own:
            raise self._full(half)
        if waiting < self._most_waiting:
            return
        widest = max(self._places, key=self.waiting_of, default=tenant)
        if own >= half or self.waiting_of(widest) <= half:
            raise self._full(self._most_waiting)
        youngest = self._places[widest][-1]
        self._remove(widest, youngest)
        if not youngest.done():
            youngest.set_exception(self._full(half))

    def _full(self, limit: int) -> QueueFull:
        turns_ahead = 1 + self.waiting / self._most_running
        wait_s = min(max(self._turn_s * turns_ahead, SHORTEST_WAIT_S), LONGEST_WAIT_S)
        message = f"{limit} requests wait already, and there is no place for another."
        return QueueFull(message, hint=f"Try again in {math.ceil(wait_s)} s.", limit=limit, retry_after_s=wait_s)

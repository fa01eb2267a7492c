"""One request as its caller sees it: an iterator of events with exactly one outcome."""

from __future__ import annotations

import threading
import weakref
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from edgellm.engine.outcome import Failed, Finished
from edgellm.errors import EdgeLLMError, EngineError, error_types
from edgellm.types import StreamEvent

if TYPE_CHECKING:
    import asyncio

Outcome = Finished | Failed


def to_error(failed: Failed) -> EdgeLLMError:
    """The typed exception that a failed outcome stands for."""
    kind = error_types().get(failed.error, EngineError)
    return kind(failed.message, hint=failed.hint, **failed.facts)


class Inbox:
    """Where one request's events arrive, from any thread, and wait for one reader."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._events: deque[StreamEvent] = deque()
        self._outcome: Outcome | None = None
        self._wake: Callable[[], None] | None = None

    def put(self, event: StreamEvent) -> None:
        """Add an event; nothing is added after the end."""
        with self._changed:
            if self._outcome is None:
                self._events.append(event)
                self._notify()

    def end(self, outcome: Outcome) -> None:
        """Set the outcome; the first one stays."""
        with self._changed:
            if self._outcome is None:
                self._outcome = outcome
                self._notify()

    @property
    def outcome(self) -> Outcome | None:
        """How it ended, once every event has been taken."""
        return None if self._events else self._outcome

    def take(self) -> StreamEvent | None:
        """The next event, waited for; None when all have been taken."""
        with self._changed:
            self._changed.wait_for(self._has_something)
            return self._events.popleft() if self._events else None

    async def take_async(self) -> StreamEvent | None:
        """Like `take`, for an event loop; needs no thread."""
        import asyncio  # 40 ms that a command without an event loop does not need

        loop = asyncio.get_running_loop()
        while True:
            arrived = asyncio.Event()
            with self._changed:
                if self._has_something():
                    return self._events.popleft() if self._events else None
                self._wake = partial(_call_soon, loop, arrived.set)
            await arrived.wait()

    def _has_something(self) -> bool:
        return bool(self._events) or self._outcome is not None

    def _notify(self) -> None:
        self._changed.notify_all()
        wake, self._wake = self._wake, None
        if wake is not None:
            wake()


def _call_soon(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    with suppress(RuntimeError):  # the loop was closed: nobody is left who waits
        loop.call_soon_threadsafe(call)


class Stream:
    """One running request.

    Iterate it (`for` or `async for`) for its events; afterwards `outcome` is set and `result()` returns or raises.
    Leaving a loop early, or dropping the stream, cancels the request; `next()` steps without that rule.
    One reader at a time; `cancel` may be called from any thread.
    """

    def __init__(self, inbox: Inbox, cancel: Callable[[], None]) -> None:
        """`cancel` must be callable from a finaliser: any thread, any time, without locks."""
        self._inbox = inbox
        self._cancel = weakref.finalize(self, cancel)
        self._cancel.atexit = False

    @property
    def outcome(self) -> Outcome | None:
        """How the request ended; None until every event has been taken."""
        return self._inbox.outcome

    def cancel(self) -> None:
        """Ask for the end. The text so far stays; the outcome then says CANCELLED. Repeating it does nothing."""
        self._cancel()

    def result(self) -> Finished:
        """The outcome of an exhausted stream. Raises: the typed error when the request was refused or broke."""
        outcome = self.outcome
        if outcome is None:
            raise RuntimeError("The stream has not ended; take its events first.")
        if isinstance(outcome, Failed):
            raise to_error(outcome)
        return outcome

    def __next__(self) -> StreamEvent:
        event = self._inbox.take()
        if event is None:
            self._cancel.detach()
            raise StopIteration
        return event

    async def __anext__(self) -> StreamEvent:
        event = await self._inbox.take_async()
        if event is None:
            self._cancel.detach()
            raise StopAsyncIteration
        return event

    def __iter__(self) -> Iterator[StreamEvent]:
        try:
            while (event := self._inbox.take()) is not None:
                yield event
        finally:
            self._leave()

    async def __aiter__(self) -> AsyncIterator[StreamEvent]:
        try:
            while (event := await self._inbox.take_async()) is not None:
                yield event
        finally:
            self._leave()

    def _leave(self) -> None:
        if self.outcome is None:
            self.cancel()
        else:
            self._cancel.detach()

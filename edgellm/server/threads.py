"""Work in a thread, for a request that holds a turn meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def to_the_end(work: Callable[[], T]) -> T:
    """What `work` finds in a thread; a task that is cancelled ends when the thread has ended.

    A thread cannot be interrupted. If its request gave its turn back before, clients that go away would have any number
    of them at work, until none is left to look at a key.
    """
    running = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        if not running.cancelled():
            running.exception()  # nobody is left who would want to know
        raise

"""Work in a thread, for a request that holds a turn meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from edgellm.errors import EdgeLLMError

T = TypeVar("T")


async def to_the_end(work: Callable[[], T], let_go: Callable[[T], object] | None = None) -> T:
    """What `work` finds in a thread; a task that is cancelled ends when the thread has ended.

    A thread cannot be interrupted. If its request gave its turn back before, clients that go away would have any number
    of them at work, until none is left to look at a key.

    Args:
        let_go: ends what `work` found, in a thread, when nobody takes it any more. An answer that is only dropped runs
            on until Python's collector happens to come by.
    """
    running = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        if not running.cancelled() and running.exception() is None and let_go is not None:
            with suppress(EdgeLLMError):  # nobody is left who would want to know
                await asyncio.to_thread(let_go, running.result())
        raise

"""A blocking iterator made awaitable: its items are taken by a thread of their own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


async def awaited(open_items: Callable[[], Iterator[T]]) -> AsyncGenerator[T, None]:
    """The items as they come. Raises: what the iterator raises.

    The thread ends with the iterator, or at the first item that nobody waits for any more; a program's end does not
    wait for it.
    """
    loop = asyncio.get_running_loop()
    came: asyncio.Queue[T | Exception | None] = asyncio.Queue()
    is_left = threading.Event()

    def hand_over(item: T | Exception | None) -> None:
        with suppress(RuntimeError):  # the loop was closed meanwhile
            loop.call_soon_threadsafe(came.put_nowait, item)

    def take() -> None:
        try:
            for item in open_items():
                if is_left.is_set():
                    return
                hand_over(item)
            hand_over(None)
        except Exception as error:  # raised again where the items are awaited
            hand_over(error)

    threading.Thread(target=take, name="follow", daemon=True).start()
    try:
        while (item := await came.get()) is not None:
            if isinstance(item, Exception):
                raise item
            yield item
    finally:
        is_left.set()

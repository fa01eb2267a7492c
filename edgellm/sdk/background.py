"""Blocking methods made awaitable, one thread call each; what nobody waits for any more is ended."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import wraps
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from edgellm.errors import EdgeLLMError

Blocking = TypeVar("Blocking")
P = ParamSpec("P")
R = TypeVar("R")


class Awaitables(Generic[Blocking]):
    """Base of the asynchronous twins."""

    def __init__(self, blocking: Blocking) -> None:
        self.blocking = blocking
        """The synchronous object underneath, called in threads."""


def awaitable(
    method: Callable[Concatenate[Blocking, P], R],
) -> Callable[Concatenate[Awaitables[Blocking], P], Coroutine[Any, Any, R]]:
    """The asynchronous twin of a blocking method: same name, arguments, result and errors."""

    @wraps(method)
    async def call(self: Awaitables[Blocking], /, *args: P.args, **kwargs: P.kwargs) -> R:
        return await asyncio.to_thread(method, self.blocking, *args, **kwargs)

    return call


async def begun(begin: Callable[[], R], let_go: Callable[[R], object]) -> R:
    """Something that runs once a thread has begun it; a task that is cancelled first leaves at once.

    Args:
        let_go: ends it, in a thread, when nobody takes it any more. An answer that is only dropped runs on until
            Python's collector happens to come by.
    """
    lock, is_left, found = threading.Lock(), False, list[R]()

    def work() -> R:
        result = begin()
        with lock:
            found.append(result)
            is_late = is_left
        if is_late:
            _end(result, let_go)
        return result

    try:
        return await asyncio.to_thread(work)
    except asyncio.CancelledError:
        with lock:
            is_left = True
            nobodys = list(found)
        for result in nobodys:
            await asyncio.shield(asyncio.to_thread(_end, result, let_go))
        raise


def _end(result: R, let_go: Callable[[R], object]) -> None:
    with suppress(EdgeLLMError):  # nobody is left who would want to know
        let_go(result)

"""Blocking methods made awaitable, one thread call each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

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

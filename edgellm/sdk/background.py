"""Blocking methods made awaitable, one thread call each."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Concatenate, Generic, ParamSpec, TypeVar

Blocking = TypeVar("Blocking")
P = ParamSpec("P")
R = TypeVar("R")


class Awaitables(Generic[Blocking]):
    """Base of the asynchronous twins: holds the blocking object they call in threads."""

    def __init__(self, blocking: Blocking) -> None:
        self._blocking = blocking


def awaitable(
    method: Callable[Concatenate[Blocking, P], R],
) -> Callable[Concatenate[Awaitables[Blocking], P], Awaitable[R]]:
    """The asynchronous twin of a blocking method: same name, arguments, result and errors."""

    @wraps(method)
    async def call(self: Awaitables[Blocking], /, *args: P.args, **kwargs: P.kwargs) -> R:
        return await asyncio.to_thread(method, self._blocking, *args, **kwargs)

    return call

"""In and out: the caller's budget first, then its turn in the line."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from edgellm.errors import BudgetExceeded, QueueFull
from edgellm.server.caller import Caller
from edgellm.server.service import Service


@asynccontextmanager
async def admitted(service: Service, caller: Caller, left_s: float) -> AsyncIterator[None]:
    """Hold one of the caller's requests and one of the server's turns for the block.

    Raises: ServerStopping, BudgetExceeded (also where the caller's own half of the line is full), QueueFull,
    DeadlineExceeded after `left_s` seconds in the line.
    """
    service.drain.check_new()
    with service.budget.admit(caller.tenant):
        entered = False
        try:
            async with service.line.turn(caller.tenant, left_s):
                entered = True
                yield
        except QueueFull as error:
            if entered or error.facts["limit"] == service.options.waiting:
                raise
            wait_s = error.facts.get("retry_after_s")
            message = f"{error.facts['limit']} requests of this key wait already."
            raise BudgetExceeded(message, hint=error.hint, limit="waiting", retry_after_s=wait_s) from error

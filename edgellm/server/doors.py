"""How many forms with files are read at the same time."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from edgellm.errors import BudgetExceeded, QueueFull

MOST_AT_ONCE, MOST_OF_ONE = 8, 2
"""In all, and of one key."""


class Doors:
    """Counts the forms that are being read. Belongs to one event loop."""

    def __init__(self) -> None:
        self._open: Counter[str] = Counter()

    @asynccontextmanager
    async def passing(self, tenant: str) -> AsyncIterator[None]:
        """Hold one place for the block. Raises: QueueFull; BudgetExceeded where the key's own are in use."""
        if self._open.total() >= MOST_AT_ONCE:
            message = f"{MOST_AT_ONCE} uploads are being read already."
            raise QueueFull(message, hint="Try again in a moment.", limit=MOST_AT_ONCE)
        if self._open[tenant] >= MOST_OF_ONE:
            message = f"{MOST_OF_ONE} uploads of this key are being read already."
            raise BudgetExceeded(message, hint="Send one after the other.", limit="uploads", retry_after_s=1)
        self._open[tenant] += 1
        try:
            yield
        finally:
            self._open[tenant] -= 1
            self._open += Counter()  # without those that have none

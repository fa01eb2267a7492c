"""Reports that a test gives, and how long they take."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Literal

from edgellm.errors import EdgeLLMError
from edgellm.monitor.values import Monitored
from tests.unit.monitor.samples import monitored


class FakeMonitor:
    """Makes the same report whatever is asked, and remembers what was."""

    def __init__(self) -> None:
        self.found: Monitored = monitored()
        self.asked: list[tuple[float, str | None]] = []
        self.may_end = asyncio.Event()
        self.may_end.set()
        self.refusal: EdgeLLMError | None = None

    async def report(
        self,
        days: float = 30,
        tenant: str | None = None,
        *,
        on_progress: Callable[[str, int, int], None] = lambda _doing, _done, _total: None,
    ) -> Monitored:
        self.asked.append((days, tenant))
        on_progress("Comparing questions", 120, 328)
        await self.may_end.wait()
        on_progress("Finding topics", 0, 0)
        if self.refusal is not None:
            raise self.refusal
        return self.found

    async def page(self, found: Monitored, form: Literal["html", "markdown"] = "html") -> str:
        return f"{form} of {found.looked.questions}"

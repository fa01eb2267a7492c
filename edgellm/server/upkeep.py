"""What a server does beside its requests: it deletes answers that are too old, and looks at the machine's power."""

from __future__ import annotations

import asyncio

from edgellm.errors import EdgeLLMError
from edgellm.server.service import Service
from edgellm.server.uploads import remove_leftovers

PRUNE_EVERY_S = 3600.0
POWER_EVERY_S = 2.0


async def upkeep(service: Service) -> None:
    """Go on until cancelled. What cannot be done is in the server's log, and is tried again."""
    await asyncio.gather(_prune(service), _watch_power(service))


async def _prune(service: Service) -> None:
    while True:
        try:
            await asyncio.to_thread(service.edge.answers.prune, service.edge.settings.feedback_days)
            await asyncio.to_thread(remove_leftovers, service.edge.home)
        except EdgeLLMError as error:
            service.log.error("answers", error)
        await asyncio.sleep(PRUNE_EVERY_S)


async def _watch_power(service: Service) -> None:
    while True:
        await asyncio.sleep(POWER_EVERY_S)
        if service.meter.is_running:
            await asyncio.to_thread(service.meter.sample)

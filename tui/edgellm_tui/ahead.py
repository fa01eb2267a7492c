"""The model of the next question, opened while the question is being typed."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from edgellm.errors import EdgeLLMError
from edgellm.hub.names import split_adapter
from edgellm_tui.ports import Edge


class Ahead:
    """Opens a model before it is asked; what was opened for nothing is closed again.

    Errors are not told here: the question that needs the model meets them again, and tells them.
    """

    def __init__(self, edge: Edge) -> None:
        self._edge = edge
        self._turn = asyncio.Lock()
        self.wanted: str | None = None
        """What was asked for since the last question."""
        self._unused: str | None = None
        """What was opened here and nothing was asked of yet; without its adapter."""

    async def open(self, model: str) -> None:
        """Open a model, also one whose process died; asked for again before `used`, nothing happens.

        A question that comes meanwhile does not wait for this, and sees how far the model is: that is why it is not
        `models.load`, which keeps what it opens to itself until it is open.
        """
        if model == self.wanted:
            return
        self.wanted = model
        base, _adapter = split_adapter(model)
        with suppress(EdgeLLMError):
            await self._close_other(base)  # at once: one that is still being opened lets go of the turn
            async with self._turn:
                await self._close_other(base)
                if self.wanted == model:
                    if base not in await self._edge.models.loaded():
                        self._unused = base
                    await self._edge.tokenize("", model=model)

    def used(self, model: str) -> None:
        """A question goes to this model."""
        self.wanted = None
        if self._unused == split_adapter(model)[0]:
            self._unused = None

    async def _close_other(self, base: str) -> None:
        if self._unused not in (None, base):
            await self._edge.models.unload(self._unused)

"""EdgeLLM behind a door that opens after the first paint: the SDK takes longer to import than a screen to draw."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, cast

from edgellm_tui.ports import Edge, Jobs, Models, ReplyStream, Sessions, Token

if TYPE_CHECKING:
    from edgellm.engine.metrics import EngineMetrics


class LateEdge:
    """Imports and builds `AsyncEdgeLLM` when something is first asked of it, once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._was_opened = False

    @cached_property
    def _edge(self) -> Edge:
        with self._lock:
            from edgellm.sdk.aio import AsyncEdgeLLM

            self._was_opened = True
            return cast(Edge, AsyncEdgeLLM())

    async def warm_up(self) -> None:
        """Import the SDK in a thread."""
        await asyncio.to_thread(lambda: self._edge)

    @property
    def sessions(self) -> Sessions:
        """Stored conversations."""
        return self._edge.sessions

    @property
    def models(self) -> Models:
        """Models."""
        return self._edge.models

    @property
    def jobs(self) -> Jobs:
        """Long work."""
        return self._edge.jobs

    async def chat(self, prompt: str | None, *, stream: Literal[True], **options: Any) -> ReplyStream:
        """Answer a prompt."""
        await self.warm_up()
        return await self._edge.chat(prompt, stream=stream, **options)

    async def tokenize(self, text: str, *, model: str | None = None) -> Sequence[Token]:
        """The tokens of a text."""
        await self.warm_up()
        return await self._edge.tokenize(text, model=model)

    async def stats(self, model: str | None = None) -> EngineMetrics | None:
        """Counters of a loaded model; nothing is loaded before the SDK is."""
        return await self._edge.stats(model) if self._was_opened else None

    async def memory_bytes(self, model: str | None = None) -> int:
        """Memory of a model's worker; 0 when it is not loaded."""
        return await self._edge.memory_bytes(model) if self._was_opened else 0

    async def close(self) -> None:
        """Close what was opened."""
        if self._was_opened:
            await self._edge.close()

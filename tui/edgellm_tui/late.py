"""EdgeLLM behind a door that opens after the first paint: the SDK takes longer to import than a screen to draw."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, cast

from edgellm.errors import EdgeLLMError
from edgellm_tui.ports import Adapters, Edge, Jobs, Models, ReplyStream, Sessions, Token

if TYPE_CHECKING:
    from edgellm.engine.metrics import EngineMetrics
    from edgellm.types import Message


def _open_sdk() -> Edge:
    from edgellm.sdk.aio import AsyncEdgeLLM  # deferred: this is the import that takes long

    return cast(Edge, AsyncEdgeLLM())


class LateEdge:
    """Opens EdgeLLM in a thread when something is first asked of it, once."""

    def __init__(self, open_edge: Callable[[], Edge] = _open_sdk) -> None:
        self._open_edge = open_edge
        self._opening: asyncio.Task[Edge] | None = None
        self.sessions = cast(Sessions, _LatePart(self.opened, "sessions"))
        self.models = cast(Models, _LatePart(self.opened, "models"))
        self.adapters = cast(Adapters, _LatePart(self.opened, "adapters"))
        self.jobs = cast(Jobs, _LatePart(self.opened, "jobs"))

    async def opened(self) -> Edge:
        """EdgeLLM itself; what could not be opened is tried again the next time. Raises: what opening it raises."""
        if self._opening is None:
            self._opening = asyncio.create_task(asyncio.to_thread(self._open_edge))
        opening = self._opening
        try:
            return await asyncio.shield(opening)
        except EdgeLLMError:
            if self._opening is opening:
                self._opening = None
            raise

    async def chat(
        self, prompt: str | Sequence[Message] | None, *, stream: Literal[True], **options: Any
    ) -> ReplyStream:
        """Answer a prompt."""
        return await (await self.opened()).chat(prompt, stream=stream, **options)

    async def tokenize(self, text: str, *, model: str | None = None) -> Sequence[Token]:
        """The tokens of a text."""
        return await (await self.opened()).tokenize(text, model=model)

    async def stats(self, model: str | None = None) -> EngineMetrics | None:
        """Counters of a loaded model."""
        return await (await self.opened()).stats(model)

    async def memory_bytes(self, model: str | None = None) -> int:
        """Memory of a loaded model's worker."""
        return await (await self.opened()).memory_bytes(model)

    async def close(self) -> None:
        """Close what was opened."""
        if self._opening is None:
            return
        try:
            edge = await self._opening
        except EdgeLLMError:
            return  # told to whoever asked for it; there is nothing to close
        await edge.close()


class _LatePart:
    """One part of EdgeLLM; its methods wait for the door."""

    def __init__(self, opened: Callable[[], Awaitable[Edge]], name: str) -> None:
        self._opened = opened
        self._name = name

    def __getattr__(self, method: str) -> Callable[..., Awaitable[Any]]:
        async def call(*arguments: Any, **options: Any) -> Any:
            part = getattr(await self._opened(), self._name)
            return await getattr(part, method)(*arguments, **options)

        return call

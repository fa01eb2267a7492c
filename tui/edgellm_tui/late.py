"""EdgeLLM behind a door that opens after the first paint: the SDK takes longer to import than a screen to draw."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Literal, cast

from edgellm.errors import EdgeLLMError
from edgellm_tui.errors import disk_errors_told
from edgellm_tui.eval_ports import Evals
from edgellm_tui.following import awaited
from edgellm_tui.ports import (
    Adapters,
    Aliases,
    Audit,
    Collections,
    Datasets,
    Documents,
    Drafts,
    Edge,
    Exports,
    Improve,
    Jobs,
    Keys,
    Models,
    Monitor,
    Promotion,
    ReplyStream,
    Reviews,
    Servers,
    Sessions,
    Token,
    Training,
    Use,
)

if TYPE_CHECKING:
    from edgellm.engine.metrics import EngineMetrics
    from edgellm.events import JobEvent
    from edgellm.sdk.aio import AsyncJobs
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
        self.datasets = cast(Datasets, _LatePart(self.opened, "datasets"))
        self.drafts = cast(Drafts, _LatePart(self.opened, "drafts"))
        self.jobs = cast(Jobs, _LateJobs(self.opened, "jobs"))
        self.training = cast(Training, _LatePart(self.opened, "training"))
        self.exports = cast(Exports, _LatePart(self.opened, "exports"))
        self.collections = cast(Collections, _LatePart(self.opened, "collections"))
        self.aliases = cast(Aliases, _LatePart(self.opened, "aliases"))
        self.promotion = cast(Promotion, _LatePart(self.opened, "promotion"))
        self.improve = cast(Improve, _LatePart(self.opened, "improve"))
        self.server = cast(Servers, _LatePart(self.opened, "server"))
        self.keys = cast(Keys, _LatePart(self.opened, "keys"))
        self.audit = cast(Audit, _LatePart(self.opened, "audit"))
        self.usage = cast(Use, _LatePart(self.opened, "usage"))
        self.evals = cast(Evals, _LatePart(self.opened, "evals"))
        self.monitor = cast(Monitor, _LatePart(self.opened, "monitor"))
        self.reviews = cast(Reviews, _LatePart(self.opened, "reviews"))

    async def opened(self) -> Edge:
        """EdgeLLM itself; what could not be opened is tried again the next time. Raises: what opening it raises."""
        if self._opening is None:
            self._opening = asyncio.create_task(asyncio.to_thread(self._open_edge))
        opening = self._opening
        try:
            with disk_errors_told():
                return await asyncio.shield(opening)
        except EdgeLLMError:
            if self._opening is opening:
                self._opening = None
            raise

    def documents(self, name: str) -> Documents:
        """One collection of documents."""
        return cast(Documents, _LateDocuments(self.opened, name))

    async def chat(
        self, prompt: str | Sequence[Message] | None, *, stream: Literal[True], **options: Any
    ) -> ReplyStream:
        """Answer a prompt."""
        edge = await self.opened()
        with disk_errors_told():
            return await edge.chat(prompt, stream=stream, **options)

    async def tokenize(self, text: str, *, model: str | None = None) -> Sequence[Token]:
        """The tokens of a text."""
        edge = await self.opened()
        with disk_errors_told():
            return await edge.tokenize(text, model=model)

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
        except (EdgeLLMError, OSError):
            return  # told to whoever asked for it; there is nothing to close
        await edge.close()


class _LatePart:
    """One part of EdgeLLM; its methods wait for the door."""

    def __init__(self, opened: Callable[[], Awaitable[Edge]], name: str) -> None:
        self._opened = opened
        self._name = name

    def __getattr__(self, method: str) -> Callable[..., Awaitable[Any]]:
        async def call(*arguments: Any, **options: Any) -> Any:
            part = self._part_of(await self._opened())
            with disk_errors_told():
                return await getattr(part, method)(*arguments, **options)

        return call

    def _part_of(self, edge: Edge) -> object:
        return getattr(edge, self._name)


class _LateDocuments(_LatePart):
    """A collection of documents by its name."""

    def _part_of(self, edge: Edge) -> object:
        return edge.documents(self._name)


class _LateJobs(_LatePart):
    """Jobs, whose events are awaited although EdgeLLM's own way to follow them blocks."""

    async def follow(self, job_id: str) -> AsyncGenerator[JobEvent, None]:
        """All events of the current attempt, past and coming, up to a final one."""
        jobs = cast("AsyncJobs", (await self._opened()).jobs).blocking
        async with aclosing(awaited(lambda: jobs.follow(job_id))) as events:
            async for event in events:
                yield event

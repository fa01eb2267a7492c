"""An answer while it is being written, for `for` and `async for` alike."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from types import TracebackType
from typing import Protocol, Self

from edgellm.engine.stream import Stream
from edgellm.errors import EdgeLLMError
from edgellm.sdk.answer import Answer
from edgellm.types import Reply, StreamEvent


class Recording(Protocol):
    """Where an answer is kept while it is written, and what becomes of it: `Record`."""

    @property
    def is_due(self) -> bool:
        """Whether it is time to keep what there is so far."""

    def grow(self, answer: Answer) -> None:
        """Keep what there is so far."""

    def end(self, answer: Answer, error: EdgeLLMError | None) -> Reply:
        """Keep the whole, and make the reply."""


class ReplyStream:
    """Yields `StreamEvent`s; `reply` is there after the last one.

    The request runs from construction on. `cancel` keeps the partial answer; leaving the `with` or `async with` block
    early does the same, and a stream that is dropped without either is cancelled, its last second unrecorded. An error
    of the engine is raised from the iteration, after the partial answer was recorded.
    """

    def __init__(self, source: Stream, model: str, record: Recording, failed: Callable[[EdgeLLMError], None]) -> None:
        """`failed` hears of an error of the engine before the caller does."""
        self._source = source
        self._record = record
        self._failed = failed
        self._answer = Answer(model)
        self._reply: Reply | None = None
        self._is_over = False

    @property
    def reply(self) -> Reply:
        """The complete answer. Raises: RuntimeError before the end."""
        if self._reply is None:
            raise RuntimeError("The answer is not complete: iterate the stream to its end, or call finish().")
        return self._reply

    def cancel(self) -> None:
        """Stop writing; iteration ends soon with what there is. Any thread, any number of times."""
        self._source.cancel()

    def finish(self) -> Reply:
        """Read to the end and return the reply."""
        for _ in self:
            continue
        return self.reply

    def close(self) -> None:
        """Cancel, and record what was written so far."""
        if not self._is_over:
            self.cancel()
            self.finish()

    def __iter__(self) -> Iterator[StreamEvent]:
        return self

    def __next__(self) -> StreamEvent:
        if self._is_over:
            raise StopIteration
        try:
            event = next(self._source)
        except StopIteration:
            self._end()
            raise
        self._answer.add(event)
        if self._record.is_due:
            self._record.grow(self._answer)
        return event

    def __aiter__(self) -> AsyncIterator[StreamEvent]:
        return self

    async def __anext__(self) -> StreamEvent:
        if self._is_over:
            raise StopAsyncIteration
        import asyncio  # only where an event loop runs: a command without one starts 40 ms earlier

        try:
            event = await self._source.__anext__()
        except StopAsyncIteration:
            await asyncio.to_thread(self._end)  # the store syncs to disk: never on the event loop
            raise
        self._answer.add(event)
        if self._record.is_due:
            await asyncio.to_thread(self._record.grow, self._answer)
        return event

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        import asyncio  # as above

        await asyncio.shield(asyncio.to_thread(self.close))  # recorded also when the task is cancelled meanwhile

    def _end(self) -> None:
        self._is_over = True
        try:
            self._answer.end(self._source.result())
        except EdgeLLMError as error:
            self._failed(error)
            self._record.end(self._answer, error)
            raise
        self._reply = self._record.end(self._answer, None)


def whole(stream: ReplyStream) -> Reply:
    """The reply of a stream nobody watches; an interrupt cancels the request and records what there is."""
    with stream:
        return stream.finish()


async def whole_async(stream: ReplyStream) -> Reply:
    """As `whole`; cancelling the task cancels the request."""
    async with stream:
        async for _ in stream:
            continue
        return stream.reply

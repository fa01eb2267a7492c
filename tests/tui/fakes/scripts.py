"""Answers written beforehand, and the stream that plays one."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from edgellm.errors import EdgeLLMError
from edgellm.types import Delta, Evidence, FinishReason, Reply, StreamEvent


@dataclass
class Script:
    """What the next answer does."""

    events: Sequence[StreamEvent] = ()
    pause_s: float = 0.0
    error: EdgeLLMError | None = None
    """Raised after the events."""
    finish: FinishReason = FinishReason.STOP
    gate: asyncio.Event | None = None
    """The stream stops after its first event until this is set."""
    evidence: Evidence | None = None
    """What the answer rests on, when it is asked of documents."""
    checked: str = ""
    """The answer as it is stored then, with the citations that hold; empty: as it was written."""

    def release(self) -> None:
        """Let a held answer go on."""
        assert self.gate is not None
        self.gate.set()


def saying(text: str, *, pieces: int = 8, pause_s: float = 0.0, reasoning: str = "") -> Script:
    """An answer in `pieces` of equal length."""
    size = max(1, math.ceil(len(text) / pieces))
    events: list[StreamEvent] = [Delta(reasoning=reasoning)] if reasoning else []
    events += [Delta(text=text[i : i + size]) for i in range(0, len(text), size)]
    return Script(events, pause_s)


def held(text: str, *, pieces: int = 8) -> Script:
    """An answer that stops after its first piece until its gate is opened."""
    return replace(saying(text, pieces=pieces), gate=asyncio.Event())


class FakeStream:
    """Plays a script."""

    def __init__(self, script: Script, conclude: Callable[[str, str, FinishReason], Reply]) -> None:
        self._script = script
        self._conclude = conclude
        self._cancelled = asyncio.Event()
        self._reply: Reply | None = None

    def __aiter__(self) -> AsyncIterator[StreamEvent]:
        return self._play()

    async def _play(self) -> AsyncIterator[StreamEvent]:
        text = reasoning = ""
        reason = self._script.finish
        for number, event in enumerate(self._script.events):
            await self._wait(number)
            if self._cancelled.is_set():
                reason = FinishReason.CANCELLED
                break
            if isinstance(event, Delta):
                text += event.text
                reasoning += event.reasoning
            yield event
        reply = self._conclude(text, reasoning, reason)
        if self._script.error is not None and not self._cancelled.is_set():
            raise self._script.error
        self._reply = reply

    async def _wait(self, number: int) -> None:
        if self._script.gate is not None and number == 1:
            waits = [asyncio.create_task(e.wait()) for e in (self._cancelled, self._script.gate)]
            _, pending = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for task in pending:
                task.cancel()
        elif self._script.pause_s:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._cancelled.wait(), self._script.pause_s)

    def cancel(self) -> None:
        self._cancelled.set()

    @property
    def reply(self) -> Reply:
        if self._reply is None:
            raise RuntimeError("not complete")
        return self._reply

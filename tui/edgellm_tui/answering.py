"""One answer: what was asked, and the stream that is written into a turn until it ends or the user stops it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from edgellm.errors import EdgeLLMError
from edgellm.types import Delta, Loading, Notice, Prefill, StreamEvent
from edgellm_tui.errors import report
from edgellm_tui.ports import ReplyStream
from edgellm_tui.turns import Phase, Turn

PREFILL_WORTH_SHOWING = 256
"""Prompt tokens from which on reading the prompt is shown as progress."""
PAUSE_S = 0.06
"""After an event that had to be waited for, so that the next ones are taken together: waking up for every token takes
time from the model."""
WAITED_S = 0.002
"""An event that comes later than this after the one before was waited for; what has gathered comes at once."""
ROOT = ""
"""Parent of a conversation's first message, where a branch may begin."""


@dataclass(slots=True, eq=False)
class Ask:
    """A question to be answered, or answered again."""

    turns: list[Turn]
    """The conversation it belongs to."""
    question: Turn
    is_again: bool = False
    """Whether the question is stored already."""
    instead_of: Turn | None = None
    """The question that this one stands beside, as a branch."""

    @property
    def parent(self) -> str | None:
        """The message the prompt follows, or the stored question itself; None continues where the session is."""
        if self.is_again:
            return self.question.message_id
        if self.instead_of is None or self.instead_of.message_id is None:
            return None
        return self.instead_of.parent_id or ROOT


class Answering:
    """Follows one stream; `grown` is called after every piece."""

    def __init__(self, turn: Turn, grown: Callable[[], None]) -> None:
        self.turn = turn
        self._grown = grown
        self._stream: ReplyStream | None = None
        self._is_stopped = False

    def stop(self) -> bool:
        """End soon and keep what there is, also before the stream has begun. Returns whether this was news."""
        if self._is_stopped or not self.turn.is_open:
            return False
        self._is_stopped = True
        if self._stream is not None:
            self._stream.cancel()
        return True

    async def follow(self, opening: Awaitable[ReplyStream]) -> None:
        """Write the answer to its end; an error ends it too, and stands in the turn."""
        try:
            self._stream = stream = await opening
            if self._is_stopped:
                stream.cancel()
            await self._write(stream)
            reply = stream.reply
            self.turn.finish_reason = reply.finish_reason
            self.turn.usage, self.turn.timings = reply.usage, reply.timings
            if reply.evidence is not None:
                self.turn.ground(reply.text, reply.evidence)
        except EdgeLLMError as error:
            self.turn.error = report(error)
        finally:
            self.turn.finish()

    async def _write(self, stream: ReplyStream) -> None:
        noted_at = time.monotonic()
        async for event in stream:
            self._note(event)
            self._grown()
            if time.monotonic() - noted_at > WAITED_S:
                await asyncio.sleep(PAUSE_S)
            noted_at = time.monotonic()

    def _note(self, event: StreamEvent) -> None:
        if isinstance(event, Delta):
            self.turn.grow(event.text, event.reasoning)
        elif isinstance(event, Loading):
            phase = Phase.LOADING if event.fraction < 1 else Phase.WAITING
            self.turn.advance(phase, event.fraction, f"Loading {event.model}")
        elif isinstance(event, Prefill):
            if event.total_tokens >= PREFILL_WORTH_SHOWING:
                note = f"Reading {event.total_tokens:,} tokens"
                self.turn.advance(Phase.READING, event.done_tokens / event.total_tokens, note)
        elif isinstance(event, Notice):
            self.turn.notice(event.text)

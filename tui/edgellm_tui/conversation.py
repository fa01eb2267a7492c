"""The conversation on screen: turns, branches, the answer on its way and what waits behind it."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgellm.errors import EdgeLLMError
from edgellm.safetext import clean_line
from edgellm.types import Delta, Loading, Notice, Prefill, Reply, Sampling, StreamEvent
from edgellm_tui.errors import report
from edgellm_tui.ports import Edge, ReplyStream
from edgellm_tui.turns import Phase, Turn, asked, awaited, turn_of

ROOT = ""
"""Parent of a conversation's first message, where a branch may begin."""
PREFILL_WORTH_SHOWING = 256
"""Prompt tokens from which on reading the prompt is shown as progress."""
PAUSE_S = 0.06
"""After an event that had to be waited for, so that the next ones are taken together: waking up for every token takes
time from the model."""
WAITED_S = 0.002
"""An event that comes later than this after the one before was waited for; what has gathered comes at once."""

if TYPE_CHECKING:
    from edgellm.store.records import Rating, Session, StoredMessage


@dataclass(slots=True)
class Ask:
    """Something to answer: a new prompt, or the same prompt again."""

    question: Turn | None
    answer: Turn
    instead_of: str | None = None
    """Id of the user's message that the new prompt stands beside."""
    again: str | None = None
    """Id of the stored question to be answered anew."""
    session_id: str | None = None
    is_stopped: bool = False


class Conversation:
    """Talks to EdgeLLM for one chat screen.

    `changed(True)` means that turns came or went, `changed(False)` that one grew.
    """

    def __init__(
        self, edge: Edge, model: str, changed: Callable[[bool], None], failed: Callable[[EdgeLLMError], None]
    ) -> None:
        self._edge = edge
        self._default_model = model
        self._changed = changed
        self._failed = failed
        self._stream: ReplyStream | None = None
        self._waiting: deque[Ask] = deque()
        self._current: Ask | None = None
        self.session: Session | None = None
        self.turns: list[Turn] = []
        self.model = model
        self.system: str | None = None
        self.sampling: Sampling | None = None

    # What is on screen

    @property
    def is_answering(self) -> bool:
        """Whether an answer is on its way."""
        return self._current is not None

    @property
    def waiting(self) -> int:
        """Prompts that wait for their turn."""
        return len(self._waiting)

    @property
    def title(self) -> str:
        """The session's title, clean; empty for a new conversation."""
        return clean_line(self.session.title) if self.session else ""

    def last(self, role: str) -> Turn | None:
        """The newest turn of a role."""
        return next((turn for turn in reversed(self.turns) if turn.role == role), None)

    def new(self) -> None:
        """Leave the session and begin an empty conversation with the same model and system prompt."""
        self.stop()
        self._waiting.clear()
        self.session = None
        self.turns = []
        self._changed(True)

    async def open(self, session_id: str, message_id: str | None = None) -> None:
        """Show a stored session, on the branch that holds `message_id`."""
        self.stop()
        self._waiting.clear()
        sessions = self._edge.sessions
        session = await sessions.get(session_id)
        if message_id:
            await sessions.switch(session_id, message_id)
        self.session = session
        self.model = session.model or self._default_model
        self.system = session.system
        await self._load(await sessions.messages(session_id))

    async def _load(self, messages: Sequence[StoredMessage]) -> None:
        """Show the messages at once; find out about their branches after that, newest first."""
        shown = [message for message in messages if message.role in ("user", "assistant")]
        self.turns = turns = [turn_of(message) for message in shown]
        self._changed(True)
        for turn, message in reversed(list(zip(turns, shown, strict=True))):
            if self.turns is not turns:
                return
            turn.branch = await self._branch(message)
            if turn.branch[1] > 1:
                turn.touch()
                self._changed(False)

    async def _branch(self, message: StoredMessage) -> tuple[int, int]:
        siblings = [other.id for other in await self._edge.sessions.siblings(message.id)]
        return siblings.index(message.id) + 1, len(siblings)

    # Asking

    async def ask(self, prompt: str) -> None:
        """Send a prompt; while an answer is on its way it waits for its turn."""
        await self._enter(Ask(asked(prompt), awaited(self.model)))

    async def edit(self, turn: Turn, prompt: str) -> None:
        """Ask something else in place of `turn`: a new branch from its parent."""
        if turn in self.turns:
            self.turns = self.turns[: self.turns.index(turn)]
        await self._enter(Ask(asked(prompt), awaited(self.model), instead_of=turn.message_id))

    async def regenerate(self, turn: Turn) -> None:
        """Write an answer anew, as a branch beside the old one."""
        at = self.turns.index(turn)
        question = self.turns[at - 1].message_id if at else None
        if question is None or self.is_answering:
            return
        self.turns = self.turns[:at]
        await self._enter(Ask(None, awaited(self.model), again=question))

    async def _enter(self, ask: Ask) -> None:
        if ask.question:
            self.turns.append(ask.question)
        if self._current is not None:
            if ask.question:
                ask.question.phase = Phase.QUEUED
            self._waiting.append(ask)
            self._changed(True)
            return
        await self._answer(ask)
        while self._waiting and self._current is None:
            await self._answer(self._waiting.popleft())

    async def _answer(self, ask: Ask) -> None:
        self._current = ask
        if ask.question:
            ask.question.phase = Phase.DONE
            ask.question.touch()
        at = self.turns.index(ask.question) + 1 if ask.question in self.turns else len(self.turns)
        self.turns.insert(at, ask.answer)
        self._changed(True)
        reply = None
        try:
            reply = await self._follow(ask)
        except EdgeLLMError as error:
            ask.answer.error = report(error)
        finally:
            self._stream = None
            self._current = None
            ask.answer.finish()
            self._changed(True)
        await self._settle(ask, reply)

    async def _follow(self, ask: Ask) -> Reply:
        self._stream = stream = await self._open_stream(ask)
        if ask.is_stopped:
            stream.cancel()
        noted_at = time.monotonic()
        async for event in stream:
            self._note(ask.answer, event)
            self._changed(False)
            if time.monotonic() - noted_at > WAITED_S:
                await asyncio.sleep(PAUSE_S)
            noted_at = time.monotonic()
        reply = stream.reply
        ask.answer.finish_reason = reply.finish_reason
        ask.answer.usage, ask.answer.timings = reply.usage, reply.timings
        return reply

    async def _open_stream(self, ask: Ask) -> ReplyStream:
        prompt = ask.question.text.source if ask.question else None
        if self.session is None:
            self.session = await self._edge.sessions.create(model=self.model, system=self.system)
        ask.session_id = self.session.id
        return await self._edge.chat(
            prompt,
            model=self.model,
            system=self.system,
            session=self.session.id,
            parent=ask.again or await self._parent(ask),
            sampling=self.sampling,
            stream=True,
        )

    async def _parent(self, ask: Ask) -> str | None:
        """The message the prompt answers to; None continues where the session is."""
        if ask.instead_of is None or self.session is None:
            return None
        stored = await self._edge.sessions.messages(self.session.id)
        return next((message.parent_id or ROOT for message in stored if message.id == ask.instead_of), None)

    def _note(self, answer: Turn, event: StreamEvent) -> None:
        if isinstance(event, Delta):
            answer.grow(event.text, event.reasoning)
        elif isinstance(event, Loading):
            phase = Phase.LOADING if event.fraction < 1 else Phase.WAITING
            answer.advance(phase, event.fraction, f"Loading {event.model}")
        elif isinstance(event, Prefill):
            if event.total_tokens >= PREFILL_WORTH_SHOWING:
                note = f"Reading {event.total_tokens:,} tokens"
                answer.advance(Phase.READING, event.done_tokens / event.total_tokens, note)
        elif isinstance(event, Notice):
            answer.notice(event.text)

    async def _settle(self, ask: Ask, reply: Reply | None) -> None:
        """Learn the ids and branch numbers of what was just stored."""
        if self.session is None or self.session.id != ask.session_id:
            return
        try:
            self.session = await self._edge.sessions.get(self.session.id)
            stored = {message.id: message for message in await self._edge.sessions.messages(self.session.id)}
            newest = next(reversed(stored.values()), None)
            if newest is not None and newest.role == "assistant":
                answer = stored.get(reply.message_id or "", newest) if reply else newest
                await self._identify(ask.answer, answer)
                newest = stored.get(answer.parent_id or "")
            if ask.question and newest is not None:
                await self._identify(ask.question, newest)
        except EdgeLLMError as error:
            self._failed(error)
        self._changed(True)

    async def _identify(self, turn: Turn, message: StoredMessage) -> None:
        turn.message_id, turn.parent_id = message.id, message.parent_id
        turn.branch = await self._branch(message)
        turn.touch()

    async def branch_to(self, turn: Turn | None) -> Sequence[StoredMessage]:
        """The stored messages up to a turn; none when it is not stored. Raises: EdgeLLMError."""
        if self.session is None or turn is None or turn.message_id is None:
            return ()
        branch = list(await self._edge.sessions.messages(self.session.id))
        ids = [message.id for message in branch]
        return branch[: ids.index(turn.message_id) + 1] if turn.message_id in ids else ()

    def stop(self) -> bool:
        """Stop the answer on its way and keep what it has. Returns whether there was one."""
        if self._current is None:
            return False
        self._current.is_stopped = True
        if self._stream is not None:
            self._stream.cancel()
        return True

    # Judging and branching

    async def rate(self, turn: Turn, rating: Rating) -> None:
        """Rate an answer; the same rating again takes it back."""
        if turn.message_id is None:
            return
        value: Rating = 0 if turn.rating == rating else rating
        await self._edge.sessions.rate(turn.message_id, value)
        turn.rating = value
        turn.touch()
        self._changed(False)

    async def correct(self, turn: Turn, text: str) -> None:
        """Keep what an answer should have been; the original stays in the store."""
        if turn.message_id is None:
            return
        await self._edge.sessions.correct(turn.message_id, text)
        corrected = Turn("assistant")
        corrected.grow(text)
        corrected.finish()
        turn.text, turn.is_corrected = corrected.text, True
        turn.touch()
        self._changed(False)

    async def switch(self, turn: Turn, step: int) -> Turn | None:
        """Show the branch before (-1) or after (1) this one; the turn now in its place."""
        if turn.message_id is None or self.session is None or self.is_answering:
            return None
        siblings = await self._edge.sessions.siblings(turn.message_id)
        ids = [message.id for message in siblings]
        target = ids.index(turn.message_id) + step
        if not 0 <= target < len(ids):
            return None
        await self._load(await self._edge.sessions.switch(self.session.id, ids[target]))
        return next((other for other in self.turns if other.message_id == ids[target]), None)

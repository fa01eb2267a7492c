"""The conversation on screen: turns, branches, the answer on its way and what waits behind it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from edgellm.errors import EdgeLLMError, SessionNotFound
from edgellm.safetext import clean_line
from edgellm.types import Sampling
from edgellm_tui.answering import Answering, Ask
from edgellm_tui.evidence import stored_evidence
from edgellm_tui.ports import Edge, ReplyStream
from edgellm_tui.turns import Phase, Turn, asked, awaited, turn_of

if TYPE_CHECKING:
    from edgellm.store.records import Rating, Session, StoredMessage

LOOK_EVERY_S = 0.01


class Watcher(Protocol):
    """Who shows a conversation."""

    def conversation_changed(self, turns_came_or_went: bool) -> None:
        """Turns came or went, or (False) one of them grew."""

    def answer_ended(self, turn: Turn) -> None:
        """An answer is whole, was stopped, or failed."""

    def refuse(self, error: EdgeLLMError) -> None:
        """Something beside an answer did not work."""


class Conversation:
    """Talks to EdgeLLM for one chat screen."""

    def __init__(self, edge: Edge, model: str, watcher: Watcher) -> None:
        self._edge = edge
        self._default_model = model
        self._watcher = watcher
        self._current: Answering | None = None
        self._waiting: deque[Ask] = deque()
        self._known: set[str] = set()
        """Ids of the stored messages that turns stand for."""
        self.session: Session | None = None
        self.turns: list[Turn] = []
        """Another list means another conversation, or another branch of it."""
        self.model = model
        self.system: str | None = None
        self.sampling: Sampling | None = None
        self.documents = ""
        """Name of the collection that answers come from; empty: none."""

    # What is on screen

    @property
    def is_answering(self) -> bool:
        """Whether an answer is on its way, or being stored."""
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
        self._leave()
        self.session = None
        self.documents = ""
        self._show([])

    def _leave(self) -> None:
        self.stop()
        self._waiting.clear()

    async def open(self, session_id: str, message_id: str | None = None) -> None:
        """Show a stored session, on the branch that holds `message_id`; one that is being answered stays as it is."""
        is_shown = self.session is not None and self.session.id == session_id
        if self.is_answering and is_shown and (message_id is None or message_id in self._known):
            return
        sessions = self._edge.sessions
        session = await sessions.get(session_id)
        if message_id:
            messages = await sessions.switch(session_id, message_id)
        else:
            messages = await sessions.messages(session_id)
        self._leave()
        self.session = session
        self.model = session.model or self._default_model
        self.system = session.system
        self.documents = _collection_of(messages)
        await self._load(session_id, messages)

    async def renew(self, session_id: str) -> None:
        """Take over what was changed elsewhere about the session on screen; one that was deleted is left."""
        if self.session is None or self.session.id != session_id:
            return
        turns = self.turns
        try:
            session = await self._edge.sessions.get(session_id)
        except SessionNotFound:
            self.new()
            return
        if self.turns is turns:
            self.session = session
            self._watcher.conversation_changed(True)

    def _show(self, turns: list[Turn]) -> None:
        self.turns = turns
        self._known = {turn.message_id for turn in turns if turn.message_id}
        self._watcher.conversation_changed(True)

    async def _load(self, session_id: str, messages: Sequence[StoredMessage]) -> None:
        """Show the messages at once; find out about their branches after that."""
        turns = [turn_of(message) for message in messages if message.role in ("user", "assistant")]
        self._show(turns)
        forks = await self._edge.sessions.forks(session_id)
        if self.turns is not turns:
            return
        for turn in turns:
            turn.stand_among(forks)
        self._grown()

    def _grown(self) -> None:
        self._watcher.conversation_changed(False)

    # Asking

    async def ask(self, prompt: str) -> None:
        """Send a prompt; while an answer is on its way it waits for its turn."""
        await self._enter(Ask(self.turns, asked(prompt)))

    async def edit(self, turn: Turn, prompt: str) -> None:
        """Ask something else in place of `turn`: a new branch from its parent. What is on its way to `turn` stops."""
        del self.turns[self.turns.index(turn) :]
        self._waiting = deque(ask for ask in self._waiting if ask.question in self.turns)
        if self._current is not None and self._current.turn not in self.turns:
            self._current.stop()
        await self._enter(Ask(self.turns, asked(prompt), instead_of=turn))

    async def regenerate(self, turn: Turn) -> None:
        """Write an answer anew, as a branch beside the old one."""
        at = self.turns.index(turn) if turn in self.turns else 0
        if self.is_answering or not at or self.turns[at - 1].message_id is None:
            return
        del self.turns[at:]
        await self._enter(Ask(self.turns, self.turns[-1], is_again=True))

    async def _enter(self, ask: Ask) -> None:
        if not ask.is_again:
            self.turns.append(ask.question)
        if self._current is not None:
            ask.question.phase = Phase.QUEUED
            self._waiting.append(ask)
            self._watcher.conversation_changed(True)
            return
        await self._answer(ask)
        while self._waiting:
            await self._answer(self._waiting.popleft())

    async def _answer(self, ask: Ask) -> None:
        answer = awaited(self.model)
        if self.documents:
            answer.advance(Phase.SEARCHING, 0, f"Searching {self.documents}")
        self._current = answering = Answering(answer, self._grown)
        ask.question.phase = Phase.DONE
        ask.question.touch()
        ask.turns.insert(ask.turns.index(ask.question) + 1, answer)
        self._watcher.conversation_changed(True)
        try:
            await answering.follow(self._open_stream(ask))
            self._watcher.conversation_changed(True)
            await self._settle(ask, answer)
        finally:
            self._current = None
        self._watcher.conversation_changed(True)
        if answer in self.turns:
            self._watcher.answer_ended(answer)

    async def _open_stream(self, ask: Ask) -> ReplyStream:
        model, system, sampling, session = self.model, self.system, self.sampling, self.session
        documents = self.documents
        if session is None:
            session = await self._edge.sessions.create(model=model, system=system)
            if self.turns is ask.turns:  # else the user has begun or opened another conversation meanwhile
                self.session = session
        return await self._edge.chat(
            None if ask.is_again else ask.question.text.source,
            model=model,
            system=system,
            session=session.id,
            parent=ask.parent,
            sampling=sampling,
            documents=documents or None,
            stream=True,
        )

    async def _settle(self, ask: Ask, answer: Turn) -> None:
        """Learn the ids and branch numbers of what was just stored, if anything was."""
        if self.session is None or self.turns is not ask.turns:
            return
        sessions, session_id = self._edge.sessions, self.session.id
        try:
            session = await sessions.get(session_id)
            messages = await sessions.messages(session_id)
            forks = await sessions.forks(session_id)
        except EdgeLLMError as error:
            self._watcher.refuse(error)
            return
        if self.turns is not ask.turns:
            return
        self.session = session
        stored = {message.role: message for message in messages if message.id not in self._known}
        for turn in (ask.question, answer):
            if turn.message_id is None and (message := stored.get(turn.role)):
                turn.message_id, turn.parent_id = message.id, message.parent_id
                self._known.add(message.id)
                turn.stand_among(forks)

    def stop(self) -> bool:
        """Stop the answer on its way and keep what it has. Returns whether there was one to stop."""
        return self._current is not None and self._current.stop()

    async def close(self) -> None:
        """Stop the answer on its way and wait until it is stored; questions that wait are not asked."""
        self._leave()
        while self.is_answering:
            await asyncio.sleep(LOOK_EVERY_S)

    # Judging and branching

    async def branch_to(self, turn: Turn | None) -> Sequence[StoredMessage]:
        """The stored messages up to a turn; none when it is not stored. Raises: EdgeLLMError."""
        if self.session is None or turn is None or turn.message_id is None:
            return ()
        branch = list(await self._edge.sessions.messages(self.session.id))
        ids = [message.id for message in branch]
        return branch[: ids.index(turn.message_id) + 1] if turn.message_id in ids else ()

    async def rate(self, turn: Turn, rating: Rating) -> None:
        """Rate an answer; the same rating again takes it back."""
        if turn.message_id is None:
            return
        value: Rating = 0 if turn.rating == rating else rating
        await self._edge.sessions.rate(turn.message_id, value)
        turn.rating = value
        turn.touch()
        self._grown()

    async def correct(self, turn: Turn, text: str) -> None:
        """Keep what an answer should have been; the original stays in the store."""
        if turn.message_id is None:
            return
        await self._edge.sessions.correct(turn.message_id, text)
        turn.correct(text)
        self._grown()

    async def switch(self, turn: Turn, step: int) -> Turn | None:
        """Show the branch before (-1) or after (1) this one; the turn now in its place."""
        if turn.message_id is None or self.session is None or self.is_answering:
            return None
        sessions, session_id = self._edge.sessions, self.session.id
        ids = (await sessions.forks(session_id)).get(turn.message_id, (turn.message_id,))
        target = ids.index(turn.message_id) + step
        if not 0 <= target < len(ids):
            return None
        await self._load(session_id, await sessions.switch(session_id, ids[target]))
        return next((other for other in self.turns if other.message_id == ids[target]), None)


def _collection_of(messages: Sequence[StoredMessage]) -> str:
    """The collection that the newest answer came from; a resumed conversation goes on with it."""
    newest = next((message for message in reversed(messages) if message.role == "assistant"), None)
    evidence = stored_evidence(newest.evidence) if newest else None
    return evidence.collection if evidence else ""

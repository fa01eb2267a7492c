"""One answer as it is kept: every second while it grows, and whole when it has ended."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Unpack

import msgspec

from edgellm.errors import EdgeLLMError, InvalidInput, StoreError
from edgellm.sdk.answer import Answer
from edgellm.sdk.capture import of_refused, of_session
from edgellm.sdk.conversation import Ask
from edgellm.store import BROKEN, REFUSED, MessageDetails, Signal, Store, StoredMessage, UsageRow
from edgellm.types import Choice, Evidence, Reply

EVERY_S = 1.0
"""How much of an answer a process that is killed can lose."""


class Record:
    """Keeps the answer to one request: in its session if it has one, and as counted tokens. Thread-safe."""

    def __init__(self, store: Callable[[], Store], ask: Ask, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._ask = ask
        self._clock = clock
        self._lock = threading.Lock()
        self._message_id: str | None = None
        self._due_at = math.inf if ask.session_id is None else clock() + EVERY_S

    @property
    def is_due(self) -> bool:
        """Whether it is time to keep what there is so far."""
        return self._clock() >= self._due_at

    def grow(self, answer: Answer) -> None:
        """Keep what there is so far, as an answer that broke off: so it stays if nobody lives to end it.

        What the store refuses now it is asked once more at the end, which reports.
        """
        with self._lock:  # a cancelled task ends its answer while a thread still keeps the last second
            if answer.is_empty or not self.is_due:
                return
            try:
                written = answer.choices()[0]
                self._put(answer, written.text, reasoning=written.reasoning, finish_reason=BROKEN)
            except EdgeLLMError:
                self._due_at = math.inf
            else:
                self._due_at = self._clock() + EVERY_S

    def end(self, answer: Answer, error: EdgeLLMError | None) -> Reply:
        """Keep what was written, also when an error cut it off, and make the reply. Raises: StoreError, NotFound."""
        choices, evidence = self._checked(answer)
        reply = Reply(
            choices=choices,
            model=answer.model,
            usage=answer.usage,
            timings=answer.timings,
            session_id=self._ask.session_id,
            notices=tuple(answer.notices),
            evidence=evidence,
        )
        if self._ask.parent_id is not None and not answer.is_empty:
            reply = replace(reply, message_id=self._complete(answer, reply, error).id)
        elif self._ask.parent_id is not None and isinstance(error, InvalidInput):
            store = self._store()
            signals = of_refused(store, self._ask, error, answer.model)
            store.sessions.update_answer(self._ask.parent_id, signals=signals, finish_reason=REFUSED)
        return reply if error else self._counted(reply)

    def _checked(self, answer: Answer) -> tuple[tuple[Choice, ...], Evidence | None]:
        """What was written, and where documents were asked, with the citations that hold.

        A text that has to keep a form is left as it is; its citations stand beside it only.
        """
        choices, grounding = answer.choices(), self._ask.grounding
        if grounding is None or not choices:
            return choices, None
        text, evidence = grounding.checked(choices[0].text)
        if self._ask.is_constrained:
            return choices, replace(evidence, removed=0, unsupported=())
        return (replace(choices[0], text=text), *choices[1:]), evidence

    def _complete(self, answer: Answer, reply: Reply, error: EdgeLLMError | None) -> StoredMessage:
        with self._lock:
            self._due_at = math.inf
            signals = () if error else of_session(self._store(), self._ask, reply)
            if signals and self._message_id is None:  # what goes into the queue is written with the end of a message
                self._put(answer, reply.text, finish_reason=BROKEN)
            return self._put(
                answer,
                reply.text,
                signals,
                reasoning=reply.reasoning,
                usage=answer.usage,
                timings=answer.timings,
                finish_reason=BROKEN if error else reply.finish_reason.value,
                evidence=None if reply.evidence is None else msgspec.to_builtins(reply.evidence),
            )

    def _put(
        self, answer: Answer, text: str, signals: Sequence[Signal] = (), **details: Unpack[MessageDetails]
    ) -> StoredMessage:
        sessions = self._store().sessions
        details["model"], details["sampling"] = answer.model, self._ask.sampling
        if self._message_id is not None:
            return sessions.update_answer(self._message_id, signals=signals, content=text, **details)
        assert self._ask.session_id is not None  # never due otherwise, and no parent
        stored = sessions.append(self._ask.session_id, "assistant", text, parent_id=self._ask.parent_id, **details)
        self._message_id = stored.id
        return stored

    def _counted(self, reply: Reply) -> Reply:
        """The reply, its tokens counted; without a session it needs no store, and says so where there is none."""
        if not self._ask.is_counted:
            return reply
        try:
            self._store().usage.add(UsageRow(model=reply.model, usage=reply.usage, timings=reply.timings))
        except StoreError as refusal:
            if reply.session_id is not None:
                raise
            return replace(reply, notices=(*reply.notices, f"Its tokens were not counted. {refusal.message}"))
        return reply

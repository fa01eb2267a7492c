"""One request of a conversation: which messages go in."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from edgellm.errors import InvalidInput
from edgellm.sdk.options import ChatOptions
from edgellm.store import REFUSED, Store, StoredMessage, title_from
from edgellm.types import Constraint, Message, Sampling

if TYPE_CHECKING:  # loaded by the first question that documents answer
    from edgellm.retrieval.ground.evidence import Grounding

SEEDS = 2**32 - 1
"""Seeds are below this."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A chat request after everything about it was decided."""

    messages: tuple[Message, ...]
    sampling: Sampling
    session_id: str | None = None
    parent_id: str | None = None
    """The stored user message that is being answered."""
    grounding: Grounding | None = None
    """The passages of documents that the answer is to come from."""
    is_counted: bool = True
    """Whether its tokens are counted here; a server counts those of its clients itself."""
    constraint: Constraint | None = None
    replaced: StoredMessage | None = None
    """The answer that was shown until now, where the same question is answered again."""

    @property
    def is_constrained(self) -> bool:
        """Whether the answer has to keep a form, which a citation inside it would break."""
        return self.constraint is not None


def seeded(sampling: Sampling) -> Sampling:
    """`sampling` with a seed where chance decides: it is stored with the answer, which can so be written again."""
    if sampling.seed is not None or sampling.temperature == 0:
        return sampling
    return replace(sampling, seed=secrets.randbelow(SEEDS))


def prepare(
    open_store: Callable[[], Store],
    prompt: str | Sequence[Message] | None,
    options: ChatOptions,
    sampling: Sampling,
) -> Ask:
    """Decide what is sent; in a session, the user's message is stored before anything is generated.

    Without a session, nothing is stored and the store stays closed.
    `prompt` None answers the stored user message `parent` again; with a prompt, `parent` is the message it follows
    (None: the session's newest). Raises: InvalidInput, SessionNotFound, StoreError.
    """
    system, session_id, parent_id = options.get("system"), options.get("session"), options.get("parent")
    is_counted, constraint = options.get("trusted", True), options.get("constraint")
    if options.get("tools") and options.get("documents"):
        raise InvalidInput("An answer from documents calls no tools.", hint="Leave one of them out.", field="tools")
    if sampling.n != 1 and options.get("documents"):
        message = f"Documents give one answer at a time; n = {sampling.n} was asked for."
        raise InvalidInput(message, hint="Ask several times.", field="n", value=sampling.n)
    if session_id is None:
        messages = _with_system(_as_messages(prompt), system)
        return Ask(messages, sampling, is_counted=is_counted, constraint=constraint)
    _refuse_tools(prompt, options)
    if sampling.n != 1:
        raise InvalidInput(
            f"A session keeps one answer at a time; n = {sampling.n} was asked for.", field="n", value=sampling.n
        )
    store = open_store()
    session = store.sessions.get(session_id)
    replaced = None
    if prompt is None:
        if parent_id is None:
            raise InvalidInput("Nothing to answer: give a prompt, or the message to answer.", field="prompt")
        asked = parent_id
        replaced = _shown_answer(store, session_id, asked)
    else:
        asked = _store_turn(store, session_id, prompt, parent_id)
        if not session.title:
            _name(store, session_id, prompt)
    messages = _with_system(_turns(store.sessions.path(session_id, asked)), system or session.system)
    return Ask(messages, sampling, session_id, asked, is_counted=is_counted, constraint=constraint, replaced=replaced)


def _shown_answer(store: Store, session_id: str, asked: str) -> StoredMessage | None:
    """The answer to a stored question on the branch that is shown; None when there is none."""
    shown = pairwise(store.sessions.path(session_id))
    return next((answer for message, answer in shown if message.id == asked and answer.role == "assistant"), None)


def _refuse_tools(prompt: str | Sequence[Message] | None, options: ChatOptions) -> None:
    """A session keeps texts only: calls and what they are results of would be lost. Raises: InvalidInput."""
    messages = () if prompt is None else _as_messages(prompt)
    has_calls = any(message.tool_calls or message.tool_call_id is not None for message in messages)
    if has_calls or options.get("tools"):
        raise InvalidInput(
            "A session does not keep calls of tools.",
            hint="Send the whole conversation, without a session.",
            field="tools",
        )


def _turns(branch: Iterable[StoredMessage]) -> tuple[Message, ...]:
    """Stored turns as a model takes them: a question without an answer is joined with the next one.

    Many chat templates refuse two questions in a row, and one failed answer would end the session. A question that was
    refused would be refused again with every later one: it stays in the session and is not sent.
    """
    turns: list[Message] = []
    stored_turns = list(branch)
    for stored, following in zip(stored_turns, [*stored_turns[1:], None], strict=True):
        if stored.finish_reason == REFUSED and following is not None and following.role == "user":
            continue
        turn = Message(role=stored.role, content=stored.content)
        if turns and turn.role == turns[-1].role == "user":
            turn = replace(turn, content=f"{turns.pop().content}\n\n{turn.content}")
        turns.append(turn)
    return tuple(turns)


def _as_messages(prompt: str | Sequence[Message] | None) -> tuple[Message, ...]:
    if isinstance(prompt, str):
        return (Message(role="user", content=prompt),)
    if not prompt:
        raise InvalidInput("The conversation is empty: give at least one message.", field="messages")
    for message in prompt:
        if not isinstance(message, Message):
            text = f"A conversation consists of Message values; one of these is a {type(message).__name__}."
            raise InvalidInput(text, hint='Write Message(role="user", content="...").', field="messages")
    return tuple(prompt)


def _with_system(messages: tuple[Message, ...], system: str | None) -> tuple[Message, ...]:
    if not system or (messages and messages[0].role == "system"):
        return messages
    return (Message(role="system", content=system), *messages)


def _name(store: Store, session_id: str, prompt: str | Sequence[Message]) -> None:
    """Give a session that has no title one from its first question."""
    asked = next((message.content for message in _as_messages(prompt) if message.role == "user"), "")
    title = title_from(asked)
    if title:
        store.sessions.rename(session_id, title)


def _store_turn(store: Store, session_id: str, prompt: str | Sequence[Message], parent_id: str | None) -> str:
    for message in _as_messages(prompt):
        stored = store.sessions.append(session_id, message.role, message.content, parent_id=parent_id)
        parent_id = stored.id
    assert parent_id is not None  # _as_messages never returns nothing
    return parent_id

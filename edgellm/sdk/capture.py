"""What of an answer goes into the review queue without anybody's judgement: failures, and answers written again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import msgspec

from edgellm.errors import EdgeLLMError, InvalidSchema
from edgellm.sdk.serving import ServedAnswer
from edgellm.store import ReviewContext, ReviewReason, Signal, Store, StoredMessage
from edgellm.store.answers import review_context
from edgellm.store.feedback import prompt_of
from edgellm.types import Constraint, FinishReason, Message, Reply, Tool, ToolCall

if TYPE_CHECKING:
    from edgellm.sdk.conversation import Ask
    from edgellm.sdk.serving import Answers

WEAK = "Nothing that the documents hold came near the question."
BROKE_OFF = "The answer broke off before its form was whole."
MOST_ERROR_CHARACTERS = 2000
WHOLE = (FinishReason.STOP.value, FinishReason.LENGTH.value)
"""Ends of answers that nobody cut off."""
_ERROR_WORDS = ("error:", "error ", "error\n", "exception:", "traceback (most recent call last)", "fatal:")
_ERROR_FIELDS = ("error", "is_error", "isError")


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What went wrong with an answer."""

    reason: ReviewReason
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What was asked for beside the conversation."""

    constraint: Constraint | None = None
    tools: tuple[Tool, ...] = ()
    tool_choice: str = "auto"
    prompt: str | None = None
    """A text that was to be gone on with, in place of a conversation."""

    def settings(self) -> Mapping[str, Any] | None:
        """As JSON values; None where nothing was."""
        asked: dict[str, object] = {}
        if self.constraint is not None:
            asked["constraint"] = self.constraint
        if self.tools:
            asked |= {"tools": self.tools, "tool_choice": self.tool_choice}
        if self.prompt is not None:
            asked["prompt"] = self.prompt
        return msgspec.to_builtins(asked) if asked else None


def failures(reply: Reply, *, is_constrained: bool) -> Iterator[Failure]:
    """What went wrong with an answer that has ended."""
    if reply.evidence is not None and reply.evidence.is_weak:
        yield Failure(reason=ReviewReason.WEAK_EVIDENCE, says=WEAK)
    if is_constrained and any(choice.finish_reason is FinishReason.LENGTH for choice in reply.choices):
        yield Failure(reason=ReviewReason.SCHEMA_REFUSED, says=BROKE_OFF)


def refusal(error: BaseException) -> Failure | None:
    """What went wrong when there is no answer; None for what no model could learn from."""
    if not isinstance(error, InvalidSchema):
        return None
    return Failure(reason=ReviewReason.SCHEMA_REFUSED, says=error.message[:MOST_ERROR_CHARACTERS])


def failed_call(messages: Sequence[Message]) -> ReviewContext | None:
    """The calls whose results end a conversation, where one of these reports an error.

    `messages` are those before the calls, `answer` the turn that asked for them. None where the last results are fine,
    or were answered already.
    """
    at = len(messages)
    while at and messages[at - 1].role == "tool":
        at -= 1
    results = [message for message in messages[at:] if reports_error(message.content)]
    if not results or not at or not messages[at - 1].tool_calls:
        return None
    asking = messages[at - 1]
    says = "\n".join(result.content[:MOST_ERROR_CHARACTERS] for result in results)
    return ReviewContext(messages=tuple(messages[: at - 1]), answer=_written(asking), error=says)


def reports_error(result: str) -> bool:
    """Whether a tool's result says that the call failed.

    Dialects other than Anthropic's have no field for it: a result begins with the word, or is a JSON object that says
    so.
    """
    text = result.strip()
    if text.lower().startswith(_ERROR_WORDS) or text.lower() == "error":
        return True
    if not text.startswith("{"):
        return False
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return False
    is_told = any(found.get(name) not in (None, False, "", 0, [], {}) for name in _ERROR_FIELDS)
    return is_told or found.get("success") is False or found.get("status") == "error"


def keep_answer(answers: Answers, answer: ServedAnswer, reply: Reply, form: Form) -> None:
    """Keep a server's answer together with what went wrong with it. Raises: StoreError.

    Where the key's log policy keeps no content there is nothing to learn from, and nothing is queued but what its
    people say.
    """
    if answer.text is None:
        answers.add(answer)
        return
    answer = replace(answer, settings=form.settings())
    found = failures(reply, is_constrained=form.constraint is not None)
    answers.add(answer, [Signal(each.reason, review_context(answer, error=each.says)) for each in found])
    keep_failed_call(answers, answer)


def keep_failed_call(answers: Answers, answer: ServedAnswer) -> None:
    """Queue the calls of tools that failed before this answer; the same ones only once. Raises: StoreError."""
    call = failed_call(answer.messages or ())
    if call is not None:
        known = replace(call, model=answer.model, sampling=answer.sampling, settings=answer.settings)
        _request(answers, answer.tenant, Signal(ReviewReason.TOOL_ERROR, known))


def keep_refused(answers: Answers, asked: ServedAnswer, error: BaseException, form: Form) -> None:
    """Queue a request that was refused for its form; the same one only once. Raises: StoreError."""
    failure = refusal(error)
    if failure is not None and asked.messages:
        context = review_context(replace(asked, settings=form.settings()), error=failure.says)
        _request(answers, asked.tenant, Signal(failure.reason, context))


def _request(answers: Answers, tenant: str, signal: Signal) -> None:
    context = signal.context
    what = msgspec.json.encode([tenant, context.messages, context.answer, context.error, context.settings])
    answers.unanswered(tenant, hashlib.sha256(what).hexdigest(), signal)


def of_session(store: Store, ask: Ask, reply: Reply) -> list[Signal]:
    """What of a session's answer goes into the queue: what went wrong, and the answer that it replaces."""
    found = list(failures(reply, is_constrained=ask.is_constrained))
    replaced = ask.replaced if ask.replaced is not None and _is_preference(ask.replaced, reply) else None
    if not found and replaced is None:
        return []
    evidence = reply.evidence
    context = replace(
        _session_context(store, ask),
        answer=reply.text,
        model=reply.model,
        collection=None if evidence is None else evidence.collection,
        evidence=None if evidence is None else msgspec.to_builtins(evidence),
    )
    signals = [Signal(each.reason, replace(context, error=each.says)) for each in found]
    if replaced is not None:
        signals.append(Signal(ReviewReason.REGENERATED, replace(context, other=replaced.content)))
    return signals


def of_refused(store: Store, ask: Ask, error: EdgeLLMError, model: str) -> list[Signal]:
    """What of a session's question that was refused goes into the queue."""
    failure = refusal(error)
    if failure is None:
        return []
    return [Signal(failure.reason, replace(_session_context(store, ask), model=model, error=failure.says))]


def _session_context(store: Store, ask: Ask) -> ReviewContext:
    assert ask.session_id is not None  # what has no session is not kept at all
    branch = store.sessions.path(ask.session_id, ask.parent_id)
    return ReviewContext(
        messages=prompt_of(store.sessions.get(ask.session_id), branch),
        sampling=ask.sampling,
        settings=Form(constraint=ask.constraint).settings(),
    )


def _is_preference(old: StoredMessage, reply: Reply) -> bool:
    """Whether an answer and the one written in its place can be compared: both whole, and not the same."""
    is_whole = old.finish_reason in WHOLE and reply.finish_reason.value in WHOLE
    before, after = old.content.strip(), reply.text.strip()
    return is_whole and bool(before and after) and before != after


def _written(message: Message) -> str:
    return "\n".join(filter(None, (message.content, *map(_call, message.tool_calls))))


def _call(call: ToolCall) -> str:
    return f'{{"name": {json.dumps(call.name)}, "arguments": {call.arguments}}}'

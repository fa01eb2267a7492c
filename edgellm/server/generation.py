"""From a `Call` to an answer: the key's rights, its budget, the line, the engine; and what is kept of it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial

import msgspec

from edgellm.errors import CollectionNotFound, InvalidInput, InvalidSchema
from edgellm.sdk.capture import Form, keep_answer, keep_refused
from edgellm.sdk.options import CompleteOptions
from edgellm.sdk.scoring import Scoring
from edgellm.sdk.serving import ServedAnswer
from edgellm.sdk.stream import ReplyStream
from edgellm.server.accounts import Account
from edgellm.server.admission import admitted
from edgellm.server.call import AnswerId, Call
from edgellm.server.caller import Caller
from edgellm.server.deadline import Deadline
from edgellm.server.dialects.fields import under
from edgellm.server.model_name import ModelName, resolve, resolve_bare
from edgellm.server.service import Service
from edgellm.server.shelves import shown_reply
from edgellm.server.threads import to_the_end
from edgellm.types import Choice, Delta, FinishReason, Reply, Scored, StreamEvent, TokenTrace, Usage

Put = Callable[[StreamEvent], None]


class Generation:
    """One call on its way to an answer. `run` once; cancelling its task ends the engine's work at its next step."""

    def __init__(self, service: Service, caller: Caller, call: Call, answer: AnswerId) -> None:
        self._service = service
        self._caller = caller
        self._call = call
        self._answer = answer
        self._deadline = Deadline(service, "The answer was not complete", "Ask for fewer tokens.")

    async def run(self, put: Put) -> Reply:
        """The answer; its events are handed to `put` as they come.

        Raises: ModelNotFound, BudgetExceeded, QueueFull, DeadlineExceeded, ServerStopping; what the SDK raises.
        """
        service = self._service
        found = resolve if self._call.prompt is None else resolve_bare
        name = await asyncio.to_thread(found, service.names, self._caller, self._call.model)
        account = Account(service, self._caller, name, "chat" if self._call.prompt is None else "text_completion")
        async with account, admitted(service, self._caller, self._deadline.left_s()):
            account.turn_came()
            try:
                reply = await self._answered(account, put)
            except InvalidSchema as error:
                await self._keep_refused(error, account)
                raise _named(error, self._call.constraint_field) from error
            except CollectionNotFound as error:  # a part of the model's name
                raise under(error, "model") from error
        service.counters.answered(reply.evidence)
        reply = shown_reply(service.edge.home, self._caller, reply)
        await self._keep(reply, account)
        return reply

    async def _answered(self, account: Account, put: Put) -> Reply:
        call = self._call
        echo = await self._echo(account) if call.echo else None
        if echo is not None:
            for index in range(call.sampling.n):
                put(replace(echo, index=index))
            if call.sampling.max_tokens == 0:
                return self._echo_alone(echo, account)
        stream = await to_the_end(lambda: self._stream(account.name), partial(_let_go, account))
        reply = await self._read(stream, account, put)
        if any(choice.finish_reason is FinishReason.DEADLINE for choice in reply.choices):
            raise self._deadline.late()
        return _with_echo(reply, echo, account.usage) if echo else reply

    def _stream(self, name: ModelName) -> ReplyStream:
        """Hand the call to the engine."""
        call, edge = self._call, self._service.edge
        common: CompleteOptions = {
            "model": self._service.names.opened(name),
            "sampling": call.sampling,
            "constraint": call.constraint,
            "deadline_s": self._deadline.left_s(),
            "tenant": self._caller.tenant,
            "trusted": False,
        }
        if call.prompt is not None:
            return edge.complete(call.prompt, stream=True, **common)
        return edge.chat(
            call.messages,
            stream=True,
            tools=call.tools,
            tool_choice=call.tool_choice,
            keep="all",
            documents=name.collection,
            **common,
        )

    async def _read(self, stream: ReplyStream, account: Account, put: Put) -> Reply:
        """Hand the events on until the answer ends; whatever ends this ends the engine's work, and it is counted."""
        try:
            async with stream:
                async for event in stream:
                    if isinstance(event, Delta):
                        account.token_came()
                    put(event)
        finally:
            _count(account, stream)
        return stream.reply

    async def _echo(self, account: Account) -> Delta:
        """The prompt as the beginning of the answer, with the log-probabilities of its tokens where they are asked for.

        Its first token has none: not a number.
        """
        call, edge, prompt = self._call, self._service.edge, self._call.prompt or ""
        model = self._service.names.opened(account.name)
        text = prompt if isinstance(prompt, str) else await asyncio.to_thread(edge.detokenize, prompt, model=model)
        if call.sampling.logprobs is None:
            return Delta(text=text)
        scored = await self._scored(prompt, model, account)
        first = TokenTrace(token=scored.first.id, text=scored.first.text, logprob=math.nan, entropy=0.0)
        return Delta(text=text, tokens=(first, *scored.tokens))

    async def _scored(self, prompt: str | tuple[int, ...], model: str, account: Account) -> Scored:
        """The prompt read for its own sake; it counts like any other reading, however it ends."""
        begin = partial(
            self._service.edge.scoring,
            prompt,
            model=model,
            alternatives=self._call.sampling.logprobs or 0,
            tenant=self._caller.tenant,
            deadline_s=self._deadline.left_s(),
        )
        scoring = await to_the_end(begin, Scoring.close)
        try:
            return await scoring.finish_async()
        finally:
            await asyncio.shield(asyncio.to_thread(scoring.close))  # counted also when the task is cancelled
            account.add(scoring.usage, scoring.timings)

    def _echo_alone(self, echo: Delta, account: Account) -> Reply:
        """The answer to a prompt that is to be repeated or scored, not gone on with."""
        choice = Choice(text=echo.text, finish_reason=FinishReason.LENGTH, tokens=echo.tokens)
        choices = (choice,) * self._call.sampling.n
        return Reply(choices=choices, model=account.name.model, usage=account.usage, timings=account.timings)

    async def _keep(self, reply: Reply, account: Account) -> None:
        """Keep the answer for feedback, and what went wrong with it; its text only where the log policy says so."""
        is_full, answers = self._caller.keeps_text, self._service.edge.answers
        evidence = None if reply.evidence is None or not is_full else msgspec.to_builtins(reply.evidence)
        answer = replace(self._asked(account), text=reply.text if is_full else None, evidence=evidence)
        await account.store(lambda kept: keep_answer(answers, kept, reply, self._form()), answer)

    async def _keep_refused(self, error: InvalidSchema, account: Account) -> None:
        answers = self._service.edge.answers
        await account.store(lambda asked: keep_refused(answers, asked, error, self._form()), self._asked(account))

    def _asked(self, account: Account) -> ServedAnswer:
        """The answer's frame, without what was answered."""
        call, is_full = self._call, self._caller.keeps_text
        return ServedAnswer(
            id=self._answer.id,
            tenant=self._caller.tenant,
            model=str(account.name),
            messages=call.messages if is_full and call.messages else None,
            sampling=call.sampling if is_full else replace(call.sampling, stop=()),  # these are texts, too
        )

    def _form(self) -> Form:
        call = self._call
        prompt = call.prompt if isinstance(call.prompt, str) else None
        return Form(constraint=call.constraint, tools=tuple(call.tools), tool_choice=call.tool_choice, prompt=prompt)


def _named(error: InvalidSchema, field: str) -> InvalidInput:
    """The refusal of a constraint under its client's own name, also in words: not every dialect has a place for it."""
    if error.facts.get("field", "constraint") != "constraint":
        return error
    return under(InvalidSchema(f"{field}: {error.message}", hint=error.hint, **error.facts), field)


def _count(account: Account, stream: ReplyStream) -> None:
    with suppress(RuntimeError):  # an error of the engine left no reply
        account.add(stream.reply.usage, stream.reply.timings)


def _let_go(account: Account, stream: ReplyStream) -> None:
    """End an answer whose client left before it had begun; what was read of it, counts."""
    try:
        stream.close()
    finally:
        _count(account, stream)


def _with_echo(reply: Reply, echo: Delta, usage: Usage) -> Reply:
    """The reply behind its prompt. `usage`: a prompt that is scored and gone on with is read and counted twice."""
    return replace(reply, choices=tuple(_begun(choice, echo) for choice in reply.choices), usage=usage)


def _begun(choice: Choice, echo: Delta) -> Choice:
    return replace(choice, text=echo.text + choice.text, tokens=echo.tokens + choice.tokens)

"""OpenAI's completions: a body to a `Call` a prompt, and answers to their completion or its chunks.

https://platform.openai.com/docs/api-reference/completions
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from edgellm.errors import EdgeLLMError
from edgellm.server.bodies import CompletionBody, texts_of
from edgellm.server.call import AnswerId, Call
from edgellm.server.dialects import wire
from edgellm.server.dialects.fields import refuse, refuse_given
from edgellm.server.dialects.openai import (
    DONE,
    FINISH_REASONS,
    frame,
    has_usage,
    logprob,
    sampling_of,
    usage_of,
)
from edgellm.server.errors import openai_error
from edgellm.types import Choice, Delta, Reply, Sampling, StreamEvent, TokenTrace, Usage

DEFAULT_MAX_TOKENS = 16
"""OpenAI's own; a completion has no end that a model would find by itself."""
REFUSED = {"suffix": "a text cannot be filled in before another one here."}
MOST_PROMPTS = 16


@dataclass(frozen=True, slots=True)
class OpenAICompletions:
    """The dialect of POST /v1/completions."""

    defaults: Sampling = field(default_factory=Sampling)
    """How tokens are chosen where the client does not say."""
    media_type: str = wire.EVENT_STREAM

    def call(self, body: CompletionBody) -> Call:
        """The call of a body with one prompt. Raises: InvalidInput with facts `field`."""
        calls = self.calls(body)
        if len(calls) != 1:
            refuse("prompt", f"a stream answers one prompt; there are {len(calls)}.", "Send them one by one.")
        return calls[0]

    def calls(self, body: CompletionBody) -> list[Call]:
        """One call a prompt. Raises: InvalidInput with facts `field`."""
        refuse_given(body, REFUSED)
        if body.best_of is not None and body.best_of != (body.n or 1):
            refuse("best_of", f"it is {body.best_of}, and n is {body.n or 1}; all answers are sent.", "Leave it out.")
        if body.max_tokens == 0 and not body.echo:
            refuse("max_tokens", "it is 0, and `echo` is not asked for: nothing would be answered.")
        most = DEFAULT_MAX_TOKENS if body.max_tokens is None else body.max_tokens
        sampling = sampling_of(body, self.defaults, max_tokens=max(1, most), logprobs=body.logprobs)
        sampling = replace(sampling, max_tokens=most)
        return [
            Call(
                model=body.model,
                prompt=prompt,
                sampling=sampling,
                is_stream=bool(body.stream),
                has_usage=has_usage(body),
                echo=bool(body.echo),
            )
            for prompt in texts_of(body.prompt, "prompt", MOST_PROMPTS)
        ]

    def whole(self, call: Call, reply: Reply, answer: AnswerId) -> dict[str, Any]:
        """A `text_completion`."""
        return self.together([call], [reply], answer)

    def together(self, calls: Sequence[Call], replies: Sequence[Reply], answer: AnswerId) -> dict[str, Any]:
        """A `text_completion` of several prompts, their choices one after the other."""
        choices = [choice for reply in replies for choice in reply.choices]
        return {
            "id": answer.id,
            "object": "text_completion",
            "created": answer.created,
            "model": calls[0].model,
            "choices": [_choice(calls[0], choice, index) for index, choice in enumerate(choices)],
            "usage": usage_of(_sum(replies)),
        }

    def frames(self, call: Call, answer: AnswerId) -> CompletionFrames:
        """Its chunks."""
        return CompletionFrames(call, answer)

    def error(self, error: EdgeLLMError, status: int) -> dict[str, Any]:
        """`{"error": {...}}`."""
        return openai_error(error, status)


class CompletionFrames:
    """`text_completion`s: the pieces, one with the reason a choice, usage, the end."""

    def __init__(self, call: Call, answer: AnswerId) -> None:
        self._call = call
        self._offsets = [0] * call.sampling.n
        self._head = {
            "id": answer.id,
            "object": "text_completion",
            "created": answer.created,
            "model": call.model,
        }
        if call.has_usage:
            self._head["usage"] = None

    def begin(self) -> list[bytes]:
        """Nothing."""
        return []

    def event(self, event: StreamEvent) -> list[bytes]:
        """A piece of text."""
        if not isinstance(event, Delta) or not (event.text or event.tokens):
            return []
        logprobs = _logprobs(event.tokens, self._offsets[event.index]) if event.tokens else None
        self._offsets[event.index] += sum(len(token.text) for token in event.tokens)
        return [self._chunk(event.index, event.text, logprobs=logprobs)]

    def keep_alive(self) -> bytes:
        """A comment."""
        return wire.COMMENT

    def end(self, reply: Reply) -> list[bytes]:
        """Reasons, usage, `[DONE]`."""
        frames = [
            self._chunk(index, "", reason=FINISH_REASONS[choice.finish_reason])
            for index, choice in enumerate(reply.choices)
        ]
        if self._call.has_usage:
            frames.append(frame({**self._head, "choices": [], "usage": usage_of(reply.usage)}))
        return [*frames, DONE]

    def failed(self, error: EdgeLLMError, status: int) -> list[bytes]:
        """An error where a chunk would be, and `[DONE]`."""
        return [frame(openai_error(error, status)), DONE]

    def _chunk(
        self, index: int, text: str, *, reason: str | None = None, logprobs: dict[str, Any] | None = None
    ) -> bytes:
        choice = {"index": index, "text": text, "logprobs": logprobs, "finish_reason": reason}
        return frame({**self._head, "choices": [choice]})


def _choice(call: Call, choice: Choice, index: int) -> dict[str, Any]:
    return {
        "index": index,
        "text": choice.text,
        "logprobs": None if call.sampling.logprobs is None else _logprobs(choice.tokens, 0),
        "finish_reason": FINISH_REASONS[choice.finish_reason],
    }


def _logprobs(tokens: Sequence[TokenTrace], offset: int) -> dict[str, Any]:
    """Four lists of one length; `offset` is where the first token begins in the text."""
    offsets = []
    for token in tokens:
        offsets.append(offset)
        offset += len(token.text)
    return {
        "tokens": [token.text for token in tokens],
        "token_logprobs": [logprob(token.logprob) for token in tokens],
        "top_logprobs": [_alternatives(token) for token in tokens],
        "text_offset": offsets,
    }


def _alternatives(token: TokenTrace) -> dict[str, float] | None:
    """The most probable texts, and the token's own; None for a prompt's first token."""
    if logprob(token.logprob) is None:
        return None
    found = {token.text: token.logprob}
    for other in token.alternatives:
        found[other.text] = max(other.logprob, found.get(other.text, other.logprob))
    return found


def _sum(replies: Sequence[Reply]) -> Usage:
    return Usage(
        prompt_tokens=sum(reply.usage.prompt_tokens for reply in replies),
        cached_tokens=sum(reply.usage.cached_tokens for reply in replies),
        completion_tokens=sum(reply.usage.completion_tokens for reply in replies),
    )

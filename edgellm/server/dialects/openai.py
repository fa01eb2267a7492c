"""What OpenAI's chats and completions have in common: sampling, usage, reasons, the form of a stream."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec

from edgellm.errors import InvalidInput
from edgellm.server.bodies import SamplingBody
from edgellm.server.dialects.fields import refuse, sampled
from edgellm.server.json_text import json_bytes
from edgellm.types import Evidence, FinishReason, Reply, Sampling, Usage

DONE = b"data: [DONE]\n\n"
FINISH_REASONS: Mapping[FinishReason, str] = {
    FinishReason.STOP: "stop",
    FinishReason.LENGTH: "length",
    FinishReason.TOOL_CALLS: "tool_calls",
    FinishReason.CANCELLED: "stop",
    FinishReason.DEADLINE: "length",
}
OURS = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "min_p": "min_p",
    "repetition_penalty": "repeat_penalty",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
    "seed": "seed",
    "n": "n",
}
"""A body's field to our name for it."""


def sampling_of(body: SamplingBody, defaults: Sampling, **further: Any) -> Sampling:
    """How tokens are chosen: what the body says, else the defaults. Raises: InvalidInput with facts `field`."""
    given = {ours: getattr(body, theirs) for theirs, ours in OURS.items()}
    given["stop"] = (body.stop,) if isinstance(body.stop, str) else body.stop and tuple(body.stop)
    given["logit_bias"] = body.logit_bias and _biases(body.logit_bias)
    return sampled(defaults, given | further, {ours: theirs for theirs, ours in OURS.items()})


def has_usage(body: SamplingBody) -> bool:
    """Whether a stream ends with its usage. Raises: InvalidInput."""
    if body.stream_options is not None and not body.stream:
        refuse("stream_options", "it has a meaning with `stream` only.", "Leave it out.")
    return bool(body.stream_options and body.stream_options.include_usage)


def _biases(given: Mapping[str, float]) -> dict[int, float]:
    found = {}
    for token, bias in given.items():
        if not (token.isascii() and token.isdecimal() and len(token) <= 10):
            raise InvalidInput(f"logit_bias names the token {token[:40]!r}; it must be a number.", field="logit_bias")
        found[int(token)] = bias
    return found


def usage_of(usage: Usage) -> dict[str, Any]:
    """Tokens counted, those that were read from the cache apart."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
    }


def evidence_of(evidence: Evidence, text: str) -> dict[str, Any]:
    """What an answer rests on; `text` is the answer with the citations that hold."""
    return {**msgspec.to_builtins(evidence), "text": text}


def extras_of(reply: Reply) -> dict[str, Any]:
    """Fields that OpenAI's own answers do not have, where there is something to say."""
    return {} if reply.evidence is None else {"evidence": evidence_of(reply.evidence, reply.text)}


def logprob(value: float) -> float | None:
    """A log-probability in JSON; None for a prompt's first token, which nothing stands before."""
    return None if math.isnan(value) else value


def frame(data: Mapping[str, Any]) -> bytes:
    """A server-sent event (WHATWG HTML, section 9.2) without a name."""
    return b"data: %b\n\n" % json_bytes(data)

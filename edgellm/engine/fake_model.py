"""FakeBackend's toy language: which byte comes next, and how one is chosen."""

from __future__ import annotations

import json
import math
import random
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from typing import Any

from edgellm.engine.backend import Sampled
from edgellm.errors import InvalidSchema
from edgellm.types import Alternative, Constraint, Sampling, TokenTrace

SPECIAL_TEXTS = ("<|im_start|>", "<|im_end|>", "<s>")
IM_START, IM_END, BOS = 256, 257, 258
VOCABULARY_SIZE = 259
EMBEDDING_SIZE = 16

_ALPHABET = tuple(character.encode() for character in "etaoinshrdlu  .,\né€😀")
"""Characters the model writes; the last three take two, three and four tokens."""
_UNLIKELY, _CERTAIN = -20.0, 12.0
_ENDS_OF_256 = 12
"""How many of 256 contexts end the turn."""
_PENALTY_WINDOW_TOKENS = 64


def digest_of(*parts: object) -> bytes:
    """32 bytes that depend on all parts."""
    return blake2b(repr(parts).encode(), digest_size=32).digest()


def unfinished(before: bytes, token: int) -> bytes:
    """The bytes of a character of the alphabet that is not complete after `token`; empty when none is."""
    if token > 255:
        return b""
    for begun in (before + bytes([token]), bytes([token])):
        if any(len(begun) < len(c) and c.startswith(begun) for c in _ALPHABET):
            return begun
    return b""


def logits_after(digest: bytes, partial: bytes) -> list[float]:
    """One logit a token of the vocabulary, for a context with this digest that ends in a partial character."""
    logits = [_UNLIKELY] * VOCABULARY_SIZE
    for weight, character in zip(digest, _ALPHABET, strict=False):
        if character.startswith(partial) and len(partial) < len(character):
            token = character[len(partial)]
            logits[token] = max(logits[token], weight / 40 + (_CERTAIN if partial else 0.0))
    if not partial and digest[-1] < _ENDS_OF_256:
        logits[IM_END] = _CERTAIN
    return logits


class FakeSampler:
    """Filters and penalties as llama.cpp applies them; a constraint is a text written to the letter."""

    def __init__(
        self,
        sampling: Sampling,
        seed: int,
        script: bytes | None,
        history: Sequence[int],
        on_close: Callable[[FakeSampler], None],
    ) -> None:
        self._sampling = sampling
        self._random = random.Random(seed)
        self._script = None if script is None else [*script, IM_END]
        self._recent = deque(history[-_PENALTY_WINDOW_TOKENS:], _PENALTY_WINDOW_TOKENS)
        self._on_close = on_close

    def close(self) -> None:
        """Report the end to the backend, which counts."""
        self._on_close(self)

    def draw(self, logits: list[float]) -> Sampled:
        """Choose a token and note it."""
        token = self._script.pop(0) if self._script else self._choose(self._adjusted(logits))
        self._recent.append(token)
        alternatives = self._sampling.logprobs
        return Sampled(token, None if alternatives is None else trace_of(logits, token, alternatives))

    def _adjusted(self, logits: list[float]) -> list[float]:
        s = self._sampling
        adjusted = list(logits)
        for token, bias in s.logit_bias.items():
            adjusted[token] += bias
        if (s.repeat_penalty, s.presence_penalty, s.frequency_penalty) == (1.0, 0.0, 0.0):
            return adjusted
        for token, count in Counter(self._recent).items():
            logit = adjusted[token]
            adjusted[token] = logit * s.repeat_penalty if logit < 0 else logit / s.repeat_penalty
            adjusted[token] -= s.presence_penalty + s.frequency_penalty * count
        return adjusted

    def _choose(self, logits: list[float]) -> int:
        s = self._sampling
        if s.temperature == 0:
            return max(range(len(logits)), key=logits.__getitem__)
        order = sorted(range(len(logits)), key=logits.__getitem__, reverse=True)[: s.top_k or None]
        best = logits[order[0]]
        weights = [math.exp(logits[token] - best) for token in order]
        total, reached, kept = sum(weights), 0.0, 0
        while kept < len(order) and reached < s.top_p * total and weights[kept] >= s.min_p:
            reached += weights[kept]
            kept += 1
        scaled = [weight ** (1 / s.temperature) for weight in weights[: max(kept, 1)]]
        return self._random.choices(order[: len(scaled)], scaled)[0]


def trace_of(logits: list[float], token: int, alternatives: int) -> TokenTrace:
    """Log-probabilities and entropy of one position."""
    best = max(logits)
    log_total = best + math.log(sum(math.exp(logit - best) for logit in logits))
    logprobs = [logit - log_total for logit in logits]
    order = sorted(range(len(logits)), key=logprobs.__getitem__, reverse=True)[:alternatives]
    return TokenTrace(
        token=token,
        text=text_of(token),
        logprob=logprobs[token],
        entropy=-sum(math.exp(p) * p for p in logprobs) / math.log(2),
        alternatives=tuple(Alternative(token=t, text=text_of(t), logprob=logprobs[t]) for t in order),
    )


def text_of(token: int) -> str:
    """How a token is shown."""
    return bytes([token]).decode("utf-8", "replace") if token < 256 else SPECIAL_TEXTS[token - 256]


def unit_vector(tokens: Sequence[int]) -> list[float]:
    """Counts of token classes, scaled to length 1."""
    counts = Counter(token % EMBEDDING_SIZE for token in tokens)
    length = math.sqrt(sum(count * count for count in counts.values()))
    return [counts[i] / length for i in range(EMBEDDING_SIZE)]


def script_of(constraint: Constraint, seed: int) -> bytes:
    """A text that satisfies the constraint. Raises: InvalidSchema when the toy does not know how."""
    if constraint.kind == "json_object":
        return json.dumps({"answer": seed % 10}).encode()
    if constraint.kind == "grammar":
        raise InvalidSchema("The fake model understands no grammars.")
    try:
        schema = json.loads(constraint.text)
    except json.JSONDecodeError as problem:
        raise InvalidSchema(f"The schema is not JSON: {problem}.") from problem
    return json.dumps(_instance(schema)).encode()


_INSTANCES: Mapping[str, Any] = {
    "string": "text",
    "integer": 7,
    "number": 1.5,
    "boolean": True,
    "null": None,
    "array": [],
}


def _instance(schema: Any) -> Any:
    """A value for the simplest schemas: `enum`, `anyOf`, `properties`, plain types."""
    if isinstance(schema, dict):
        if schema.get("enum"):
            return schema["enum"][0]
        if schema.get("anyOf"):
            return _instance(schema["anyOf"][0])
        if schema.get("type") == "object":
            return {name: _instance(part) for name, part in schema.get("properties", {}).items()}
        if schema.get("type") in _INSTANCES:
            return _INSTANCES[schema["type"]]
    raise InvalidSchema(f"The fake model does not understand the schema {json.dumps(schema)[:80]!r}.")

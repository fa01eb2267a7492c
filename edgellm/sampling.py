"""Range checks for sampling settings, before a number reaches C code that would accept anything."""

from __future__ import annotations

import math
from dataclasses import dataclass

from edgellm.errors import InvalidInput
from edgellm.types import Sampling

MAX_STOPS = 16
MAX_STOP_CHARACTERS = 256
MAX_BIASES = 1_024
MAX_SEED = 2**32 - 2
"""llama.cpp reads 2**32 - 1 as "draw a seed"."""


@dataclass(frozen=True, slots=True)
class Range:
    """The numbers a field may have."""

    low: float
    high: float
    whole: bool = False
    above_low: bool = False
    """Whether `low` itself is excluded."""

    def contains(self, value: object) -> bool:
        """Whether `value` is a number of the right kind inside the range; booleans are not numbers here."""
        kinds = (int,) if self.whole else (int, float)
        if isinstance(value, bool) or not isinstance(value, kinds):
            return False
        if isinstance(value, float) and not math.isfinite(value):
            return False
        return self.low < value <= self.high if self.above_low else self.low <= value <= self.high

    def __str__(self) -> str:
        start = f"above {self.low:g}" if self.above_low else f"{self.low:g}"
        kind = "a whole number" if self.whole else "a number"
        return f"{kind} from {start} to {self.high if self.whole else format(self.high, 'g')}"


NUMBERS = {
    "temperature": Range(0, 5),
    "top_k": Range(0, 1_000_000, whole=True),
    "top_p": Range(0, 1, above_low=True),
    "min_p": Range(0, 1),
    "repeat_penalty": Range(0.1, 5),
    "presence_penalty": Range(-2, 2),
    "frequency_penalty": Range(-2, 2),
    "n": Range(1, 16, whole=True),
}
OPTIONAL_NUMBERS = {
    "seed": Range(0, MAX_SEED, whole=True),
    "max_tokens": Range(1, 2**31 - 1, whole=True),
    "logprobs": Range(0, 20, whole=True),
}
TOKEN_ID = Range(0, 2**31 - 1, whole=True)
BIAS = Range(-100, 100)


def check_sampling(sampling: Sampling) -> None:
    """Raises: InvalidInput for the first field not finite or out of range; facts: `field`, `value`, `expected`."""
    for field, allowed in NUMBERS.items():
        _require(allowed, field, getattr(sampling, field))
    for field, allowed in OPTIONAL_NUMBERS.items():
        value = getattr(sampling, field)
        if value is not None:
            _require(allowed, field, value)
    _check_biases(sampling)
    _check_stops(sampling)


def _check_biases(sampling: Sampling) -> None:
    if len(sampling.logit_bias) > MAX_BIASES:
        raise _wrong("logit_bias", f"{len(sampling.logit_bias)} entries", f"at most {MAX_BIASES} entries")
    for token, bias in sampling.logit_bias.items():
        _require(TOKEN_ID, "logit_bias token", token, field="logit_bias")
        _require(BIAS, f"logit_bias of token {token}", bias, field="logit_bias")


def _check_stops(sampling: Sampling) -> None:
    if isinstance(sampling.stop, str) or len(sampling.stop) > MAX_STOPS:
        found = "one text" if isinstance(sampling.stop, str) else f"{len(sampling.stop)} texts"
        raise _wrong("stop", found, f"a list of at most {MAX_STOPS} texts")
    for text in sampling.stop:
        if not isinstance(text, str) or not 0 < len(text) <= MAX_STOP_CHARACTERS:
            raise _wrong("stop", repr(text)[:40], f"texts of 1 to {MAX_STOP_CHARACTERS} characters")


def _require(allowed: Range, name: str, value: object, *, field: str | None = None) -> None:
    if not allowed.contains(value):
        raise _wrong(field or name, repr(value)[:40], str(allowed), name)


def _wrong(field: str, found: str, expected: str, name: str = "") -> InvalidInput:
    message = f"{name or field} is {found}; it must be {expected}."
    return InvalidInput(message, field=field, value=found, expected=expected)

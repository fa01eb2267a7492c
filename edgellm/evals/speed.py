"""Speed of two subjects, measured afresh: rounds in turn, so that what slows the machine slows both; pure.

An answer's tokens a second are those after its first token, alone in the engine. Each round asks both, the other one
first every second time; what counts is the median of the rounds' ratios. Answers that were kept say nothing here: they
were written on another day.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

ROUNDS = 5
MOST_TOKENS = 32
FEWEST_TOKENS = 8
"""A shorter answer has no speed."""
PROMPTS = (
    "One, two, three, four, five, six, seven, eight, nine, ten, eleven, twelve, thirteen,",
    "Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday, Monday, Tuesday,",
    "a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a, b, c,",
)
"""Texts that are gone on with; one a round."""

Rate = Callable[[str], float | None]
"""Goes on with a text; tokens a second, None where the answer was too short."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Speeds:
    """Tokens a second of a candidate and of the current version, round by round."""

    ours: tuple[float, ...]
    theirs: tuple[float, ...]

    @property
    def medians(self) -> tuple[float, float]:
        """Of both."""
        return median(self.ours), median(self.theirs)

    @property
    def ratio(self) -> float:
        """Ours over theirs; above 1 the candidate is faster."""
        return median(a / b for a, b in zip(self.ours, self.theirs, strict=True))


def measure(ours: Rate, theirs: Rate, on_round: Callable[[int, int], None], rounds: int = ROUNDS) -> Speeds | None:
    """Ask both in turn; None when there are too few rounds in which both wrote enough.

    The first asking of each is not counted: it opens the model. `on_round`: rounds done, of how
    many.
    """
    for rate in (ours, theirs):
        rate(PROMPTS[0])
    found = [pair for pair in _rounds(ours, theirs, on_round, rounds) if pair is not None]
    if len(found) < rounds // 2 + 1:
        return None
    return Speeds(ours=tuple(pair[0] for pair in found), theirs=tuple(pair[1] for pair in found))


def _rounds(
    ours: Rate, theirs: Rate, on_round: Callable[[int, int], None], rounds: int
) -> Iterator[tuple[float, float] | None]:
    for number in range(rounds):
        prompt = PROMPTS[number % len(PROMPTS)]
        rates = [rate(prompt) for rate in _in_turn((ours, theirs), number)]
        first, second = rates if number % 2 == 0 else reversed(rates)
        yield (first, second) if first and second else None
        on_round(number + 1, rounds)


def _in_turn(both: Sequence[Rate], number: int) -> Sequence[Rate]:
    return both if number % 2 == 0 else both[::-1]

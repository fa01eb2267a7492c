"""Blind pairs: answers of two subjects to the same cases, in an order that nobody who judges can know; pure.

Equal answers are ties that nobody has to look at. They stand in the same random order as all others and count once a
person has come past them, so that votes on the first few pairs are a fair sample of all pairs, equal ones included.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from edgellm.evals.outcome import paired
from edgellm.evals.values import Result, Said

Choice = Literal["left", "right", "tie", "both bad"]
CHOICES: tuple[Choice, ...] = ("left", "right", "tie", "both bad")
RUBRICS: Mapping[str, str] = {
    "accuracy": "is it true, and does it follow from what was given",
    "completeness": "does it answer all of the question",
    "clarity": "is it easy to read, without what nobody asked for",
    "tone": "is it said as it should be said",
    "other": "anything else",
}
"""What a note can be about, with the question that each asks."""
Answers = Mapping[str, Sequence[Result]]
"""Results by suite."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two answers to one case. Who judges sees neither the names nor which is `ours`."""

    id: str
    """The same in whatever order the two subjects are named."""
    suite: str
    case_id: str
    group: str
    sample: int
    question: str
    subject: str
    baseline: str
    ours: str
    theirs: str

    @property
    def is_same(self) -> bool:
        """Whether there is nothing to choose."""
        return self.ours.strip() == self.theirs.strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A pair as it is shown: nothing in it says which answer is whose."""

    id: str
    suite: str
    question: str
    left: str
    right: str
    done: int
    """Pairs that this person has judged."""
    total: int
    """Pairs whose answers differ."""


def pairs_of(subject: str, baseline: str, ours: Answers, theirs: Answers, seed: str) -> list[Pair]:
    """Every pair of answers in the order drawn by the seed; cases where neither wrote anything are left out."""
    found = [
        Pair(
            id=_drawn("pair", suite, change.ours.case_id, str(change.ours.sample), *sorted((subject, baseline)))[:16],
            suite=suite,
            case_id=change.ours.case_id,
            group=change.ours.group,
            sample=change.ours.sample,
            question=change.ours.question,
            subject=subject,
            baseline=baseline,
            ours=written(change.ours.said),
            theirs=written(change.theirs.said),
        )
        for suite, results in ours.items()
        for change in paired(results, theirs.get(suite, ()))
        if _is_written(change.ours.said) and _is_written(change.theirs.said)
    ]
    return sorted(found, key=lambda pair: _drawn(seed, "order", pair.id))


def sides(pair: Pair, seed: str, judge: str) -> tuple[str, str]:
    """Names of who stands left and who right, drawn for each person and pair."""
    first, second = sorted((pair.subject, pair.baseline))
    return (first, second) if int(_drawn(seed, "side", judge, pair.id)[0], 16) % 2 else (second, first)


def answer_of(pair: Pair, name: str) -> str:
    """What one of the two wrote."""
    return pair.ours if name == pair.subject else pair.theirs


def passed_over(pairs: Sequence[Pair], judged: set[str]) -> list[Pair]:
    """Equal answers that count: those before the last pair that was judged, or all when nothing is left to judge."""
    if all(pair.is_same or pair.id in judged for pair in pairs):
        return [pair for pair in pairs if pair.is_same]
    last = max((number for number, pair in enumerate(pairs) if pair.id in judged), default=0)
    return [pair for pair in pairs[:last] if pair.is_same]


def written(said: Said) -> str:
    """All that a subject wrote to a case: its text, a pair's second text, and the tools that it called."""
    return "\n\n".join(_parts(said))


def _parts(said: Said) -> Iterator[str]:
    if said.text or not said.tool_calls:
        yield said.text
    if said.other:
        yield said.other
    for call in said.tool_calls:
        yield f"{call.name}({call.arguments})"


def _is_written(said: Said) -> bool:
    """Whether it was asked to write; a case whose probabilities were weighed has no text to prefer."""
    return not said.likelihoods


def _drawn(*parts: str) -> str:
    content = "".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.sha256(content.encode("utf-8", "surrogateescape")).hexdigest()

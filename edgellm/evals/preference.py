"""What people preferred: win rate with its interval, sign test, Elo, and how far people agree; pure.

The win rate counts ties, pairs that are both bad and equal answers as half a win, and has the interval that any mean
has here: Wilson's where there are no ties, a widened bootstrap over cases otherwise (`statistics.interval`). Two people
who judged one pair count as one case. The test is the two-sided sign test over cases, which leaves ties out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from edgellm.evals.blind import Choice, Pair, passed_over
from edgellm.evals.elo import Match, Rating, ratings
from edgellm.evals.statistics import Interval, compare, interval, word
from edgellm.evals.votes import Vote, of_pairs


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferred:
    """One subject against another, as people saw their answers."""

    subject: str
    baseline: str
    votes: int
    pairs: int
    """Pairs that could be judged: their answers differ."""
    judged: int
    """Pairs of them that somebody judged."""
    won: int
    lost: int
    tied: int
    both_bad: int
    same: int
    """Equal answers that count as ties, without a vote."""
    win_rate: Interval | None
    """None without a vote."""
    p: float | None
    """Of the two-sided sign test."""
    word: str
    """`better`, `worse` or `no difference shown`, at 5 %; empty without a vote."""
    left: float | None
    """How often the left one was chosen where one was; far from a half, somebody chose by place."""
    judges: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How often two people said the same of the same pair."""

    judges: tuple[str, str]
    pairs: int
    share: Interval
    kappa: float | None
    """Cohen's: 0 is what chance alone gives, 1 is always. None where both said one thing only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What a person wrote about a pair."""

    suite: str
    case_id: str
    rubric: str
    text: str
    preferred: str
    """Name of the preferred subject; empty where there is none."""
    choice: Choice
    judge: str


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """All votes of a run, summed up."""

    votes: int = 0
    preferred: tuple[Preferred, ...] = ()
    """Every two subjects whose answers were compared."""
    ratings: tuple[Rating, ...] = ()
    """Elo, the first baseline at 1000; empty with fewer than 8 cases."""
    agreements: tuple[Agreement, ...] = ()
    notes: tuple[Note, ...] = ()


NOBODY = People()
"""No vote yet."""


def preferred(pairs: Sequence[Pair], votes: Sequence[Vote]) -> Preferred:
    """Sum up the votes on the pairs of two subjects."""
    subject, baseline = (pairs[0].subject, pairs[0].baseline) if pairs else ("", "")
    cast = of_pairs(votes, {pair.id for pair in pairs})
    judged = {vote.pair for vote in cast}
    matches = _matches(pairs, cast)
    values = [match.value for match in matches]
    groups = [match.group for match in matches]
    test = compare(values, [1 - value for value in values], groups) if cast else None
    chosen = [vote.choice for vote in cast if vote.preferred]
    return Preferred(
        subject=subject,
        baseline=baseline,
        votes=len(cast),
        pairs=sum(not pair.is_same for pair in pairs),
        judged=len(judged),
        won=sum(vote.preferred == subject for vote in cast),
        lost=sum(vote.preferred == baseline for vote in cast),
        tied=sum(vote.choice == "tie" for vote in cast),
        both_bad=sum(vote.choice == "both bad" for vote in cast),
        same=len(matches) - len(cast),
        win_rate=interval(values, groups) if cast else None,
        p=test.p if test else None,
        word=word(test.difference, test.p) if test else "",
        left=chosen.count("left") / len(chosen) if chosen else None,
        judges=tuple(dict.fromkeys(vote.judge for vote in cast)),
    )


def people(every: Sequence[Sequence[Pair]], votes: Sequence[Vote], anchor: str) -> People:
    """Sum up the votes of a run; `every`: the pairs of each two subjects."""
    known = {pair.id: pair for pairs in every for pair in pairs}
    cast = of_pairs(votes, set(known))
    compared = [pairs for pairs in every if of_pairs(cast, {pair.id for pair in pairs})]
    matches = [match for pairs in compared for match in _matches(pairs, cast)]
    return People(
        votes=len(cast),
        preferred=tuple(preferred(pairs, cast) for pairs in compared),
        ratings=tuple(ratings(matches, anchor)),
        agreements=tuple(agreements(cast)),
        notes=tuple(_notes(cast)),
    )


def agreements(votes: Sequence[Vote]) -> Iterator[Agreement]:
    """Of every two people who judged a pair in common. A tie and both bad are the same: neither is preferred."""
    said = dict[str, dict[str, str]]()
    for vote in votes:
        said.setdefault(vote.judge, {})[vote.pair] = vote.preferred
    for one, other in combinations(sorted(said), 2):
        both = sorted(said[one].keys() & said[other].keys())
        if both:
            ours, theirs = [said[one][pair] for pair in both], [said[other][pair] for pair in both]
            share = interval([float(a == b) for a, b in zip(ours, theirs, strict=True)])
            yield Agreement(judges=(one, other), pairs=len(both), share=share, kappa=_kappa(ours, theirs))


def _kappa(ours: Sequence[str], theirs: Sequence[str]) -> float | None:
    count = len(ours)
    found = sum(a == b for a, b in zip(ours, theirs, strict=True)) / count
    by_chance = sum(ours.count(each) * theirs.count(each) for each in {*ours, *theirs}) / count**2
    return None if by_chance == 1 else (found - by_chance) / (1 - by_chance)


def _matches(pairs: Sequence[Pair], votes: Sequence[Vote]) -> list[Match]:
    """The votes on these pairs, and the equal answers that count."""
    known = {pair.id: pair for pair in pairs}
    cast = [(vote, known[vote.pair]) for vote in votes if vote.pair in known]
    found = [
        Match(pair.subject, pair.baseline, vote.value(pair.subject), f"{pair.suite}\0{pair.group}")
        for vote, pair in cast
    ]
    if not found:
        return []
    same = passed_over(pairs, {pair.id for _, pair in cast})
    return found + [Match(pair.subject, pair.baseline, 0.5, f"{pair.suite}\0{pair.group}") for pair in same]


def _notes(votes: Sequence[Vote]) -> Iterator[Note]:
    for vote in votes:
        for rubric, text in vote.notes.items():
            yield Note(
                suite=vote.suite,
                case_id=vote.case_id,
                rubric=rubric,
                text=text,
                preferred=vote.preferred,
                choice=vote.choice,
                judge=vote.judge,
            )

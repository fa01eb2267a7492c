"""Ratings on the Elo scale from wins and losses of pairs; pure.

Not the running Elo of chess, whose numbers depend on the order of the games, but the strengths of Bradley and Terry
(1952) that make all votes together most probable, found by Hunter's iteration (2004). 400 points are odds of ten to
one, and the anchor stands at 1000. A tie is half a win for each.

Whoever never lost would have no finite rating: one win for each side is added to every two subjects that were compared,
as the adjusted Wald interval adds a discordant pair of each kind. The 95 % interval is that of a bootstrap over cases
(the added wins are drawn along with them), its quantiles widened for few cases.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from edgellm.evals.statistics import FEWEST_GROUPS, LEVEL, Interval, reach

ANCHOR_ELO = 1000.0
PER_DECADE = 400.0
RESAMPLES = 2000
FLOOR = 0.25
"""What of the added wins every resample keeps, so that no rating is infinite."""
MOST_ROUNDS = 2000
STEADY = 1e-6

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Match:
    """One answer against another."""

    first: str
    second: str
    value: float
    """1: the first was preferred; 0: the second; 0.5: neither."""
    group: str
    """Cases that count as one share it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rating:
    """A subject's strength."""

    subject: str
    elo: Interval
    matches: int


def ratings(matches: Sequence[Match], anchor: str, *, seed: int = 0, resamples: int = RESAMPLES) -> list[Rating]:
    """Every subject that was compared with the anchor, or with one that was; the best first.

    The anchor's interval is a point: all others are relative to it. With few cases (fewer than 8) nothing is rated.
    """
    names = _connected(matches, anchor)
    played = [match for match in matches if match.first in names]
    groups = list(dict.fromkeys(match.group for match in played))
    if len(names) < 2 or len(groups) < FEWEST_GROUPS:
        return []
    wins = _wins(played, names, groups)
    added = _added(wins.sum(0))
    elo = _elo(wins.sum(0)[None] + added, names.index(anchor))[0]
    random = np.random.default_rng(seed)
    drawn = _elo(_resampled(wins, added, random, resamples), names.index(anchor))
    wide = reach(LEVEL, len(groups))
    low, high = np.quantile(drawn, [NormalDist().cdf(-wide), NormalDist().cdf(wide)], axis=0)
    found = [
        Rating(
            subject=name,
            elo=Interval(float(elo[at]), float(low[at]), float(high[at])),
            matches=sum(name in (match.first, match.second) for match in played),
        )
        for at, name in enumerate(names)
    ]
    return sorted(found, key=lambda rating: -rating.elo.mean)


def _connected(matches: Sequence[Match], anchor: str) -> list[str]:
    names, size = [anchor], 0
    while len(names) > size:
        size = len(names)
        for match in matches:
            if (match.first in names) != (match.second in names):
                names.append(match.second if match.first in names else match.first)
    return names


def _wins(matches: Sequence[Match], names: Sequence[str], groups: Sequence[str]) -> Floats:
    """Wins of each (second axis) over each (third axis) in every group."""
    found = np.zeros((len(groups), len(names), len(names)))
    row = {group: at for at, group in enumerate(groups)}
    for match in matches:
        first, second = names.index(match.first), names.index(match.second)
        found[row[match.group], first, second] += match.value
        found[row[match.group], second, first] += 1 - match.value
    return found


def _added(wins: Floats) -> Floats:
    """One win for each side of those who were compared."""
    return (wins + wins.T > 0).astype(np.float64)


def _resampled(wins: Floats, added: Floats, random: np.random.Generator, resamples: int) -> Floats:
    """Sums over groups drawn with replacement, and over the added wins drawn as often as cases are."""
    groups, count = wins.shape[0], wins.shape[1]
    times = random.multinomial(groups, np.full(groups, 1 / groups), size=resamples).astype(np.float64)
    sums = (times @ wins.reshape(groups, -1)).reshape(resamples, count, count)
    virtual = random.poisson(1.0, size=(resamples, count, count)) * added
    found: Floats = sums + np.maximum(virtual, FLOOR * added)
    return found


def _elo(wins: Floats, anchor: int) -> Floats:
    """Ratings of each set of wins: strengths by Hunter's iteration, the anchor's at 1000."""
    played = wins + wins.transpose(0, 2, 1)
    total = wins.sum(2)
    strength = np.ones_like(total)
    for _ in range(MOST_ROUNDS):
        shares = (played / (strength[:, :, None] + strength[:, None, :])).sum(2)
        after = total / shares
        after /= after[:, [anchor]]
        change = float(np.abs(np.log(after / strength)).max())
        strength = after
        if change < STEADY:
            break
    found: Floats = ANCHOR_ELO + PER_DECADE * np.log10(strength)
    return found

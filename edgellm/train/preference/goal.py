"""The goals of preference tuning: DPO, ORPO and KTO, over pairs of answers.

Each measures beside its loss a margin (how much better the good answers have become than the bad ones) and an accuracy
(the share of judgements that the model agrees with).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import mlx.core as mx

from edgellm.train.goal import Goal, row_sums
from edgellm.train.preference.losses import dpo, kto, log_odds_ratio, orpo
from edgellm.train.preference.reference import Reference
from edgellm.train.rows import Pair, Row, RowSets
from edgellm.train.settings import TrainSettings

MEASURES = ("margin", "accuracy")
WATCHED_POSITIONS = 256
"""Most positions of held-out answers on which the divergence from the reference is measured."""


class _Pairs:
    """Both answers of each pair are learnt from."""

    names = MEASURES

    def __init__(self, beta: float) -> None:
        self._beta = beta

    def rows(self, units: Sequence[Pair]) -> list[Row]:
        """The chosen answer of each pair, and after it the rejected one."""
        return [row for pair in units for row in pair.rows]

    def surveyed(self, _units: Sequence[Pair]) -> list[Row]:
        """None."""
        return []

    def baseline(self, _losses: mx.array, _units: Sequence[Pair], _whole: Sequence[Pair]) -> mx.array:
        """None is needed."""
        return mx.array(0.0)


class DPO(_Pairs):
    """The margin is beta times how much more the chosen answer has gained than the rejected one."""

    def __init__(self, beta: float, reference: Reference) -> None:
        super().__init__(beta)
        self._reference = reference

    def parts(self, losses: mx.array, units: Sequence[Pair], whole: Sequence[Pair], _baseline: float) -> mx.array:
        """(loss, margin, accuracy)."""
        rows = self.rows(units)
        change = (-row_sums(losses, rows) - self._reference.of(rows)).reshape(-1, 2)
        chosen, rejected = change[:, 0], change[:, 1]
        margins = self._beta * (chosen - rejected)
        return _means(dpo(chosen, rejected, self._beta), margins, margins > 0, len(whole))


class ORPO(_Pairs):
    """The margin is the log odds ratio of the two answers, by their mean probabilities of a token."""

    def parts(self, losses: mx.array, units: Sequence[Pair], whole: Sequence[Pair], _baseline: float) -> mx.array:
        """(loss, margin, accuracy)."""
        rows = self.rows(units)
        mean = (-row_sums(losses, rows) / mx.array([row.targets for row in rows])).reshape(-1, 2)
        chosen, rejected = mean[:, 0], mean[:, 1]
        margins = log_odds_ratio(chosen, rejected)
        return _means(orpo(chosen, rejected, self._beta), margins, margins > 0, len(whole))


class KTO:
    """The margin is beta times how much more the good answers have gained than the bad ones, each on average.

    The baseline is the mean change of answers to other questions, which estimates the divergence from the reference; it
    counts as zero below zero. The rarer judgement weighs so much more that both count the same.
    """

    names = MEASURES

    def __init__(self, beta: float, reference: Reference, pairs: Sequence[Pair]) -> None:
        """`pairs` are those that are learnt from."""
        self._beta, self._reference = beta, reference
        good = sum(pair.is_good for pair in pairs)
        most = max(good, len(pairs) - good)
        self._good_weight, self._bad_weight = most / max(1, good), most / max(1, len(pairs) - good)

    def rows(self, units: Sequence[Pair]) -> list[Row]:
        """The judged answers."""
        return [pair.answer for pair in units]

    def parts(self, losses: mx.array, units: Sequence[Pair], whole: Sequence[Pair], baseline: float) -> mx.array:
        """(loss, margin, accuracy)."""
        change, is_good = self._change(losses, self.rows(units)), mx.array([pair.is_good for pair in units])
        level = max(0.0, baseline)
        weights = mx.where(is_good, self._good_weight, self._bad_weight)
        good = sum(pair.is_good for pair in whole)
        shares = mx.where(is_good, len(whole) / max(1, good), -len(whole) / max(1, len(whole) - good))
        return _means(
            weights * kto(change, is_good, level, self._beta),
            self._beta * shares * change,
            (change > level) == is_good,
            len(whole),
        )

    def surveyed(self, units: Sequence[Pair]) -> list[Row]:
        """The answers to other questions."""
        return [pair.other for pair in units]

    def baseline(self, losses: mx.array, units: Sequence[Pair], whole: Sequence[Pair]) -> mx.array:
        """Mean change of the answers to other questions."""
        return self._change(losses, self.surveyed(units)).sum() / len(whole)

    def _change(self, losses: mx.array, rows: Sequence[Row]) -> mx.array:
        return -row_sums(losses, rows) - self._reference.of(rows)


def preference_goal(
    settings: TrainSettings, sets: RowSets, take_reference: Callable[[Sequence[Row]], Reference]
) -> Goal[Pair]:
    """What the settings' objective asks for; `take_reference` is called with all rows, where it needs a reference."""
    if not settings.has_reference:
        return ORPO(settings.beta)
    rows = dict.fromkeys(row for pair in (*sets.pairs, *sets.valid_pairs) for row in pair.rows)
    reference = take_reference(list(rows))
    return DPO(settings.beta, reference) if settings.objective == "dpo" else KTO(settings.beta, reference, sets.pairs)


def watched(pairs: Sequence[Pair]) -> list[Row]:
    """The first held-out answers: on these, how far a model strays from its reference is measured."""
    rows: list[Row] = []
    for pair in pairs:
        if rows and sum(row.targets for row in (*rows, pair.answer)) > WATCHED_POSITIONS:
            break
        rows.append(pair.answer)
    return list(dict.fromkeys(rows))


def _means(losses: mx.array, margins: mx.array, is_right: mx.array, whole: int) -> mx.array:
    """The units' parts of the means over `whole` units: (3,)."""
    return mx.stack([losses.sum(), margins.sum(), is_right.astype(mx.float32).sum()]) / whole

"""Preference tuning the plain way: each row alone, whole logits, and formulas as the papers write them."""

from __future__ import annotations

from collections.abc import Sequence

import mlx.core as mx
from mlx import nn

from edgellm.train.decoder import Decoder
from edgellm.train.ragged import Layout, Rows
from edgellm.train.rows import Pair, Row
from edgellm.train.settings import TrainSettings


def log_p(model: Decoder, row: Row) -> mx.array:
    """log p of the row's answer, a scalar."""
    rows = Rows(Layout(0, (len(row.tokens),)))
    logits = model.head(model.run(model.embed(mx.array(row.tokens)), rows))
    spoken = nn.log_softmax(logits, axis=-1)
    total = mx.array(0.0)
    for start, end in row.supervised:
        for at in range(start, end):
            total = total + spoken[at - 1, row.tokens[at]]
    return total


def plain_loss(model: Decoder, base: Decoder, units: Sequence[Pair], settings: TrainSettings) -> mx.array:
    """The mean loss of pairs of which an equal number may be good and bad, a scalar."""
    beta = settings.beta
    losses = []
    level = mx.array(0.0)
    if settings.objective == "kto":
        changes = [log_p(model, pair.other) - log_p(base, pair.other) for pair in units]
        level = mx.maximum(mx.stop_gradient(mx.stack(changes).mean()), 0.0)
    for pair in units:
        mine, theirs = log_p(model, pair.answer), log_p(model, pair.other)
        if settings.objective == "dpo":
            margin = (mine - log_p(base, pair.answer)) - (theirs - log_p(base, pair.other))
            losses.append(-mx.log(mx.sigmoid(beta * margin)))
        elif settings.objective == "orpo":
            chosen, rejected = mx.exp(mine / pair.answer.targets), mx.exp(theirs / pair.other.targets)
            odds = (chosen / (1 - chosen)) / (rejected / (1 - rejected))
            losses.append(-mx.log(chosen) - beta * mx.log(mx.sigmoid(mx.log(odds))))
        else:
            gain = mine - log_p(base, pair.answer) - level
            losses.append(1 - mx.sigmoid(beta * gain if pair.is_good else -beta * gain))
    return mx.stack(losses).mean()

"""How wide the steps are: warm-up, then decay."""

from __future__ import annotations

import math

from edgellm.train.settings import TrainSettings

MOST_EPOCHS = 10.0
FEW_ROWS = 100
"""So few rows are read `MOST_EPOCHS` times: measured on 60 rows of an invented domain."""
FEWEST_STEPS = 40
"""A handful of rows is read more often: with half as many steps, eight rows were known less well in other words."""
REFERENCED_EPOCHS, REFERENCED_STEPS = 3.0, 12
"""With dpo and kto rows are read less often: of 31 pairs, the first epoch was enough to judge five others right."""


def epochs_of(settings: TrainSettings, rows: int) -> float:
    """How often each of `rows` rows is read: as asked, or falling with the root of their number down to once."""
    if settings.epochs is not None:
        return settings.epochs
    most = REFERENCED_EPOCHS if settings.has_reference else MOST_EPOCHS
    return settings.effort * max(1.0, most * min(1.0, math.sqrt(FEW_ROWS / max(1, rows))))


def steps_of(settings: TrainSettings, batches: int, rows: int) -> int:
    """Steps of a run whose epoch of `rows` rows has so many batches."""
    if settings.steps is not None:
        return settings.steps
    fewest = REFERENCED_STEPS if settings.has_reference else FEWEST_STEPS
    least = 1 if settings.epochs is not None else math.ceil(settings.effort * fewest)
    return max(least, math.ceil(epochs_of(settings, rows) * batches / settings.accumulate))


def learning_rate(step: int, steps: int, settings: TrainSettings) -> float:
    """The learning rate of a step, counted from 0, of a run of `steps`.

    Linear warm-up over the first share, then constant, linear to zero, or half a cosine (Loshchilov and Hutter 2016,
    arXiv:1608.03983).
    """
    warm = round(settings.warmup * steps)
    if step < warm:
        return settings.learning_rate * (step + 1) / warm
    share = (step - warm) / max(1, steps - warm)
    factor = {"constant": 1.0, "linear": 1 - share, "cosine": 0.5 * (1 + math.cos(math.pi * share))}[settings.decay]
    return settings.learning_rate * factor

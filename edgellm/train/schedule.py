"""How wide the steps are: warm-up, then decay."""

from __future__ import annotations

import math

from edgellm.train.settings import TrainSettings


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

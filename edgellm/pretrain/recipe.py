"""How a model of some size is trained from nothing."""

from __future__ import annotations

import math
from dataclasses import replace

from edgellm.pretrain.shape import Shape
from edgellm.train.settings import TrainSettings, check

STEP_TOKENS = 2048
"""Tokens of a step, where the context is not longer."""
MOST_EPOCHS = 16
"""Reading a text more often teaches next to nothing new (Muennighoff et al. 2023, arXiv:2305.16264)."""
TOKENS_PER_PARAMETER = 20
"""Tokens from which a model of a size learns most in a given time (Hoffmann et al. 2022, arXiv:2203.15556)."""
FEWEST_STEPS = 10
MEASUREMENTS = 20
"""How often in a long run the validation rows are read and a checkpoint is written."""
FEWEST_STEPS_BETWEEN = 10
"""In a short run less often: a measurement costs about a step."""


def recipe(shape: Shape, steps: int, seed: int) -> TrainSettings:
    """The settings of a run of `steps`."""
    every = max(FEWEST_STEPS_BETWEEN, steps // MEASUREMENTS)
    settings = replace(
        TrainSettings(),
        method="full",
        steps=steps,
        batch_rows=max(1, STEP_TOKENS // shape.context_tokens),
        batch_tokens=max(STEP_TOKENS, shape.context_tokens),
        anchors=0,
        noise=0.0,
        learning_rate=learning_rate(shape.parameters),
        weight_decay=0.1,
        context_tokens=shape.context_tokens,
        checkpoint_steps=every,
        valid_steps=every,
        seed=seed,
    )
    check(settings)
    return settings


def learning_rate(parameters: int) -> float:
    """The largest learning rate that suits so many weights (Kaplan et al. 2020, arXiv:2001.08361, equation D.1)."""
    return 0.003239 - 0.0001395 * math.log(parameters)


def most_steps(tokens: int) -> int:
    """Steps after which a text of so many tokens was read `MOST_EPOCHS` times."""
    return max(FEWEST_STEPS, tokens * MOST_EPOCHS // STEP_TOKENS)


def steps_in(seconds: float, step_s: float, tokens: int) -> int:
    """Steps that a time allows, and not more than the text is worth."""
    return max(FEWEST_STEPS, min(int(seconds / step_s), most_steps(tokens)))

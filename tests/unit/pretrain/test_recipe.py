"""Settings of runs from nothing."""

from __future__ import annotations

import pytest

from edgellm.pretrain.recipe import FEWEST_STEPS, MOST_EPOCHS, STEP_TOKENS, learning_rate, recipe, steps_in
from edgellm.pretrain.shape import Shape


@pytest.mark.parametrize("context", [64, 128, 256, 1024, 2048])
def test_a_step_reads_as_many_tokens_whatever_the_context(context: int) -> None:
    found = recipe(Shape(vocabulary=1024, layers=4, width=96, context_tokens=context), 100, 7)
    assert found.batch_rows * context == found.batch_tokens == STEP_TOKENS
    assert (found.method, found.anchors, found.steps, found.seed) == ("full", 0, 100, 7)


def test_a_long_context_is_one_row_a_step() -> None:
    found = recipe(Shape(vocabulary=1024, layers=4, width=96, context_tokens=4096), 100, 7)
    assert (found.batch_rows, found.batch_tokens) == (1, 4096)


def test_short_runs_are_not_mostly_measuring() -> None:
    shape = Shape(vocabulary=1024, layers=4, width=96, context_tokens=128)
    assert recipe(shape, 30, 0).valid_steps == 10
    assert recipe(shape, 4000, 0).valid_steps == 200


def test_time_decides_on_steps_until_the_text_is_used_up() -> None:
    assert steps_in(600, 0.5, tokens=10**9) == 1200
    assert steps_in(600, 0.5, tokens=20 * STEP_TOKENS) == 20 * MOST_EPOCHS
    assert steps_in(1, 5.0, tokens=10**9) == FEWEST_STEPS


def test_larger_models_take_smaller_steps() -> None:
    assert 1e-3 < learning_rate(500_000) < 2e-3
    assert 5e-4 < learning_rate(50_000_000) < learning_rate(500_000)

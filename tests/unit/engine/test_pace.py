"""Prompt chunks follow the measured speed."""

from __future__ import annotations

import pytest

from edgellm.engine.pace import FIRST_PREFILL_TOKENS, LEAST_PREFILL_TOKENS, Pace


@pytest.fixture
def pace() -> Pace:
    return Pace(batch_tokens=512, step_target_s=0.1, solo_step_target_s=0.5)


@pytest.fixture
def tiled() -> Pace:
    return Pace(batch_tokens=512, step_target_s=0.1, solo_step_target_s=0.5, tile_tokens=64)


def budgets(pace: Pace) -> tuple[int, int, int]:
    """Prompt tokens beside four rows that decode, beside decoding without rows, and alone."""
    return (
        pace.prefill_tokens(4, is_anyone_decoding=True),
        pace.prefill_tokens(0, is_anyone_decoding=True),
        pace.prefill_tokens(0, is_anyone_decoding=False),
    )


def test_before_any_measurement_chunks_are_small(pace: Pace) -> None:
    assert pace.prefill_tokens(0, is_anyone_decoding=False) == FIRST_PREFILL_TOKENS


def test_a_budget_is_the_time_left_over_the_cost_of_a_token(pace: Pace) -> None:
    pace.note(0, 64, 0.064)
    pace.note(4, 0, 0.04)
    assert budgets(pace) == (60, 100, 500)


def test_a_budget_of_half_a_tile_becomes_whole_ones(tiled: Pace) -> None:
    tiled.note(0, 100, 0.1)
    tiled.note(4, 0, 0.04)
    assert budgets(tiled) == (64, 128, 512)


def test_a_budget_below_half_a_tile_stays(tiled: Pace) -> None:
    tiled.note(0, 10, 0.04)
    assert tiled.prefill_tokens(0, is_anyone_decoding=True) == 25


def test_a_slow_machine_still_reads_on(pace: Pace) -> None:
    pace.note(8, 0, 0.9)
    pace.note(0, 10, 1.0)
    assert pace.prefill_tokens(8, is_anyone_decoding=True) == LEAST_PREFILL_TOKENS


def test_a_prompt_alone_is_not_read_in_ever_smaller_steps(pace: Pace) -> None:
    def step_s(tokens: int) -> float:
        return 1.5 + 0.001 * tokens  # other programs take the cores: most of a step's time is there whatever it reads

    for _ in range(40):
        tokens = pace.prefill_tokens(0, is_anyone_decoding=False)
        pace.note(0, tokens, step_s(tokens))
    assert pace.prefill_tokens(0, is_anyone_decoding=False) == FIRST_PREFILL_TOKENS


def test_a_step_never_exceeds_the_batch(pace: Pace) -> None:
    pace.note(0, 64, 1e-9)
    assert pace.prefill_tokens(12, is_anyone_decoding=True) == 500
    assert pace.prefill_tokens(512, is_anyone_decoding=True) == 0


def test_estimates_follow_a_change(pace: Pace) -> None:
    pace.note(0, 100, 0.1)
    for _ in range(40):
        pace.note(0, 100, 0.2)
    assert pace.prefill_token_s == pytest.approx(0.002, rel=0.01)


def test_decode_rows_are_taken_out_of_mixed_steps(pace: Pace) -> None:
    pace.note(2, 0, 0.02)
    pace.note(2, 30, 0.05)
    assert pace.prefill_token_s == pytest.approx(0.001)

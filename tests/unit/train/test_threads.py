"""Threads follow what the machine gives."""

from __future__ import annotations

from collections.abc import Callable

from edgellm.train.threads import LONGEST_WAIT_STEPS, ThreadChoice

IDLE = {1: 170.0, 2: 230.0, 4: 300.0}
CROWDED = {1: 160.0, 2: 40.0, 4: 10.0}
"""Tokens a second by threads."""


def run(choice: ThreadChoice, steps: int, speed: Callable[[int, int], float]) -> list[int]:
    """The number of threads of each step."""
    used = []
    for step in range(steps):
        used.append(choice.threads)
        choice.note(100, 100 / speed(step, choice.threads))
    return used


def test_an_idle_machine_keeps_all_threads_but_for_a_few_tries() -> None:
    used = run(ThreadChoice(2), 200, lambda _step, threads: IDLE[threads])
    assert used.count(1) <= 6


def test_a_crowded_machine_soon_gets_fewer() -> None:
    used = run(ThreadChoice(2), 200, lambda _step, threads: CROWDED[threads])
    assert used[:3] == [2, 2, 1]
    assert used[3:].count(2) <= 6


def test_many_threads_go_down_by_halves() -> None:
    used = run(ThreadChoice(4), 60, lambda _step, threads: CROWDED[threads])
    assert used[-5:].count(1) >= 4


def test_one_disturbed_step_changes_nothing() -> None:
    used = run(ThreadChoice(2), 200, lambda step, threads: (CROWDED if step % 20 == 0 else IDLE)[threads])
    assert used.count(1) <= 8


def test_a_sudden_neighbour_is_answered_after_two_slow_steps() -> None:
    def speed(step: int, threads: int) -> float:
        return CROWDED[threads] if step >= 40 else IDLE[threads]

    used = run(ThreadChoice(2), 60, speed)
    assert used[42:].count(2) <= 2


def test_a_neighbour_that_left_is_noticed() -> None:
    def speed(step: int, threads: int) -> float:
        return CROWDED[threads] if step < 40 else IDLE[threads]

    used = run(ThreadChoice(2), 40 + LONGEST_WAIT_STEPS + 20, speed)
    assert used[-10:].count(2) >= 9


def test_uneven_rows_are_no_reason() -> None:
    used = run(ThreadChoice(2), 200, lambda step, threads: IDLE[threads] * (0.9 if step % 3 else 1.1))
    assert used.count(1) <= 20


def test_one_thread_stays_one() -> None:
    assert set(run(ThreadChoice(1), 20, lambda _step, _threads: 100.0)) == {1}


def test_what_was_chosen_while_anchors_were_read_is_used_for_the_first_steps() -> None:
    choice = ThreadChoice(2)
    for _ in range(6):
        choice.note(100, 100 / CROWDED[choice.threads], "anchors")
    used = run(choice, 40, lambda _step, threads: CROWDED[threads] / 3)
    assert used[:2] == [1, 1], "steps are slower, not slowed"
    assert used.count(2) <= 4


def test_a_try_is_not_judged_by_other_work() -> None:
    choice = ThreadChoice(2)
    while choice.threads == 2:
        choice.note(100, 1.0, "anchors")
    choice.note(100, 0.1, "steps")
    assert choice.threads == 2

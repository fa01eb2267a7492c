"""The number of decode threads follows what is measured."""

from __future__ import annotations

from collections.abc import Callable

from edgellm.engine.threads import FIRST_RETRY_S, LONGEST_RETRY_S, TRIAL_STEPS, WINDOW_STEPS, ThreadPolicy

Machine = Callable[[int], float]
"""Seconds a step takes with so many threads."""


def idle(threads: int) -> float:
    return 0.02 / threads


def busy(threads: int) -> float:
    return 0.02 if threads == 1 else 0.08


def decode(policy: ThreadPolicy, machine: Machine, steps: int, rows: int = 1) -> list[int]:
    """The threads that so many steps used."""
    used = []
    for _ in range(steps):
        used.append(policy.threads)
        policy.note(rows, machine(policy.threads))
    return used


def test_an_idle_machine_keeps_all_threads_but_for_rare_short_tries() -> None:
    used = decode(ThreadPolicy(4), idle, 10_000)
    tries = 1 + 10_000 * idle(4) / LONGEST_RETRY_S
    assert TRIAL_STEPS <= used.count(3) <= TRIAL_STEPS * tries
    assert used[-1] == 4


def test_a_machine_that_is_busy_from_the_start_gets_fewer_threads_soon() -> None:
    used = decode(ThreadPolicy(2), busy, 200)
    assert used.index(1) <= WINDOW_STEPS + 1
    assert used[-1] == 1


def test_a_machine_that_becomes_busy_gets_fewer_threads() -> None:
    policy = ThreadPolicy(2)
    decode(policy, idle, 300)
    used = decode(policy, busy, 60)
    assert used[-1] == 1


def test_all_threads_come_back_soon_after_the_machine_is_free() -> None:
    policy = ThreadPolicy(2)
    decode(policy, busy, 60)
    used = decode(policy, idle, int(2 * FIRST_RETRY_S / idle(1)))
    assert used[-1] == 2


def test_tries_that_fail_become_rare_and_cost_little() -> None:
    policy = ThreadPolicy(2)
    decode(policy, busy, 60)
    used = decode(policy, busy, 10_000)
    lost_s = used.count(2) * (busy(2) - busy(1))
    assert lost_s < 0.03 * len(used) * busy(1)
    assert used.count(2) > TRIAL_STEPS * len(used) * busy(1) / LONGEST_RETRY_S / 2


def test_steps_that_grow_with_the_context_keep_their_threads() -> None:
    policy = ThreadPolicy(2)
    used = []
    for step in range(4000):
        used.append(policy.threads)
        policy.note(1, idle(policy.threads) * (1 + step / 1000))
    assert used.count(1) < 0.03 * len(used)


def test_a_few_slow_steps_change_nothing() -> None:
    policy = ThreadPolicy(2)
    decode(policy, idle, 300)
    assert decode(policy, busy, 3) + decode(policy, idle, 100) == [2] * 103


def test_another_batch_size_is_measured_afresh() -> None:
    policy = ThreadPolicy(2)
    decode(policy, idle, 100, rows=1)
    assert 1 not in decode(policy, lambda threads: 4 * idle(threads), 200, rows=8)


def test_a_machine_that_becomes_busy_while_batches_change_is_noticed_in_time() -> None:
    policy = ThreadPolicy(2)
    decode(policy, idle, 100, rows=1)
    used = decode(policy, busy, int(1.5 * LONGEST_RETRY_S / busy(2)), rows=8)
    assert used[-1] == 1


def test_all_threads_come_back_although_batches_keep_changing() -> None:
    policy = ThreadPolicy(2)
    decode(policy, busy, 60)
    for turn in range(40):
        used = decode(policy, idle, 5, rows=1 + turn % 3)
    assert used[-1] == 2


def test_one_thread_stays_one() -> None:
    assert set(decode(ThreadPolicy(1), busy, 100)) == {1}

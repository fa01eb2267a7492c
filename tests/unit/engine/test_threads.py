"""Fewer threads when steps take twice their best, and back again."""

from __future__ import annotations

from edgellm.engine.threads import FIRST_RETRY_S, PATIENCE_STEPS, ThreadPolicy


def feed(policy: ThreadPolicy, step_s: float, steps: int, rows: int = 1) -> list[int]:
    """The proposals that so many equal steps lead to."""
    return [threads for _ in range(steps) if (threads := policy.note(rows, step_s)) is not None]


def test_steady_steps_change_nothing() -> None:
    assert feed(ThreadPolicy(4), 0.01, 500) == []


def test_a_single_slow_step_changes_nothing() -> None:
    policy = ThreadPolicy(4)
    feed(policy, 0.01, 50)
    assert feed(policy, 0.1, 1) == feed(policy, 0.01, 50) == []


def test_slow_steps_lead_to_fewer_threads() -> None:
    policy = ThreadPolicy(2)
    feed(policy, 0.01, 50)
    assert feed(policy, 0.05, PATIENCE_STEPS) == [1]
    assert feed(policy, 0.02, 50) == []
    assert policy.threads == 1


def test_fewer_threads_that_are_no_faster_are_given_up() -> None:
    """The context grew: steps are longer now, whoever computes them."""
    policy = ThreadPolicy(2)
    feed(policy, 0.01, 50)
    assert feed(policy, 0.03, PATIENCE_STEPS) == [1]
    assert feed(policy, 0.06, PATIENCE_STEPS) == [2]
    assert feed(policy, 0.03, 100) == []


def test_all_threads_are_tried_again_later_and_later() -> None:
    policy = ThreadPolicy(2)
    feed(policy, 0.01, 50)
    feed(policy, 0.05, PATIENCE_STEPS)
    waits = []
    for _ in range(2):
        steps = 0
        while policy.threads == 1:
            policy.note(1, 0.02)
            steps += 1
        waits.append(steps * 0.02)
        feed(policy, 0.05, PATIENCE_STEPS)
        assert policy.threads == 1
    assert waits[0] >= FIRST_RETRY_S * 0.9
    assert waits[1] >= 1.8 * waits[0]


def test_different_batches_have_their_own_best() -> None:
    policy = ThreadPolicy(4)
    feed(policy, 0.01, 50, rows=1)
    assert feed(policy, 0.04, 50, rows=8) == []


def test_one_thread_stays_one() -> None:
    policy = ThreadPolicy(1)
    feed(policy, 0.01, 50)
    assert feed(policy, 0.1, 50) == []

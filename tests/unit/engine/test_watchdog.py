"""A step that never comes back is noticed; slow ones, many ones and pauses are not mistaken for it."""

from __future__ import annotations

import threading
import time

import pytest

from edgellm.engine import watchdog
from edgellm.engine.watchdog import Watchdog


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(watchdog, "MOST_LOOKS", 20)


def test_a_stuck_step_is_noticed_once() -> None:
    noticed: list[float] = []
    came = threading.Event()

    def give_up() -> None:
        noticed.append(time.monotonic())
        came.set()

    def stuck() -> bool:
        came.wait(10)
        return True

    assert Watchdog(give_up).watched(stuck)
    time.sleep(0.1)
    assert len(noticed) == 1


def test_many_steps_waiting_and_a_failing_step_are_no_reason() -> None:
    noticed = threading.Event()

    def short() -> bool:
        time.sleep(0.02)
        return True

    dog = Watchdog(noticed.set)
    for _ in range(30):
        assert dog.watched(short)

    def failing() -> bool:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        dog.watched(failing)
    time.sleep(0.6)
    assert not noticed.is_set()

"""A file has its time, a little more for its size and its pages, and never more than some times that."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator

import pytest

from edgellm.retrieval.parse.clock import MOST_TIMES, PAGE_S, Clock


class FakeTime:
    """A timer and a clock that only move when told."""

    def __init__(self) -> None:
        self.now = self.left = 0.0

    def pass_by(self, seconds: float) -> None:
        self.now += seconds
        self.left -= seconds


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeTime]:
    fake = FakeTime()
    monkeypatch.setattr(time, "monotonic", lambda: fake.now)
    monkeypatch.setattr(signal, "setitimer", lambda _, seconds: setattr(fake, "left", seconds))
    monkeypatch.setattr(signal, "getitimer", lambda _: (fake.left, 0.0))
    yield fake
    monkeypatch.undo()


def test_a_larger_file_has_more_time(fake: FakeTime) -> None:
    Clock(20, 3 * 1024**2)
    assert fake.left == 23
    Clock(20, 1024**4)
    assert fake.left == 20 * MOST_TIMES


def test_pages_that_are_read_quickly_never_end_in_an_alarm_but_for_the_last_limit(fake: FakeTime) -> None:
    timer = Clock(20, 0)
    pages = 0
    while fake.left > 0.01:
        fake.pass_by(PAGE_S / 3)
        timer.page_read()
        pages += 1
    assert pages == pytest.approx(20 * MOST_TIMES / (PAGE_S / 3), rel=0.01)


def test_slow_pages_gain_next_to_nothing(fake: FakeTime) -> None:
    timer = Clock(20, 0)
    for _ in range(2):
        fake.pass_by(9)
        timer.page_read()
    assert fake.left == pytest.approx(2 + 2 * PAGE_S)


def test_the_clock_is_never_stopped(fake: FakeTime) -> None:
    timer = Clock(20, 0)
    fake.now = 1_000_000
    timer.page_read()
    assert fake.left > 0

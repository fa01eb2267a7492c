"""Budgets: tokens a minute and a day, requests at once; debts are paid before the next request."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgellm.errors import BudgetExceeded
from edgellm.server.budget import BUSY_RETRY_S, Budget, start_of_day
from edgellm.store.keys import Limits

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC).timestamp()


class Clock:
    """Time that passes when it is told to."""

    def __init__(self, now: float = NOON) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def refusal(budget: Budget, tenant: str = "ana") -> BudgetExceeded | None:
    try:
        with budget.admit(tenant):
            return None
    except BudgetExceeded as error:
        return error


def waiting_s(budget: Budget, tenant: str = "ana") -> float:
    error = refusal(budget, tenant)
    assert error is not None
    wait_s = error.facts["retry_after_s"]
    assert isinstance(wait_s, float)
    return wait_s


def test_without_limits_everything_is_admitted() -> None:
    budget = Budget(lambda _: Limits(), Clock())
    budget.spend("ana", 10**9)
    with ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(budget.admit("ana"))
        assert budget.running("ana") == 100
    assert budget.running("ana") == 0


def test_a_minutes_tokens_come_back_bit_by_bit() -> None:
    clock = Clock()
    budget = Budget(lambda _: Limits(tokens_per_minute=60), clock)
    budget.spend("ana", 60)
    error = refusal(budget)
    assert error is not None
    assert error.facts == {"limit": "tokens_per_minute", "retry_after_s": 1.0}
    assert "60 tokens a minute" in error.message
    clock.now += 0.9
    assert refusal(budget) is not None
    clock.now += 0.2
    assert refusal(budget) is None
    clock.now += 3600
    budget.spend("ana", 60)  # an hour of silence saves up one minute only
    assert refusal(budget) is not None


def test_what_was_overdrawn_is_paid_first() -> None:
    clock = Clock()
    budget = Budget(lambda _: Limits(tokens_per_minute=60), clock)
    with budget.admit("ana"), budget.admit("ana"):
        budget.spend("ana", 100)
        budget.spend("ana", 20)
    wait_s = waiting_s(budget)
    assert wait_s == pytest.approx(61.0)
    clock.now += wait_s - 0.4
    error = refusal(budget)
    assert error is not None
    assert "in 1 s," in error.hint  # not 0: who comes at once is refused again
    clock.now += 0.4
    assert refusal(budget) is None


def test_a_days_tokens_end_at_local_midnight() -> None:
    clock = Clock()
    budget = Budget(lambda _: Limits(tokens_per_day=100), clock, {"ana": 90})
    assert refusal(budget) is None
    budget.spend("ana", 10)
    error = refusal(budget)
    assert error is not None
    assert error.facts == {"limit": "tokens_per_day", "retry_after_s": 12 * 3600.0}
    clock.now += 12 * 3600 - 1
    assert refusal(budget) is not None
    clock.now += 1
    assert refusal(budget) is None


def test_what_was_spent_before_the_start_counts_on_that_day_only() -> None:
    clock = Clock()
    budget = Budget(lambda _: Limits(tokens_per_day=100), clock, {"ana": 100, "ben": 5})
    assert refusal(budget, "ana") is not None
    assert refusal(budget, "ben") is None
    later = Clock()
    budget = Budget(lambda _: Limits(tokens_per_day=100), later, {"ana": 100})
    later.now += 86_400  # ana comes for the first time on the next day
    assert refusal(budget, "ana") is None


def test_requests_at_once_are_counted_and_given_back() -> None:
    budget = Budget(lambda _: Limits(requests=2), Clock())
    with budget.admit("ana"), budget.admit("ana"):
        error = refusal(budget)
        assert error is not None
        assert error.facts == {"limit": "requests", "retry_after_s": BUSY_RETRY_S}
        assert refusal(budget, "ben") is None
    with suppress(RuntimeError), budget.admit("ana"):
        raise RuntimeError
    assert budget.running("ana") == 0


def test_tenants_have_accounts_of_their_own() -> None:
    limits = {"ana": Limits(tokens_per_minute=10), "ben": Limits(tokens_per_minute=1000)}
    budget = Budget(limits.__getitem__, Clock())
    budget.spend("ana", 10)
    budget.spend("ben", 10)
    assert refusal(budget, "ana") is not None
    assert refusal(budget, "ben") is None


def test_a_clock_that_is_set_back_gives_nothing() -> None:
    clock = Clock()
    budget = Budget(lambda _: Limits(tokens_per_minute=60, tokens_per_day=1000), clock)
    budget.spend("ana", 60)
    clock.now -= 86_400
    assert waiting_s(budget) == pytest.approx(1.0)
    clock.now += 2
    assert refusal(budget) is None


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "America/New_York"])
def test_days_begin_at_local_midnight(zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    for now in (NOON, NOON + 6 * 3600, datetime(2026, 3, 8, 20, tzinfo=UTC).timestamp()):  # New York loses an hour
        began = start_of_day(now)
        assert time.strftime("%H:%M:%S", time.localtime(began)) == "00:00:00"
        assert 0 <= now - began < 86_400


SPENDING = st.lists(st.tuples(st.floats(0, 200), st.integers(0, 300)), min_size=1, max_size=60)


@settings(max_examples=150)
@given(SPENDING, st.integers(1, 500))
def test_over_any_time_no_more_than_the_rate_is_admitted(spending: list[tuple[float, int]], rate: int) -> None:
    clock = Clock()
    budget = Budget(lambda _: Limits(tokens_per_minute=rate), clock)
    spent, largest = 0, 0
    for pause_s, tokens in spending:
        clock.now += pause_s
        if refusal(budget) is None:
            budget.spend("ana", tokens)
            spent, largest = spent + tokens, max(largest, tokens)
        assert spent <= rate + (clock.now - NOON) * rate / 60 + largest + 0.001


@settings(max_examples=100)
@given(st.integers(0, 100_000), st.integers(1, 10_000))
def test_who_waits_as_long_as_he_is_told_is_admitted(spent: int, rate: int) -> None:
    clock = Clock()
    budget = Budget(lambda _: Limits(tokens_per_minute=rate), clock)
    budget.spend("ana", spent)
    error = refusal(budget)
    if error is not None:
        clock.now += waiting_s(budget) + 0.001
    assert refusal(budget) is None

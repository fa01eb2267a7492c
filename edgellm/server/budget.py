"""What each tenant may use: tokens a minute, tokens a day, requests at once."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from edgellm.errors import BudgetExceeded
from edgellm.store.keys import Limits

MINUTE_S = 60.0
BUSY_RETRY_S = 1.0
"""What a tenant with too many requests at once is told to wait: when one of them ends, nobody knows."""


@dataclass(slots=True)
class _Account:
    """What one tenant has used."""

    bucket: float
    """Tokens that may be used now; below 0 it is owed."""
    filled_at: float
    day: float
    """When the day began that `today` counts."""
    today: int = 0
    running: int = 0


class Budget:
    """Admits requests and counts what they used.

    What a request costs is known while it runs, not before. So one is admitted as long as anything is left; what those
    that run at once use beyond the limit is owed, and paid before the next one is admitted.
    Limits of a minute are a token bucket that holds a minute's tokens; a day is the machine's local one.
    """

    def __init__(
        self,
        limits: Callable[[str], Limits],
        clock: Callable[[], float] = time.time,
        spent_today: Mapping[str, int] | None = None,
    ) -> None:
        """`limits` of a tenant; `clock` in seconds since the epoch; `spent_today` per tenant, from the usage table."""
        self._limits = limits
        self._clock = clock
        self._spent_today = dict(spent_today or {})
        self._first_day = start_of_day(clock())
        self._accounts: dict[str, _Account] = {}

    @contextmanager
    def admit(self, tenant: str) -> Iterator[None]:
        """Hold one of the tenant's requests for the block. Raises: BudgetExceeded (facts: `limit`, `retry_after_s`)."""
        account = self._account(tenant)
        self._refuse(account, self._limits(tenant))
        account.running += 1
        try:
            yield
        finally:
            account.running -= 1

    def spend(self, tenant: str, tokens: int) -> None:
        """Count tokens of a request, read and written ones together; as often as they are known."""
        account = self._account(tenant)
        account.bucket -= tokens
        account.today += tokens

    def running(self, tenant: str) -> int:
        """Requests of a tenant at this moment."""
        account = self._accounts.get(tenant)
        return account.running if account else 0

    def _refuse(self, account: _Account, limits: Limits) -> None:
        now = account.filled_at
        if limits.requests is not None and account.running >= limits.requests:
            raise _exceeded("requests", f"{limits.requests} requests at once", BUSY_RETRY_S)
        if limits.tokens_per_day is not None and account.today >= limits.tokens_per_day:
            raise _exceeded("tokens_per_day", f"{limits.tokens_per_day:,} tokens a day", _next_day(now) - now)
        if limits.tokens_per_minute is not None and account.bucket < 1:
            wait_s = (1 - account.bucket) * MINUTE_S / limits.tokens_per_minute
            raise _exceeded("tokens_per_minute", f"{limits.tokens_per_minute:,} tokens a minute", wait_s)

    def _account(self, tenant: str) -> _Account:
        """The tenant's account as of now: the bucket refilled, a new day begun."""
        now, most = self._clock(), float(self._limits(tenant).tokens_per_minute or 0)
        account = self._accounts.get(tenant)
        if account is None:
            today = self._spent_today.get(tenant, 0)
            account = self._accounts[tenant] = _Account(most, now, self._first_day, today)
        passed_s = max(0.0, now - account.filled_at)  # a clock that was set back gives nothing
        account.bucket = min(most, account.bucket + passed_s * most / MINUTE_S)
        account.filled_at = now
        day = start_of_day(now)
        if day > account.day:
            account.day, account.today = day, 0
        return account


def start_of_day(now: float) -> float:
    """Local midnight before `now`; both in seconds since the epoch."""
    return datetime.fromtimestamp(now).replace(hour=0, minute=0, second=0, microsecond=0).timestamp()


def _next_day(now: float) -> float:
    midnight = datetime.fromtimestamp(now).replace(hour=0, minute=0, second=0, microsecond=0)
    return (midnight + timedelta(days=1)).timestamp()


def _exceeded(limit: str, words: str, wait_s: float) -> BudgetExceeded:
    return BudgetExceeded(
        f"This key has used up its {words}.",
        hint=f"Try again in {math.ceil(wait_s)} s, or ask for a larger budget.",
        limit=limit,
        retry_after_s=wait_s,
    )

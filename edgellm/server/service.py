"""What the routes share: the engine, the line, budgets, keys."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edgellm.sdk.facade import EdgeLLM
from edgellm.server.budget import Budget, start_of_day
from edgellm.server.caller import LOCAL
from edgellm.server.doors import Doors
from edgellm.server.drain import Drain
from edgellm.server.energy import Meter, meter_here
from edgellm.server.keyring import Keyring
from edgellm.server.line import Line
from edgellm.server.log import ServerLog
from edgellm.server.metrics import Counters
from edgellm.server.names import ServerNames
from edgellm.server.tracing import Tracing, tracing_to
from edgellm.server.trail import Trail

if TYPE_CHECKING:
    from edgellm.server.accounts import Account


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """What `edgellm serve` can be told."""

    host: str = "127.0.0.1"
    port: int = 8000
    """0 takes any free one."""
    running: int = 8
    """Requests that are answered at once."""
    waiting: int = 64
    """Requests that wait for their turn."""
    deadline_s: float = 300.0
    """From a request's arrival to the end of its answer."""
    allow_hosts: tuple[str, ...] = ()
    allow_origins: tuple[str, ...] = ()
    otlp: str | None = None
    """Address of a collector of traces."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One server's parts. `edge` belongs to who started it, and is closed by them."""

    edge: EdgeLLM
    options: ServeOptions
    names: ServerNames
    keyring: Keyring
    line: Line
    budget: Budget
    drain: Drain
    log: ServerLog
    trail: Trail
    counters: Counters = field(default_factory=Counters)
    meter: Meter = field(default_factory=Meter)
    doors: Doors = field(default_factory=Doors)
    tracing: Tracing = field(default_factory=Tracing)
    training: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while a training job is begun: one at a time is looked at."""
    accounts: set[Account] = field(default_factory=set)
    """Requests that have not ended."""
    started_at: float = field(default_factory=time.time)
    """Seconds since the epoch."""
    clock: Callable[[], float] = time.monotonic


def open_service(
    edge: EdgeLLM, options: ServeOptions, *, is_open: bool, token: str | None = None, admin_token: str | None = None
) -> Service:
    """The parts of a server over `edge`; what tenants used today is read from the store. Arguments as for `Keyring`."""
    keyring = Keyring(edge.keys, is_open=is_open, token=token, admin_token=admin_token)
    log = ServerLog(edge.home.logs / "server.log")
    return Service(
        edge=edge,
        options=options,
        names=ServerNames(edge),
        keyring=keyring,
        line=Line(options.running, options.waiting),
        budget=Budget(keyring.limits, spent_today=_spent_today(edge)),
        drain=Drain(),
        log=log,
        trail=Trail(edge.audit, log),
        meter=meter_here(),
        tracing=tracing_to(options.otlp),
    )


def _spent_today(edge: EdgeLLM) -> dict[str, int]:
    totals = edge.usage.totals(by="tenant", since=start_of_day(time.time()))
    return {total.key: total.tokens for total in totals if total.key not in ("", LOCAL)}

"""A server that a test moves on, with keys, usage and an audit log in memory."""

from __future__ import annotations

import asyncio
import builtins
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

from edgellm.engine.metrics import EngineMetrics
from edgellm.errors import EdgeLLMError, EngineError, InvalidInput
from edgellm.sdk.live import LiveFigures, LiveRequest
from edgellm.sdk.servers import RunningServer, ServerOptions, Trouble
from edgellm.store.audit import AuditCheck, AuditEntry, Head
from edgellm.store.keys import Key, Limits, NewKey, Role
from edgellm.store.records import UsageTotal
from edgellm.types import Usage

URL = "http://127.0.0.1:8000"
SECRET = "edge-" + "Q" * 32
LONG_AGO = time.time() - 12_000


def request(key: str, **more: Any) -> LiveRequest:
    """A request whose answer is being written."""
    facts: dict[str, Any] = {"tenant": f"id-{key}", "model": "qwen3-4b", "stage": "writing", "tokens": 212}
    return LiveRequest(key=key, **{**facts, "tokens_per_s": 20.5, "seconds": 11.2, **more})


def total(key: str, tokens: int, **more: Any) -> UsageTotal:
    """What was used on a day, or by a tenant."""
    usage = Usage(prompt_tokens=tokens * 3 // 4, cached_tokens=tokens // 4, completion_tokens=tokens - tokens * 3 // 4)
    facts: dict[str, Any] = {"requests": max(tokens // 400, 1), "p50_s": 1.8, "p99_s": 7.4}
    return UsageTotal(key=key, usage=usage, **{**facts, **more})


class FakeServer:
    """Takes requests once a test says so."""

    def __init__(self) -> None:
        self.running: RunningServer | None = None
        self.requests: list[LiveRequest] = []
        self.begun: list[ServerOptions] = []
        self.words = ""
        self.troubles: list[Trouble] = []
        self.is_silent = False
        """Whether it gives no figures."""
        self.answer_s = 0.0
        """How long it takes to give them."""
        self.refusal: EdgeLLMError | None = None
        """What ends the next beginning."""
        self.may_stop = asyncio.Event()
        self.may_stop.set()

    def run(self, model: str = "qwen3-4b") -> None:
        """It takes requests."""
        options = self.begun[-1] if self.begun else ServerOptions()
        self.running = RunningServer(
            pid=7, started_at=time.time() - 12_020, host=options.host, port=options.port, model=model, url=URL
        )

    def end(self, words: str = "") -> None:
        """Its process ended."""
        self.running, self.words = None, words

    async def begin(self, options: ServerOptions | None = None) -> RunningServer:
        if self.refusal is not None:
            raise self.refusal
        options = options or ServerOptions()
        self.begun.append(options)
        self.words = ""
        self.running = RunningServer(
            pid=7,
            started_at=time.time(),
            host=options.host,
            port=options.port,
            model=options.model or "starter",
            url=None,
        )
        return self.running

    async def status(self) -> RunningServer | None:
        return self.running

    async def last_words(self) -> str:
        return self.words

    async def log(self, limit: int = 100) -> Sequence[Trouble]:
        return self.troubles[:limit]

    async def stop(self) -> None:
        await self.may_stop.wait()
        self.running = None

    async def live(self) -> LiveFigures:
        await asyncio.sleep(self.answer_s)
        if self.is_silent or self.running is None:
            raise EngineError(f"The server at {URL} does not answer: timed out.")
        writing = [one for one in self.requests if one.stage != "waiting"]
        return LiveFigures(
            address=URL,
            model=self.running.model,
            started_at=LONG_AGO,
            requests=tuple(self.requests),
            running=len(writing),
            most_running=8,
            waiting=len(self.requests) - len(writing),
            most_waiting=64,
            engines={self.running.model: EngineMetrics(cells_used=900, cells_total=4096)},
        )


class FakeAudit:
    """Entries that were added."""

    def __init__(self) -> None:
        self.entries: builtins.list[AuditEntry] = []
        self.broken_at: int | None = None

    def add(self, actor: str, action: str, target: str, **facts: Any) -> None:
        """Log something."""
        number = len(self.entries) + 1
        entry = AuditEntry(
            number=number, at=LONG_AGO, actor=actor, action=action, target=target, facts=facts, hash=f"{number:064x}"
        )
        self.entries.append(entry)

    async def list(self, limit: int = 50, before: int | None = None) -> Sequence[AuditEntry]:
        found = [entry for entry in self.entries if before is None or entry.number < before]
        return found[::-1][:limit]

    async def verify(self) -> AuditCheck:
        count = len(self.entries)
        if self.broken_at is None:
            return AuditCheck(entries=count, head=Head(count, f"{count:064x}"))
        sound = self.broken_at - 1
        return AuditCheck(
            entries=count, head=Head(sound), broken_at=self.broken_at, reason=f"entry {self.broken_at} is missing"
        )


class FakeKeys:
    """Keys that were made."""

    def __init__(self, audit: FakeAudit) -> None:
        self.audit = audit
        self.kept: builtins.list[Key] = []
        self.names = ["starter"]
        """What keys may name and find."""

    async def absent(self, limits: Limits) -> tuple[str, ...]:
        return tuple(name for name in limits.models if name not in self.names)

    async def create(
        self, name: str, *, role: Role = "user", limits: Limits | None = None, days: float | None = None
    ) -> NewKey:
        if len(name) > 64:
            raise InvalidInput(f"A key's name cannot be {name!r}.", field="name")
        now = time.time()
        key = Key(
            id=f"id-{name}",
            name=name,
            role=role,
            prefix=SECRET[:12],
            limits=limits or Limits(),
            created_at=now,
            expires_at=None if days is None else now + days * 86_400,
            revoked_at=None,
            last_used_at=None,
        )
        self.kept.insert(0, key)
        self.audit.add("local", "key.create", key.id, name=name, role=role)
        return NewKey(key, SECRET)

    async def list(self) -> Sequence[Key]:
        return list(self.kept)

    async def revoke(self, key_id: str) -> Key:
        self.kept = [replace(key, revoked_at=time.time()) if key.id == key_id else key for key in self.kept]
        self.audit.add("local", "key.revoke", key_id)
        return next(key for key in self.kept if key.id == key_id)


class FakeUse:
    """Totals that a test gives."""

    def __init__(self) -> None:
        self.days: list[UsageTotal] = []
        self.tenants: list[UsageTotal] = []

    async def totals(
        self, by: Literal["day", "model", "tenant"] = "day", since: float | None = None
    ) -> Sequence[UsageTotal]:
        assert since is not None
        return {"day": self.days, "tenant": self.tenants}[by]

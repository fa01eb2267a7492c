"""A server's requests, keys, days and audit entries as lines of lists."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Protocol

from textual.content import Content

from edgellm.safetext import clean_line
from edgellm_tui.render import meter

if TYPE_CHECKING:
    from edgellm.sdk.live import LiveRequest
    from edgellm.sdk.server_log import Trouble
    from edgellm.store.audit import AuditEntry
    from edgellm.store.keys import Key
    from edgellm.store.records import UsageTotal

DIM, FAINT = "$foreground 70%", "$foreground 55%"
LOCAL = "local"
_ROLES = {"admin": "manages", "user": "asks models", "viewer": "sees figures"}
_STATES = {"active": "$text-success", "expired": "$text-warning", "revoked": "$text-error"}
_STAGES = {"waiting": ("waits", "$text-warning"), "reading": ("reads", DIM), "writing": ("writes", "$text-success")}
BAR_CELLS = 6


def _cell(text: str, cells: int, look: str = DIM) -> Content:
    shown = Content.styled(clean_line(text), look).truncate(cells - 1, ellipsis=True)
    return shown + Content(" " * (cells - shown.cell_length))


def _number(text: str, cells: int, look: str = DIM) -> Content:
    return Content.styled(f"{text:>{cells}}", look)


def who(tenant: str, names: Mapping[str, str]) -> str:
    """The name of a key, by its id."""
    return "this computer" if tenant in (LOCAL, "") else names.get(tenant) or tenant


class Detailed(Protocol):
    """A row that can say more about itself."""

    @property
    def name(self) -> str:
        """What it is known by."""

    def line(self) -> Content:
        """How it looks."""

    def details(self, now: float) -> list[tuple[str, str]]:
        """Names and values."""


@dataclass(frozen=True, slots=True)
class RequestRow:
    """A request that has not ended."""

    name: str
    request: LiveRequest

    def line(self) -> Content:
        """Who, model, what it does, tokens, speed, age: what `REQUESTS_HEAD` names."""
        request = self.request
        word, colour = _STAGES[request.stage]
        speed = f"{request.tokens_per_s:.1f}" if request.tokens_per_s else ""
        return Content("").join(
            [
                _cell(request.key or who(request.tenant, {}), 18, "bold"),
                _cell(request.model, 21),
                _cell(word, 8, colour),
                _number(f"{request.tokens:,}", 8),
                _number(speed, 8, "bold"),
                _number(meter.seconds(request.seconds), 9, FAINT),
            ]
        )

    def details(self, _now: float) -> list[tuple[str, str]]:
        """All of it, for people."""
        request = self.request
        return [
            ("who", request.key or who(request.tenant, {})),
            ("tenant", request.tenant),
            ("model", request.model),
            ("state", _STAGES[request.stage][0]),
            ("tokens", f"{request.tokens:,}"),
            ("since", meter.seconds(request.seconds)),
        ]


REQUESTS_HEAD = Content.styled(f"{'From':<18}{'Model':<21}{'':<8}{'Tokens':>8}{'Tok/s':>8}{'Since':>9}", FAINT)


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key, and what its tenant used today."""

    name: str
    """The key's id."""
    label: str
    """The key's name; with the beginning of its secret where another key is called the same."""
    key: Key
    used_tokens: int
    state: str
    age: str
    """Since it was last used; empty: never."""

    def line(self) -> Content:
        """Name, role, state, use of the day's budget, last use: what `KEYS_HEAD` names."""
        return Content("").join(
            [
                _cell(self.label, 18, "bold" if self.state == "active" else FAINT),
                _cell(self.key.role, 8),
                _cell(self.state, 9, _STATES[self.state]),
                self._today(),
                _number(self.age or "never", 9, FAINT),
            ]
        )

    def _today(self) -> Content:
        used, budget = self.used_tokens, self.key.limits.tokens_per_day
        if budget is None:
            return _cell(f"{meter.tokens(used)} tokens" if used else "", 28)
        share = min(used / budget, 1.0)
        done = round(BAR_CELLS * share)
        colour = "$text-error" if share >= 1 else "$text-warning" if share > 0.75 else "$primary"
        bar = Content.assemble(("━" * done, colour), ("─" * (BAR_CELLS - done), "$foreground 30%"))
        return bar + Content(" ") + _cell(f"{meter.tokens(used)} of {meter.tokens(budget)}", 27 - BAR_CELLS)

    def details(self, now: float) -> list[tuple[str, str]]:
        """All of it, for people."""
        key, limits = self.key, self.key.limits
        budgets = (("a minute", limits.tokens_per_minute), ("a day", limits.tokens_per_day))
        words = [f"{number:,} {per}" for per, number in budgets if number is not None]
        return [
            ("id", key.id),
            ("begins with", key.prefix),
            ("role", f"{key.role}: {_ROLES[key.role]}"),
            ("state", self.state),
            ("used today", f"{self.used_tokens:,} tokens"),
            ("tokens", ", ".join(words) or "no limit"),
            ("at once", f"{limits.requests:,} requests" if limits.requests else "no limit"),
            ("made", meter.ago(now - key.created_at)),
            ("ends", _ends(key.expires_at, now)),
            ("last used", self.age or "never"),
            ("models", ", ".join(limits.models) or "all"),
            ("collections", ", ".join(limits.collections) or "none"),
            ("adapter", limits.adapter or "any"),
            ("kept", "questions and answers" if limits.log == "full" else "numbers only"),
        ]


def _ends(at: float | None, now: float) -> str:
    if at is None:
        return "never"
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(at)) + (" (over)" if at <= now else "")


KEYS_HEAD = Content.styled(f"{'Key':<18}{'Role':<8}{'State':<9}{'Tokens today':<28}{'Last use':>9}", FAINT)


def key_rows(keys: Sequence[Key], today: Sequence[UsageTotal], now: float) -> list[KeyRow]:
    """Keys with what they used since midnight, valid ones first."""
    used = {total.key: total.tokens for total in today}
    alike = Counter(key.name for key in keys)
    rows = [
        KeyRow(
            name=key.id,
            label=key.name if alike[key.name] == 1 else f"{key.name[:7]} {key.prefix[5:]}…",
            key=key,
            used_tokens=used.get(key.id, 0),
            state=key.state(now),
            age="" if key.last_used_at is None else meter.ago(now - key.last_used_at),
        )
        for key in keys
    ]
    return sorted(rows, key=lambda row: row.state != "active")


@dataclass(frozen=True, slots=True)
class DayRow:
    """One day's requests."""

    name: str
    """The day: 2026-11-22."""
    total: UsageTotal

    def line(self) -> Content:
        """Day, requests, tokens, errors, latency: what `DAYS_HEAD` names."""
        total, latencies = self.total, (self.total.p50_s, self.total.p99_s)
        shown = ["" if latency is None else meter.seconds(latency) for latency in latencies]
        return Content("").join(
            [
                _cell(self.name, 11, "bold"),
                _number(f"{total.requests:,}", 8),
                _number(meter.tokens(total.usage.prompt_tokens), 9),
                _number(meter.tokens(total.usage.cached_tokens), 9),
                _number(meter.tokens(total.usage.completion_tokens), 9),
                _number(f"{total.errors:,}", 8, "$text-error" if total.errors else FAINT),
                _number(shown[0], 9),
                _number(shown[1], 9),
            ]
        )

    def details(self, _now: float) -> list[tuple[str, str]]:
        """All of it, for people."""
        total = self.total
        energy = "not reported by this machine" if total.energy_j is None else f"{total.energy_j / 3600:,.2f} Wh"
        return [
            ("requests", f"{total.requests:,}, of which {total.errors:,} failed"),
            ("read", f"{total.usage.prompt_tokens:,} tokens, {total.usage.cached_tokens:,} of them from the cache"),
            ("written", f"{total.usage.completion_tokens:,} tokens"),
            ("energy", energy),
        ]


DAYS_HEAD = Content.styled(
    f"{'Day':<11}{'Asked':>8}{'Read':>9}{'Cached':>9}{'Written':>9}{'Errors':>8}{'Half in':>9}{'99 % in':>9}", FAINT
)


def last_days(totals: Sequence[UsageTotal], today: date, count: int) -> list[tuple[str, int]]:
    """Month and day, and the tokens of each of the last `count` days, oldest first; days without use count 0."""
    used = {total.key: total.tokens for total in totals}
    days = [today - timedelta(days=back) for back in reversed(range(count))]
    return [(day.strftime("%m-%d"), used.get(day.isoformat(), 0)) for day in days]


@dataclass(frozen=True, slots=True)
class TroubleRow:
    """Something that went wrong in the server itself."""

    name: str
    """Its number, the newest first."""
    trouble: Trouble

    def line(self) -> Content:
        """When, where, what: what `LOG_HEAD` names."""
        at = time.strftime("%m-%d %H:%M", time.localtime(self.trouble.at))
        return Content("").join(
            [_cell(at, 13), _cell(self.trouble.error, 26, "bold"), _cell(self.trouble.route, 33, DIM)]
        )

    def details(self, _now: float) -> list[tuple[str, str]]:
        """All of it, for people."""
        trouble = self.trouble
        return [
            ("at", time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(trouble.at))),
            ("where", trouble.route),
            ("what", trouble.error),
            *(("", line) for line in trouble.trace.splitlines()),
        ]


LOG_HEAD = Content.styled(f"{'When':<13}{'What':<26}{'Where':<33}", FAINT)


def trouble_rows(troubles: Sequence[Trouble]) -> list[TroubleRow]:
    """Entries of the server's log."""
    return [TroubleRow(str(number), trouble) for number, trouble in enumerate(troubles, start=1)]


@dataclass(frozen=True, slots=True)
class AuditRow:
    """A line of the audit log."""

    name: str
    """Its number."""
    entry: AuditEntry
    actor: str
    target: str

    def line(self) -> Content:
        """Number, time, who, what, to what: what `AUDIT_HEAD` names."""
        at = time.strftime("%m-%d %H:%M", time.localtime(self.entry.at))
        return Content("").join(
            [
                _number(self.name, 6, FAINT),
                Content("  "),
                _cell(at, 13),
                _cell(self.actor, 16, "bold"),
                _cell(self.entry.action, 17),
                _cell(self.target, 18),
            ]
        )

    def details(self, _now: float) -> list[tuple[str, str]]:
        """All of it, for people."""
        entry = self.entry
        facts = [(name, fact if isinstance(fact, str) else json.dumps(fact)) for name, fact in entry.facts.items()]
        return [
            ("at", time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(entry.at))),
            ("who", f"{self.actor} ({entry.actor})"),
            ("did", entry.action),
            ("to", entry.target),
            *facts,
            ("hash", entry.hash),
        ]


AUDIT_HEAD = Content.styled(f"{'':>6}  {'When':<13}{'Who':<16}{'Did':<17}{'To':<18}", FAINT)


def audit_rows(entries: Sequence[AuditEntry], keys: Sequence[Key]) -> list[AuditRow]:
    """Entries with the names of the keys they speak of."""
    names = {key.id: key.name for key in keys}
    return [
        AuditRow(str(entry.number), entry, who(entry.actor, names), names.get(entry.target, entry.target))
        for entry in entries
    ]

"""The administrator's page as HTML: tables and one chart, every text escaped, no script."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from edgellm.safetext import clean_line
from edgellm.sdk.live import LiveFigures
from edgellm.store import AuditCheck, AuditEntry, Key, UsageTotal

STYLE = """
:root { color-scheme: light dark; font: 15px/1.45 system-ui, sans-serif; }
body { max-width: 62rem; margin: 0 auto; padding: 1rem 1.25rem 3rem; }
h1 { font-size: 1.3rem; margin: 0 0 .25rem; }
h2 { font-size: 1rem; margin: 2rem 0 .4rem; }
p { margin: .25rem 0; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .2rem .9rem .2rem 0; border-bottom: 1px solid #8884; overflow-wrap: anywhere; }
th { font-weight: 600; }
.none { opacity: .7; }
.bad { color: #c62828; font-weight: 600; }
svg { width: 100%; height: 7rem; }
rect { fill: #4779c4; }
text { fill: currentColor; font-size: 11px; }
"""
POLICY = (
    f"default-src 'none'; style-src 'sha256-{base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Content-Security-Policy: nothing but the page's own style, and no other page around it."""
BAR, SPACE, HEIGHT = 24, 6, 80
"""Of the chart, in its own units."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminView:
    """What the page shows."""

    now: float
    """Seconds since the epoch."""
    figures: LiveFigures
    keys: Sequence[Key]
    spent_today: Mapping[str, int]
    """Tokens by tenant."""
    days: Sequence[UsageTotal]
    """Newest first."""
    entries: Sequence[AuditEntry]
    """Newest first."""
    check: AuditCheck | None
    """None: the audit log was not walked for this page."""


def page(view: AdminView) -> str:
    """The whole page."""
    parts = [
        "<h1>EdgeLLM</h1>",
        _said(f"{view.figures.address}, {view.figures.model}, since {_moment(view.figures.started_at)}"),
        _now(view.figures),
        _section("Engines", ENGINES, _engine_rows(view.figures), "No model is open."),
        _section("Keys", KEYS, _key_rows(view), "There is no key: whoever is on this machine may do everything."),
        "<h2>Use</h2>",
        _chart(view.days),
        _table(DAYS, [_day_row(day) for day in view.days]) if view.days else _said("Nothing was counted yet.", "none"),
        "<h2>Audit log</h2>",
        _checked(view.check),
        _table(AUDIT, [_entry_row(entry) for entry in view.entries]),
        _said(f"Read at {_moment(view.now)}.", "none"),
    ]
    head = f'<meta charset="utf-8"><title>EdgeLLM</title><style>{STYLE}</style>'
    width = '<meta name="viewport" content="width=device-width, initial-scale=1">'
    return f'<!doctype html><html lang="en"><head>{head}{width}</head><body>{"".join(parts)}</body></html>'


REQUESTS = ("key", "model", "stage", "tokens", "tokens/s", "seconds")
ENGINES = ("model", "writes", "waits", "kept texts", "memory cells", "tokens/s")
KEYS = ("name", "role", "state", "models", "today", "a minute", "at once", "used")
DAYS = ("day", "requests", "errors", "read", "of it cached", "written", "half within", "99 % within", "energy")
AUDIT = ("number", "when", "who", "what", "to what", "facts")


def _now(figures: LiveFigures) -> str:
    line = (
        f"{figures.running} of {figures.most_running} answers are written, {figures.waiting} of {figures.most_waiting} "
        f"requests wait, {figures.tokens_per_s:.1f} tokens/s"
    )
    rows = [
        (
            request.key or request.tenant,
            request.model,
            request.stage,
            f"{request.tokens:,}",
            f"{request.tokens_per_s:.1f}",
            f"{request.seconds:.1f}",
        )
        for request in figures.requests
    ]
    return _section("Requests", REQUESTS, rows, "No request is open.", line)


def _engine_rows(figures: LiveFigures) -> list[tuple[str, ...]]:
    return [
        (
            model,
            str(found.running),
            str(found.waiting),
            str(found.parked),
            f"{found.cells_used:,} of {found.cells_total:,}",
            f"{found.decode_tokens_per_s:.1f}",
        )
        for model, found in sorted(figures.engines.items())
    ]


def _key_rows(view: AdminView) -> list[tuple[str, ...]]:
    return [
        (
            key.name,
            key.role,
            key.state(view.now),
            ", ".join(key.limits.models) or "all",
            _of(view.spent_today.get(key.id, 0), key.limits.tokens_per_day),
            _limit(key.limits.tokens_per_minute),
            _limit(key.limits.requests),
            "never" if key.last_used_at is None else _moment(key.last_used_at),
        )
        for key in view.keys
    ]


def _day_row(day: UsageTotal) -> tuple[str, ...]:
    usage = day.usage
    tokens = (usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens)
    latency = (_seconds(day.p50_s), _seconds(day.p99_s))
    energy = "not reported" if day.energy_j is None else f"{day.energy_j / 3600:,.2f} Wh"
    return (day.key, f"{day.requests:,}", f"{day.errors:,}", *(f"{number:,}" for number in tokens), *latency, energy)


def _entry_row(entry: AuditEntry) -> tuple[str, ...]:
    facts = ", ".join(f"{name}={value}" for name, value in entry.facts.items())
    return (str(entry.number), _moment(entry.at), entry.actor, entry.action, entry.target, facts)


def _checked(check: AuditCheck | None) -> str:
    if check is None:
        return '<p><a href="?check=true">Check that no entry was changed</a></p>'
    if check.is_sound:
        return _said(f"{check.entries:,} entries, each as it was written. Its end: {check.head}")
    return _said(f"{check.entries:,} entries; {check.reason}.", "bad")


def _chart(days: Sequence[UsageTotal]) -> str:
    """Tokens a day as bars, oldest first. Numbers only: nothing in it comes from a client."""
    most = max((day.tokens for day in days), default=0)
    if not most:
        return ""
    bars = []
    for number, day in enumerate(reversed(days)):
        height = round(HEIGHT * day.tokens / most, 1)
        place = f'x="{number * (BAR + SPACE)}" y="{HEIGHT - height}" width="{BAR}" height="{height}"'
        bars.append(f"<rect {place}><title>{_text(day.key)}: {day.tokens:,} tokens</title></rect>")
    width = max(14, len(days)) * (BAR + SPACE)
    label = f'<text x="0" y="{HEIGHT + 14}">at most {most:,} tokens a day</text>'
    box = f'viewBox="0 0 {width} {HEIGHT + 18}" preserveAspectRatio="xMinYMax meet"'
    return f'<svg role="img" aria-label="Tokens a day" {box}>{"".join(bars)}{label}</svg>'


def _section(title: str, head: Sequence[str], rows: Sequence[Sequence[str]], none: str, line: str = "") -> str:
    said = _said(line) if line else ""
    return f"<h2>{_text(title)}</h2>{said}{_table(head, rows) if rows else _said(none, 'none')}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Every cell is text."""
    names = "".join(f"<th>{_text(name)}</th>" for name in head)
    lines = "".join(f"<tr>{''.join(f'<td>{_text(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{names}</tr></thead><tbody>{lines}</tbody></table>"


def _said(text: str, kind: str = "") -> str:
    return f'<p class="{kind}">{_text(text)}</p>' if kind else f"<p>{_text(text)}</p>"


def _text(text: str) -> str:
    """A text that is nothing but text: no markup, no control characters, no turned direction."""
    return escape(clean_line(text))


def _moment(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.2f} s"


def _limit(limit: int | None) -> str:
    return "no limit" if limit is None else f"{limit:,}"


def _of(used: int, limit: int | None) -> str:
    return f"{used:,}" if limit is None else f"{used:,} of {limit:,}"

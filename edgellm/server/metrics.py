"""Figures for Prometheus, in its text format 0.0.4."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edgellm.engine.metrics import EngineMetrics
from edgellm.types import Evidence, Usage

if TYPE_CHECKING:
    from edgellm.server.service import Service

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
Labels = Mapping[str, str]
BUCKETS_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
"""From a short prompt's first token to the deadline that a server has unless it is told another."""


@dataclass(slots=True)
class Histogram:
    """Seconds, counted by operation: `chat`, `embeddings`, ... Tenants and models would multiply its lines."""

    counts: Counter[tuple[str, int]] = field(default_factory=Counter)
    """By operation and position in `BUCKETS_S`, or one behind them."""
    sums_s: dict[str, float] = field(default_factory=dict)

    def observe(self, operation: str, seconds: float) -> None:
        """Count one time; a bucket holds what is as long as its bound, too."""
        self.counts[operation, bisect_left(BUCKETS_S, seconds)] += 1
        self.sums_s[operation] = self.sums_s.get(operation, 0.0) + seconds


@dataclass(slots=True)
class Counters:
    """What this server has counted since it started. Belongs to one event loop."""

    requests: Counter[tuple[str, int]] = field(default_factory=Counter)
    """By route and status."""
    open: int = 0
    """Requests at this moment."""
    tokens: Counter[str] = field(default_factory=Counter)
    energy_j: float | None = None
    """None until the machine has reported some."""
    failures: Counter[str] = field(default_factory=Counter)
    """Requests that a model was to work on and did not finish, by the error's class; those turned away included."""
    answers: int = 0
    from_documents: int = 0
    """Of these, how many were to come from documents."""
    weak_evidence: int = 0
    """Of those, for how many the documents held nothing near the question."""
    first_token: Histogram = field(default_factory=Histogram)
    """From a request's arrival to the first piece of its answer."""
    duration: Histogram = field(default_factory=Histogram)
    """From a request's arrival to its end, however it ended."""
    ratings: Counter[str] = field(default_factory=Counter)
    """What clients said about answers: `up`, `down`, `correction`; one who changes their mind counts again."""

    def spent(self, usage: Usage, energy_j: float | None) -> None:
        """An answer has ended."""
        if energy_j is not None:
            self.energy_j = (self.energy_j or 0.0) + energy_j
        self.tokens["prompt"] += usage.prompt_tokens
        self.tokens["cached"] += usage.cached_tokens
        self.tokens["completion"] += usage.completion_tokens

    def answered(self, evidence: Evidence | None) -> None:
        """A client has its answer; `evidence` of one that was to come from documents."""
        self.answers += 1
        self.from_documents += evidence is not None
        self.weak_evidence += evidence is not None and evidence.is_weak


ENGINE_GAUGES = {
    "running": "Answers that an engine works on.",
    "waiting": "Requests that wait inside an engine.",
    "parked": "Texts kept in the KV cache for later prompts.",
    "cells_used": "Tokens that the KV cache holds.",
    "cells_total": "Tokens that the KV cache has room for.",
    "host_cache_bytes": "Memory that keeps what was read for later prompts.",
    "decode_tokens_per_s": "Tokens written a second, over the most recent steps.",
}
"""Fields of `EngineMetrics` that are shown for each open model, and what they are."""


def exposition(service: Service, engines: Mapping[str, EngineMetrics]) -> str:
    """Everything, as text. `engines`: what each open model measured."""
    counters, line = service.counters, service.line
    routes = [({"route": r, "status": str(s)}, n) for (r, s), n in sorted(counters.requests.items())]
    parts = [
        _counter("requests", "Requests that have ended, by route and HTTP status.", routes),
        _gauge("requests_open", "Requests at this moment.", counters.open),
        _histogram("request_duration_seconds", "From a request's arrival to its end.", counters.duration),
        _histogram("first_token_seconds", "From a request's arrival to its answer's beginning.", counters.first_token),
        _counter("tokens", "Tokens read, read from the cache, and written.", _by("kind", counters.tokens)),
        _counter("failures", "Requests that no model finished, by error.", _by("reason", counters.failures)),
        _counter("answers", "Answers that clients have.", [({}, counters.answers)]),
        _counter("answers_from_documents", "Answers from documents.", [({}, counters.from_documents)]),
        _counter("weak_evidence", "Questions that the documents do not answer.", [({}, counters.weak_evidence)]),
        _counter("ratings", "What clients said about answers.", _by("rating", counters.ratings)),
        _gauge("line_running", "Requests that are worked on.", line.running),
        _gauge("line_waiting", "Requests that wait for their turn.", line.waiting),
    ]
    if counters.energy_j is not None:
        parts.append(_counter("energy_joules", "Energy of requests, an estimate.", [({}, counters.energy_j)]))
    for name, what in ENGINE_GAUGES.items():
        values = [({"model": model}, getattr(found, name)) for model, found in sorted(engines.items())]
        parts.append(_metric(f"edgellm_engine_{name}", "gauge", what, values))
    return "".join(parts)


def _counter(name: str, what: str, values: Iterable[tuple[Labels, float]]) -> str:
    return _metric(f"edgellm_{name}_total", "counter", what, values)


def _gauge(name: str, what: str, value: float) -> str:
    return _metric(f"edgellm_{name}", "gauge", what, [({}, value)])


def _histogram(name: str, what: str, times: Histogram) -> str:
    """Each bucket counts what the ones below it hold, too; the last one holds all."""
    name = f"edgellm_{name}"
    lines = [_head(name, "histogram", what)]
    for operation, sum_s in sorted(times.sums_s.items()):
        labels, total = {"operation": operation}, 0
        for place, bound in enumerate((*BUCKETS_S, math.inf)):
            total += times.counts[operation, place]
            le = "+Inf" if bound == math.inf else f"{bound:g}"
            lines.append(_sample(f"{name}_bucket", {**labels, "le": le}, total))
        lines += [_sample(f"{name}_sum", labels, sum_s), _sample(f"{name}_count", labels, total)]
    return "".join(lines)


def _by(label: str, counted: Counter[str]) -> list[tuple[Labels, float]]:
    return [({label: value}, number) for value, number in sorted(counted.items())]


def _metric(name: str, kind: str, what: str, values: Iterable[tuple[Labels, float]]) -> str:
    return _head(name, kind, what) + "".join(_sample(name, labels, value) for labels, value in values)


def _head(name: str, kind: str, what: str) -> str:
    return f"# HELP {name} {what}\n# TYPE {name} {kind}\n"


def _sample(name: str, labels: Labels, value: float) -> str:
    return f"{name}{_labels(labels)} {value}\n"


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    pairs = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{pairs}}}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")

"""Figures for Prometheus, in its text format 0.0.4."""

from __future__ import annotations

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


ENGINE_GAUGES = ("running", "waiting", "parked", "cells_used", "cells_total", "host_cache_bytes", "decode_tokens_per_s")
"""Fields of `EngineMetrics` that are shown for each open model."""


def exposition(service: Service, engines: Mapping[str, EngineMetrics]) -> str:
    """Everything, as text. `engines`: what each open model measured."""
    counters, line = service.counters, service.line
    routes = sorted(counters.requests.items())
    parts = [
        _metric("edgellm_requests_total", "counter", [({"route": r, "status": str(s)}, n) for (r, s), n in routes]),
        _metric("edgellm_requests_open", "gauge", [({}, counters.open)]),
        _metric("edgellm_tokens_total", "counter", _by("kind", counters.tokens)),
        _metric("edgellm_failures_total", "counter", _by("reason", counters.failures)),
        _metric("edgellm_answers_total", "counter", [({}, counters.answers)]),
        _metric("edgellm_answers_from_documents_total", "counter", [({}, counters.from_documents)]),
        _metric("edgellm_weak_evidence_total", "counter", [({}, counters.weak_evidence)]),
        _metric("edgellm_ratings_total", "counter", _by("rating", counters.ratings)),
        _metric("edgellm_line_running", "gauge", [({}, line.running)]),
        _metric("edgellm_line_waiting", "gauge", [({}, line.waiting)]),
    ]
    if counters.energy_j is not None:
        parts.append(_metric("edgellm_energy_joules_total", "counter", [({}, counters.energy_j)]))
    for name in ENGINE_GAUGES:
        values = [({"model": model}, getattr(found, name)) for model, found in sorted(engines.items())]
        parts.append(_metric(f"edgellm_engine_{name}", "gauge", values))
    return "".join(parts)


def _by(label: str, counted: Counter[str]) -> list[tuple[Labels, float]]:
    return [({label: value}, number) for value, number in sorted(counted.items())]


def _metric(name: str, kind: str, values: Iterable[tuple[Labels, float]]) -> str:
    lines = [f"{name}{_labels(labels)} {value}\n" for labels, value in values]
    return f"# TYPE {name} {kind}\n{''.join(lines)}"


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    pairs = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{pairs}}}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")

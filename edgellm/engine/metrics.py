"""What the engine counts: requests, tokens, cache hits, where the time goes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from edgellm.engine.outcome import Finished
from edgellm.engine.plan import Tier
from edgellm.types import FinishReason

SMOOTHING = 0.1
"""Weight of the newest step in the recent decode rate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineMetrics:
    """A reading; counts are since the engine was opened."""

    running: int = 0
    """Sequences that hold memory and compute."""
    waiting: int = 0
    """Sequences in line."""
    parked: int = 0
    """Texts kept in the KV cache for later prompts."""
    cells_used: int = 0
    cells_total: int = 0
    host_cache_bytes: int = 0
    requests_finished: int = 0
    """Ended by the model, a stop string or the length limit."""
    requests_cancelled: int = 0
    requests_late: int = 0
    """Ended by their deadline."""
    requests_refused: int = 0
    requests_failed: int = 0
    prompt_tokens: int = 0
    """Of requests that have ended, like the next two."""
    cached_tokens: int = 0
    """Prompt tokens that were not computed again."""
    completion_tokens: int = 0
    prefill_tokens: int = 0
    """Tokens computed to read prompts, again after preemption included."""
    live_hits: int = 0
    """Prompts that began with text in the KV cache."""
    host_hits: int = 0
    """Prompts that began with text in host memory."""
    disk_hits: int = 0
    """Prompts that began with a saved conversation."""
    preemptions: int = 0
    evictions: int = 0
    steps: int = 0
    aborted_steps: int = 0
    threads: int = 0
    """Compute threads chosen by measurement; 0 while the backend's own choice holds."""
    decode_tokens_per_s: float = 0.0
    """Over the most recent steps that decoded."""
    python_share: float = 0.0
    """Share of the steps' time that was not spent in the backend (0 to 1)."""


@dataclass(slots=True)
class Counts:
    """The running totals behind `EngineMetrics`."""

    finished: int = 0
    cancelled: int = 0
    late: int = 0
    refused: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    prefill_tokens: int = 0
    completion_tokens: int = 0
    hits: Counter[Tier] = field(default_factory=Counter)
    steps: int = 0
    aborted_steps: int = 0
    backend_s: float = 0.0
    step_s: float = 0.0
    decode_tokens_per_s: float = 0.0

    def note_finished(self, outcome: Finished) -> None:
        """A request ended; cancelled or late when any of its answers was."""
        reasons = {choice.finish_reason for choice in outcome.choices}
        if FinishReason.CANCELLED in reasons:
            self.cancelled += 1
        elif FinishReason.DEADLINE in reasons:
            self.late += 1
        else:
            self.finished += 1
        self.prompt_tokens += outcome.usage.prompt_tokens
        self.cached_tokens += outcome.usage.cached_tokens
        self.completion_tokens += outcome.usage.completion_tokens

    def note_step(self, *, step_s: float, backend_s: float, rows: int, prefill_tokens: int) -> None:
        """A step was computed and its tokens were handed out."""
        self.steps += 1
        self.step_s += step_s
        self.backend_s += backend_s
        self.prefill_tokens += prefill_tokens
        if rows and step_s > 0:
            rate = rows / step_s
            before = self.decode_tokens_per_s or rate
            self.decode_tokens_per_s = before + SMOOTHING * (rate - before)

    def reading(self) -> EngineMetrics:
        """The counts alone; what is resident is filled in by the engine."""
        return EngineMetrics(
            requests_finished=self.finished,
            requests_cancelled=self.cancelled,
            requests_late=self.late,
            requests_refused=self.refused,
            requests_failed=self.failed,
            prompt_tokens=self.prompt_tokens,
            cached_tokens=self.cached_tokens,
            prefill_tokens=self.prefill_tokens,
            live_hits=self.hits[Tier.LIVE],
            host_hits=self.hits[Tier.HOST],
            disk_hits=self.hits[Tier.DISK],
            completion_tokens=self.completion_tokens,
            steps=self.steps,
            aborted_steps=self.aborted_steps,
            decode_tokens_per_s=self.decode_tokens_per_s,
            python_share=max(0.0, 1.0 - self.backend_s / self.step_s) if self.step_s > 0 else 0.0,
        )

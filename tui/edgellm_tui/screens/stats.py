"""What the engine counted, as lines to read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content

from edgellm.sizes import size

if TYPE_CHECKING:
    from edgellm.engine.metrics import EngineMetrics


def stats_lines(metrics: EngineMetrics | None, memory_bytes: int) -> list[Content]:
    """Names and numbers; one sentence while the model is not loaded."""
    if metrics is None:
        return [Content("The model is not in memory yet: it is loaded with the first message.")]
    saved = metrics.cached_tokens / metrics.prompt_tokens if metrics.prompt_tokens else 0.0
    facts = (
        ("Memory", size(memory_bytes)),
        ("Context", f"{metrics.cells_used:,} of {metrics.cells_total:,} tokens in use"),
        ("Speed", f"{metrics.decode_tokens_per_s:.1f} tokens a second"),
        ("Requests", f"{metrics.requests_finished:,} finished, {metrics.requests_cancelled:,} stopped"),
        ("Read", f"{metrics.prompt_tokens:,} tokens, {saved:.0%} of them from the cache"),
        ("Written", f"{metrics.completion_tokens:,} tokens"),
        ("Cache hits", f"{metrics.live_hits:,} live, {metrics.host_hits:,} memory, {metrics.disk_hits:,} disk"),
        ("Threads", f"{metrics.threads or 'the library decides'}"),
    )
    return [Content.assemble((f"{name:<12}", "$foreground 55%"), value) for name, value in facts]

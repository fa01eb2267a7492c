"""Spans for OpenTelemetry, by its conventions for generative AI, without a word of what was said.

https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

import edgellm
from edgellm.server.tracing import Headers, Tracing
from edgellm.store import UsageRow
from edgellm.store.records import OK

SEND_S = 1.0
"""For one batch, and for the last one when the server ends: a collector that is away keeps nobody waiting."""
PARENT = (b"traceparent", b"tracestate")
"""Headers of W3C Trace Context, by which a client says which of its traces a request belongs to."""


def traced(collector: str) -> Tracing:
    """Spans for the collector at this address; keys for it are taken from OTEL_EXPORTER_OTLP_HEADERS."""
    exporter = OTLPSpanExporter(f"{collector.rstrip('/')}/v1/traces", timeout=SEND_S)
    return OpenTelemetry(BatchSpanProcessor(exporter))


class OpenTelemetry(Tracing):
    """Spans of this server; nothing global is set."""

    def __init__(self, processor: SpanProcessor) -> None:
        """`processor`: what ended spans are handed to."""
        about = Resource.create({"service.name": "edgellm", "service.version": edgellm.__version__})
        # Every span is kept: whether a client wants its own traces sampled is not for it to say here.
        self._provider = TracerProvider(sampler=ALWAYS_ON, resource=about, shutdown_on_exit=False)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("edgellm.server", edgellm.__version__)

    @contextmanager
    def within(self, headers: Headers) -> Iterator[None]:
        """As `Tracing`: tasks that are begun in the block inherit the trace."""
        carrier = {name.decode(): value.decode("latin-1") for name, value in headers if name in PARENT}
        token = context.attach(TraceContextTextMapPropagator().extract(carrier, context.Context()))
        try:
            yield
        finally:
            context.detach(token)

    def note(self, operation: str, row: UsageRow) -> None:
        """As `Tracing`."""
        ended_ns = time.time_ns()
        model = row.model if row.adapter is None else f"{row.model}@{row.adapter}"
        span = self._tracer.start_span(
            f"{operation} {model}",
            kind=SpanKind.SERVER,
            start_time=ended_ns - round((row.seconds or 0.0) * 1e9),
            attributes=_attributes(operation, model, row),
        )
        if row.status != OK:
            span.set_attribute("error.type", row.status)
            span.set_status(StatusCode.ERROR)
        span.end(ended_ns)

    def close(self) -> None:
        """As `Tracing`."""
        closing = threading.Thread(target=self._provider.shutdown, name="edgellm-otel", daemon=True)
        closing.start()
        closing.join(SEND_S)


def _attributes(operation: str, model: str, row: UsageRow) -> dict[str, str | int | float]:
    """Numbers and names: who asked which model for how much."""
    found: dict[str, str | int | float] = {
        "gen_ai.operation.name": operation,
        "gen_ai.provider.name": "edgellm",
        "gen_ai.request.model": model,
        "gen_ai.usage.input_tokens": row.usage.prompt_tokens,
        "gen_ai.usage.cache_read.input_tokens": row.usage.cached_tokens,
        "gen_ai.usage.output_tokens": row.usage.completion_tokens,
        "edgellm.tenant": row.tenant,
    }
    if row.ttft_s is not None:
        found["gen_ai.response.time_to_first_chunk"] = row.ttft_s
    return found

"""Spans of requests: what they say, what they never say, and that a collector which is away harms nothing."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx2
import pytest

from edgellm.errors import InvalidInput, MissingExtra
from edgellm.sdk.facade import EdgeLLM
from edgellm.server import tracing
from edgellm.server.service import ServeOptions, Service, open_service
from edgellm.server.tracing import Tracing, tracing_to
from edgellm.store import UsageRow
from edgellm.types import Usage
from tests.unit.server.conftest import client_of

SAID = "a-word-of-the-question"
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
ROW = UsageRow(model="m", usage=Usage(prompt_tokens=1), seconds=0.5)


@pytest.fixture
def spans(service: Service) -> tuple[Service, Callable[[], Any]]:
    """A server that traces, and the spans that have ended."""
    pytest.importorskip("opentelemetry.sdk")
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    from edgellm.server.otel import OpenTelemetry

    kept = InMemorySpanExporter()
    return replace(service, tracing=OpenTelemetry(SimpleSpanProcessor(kept))), kept.get_finished_spans


def chat(**fields: Any) -> dict[str, Any]:
    return {"model": "fake:", "messages": [{"role": "user", "content": SAID}], "seed": 1, "max_tokens": 5, **fields}


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_is_a_span_by_the_conventions(spans: Any, stream: bool) -> None:
    service, ended = spans
    async with client_of(service) as client:
        answer = await client.post("/v1/chat/completions", json=chat(stream=stream))
    [span] = ended()
    found = dict(span.attributes)
    assert (span.name, span.kind.name, span.status.status_code.name) == ("chat fake:", "SERVER", "UNSET")
    assert found["gen_ai.operation.name"] == "chat"
    assert found["gen_ai.provider.name"] == "edgellm"
    assert found["gen_ai.request.model"] == "fake:"
    assert found["gen_ai.usage.output_tokens"] == 5
    assert found["gen_ai.usage.input_tokens"] > 10
    assert 0 < found["gen_ai.response.time_to_first_chunk"] <= (span.end_time - span.start_time) / 1e9
    assert span.resource.attributes["service.name"] == "edgellm"
    assert SAID not in span.to_json()
    assert stream or answer.json()["choices"][0]["message"]["content"] not in json.dumps(found)


async def test_what_went_wrong_is_named_by_its_class_alone(spans: Any) -> None:
    service, ended = spans
    async with client_of(service) as client:
        await client.post("/v1/chat/completions", json=chat(messages=[{"role": "user", "content": SAID * 200}]))
        await client.post("/v1/completions", json={"model": "fake:", "prompt": "Once", "max_tokens": 2})
    failed, written = ended()
    assert (failed.attributes["error.type"], failed.status.status_code.name) == ("ContextOverflow", "ERROR")
    assert not failed.status.description
    assert not failed.events
    assert written.name == "text_completion fake:"


async def test_a_span_belongs_to_the_trace_that_the_client_names(spans: Any) -> None:
    service, ended = spans
    async with client_of(service) as client:
        for stream in (False, True):
            headers = {"traceparent": f"00-{TRACE}-{PARENT}-00"}  # its own sampling is not this server's
            await client.post("/v1/chat/completions", json=chat(stream=stream), headers=headers)
        await client.post("/v1/chat/completions", json=chat(), headers={"traceparent": "00-nonsense\x7f"})
    whole, streamed, alone = ended()
    for span in (whole, streamed):
        assert (f"{span.context.trace_id:032x}", f"{span.parent.span_id:016x}") == (TRACE, PARENT)
    assert alone.parent is None


async def test_who_is_turned_away_has_no_span(spans: Any) -> None:
    service, ended = spans
    service.drain.begin()
    async with client_of(service) as client:
        assert (await client.post("/v1/chat/completions", json=chat())).status_code == 503
    assert ended() == ()


def test_a_collector_that_is_away_keeps_nobody_waiting() -> None:
    pytest.importorskip("opentelemetry.sdk")
    made = tracing_to("http://127.0.0.1:9/")
    began = time.monotonic()
    for _ in range(1_000):
        made.note("chat", ROW)
    assert time.monotonic() - began < 5
    made.close()
    assert time.monotonic() - began < 15


def test_spans_reach_a_collector() -> None:
    """Over HTTP, where the protocol says, in one batch when the server ends."""
    pytest.importorskip("opentelemetry.sdk")
    from http.server import BaseHTTPRequestHandler, HTTPServer
    from threading import Thread

    got: list[tuple[str, bytes]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append((self.path, self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Not a word."""

    with HTTPServer(("127.0.0.1", 0), Collector) as collector:
        Thread(target=collector.serve_forever, daemon=True).start()
        made = tracing_to(f"http://127.0.0.1:{collector.server_port}")
        made.note("chat", ROW)
        made.close()
        collector.shutdown()
    [(path, body)] = got
    assert path == "/v1/traces"
    assert b"chat m" in body


@pytest.mark.parametrize("address", ["", "127.0.0.1:4318", "ftp://x", "http://", "http://[::1"])
def test_an_address_must_be_one(address: str) -> None:
    with pytest.raises(InvalidInput, match="no address of a collector"):
        tracing_to(address)


def test_without_the_extra_it_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "edgellm.server.otel", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.resources", None)
    with pytest.raises(MissingExtra, match="package"):
        tracing_to("http://127.0.0.1:4318")


async def test_nothing_is_traced_unless_it_is_wanted(edge: EdgeLLM, client: httpx2.AsyncClient) -> None:
    service = open_service(edge, ServeOptions(), is_open=True)
    assert type(service.tracing) is Tracing is tracing.Tracing
    assert (await client.post("/v1/chat/completions", json=chat())).status_code == 200
    script = "import sys, edgellm.server.app; print('opentelemetry.sdk' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", script], text=True).strip() == "False"

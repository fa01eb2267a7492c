"""What /metrics counts of answers: failures by reason, ratings, evidence."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import httpx2

from edgellm.server.metrics import BUCKETS_S, Counters, exposition
from edgellm.server.service import Service
from edgellm.types import Evidence

CHAT = "/v1/chat/completions"


def asked(text: str = "Hello", **fields: Any) -> dict[str, Any]:
    return {"model": "fake:", "messages": [{"role": "user", "content": text}], "max_tokens": 4, **fields}


async def test_answers_failures_and_ratings(client: httpx2.AsyncClient) -> None:
    name = (await client.post(CHAT, json=asked())).json()["id"]
    for said in ({"rating": "down", "correction": "Better."}, {"rating": "up"}):
        assert (await client.post("/v1/feedback", json={"response_id": name, **said})).status_code == 200
    assert (await client.post(CHAT, json=asked("word " * 5000))).status_code == 400
    assert (await client.post("/v1/feedback", json={"response_id": "chatcmpl-0", "rating": "up"})).status_code == 404
    text = (await client.get("/metrics")).text
    for line in (
        "edgellm_answers_total 1",
        'edgellm_failures_total{reason="ContextOverflow"} 1',
        'edgellm_ratings_total{rating="correction"} 1',
        'edgellm_ratings_total{rating="down"} 1',
        'edgellm_ratings_total{rating="up"} 1',
        "edgellm_answers_from_documents_total 0",
        "edgellm_weak_evidence_total 0",
    ):
        assert f"{line}\n" in text, line


async def test_requests_that_are_turned_away_are_failures_by_reason(
    client: httpx2.AsyncClient, service: Service
) -> None:
    service.drain.begin()
    assert (await client.post(CHAT, json=asked())).status_code == 503
    assert service.counters.failures == {"ServerStopping": 1}


def test_answers_from_documents(service: Service) -> None:
    counters = Counters()
    for evidence in (None, Evidence(collection="ferry"), Evidence(collection="ferry", is_weak=True)):
        counters.answered(evidence)
    assert (counters.answers, counters.from_documents, counters.weak_evidence) == (3, 2, 1)
    assert "edgellm_failures_total counter" in exposition(service, {})


async def test_how_long_requests_took(client: httpx2.AsyncClient) -> None:
    for _ in range(2):
        assert (await client.post(CHAT, json=asked())).status_code == 200
    text = (await client.get("/metrics")).text
    for name in ("edgellm_request_duration_seconds", "edgellm_first_token_seconds"):
        assert f"# TYPE {name} histogram\n" in text
        assert f'{name}_bucket{{operation="chat",le="+Inf"}} 2\n' in text
        assert f'{name}_count{{operation="chat"}} 2\n' in text
        assert text.count(f"{name}_bucket") == len(BUCKETS_S) + 1
    first, whole = (seconds(text, f"edgellm_{name}_seconds_sum") for name in ("first_token", "request_duration"))
    assert 0 < first <= whole


def seconds(text: str, name: str) -> float:
    return float(text.split(f'{name}{{operation="chat"}} ')[1].split("\n")[0])


def test_a_bucket_holds_what_those_below_it_hold(service: Service) -> None:
    for took_s in (0.05, 0.06, 7.0, 1000.0):
        service.counters.duration.observe("chat", took_s)
    text = exposition(service, {})
    for bound, number in (("0.05", 1), ("0.1", 2), ("5", 2), ("10", 3), ("300", 3), ("+Inf", 4)):
        assert f'edgellm_request_duration_seconds_bucket{{operation="chat",le="{bound}"}} {number}\n' in text
    assert 'edgellm_request_duration_seconds_sum{operation="chat"} 1007.11\n' in text


async def test_who_was_turned_away_took_no_time(client: httpx2.AsyncClient, service: Service) -> None:
    service.drain.begin()
    assert (await client.post(CHAT, json=asked())).status_code == 503
    assert not service.counters.duration.sums_s


async def test_every_metric_has_its_help_and_type_before_its_values(client: httpx2.AsyncClient) -> None:
    await client.post(CHAT, json=asked())
    known, lines = "", (await client.get("/metrics")).text.splitlines()
    for before, line in pairwise(lines):
        if line.startswith("# TYPE "):
            known = line.split()[2]
            assert before.startswith(f"# HELP {known} ")
            assert before.endswith(".")
        elif not line.startswith("# HELP "):
            assert line.startswith(known), line

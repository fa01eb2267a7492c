"""What the server writes into the audit log by itself."""

from __future__ import annotations

import threading
from pathlib import Path

import httpx2

from edgellm.errors import Fact, StoreBusy
from edgellm.sdk.facade import EdgeLLM
from edgellm.sdk.serving import Audit
from edgellm.server.log import ServerLog
from edgellm.server.run import Ready, serve
from edgellm.server.service import ServeOptions, open_service
from edgellm.server.trail import MOST_PREFIXES, QUIET_S, STRANGER, Trail
from edgellm.store import AuditEntry
from tests.unit.server.conftest import client_of

UNKNOWN = "edge-" + "A" * 32


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class BusyAudit(Audit):
    """One that cannot be written."""

    def __init__(self) -> None:
        """Without a store."""

    def add(self, actor: str, action: str, target: str = "", /, **facts: Fact) -> None:  # noqa: ARG002
        raise StoreBusy("The store is busy.")


def trail_of(edge: EdgeLLM, clock: Clock) -> Trail:
    return Trail(edge.audit, ServerLog(edge.home.logs / "server.log"), clock)


def entries(edge: EdgeLLM, action: str) -> list[AuditEntry]:
    """Oldest first."""
    return [entry for entry in reversed(edge.audit.list(1000)) if entry.action == action]


def test_a_refused_key_is_noted_once_a_minute(own_edge: EdgeLLM) -> None:
    clock = Clock()
    trail = trail_of(own_edge, clock)
    for _ in range(5):
        trail.key_refused(UNKNOWN, "192.0.2.7")
    (entry,) = entries(own_edge, "key.refuse")
    assert (entry.actor, entry.target, dict(entry.facts)) == (STRANGER, UNKNOWN[:12], {"address": "192.0.2.7"})
    trail.key_refused("edge-" + "B" * 32, "192.0.2.7")
    clock.now += QUIET_S
    trail.key_refused(UNKNOWN, "192.0.2.7")
    assert [entry.target[5] for entry in entries(own_edge, "key.refuse")] == ["A", "B", "A"]


def test_nothing_of_a_foreign_secret_is_kept(own_edge: EdgeLLM) -> None:
    trail = trail_of(own_edge, Clock())
    for secret in ("hunter2", "sk-proj-0123456789", "edge-short", UNKNOWN + "x", "edge-" + "\x1b" * 32):
        trail.key_refused(secret, "")
    (entry,) = entries(own_edge, "key.refuse")
    assert entry.target == ""
    assert "hunter2" not in str(entry)


def test_guesses_by_the_thousand_do_not_fill_the_log(own_edge: EdgeLLM) -> None:
    trail = trail_of(own_edge, Clock())
    for number in range(300):
        trail.key_refused(f"edge-{number:07d}" + "C" * 25, "")
    targets = [entry.target for entry in entries(own_edge, "key.refuse")]
    assert len(targets) == MOST_PREFIXES + 1
    assert targets.count("") == 1


def test_a_log_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    log = ServerLog(tmp_path / "server.log")
    Trail(BusyAudit(), log).stopped("http://127.0.0.1:1")
    assert "StoreBusy" in log.path.read_text()


async def test_only_a_wrong_key_is_noted(own_edge: EdgeLLM) -> None:
    good = own_edge.keys.create("a")
    async with client_of(open_service(own_edge, ServeOptions(), is_open=True)) as client:
        for headers in ({"x-api-key": good.secret}, {}, {"x-api-key": UNKNOWN}, {"authorization": f"Bearer {UNKNOWN}"}):
            await client.get("/v1/models", headers=headers)
        own_edge.keys.revoke(good.key.id)
    async with client_of(open_service(own_edge, ServeOptions(), is_open=False)) as client:
        assert (await client.get("/v1/models", headers={"x-api-key": good.secret})).status_code == 401
    assert [entry.target for entry in entries(own_edge, "key.refuse")] == [UNKNOWN[:12], good.key.prefix]
    assert UNKNOWN not in str(own_edge.audit.list())
    assert own_edge.audit.verify().is_sound


async def test_feedback_is_noted_without_its_words(own_edge: EdgeLLM) -> None:
    key = own_edge.keys.create("a")
    asked = {"model": "fake:", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 4}
    async with client_of(open_service(own_edge, ServeOptions(), is_open=True)) as client:
        client.headers = httpx2.Headers({"x-api-key": key.secret})
        name = (await client.post("/v1/chat/completions", json=asked)).json()["id"]
        await client.post("/v1/feedback", json={"response_id": name, "rating": "down", "correction": "Hello there."})
        await client.post("/v1/feedback", json={"response_id": "chatcmpl-0", "rating": "up"})
    (entry,) = entries(own_edge, "feedback.add")
    assert (entry.actor, entry.target) == (key.key.id, name)
    assert dict(entry.facts) == {"rating": -1, "corrected": True}


def test_start_and_end_are_noted(own_edge: EdgeLLM) -> None:
    ended = threading.Event()
    said: list[Ready] = []

    def on_ready(ready: Ready) -> None:
        said.append(ready)
        assert [entry.target for entry in entries(own_edge, "server.start")] == [ready.url]
        ended.set()

    serve(own_edge, ServeOptions(port=0), on_ready=on_ready, until=lambda: assert_waited(ended))
    (start,), (stop,) = entries(own_edge, "server.start"), entries(own_edge, "server.stop")
    assert (start.actor, start.target, dict(start.facts)) == ("local", said[0].url, {"model": "fake:"})
    assert (stop.actor, stop.target) == ("local", said[0].url)


def assert_waited(event: threading.Event) -> None:
    assert event.wait(20)

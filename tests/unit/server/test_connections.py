"""Clients that leave, and what is sent over a real connection."""

from __future__ import annotations

import gc
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import psutil
import pytest

from edgellm.sdk.facade import EdgeLLM
from edgellm.server import answering
from edgellm.server.service import ServeOptions
from edgellm.settings import Settings
from tests.unit.server.serving import Served, served

MODEL = "fake:decode_row_s=0.02,prefill_token_s=0.002"
CHAT = "/v1/chat/completions"


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EdgeLLM]:
    with EdgeLLM(MODEL, home=tmp_path_factory.mktemp("slow"), settings=Settings(context_tokens=2048)) as made:
        made.models.load(MODEL)
        yield made


@pytest.fixture(scope="module")
def server(edge: EdgeLLM) -> Iterator[Served]:
    with served(edge, ServeOptions(running=2, waiting=8)) as found:
        yield found


def body(**fields: Any) -> dict[str, Any]:
    """A question that is answered for long."""
    messages = [{"role": "user", "content": fields.pop("text", "Go on.")}]
    return {"model": MODEL, "messages": messages, "max_tokens": 800, "logit_bias": {"257": -100}, "seed": 1, **fields}


def raw_request(value: dict[str, Any]) -> bytes:
    text = json.dumps(value).encode()
    lines = [
        f"POST {CHAT} HTTP/1.1",
        "host: 127.0.0.1",
        "content-type: application/json",
        f"content-length: {len(text)}",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + text


def eventually(holds: Callable[[], bool], within_s: float = 30.0) -> float:
    """How long it takes until something holds."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < within_s
        time.sleep(0.02)
    return time.monotonic() - began


def is_idle(server: Served, edge: EdgeLLM) -> bool:
    measured = edge.stats()
    assert measured is not None
    return measured.running == measured.waiting == server.service.line.running == server.service.line.waiting == 0


LEAVING = [
    ("a stream, at once", {"stream": True}, 0.0),
    ("a stream, while it is read", {"stream": True, "text": "x" * 900}, 0.4),
    ("a stream, after some tokens", {"stream": True}, 0.6),
    ("a stream, after more tokens", {"stream": True}, 1.2),
    ("a whole answer, at once", {}, 0.0),
    ("a whole answer, while it is read", {"text": "x" * 900}, 0.4),
    ("a whole answer, while it is written", {}, 0.8),
    ("several answers", {"n": 3}, 0.5),
    ("a completion", None, 0.4),
]


@pytest.mark.parametrize(("fields", "after_s"), [case[1:] for case in LEAVING], ids=[case[0] for case in LEAVING])
def test_a_client_that_leaves_frees_the_engine(
    server: Served, edge: EdgeLLM, fields: dict[str, Any] | None, after_s: float
) -> None:
    eventually(lambda: is_idle(server, edge))
    value = body(**fields) if fields is not None else body(stream=True, n=2)
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(raw_request(value))
        time.sleep(after_s)
    assert eventually(lambda: is_idle(server, edge)) < 5.0
    short = httpx2.post(server.url + CHAT, json=body(max_tokens=3), timeout=20)
    assert short.json()["usage"]["completion_tokens"] == 3  # the next one is not cut off


@pytest.mark.parametrize(
    ("path", "value", "begins"),
    [
        (CHAT, body(), "chat"),
        (
            "/v1/completions",
            {"model": MODEL, "prompt": "x" * 1_900, "max_tokens": 0, "echo": True, "logprobs": 1},
            "scoring",
        ),
    ],
    ids=["answered", "scored"],
)
def test_a_client_that_leaves_while_the_engine_is_asked_frees_it(
    server: Served, edge: EdgeLLM, monkeypatch: pytest.MonkeyPatch, path: str, value: dict[str, Any], begins: str
) -> None:
    """An answer that nobody holds any more would be found by Python's collector only, sooner or later."""
    eventually(lambda: is_idle(server, edge))
    began, left, asked, ask = threading.Event(), threading.Event(), threading.Event(), getattr(edge, begins)

    def slowly(*args: Any, **options: Any) -> Any:
        began.set()
        assert left.wait(20)
        try:
            return ask(*args, **options)
        finally:
            asked.set()

    monkeypatch.setattr(edge, begins, slowly)
    gc.disable()
    try:
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(raw_request(value).replace(CHAT.encode(), path.encode(), 1))
            assert began.wait(20)
        time.sleep(0.1)  # the server has seen it go
        left.set()
        assert asked.wait(20)
        assert eventually(lambda: is_idle(server, edge)) < 3.0  # sixteen seconds and four, run to their ends
    finally:
        gc.enable()


def test_a_client_that_leaves_a_prompt_being_scored_frees_the_engine(server: Served, edge: EdgeLLM) -> None:
    eventually(lambda: is_idle(server, edge))
    before = sum(total.tokens for total in edge.usage.totals())
    value = {"model": MODEL, "prompt": "x" * 1_900, "max_tokens": 0, "echo": True, "logprobs": 1}  # four seconds
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(raw_request(value).replace(CHAT.encode(), b"/v1/completions", 1))
        eventually(lambda: not is_idle(server, edge))
        time.sleep(0.5)
    assert eventually(lambda: is_idle(server, edge)) < 5.0
    eventually(lambda: sum(total.tokens for total in edge.usage.totals()) > before)  # what was read, counts


def test_a_client_that_leaves_a_form_half_sent_leaves_nothing(server: Served, edge: EdgeLLM) -> None:
    part = b'--x\r\ncontent-disposition: form-data; name="file"; filename="rows.jsonl"\r\n\r\n' + b"x" * 100_000
    head = (
        b"POST /v1/files HTTP/1.1\r\nhost: 127.0.0.1\r\n"
        b"content-type: multipart/form-data; boundary=x\r\ncontent-length: 9000000\r\n\r\n"
    )

    def parts() -> int:
        return len(list(edge.home.uploads.rglob("*.part")))

    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(head + part)
        eventually(lambda: parts() == 1)
    eventually(lambda: parts() == 0)
    assert not server.service.log.path.exists()


def test_a_client_that_leaves_the_line(server: Served, edge: EdgeLLM) -> None:
    connections = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(4)]
    try:
        for connection in connections:
            connection.sendall(raw_request(body()))
        eventually(lambda: (server.service.line.running, server.service.line.waiting) == (2, 2))
        connections.pop().close()
        eventually(lambda: server.service.line.waiting == 1)
        connections.pop(0).close()
        eventually(lambda: (server.service.line.running, server.service.line.waiting) == (2, 0))
    finally:
        for connection in connections:
            connection.close()
    eventually(lambda: is_idle(server, edge))


def test_a_stream_comes_piece_by_piece(server: Served) -> None:
    times = []
    with httpx2.stream("POST", server.url + CHAT, json=body(stream=True, max_tokens=30), timeout=20) as answer:
        assert answer.headers["cache-control"] == "no-cache"
        assert "server" not in answer.headers
        for _ in answer.iter_lines():
            times.append(time.monotonic())
    assert times[-1] - times[0] > 0.3


def test_signs_of_life_while_waiting(server: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answering, "KEEP_ALIVE_S", 0.3)
    blockers = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(2)]
    try:
        for connection in blockers:
            connection.sendall(raw_request(body()))
        eventually(lambda: server.service.line.running == 2)
        lines = []
        with httpx2.stream("POST", server.url + CHAT, json=body(stream=True, max_tokens=2), timeout=20) as answer:
            for line in answer.iter_lines():
                lines.append(line)
                if sum(one.startswith(":") for one in lines) == 2:
                    for connection in blockers:
                        connection.close()
        assert lines[-2:] == ["data: [DONE]", ""] or lines[-1] == "data: [DONE]"
        assert not [line for line in lines if "error" in line]
    finally:
        for connection in blockers:
            connection.close()


def test_a_worker_that_dies_is_an_error_in_the_stream(tmp_path_factory: pytest.TempPathFactory) -> None:
    home, others = tmp_path_factory.mktemp("dying"), set(psutil.Process().children(recursive=True))
    with EdgeLLM(MODEL, home=home, settings=Settings(context_tokens=1024)) as edge, served(edge) as server:
        lines = []
        with httpx2.stream("POST", server.url + CHAT, json=body(stream=True), timeout=20) as answer:
            for line in answer.iter_lines():
                lines.append(line)
                if len(lines) == 9:
                    for child in set(psutil.Process().children(recursive=True)) - others:
                        child.kill()
        found = [line.removeprefix("data: ") for line in lines if line]
        assert found[-1] == "[DONE]"
        assert json.loads(found[-2])["error"]["code"] == "worker_died"
        again = httpx2.post(server.url + CHAT, json=body(max_tokens=2), timeout=20)
        assert again.status_code == 200


def test_idle_connections_keep_nobody_out(server: Served) -> None:
    idle = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(100)]
    try:
        for connection in idle:
            connection.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\n")
        began = time.monotonic()
        assert httpx2.get(server.url + "/health", timeout=10).status_code == 200
        assert time.monotonic() - began < 8
    finally:
        for connection in idle:
            connection.close()


def test_a_request_that_never_comes_together_is_closed(server: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgellm.server.run.SILENT_S", 1.0)
    with (
        socket.create_connection(("127.0.0.1", server.port), timeout=10) as silent,
        socket.create_connection(("127.0.0.1", server.port), timeout=10) as busy,
    ):
        silent.sendall(b"GET /health HTTP/1.1\r\n")
        for _ in range(8):
            busy.sendall(b"GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
            found = b""
            while not found.endswith(b"}"):
                found += busy.recv(4096)
            assert found.startswith(b"HTTP/1.1 200")
            time.sleep(0.5)
        assert silent.recv(4096) == b""


def test_who_does_not_read_its_answer_is_cut_off(server: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgellm.server.run.SILENT_S", 1.0)
    rows = b'{"prompt": "' + b"x" * 20_000_000 + b'", "completion": "y"}\n'
    form = {"file": ("rows.jsonl", rows)}
    file = httpx2.post(f"{server.url}/v1/files", files=form, data={"purpose": "fine-tune"}, timeout=60).json()
    head = f"GET /v1/files/{file['id']}/content HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".encode()
    with socket.socket() as deaf, socket.socket() as slow:
        for connection in (deaf, slow):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
            connection.connect(("127.0.0.1", server.port))
            connection.sendall(head)
        eventually(lambda: server.service.counters.open == 2)
        taken = 0
        while server.service.counters.open == 2 and taken < len(rows) // 2:  # one of them reads, slowly
            taken += len(slow.recv(100_000))
            time.sleep(0.02)
        assert server.service.counters.open == 1
        while piece := slow.recv(1_000_000):
            taken += len(piece)
            if taken >= len(rows):
                break
        assert taken >= len(rows)
    eventually(lambda: server.service.counters.open == 0)
    httpx2.delete(f"{server.url}/v1/files/{file['id']}", timeout=10)


def test_a_crowd_is_answered_or_turned_away(server: Served, edge: EdgeLLM) -> None:
    eventually(lambda: is_idle(server, edge))
    found: list[httpx2.Response] = []

    def ask() -> None:
        found.append(httpx2.post(server.url + CHAT, json=body(max_tokens=5), timeout=60))

    asking = [threading.Thread(target=ask) for _ in range(60)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    statuses = [answer.status_code for answer in found]
    assert len(statuses) == 60
    assert set(statuses) == {200, 503}
    assert statuses.count(200) >= 10
    assert all(answer.headers["retry-after"] for answer in found if answer.status_code == 503)


@pytest.mark.parametrize(
    "raw",
    [
        b"GET /health HTTP/1.1\r\n\r\n",
        b"GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\nhost: evil.test\r\n\r\n",
        b"GET /health HTTP/1.0\r\n\r\n",
        b"GET http://evil.test/health HTTP/1.1\r\nhost: evil.test\r\n\r\n",
        b"NONSENSE\r\n\r\n",
        b"GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\nx: a\x00b\r\n\r\n",
        b"GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\n" + b"x: y\r\n" * 20_000 + b"\r\n",
    ],
    ids=lambda raw: repr(raw[:40]),
)
def test_raw_nonsense(server: Served, raw: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(raw)
        answer = connection.recv(65_536)
    assert int(answer.split(b" ")[1]) in (400, 403, 431)
    assert b"<html" not in answer.lower()


def test_a_server_that_stops_lets_answers_end(edge: EdgeLLM) -> None:
    found: list[httpx2.Response] = []
    with served(edge) as server:

        def ask() -> None:
            found.append(httpx2.post(server.url + CHAT, json=body(max_tokens=60), timeout=20))

        asking = threading.Thread(target=ask)
        asking.start()
        eventually(lambda: server.service.line.running == 1)
        server.server.stop()
        asking.join(20)
    assert found[0].json()["usage"]["completion_tokens"] == 60


def test_a_server_that_stops_ends_what_takes_too_long(edge: EdgeLLM, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgellm.server.drain.PATIENCE_S", 0.5)
    lines: list[str] = []
    with served(edge) as server:

        def ask() -> None:
            with httpx2.stream("POST", server.url + CHAT, json=body(stream=True), timeout=20) as answer:
                lines.extend(answer.iter_lines())

        asking = threading.Thread(target=ask)
        asking.start()
        eventually(lambda: server.service.line.running == 1)
        time.sleep(0.3)
        server.server.stop()
        asking.join(20)
    said = [line.removeprefix("data: ") for line in lines if line]
    assert (json.loads(said[-2])["error"]["code"], said[-1]) == ("server_stopping", "[DONE]")

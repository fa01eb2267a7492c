"""A server's process: started, found again, watched, ended; with the built-in fake model."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from edgellm.errors import EngineError, InvalidInput, JobError, ModelNotFound, NotFound
from edgellm.paths import Home
from edgellm.sdk import server_log
from edgellm.sdk.aio import AsyncEdgeLLM
from edgellm.sdk.facade import EdgeLLM
from edgellm.sdk.server_process import ServerFiles, home_arguments
from edgellm.sdk.servers import RunningServer, ServerOptions, Servers
from edgellm.server.log import ServerLog
from edgellm.settings import SERVER_TOKEN

MODEL = "fake:decode_row_s=0.02"
FREE = ServerOptions(port=0)


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EdgeLLM]:
    with EdgeLLM(MODEL, home=tmp_path_factory.mktemp("served")) as made:
        yield made
        made.server.stop()


@pytest.fixture(scope="module")
def running(edge: EdgeLLM) -> RunningServer:
    """One server for the tests that only look at it."""
    return edge.server.start(FREE)


def state_of(edge: EdgeLLM) -> Path:
    return edge.home.server / "state.json"


def test_it_says_where_it_is(edge: EdgeLLM, running: RunningServer) -> None:
    assert running.url is not None
    assert running.url.startswith("http://127.0.0.1:")
    assert (running.model, running.port) == (MODEL, 0)
    assert edge.server.status() == running
    assert edge.server.last_words() == ""


def test_another_program_finds_it(edge: EdgeLLM, running: RunningServer) -> None:
    other = EdgeLLM(home=edge.home)
    assert other.server.status() == running
    with pytest.raises(InvalidInput, match=f"runs already at {running.url}"):
        other.server.begin(FREE)


def test_what_it_needs_is_private_and_not_on_its_command_line(edge: EdgeLLM, running: RunningServer) -> None:
    token = json.loads(state_of(edge).read_bytes())["token"]
    files = list(edge.home.server.iterdir())
    assert {path.stat().st_mode & 0o077 for path in (edge.home.server, *files)} == {0}
    process = psutil.Process(running.pid)
    assert token not in " ".join(process.cmdline())
    workers = process.children(recursive=True)
    assert workers
    assert not any(SERVER_TOKEN in worker.environ() for worker in workers)
    assert token not in repr(edge.server.status())


def test_it_leads_a_session_of_its_own(running: RunningServer) -> None:
    assert os.getsid(running.pid) == running.pid


def ask(url: str, secret: str, tokens: int) -> None:
    """A question whose answer takes `tokens` pieces."""
    connection = HTTPConnection(urlsplit(url).netloc, timeout=30)
    body = {"model": MODEL, "messages": [{"role": "user", "content": "Go on."}], "max_tokens": tokens, "stream": True}
    headers = {"content-type": "application/json", "authorization": f"Bearer {secret}"}
    connection.request("POST", "/v1/chat/completions", json.dumps({**body, "logit_bias": {"257": -100}}), headers)
    connection.getresponse().read()
    connection.close()


def test_its_figures_are_read_also_once_there_are_keys(edge: EdgeLLM, running: RunningServer) -> None:
    assert running.url is not None
    assert edge.server.live().requests == ()
    new = edge.keys.create("Ana")
    time.sleep(0.6)  # a server looks at its keys twice a second
    asking = threading.Thread(target=ask, args=(running.url, new.secret, 120))
    asking.start()
    deadline = time.monotonic() + 30
    while not (found := edge.server.live()).tokens_per_s:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    asking.join(20)
    request = found.requests[0]
    assert (request.tenant, request.key, request.model, request.stage) == (new.key.id, "Ana", MODEL, "writing")
    assert 1 < request.tokens <= 120
    assert found.address == running.url
    assert (found.running, found.waiting) == (1, 0)
    assert found.engines[MODEL].running == 1
    assert edge.server.live().requests == ()


def test_a_start_that_fails_says_why(tmp_path: Path, running: RunningServer) -> None:
    assert running.url is not None
    taken = urlsplit(running.url).port or 0
    with EdgeLLM(MODEL, home=tmp_path) as other:
        with pytest.raises(JobError, match=f"127.0.0.1:{taken} cannot be used"):
            other.server.start(ServerOptions(port=taken))
        assert other.server.status() is None
        with pytest.raises(JobError, match=r"there is no key that they would need\. Make one first"):
            other.server.start(ServerOptions(host="0.0.0.0", port=0))
        with pytest.raises(ModelNotFound, match="nowhere"):
            other.server.begin(ServerOptions(model="nowhere"))


def test_none_runs(tmp_path: Path) -> None:
    with EdgeLLM(MODEL, home=tmp_path) as edge:
        assert edge.server.status() is None
        assert edge.server.last_words() == ""
        edge.server.stop()
        with pytest.raises(NotFound, match="No server takes requests here"):
            edge.server.live()


@pytest.mark.parametrize(
    "kept",
    [
        b"",
        b"not json",
        b'{"pid": 1}',
        b'{"pid": 99999999, "pid_started_at": 1.0, "host": "", "port": 1, "model": "m", "token": "t"}',
    ],
)
def test_a_file_that_is_left_over_counts_for_nothing(tmp_path: Path, kept: bytes) -> None:
    with EdgeLLM(MODEL, home=tmp_path) as edge:
        state_of(edge).parent.mkdir(parents=True)
        state_of(edge).write_bytes(kept)
        assert edge.server.status() is None


def test_a_number_that_was_given_to_another_process_is_not_ended(tmp_path: Path) -> None:
    with EdgeLLM(MODEL, home=tmp_path) as edge:
        kept = {"pid": os.getpid(), "pid_started_at": 1.0, "host": "127.0.0.1", "port": 1, "model": "m", "token": "t"}
        state_of(edge).parent.mkdir(parents=True)
        state_of(edge).write_text(json.dumps(kept))
        assert edge.server.status() is None
        edge.server.stop()  # this process lives on


def test_a_server_that_does_not_answer(edge: EdgeLLM, running: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgellm.sdk.servers.CALL_S", 0.2)
    psutil.Process(running.pid).suspend()
    try:
        with pytest.raises(EngineError, match="does not answer: timed out"):
            edge.server.live()
        with pytest.raises(JobError, match=r"still runs 0\.2 s after"):
            edge.server.stop(grace_s=0.2)
    finally:
        psutil.Process(running.pid).resume()
    edge.server.stop()
    assert edge.server.status() is None
    assert not psutil.pid_exists(running.pid)
    assert not state_of(edge).exists()


def test_one_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    with EdgeLLM(MODEL, home=tmp_path) as edge:
        with pytest.raises(JobError, match="was not open after 0 s"):
            edge.server.start(FREE, limit_s=0)
        assert edge.server.status() is None


async def test_the_awaitable_twin(tmp_path: Path) -> None:
    async with AsyncEdgeLLM(MODEL, home=tmp_path) as edge:
        assert await edge.server.status() is None


def test_the_last_words_are_the_error_and_its_hint_and_harmless(tmp_path: Path) -> None:
    home = Home(data=tmp_path, cache=tmp_path, config=tmp_path)
    home.server.mkdir()
    (home.server / "errors.txt").write_bytes(b"a note\nerror: no \x1b[31mroom\xff\nhint:  make some\n")
    words = ServerFiles(home).last_words()
    assert words.startswith("no ")
    assert words.endswith("make some")
    assert "\x1b" not in words


def test_a_home_in_pieces_has_no_command(tmp_path: Path) -> None:
    home = Home(data=tmp_path / "a", cache=tmp_path / "b", config=tmp_path / "c")
    with pytest.raises(InvalidInput, match="folders lie apart"):
        home_arguments(home)
    with pytest.raises(InvalidInput, match="folders lie apart"):
        Servers(home, str, MODEL).begin(FREE)


def test_its_log_is_read_from_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with EdgeLLM(MODEL, home=tmp_path) as edge:
        assert edge.server.log() == []
        log = ServerLog(edge.home.logs / "server.log")
        for number in range(5):
            log.error(f"/v1/{number}", ValueError("\u202eodd"))
        found = edge.server.log(2)
        assert [(each.route, each.error) for each in found] == [("/v1/4", "ValueError"), ("/v1/3", "ValueError")]
        assert "ValueError" in found[0].trace
        with log.path.open("ab") as file:
            file.write(b'{"at": 1, "route": "/half')
        monkeypatch.setattr(server_log, "READ_BYTES", log.path.stat().st_size * 2 // 5)
        assert [each.route for each in edge.server.log()] == ["/v1/4"]

"""The server with the starter model under load: its engine is killed fifty times, clients leave at twenty points."""

from __future__ import annotations

import itertools
import json
import random
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import psutil
import pytest

from edgellm.engine import supervisor
from edgellm.sdk.facade import EdgeLLM
from edgellm.server.service import ServeOptions
from edgellm.settings import Settings
from tests.live.answers_over_http import Question, outcome, questions
from tests.unit.server.serving import Served, served

pytestmark = [pytest.mark.live, pytest.mark.long, pytest.mark.slow, pytest.mark.timeout(500)]

KILLS, WARM = 50, 10
"""After `WARM` kills everything that is opened once is open: from then on nothing may grow."""
CLIENTS = 6
MOST_NEW_DESCRIPTORS, MOST_NEW_THREADS, MOST_NEW_MIB = 4, 2, 24


@dataclass
class Load:
    """Clients that ask in every dialect until they are told to stop; how each of their requests ended."""

    url: str
    clients: int
    tokens: int
    ended: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Load:
        for number in range(self.clients):
            thread = threading.Thread(target=self._ask, args=(number,), daemon=True)
            thread.start()
            self._threads.append(thread)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(90)
        self.problems.extend("a client hangs" for thread in self._threads if thread.is_alive())

    def _ask(self, number: int) -> None:
        asked = questions(self.tokens)
        for question in itertools.islice(itertools.cycle(asked), number, None):
            if self._stop.is_set():
                return
            try:
                self.ended[outcome(self.url, question)] += 1
            except Exception as problem:  # the test reports it
                self.problems.append(f"{question.path}: {problem!r}")


@dataclass(frozen=True)
class Held:
    """What this process, which is the server's, holds."""

    descriptors: int
    threads: int
    mib: float


def held() -> Held:
    process = psutil.Process()
    return Held(process.num_fds(), process.num_threads(), process.memory_info().rss / 2**20)


def engine() -> psutil.Process | None:
    """The engine's process; None while there is none."""
    for child in psutil.Process().children(recursive=True):
        try:
            if "edgellm.engine.worker" in child.cmdline() and child.status() != psutil.STATUS_ZOMBIE:
                return child
        except psutil.Error:
            continue
    return None


def eventually(holds: Callable[[], bool], within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setattr(supervisor, "DEATH_WINDOW_S", 0.0)  # it is started again at once, however often it died
    settings = Settings(context_tokens=4096, threads=1)
    with EdgeLLM("starter", home=tmp_path, settings=settings) as edge:
        edge.models.load("starter")
        with served(edge, ServeOptions(running=4, waiting=16)) as found:
            yield found


def is_idle(server: Served) -> bool:
    line, measured = server.service.line, server.service.edge.stats()
    return line.running == line.waiting == 0 and (measured is None or measured.running == measured.waiting == 0)


def is_writing(server: Served) -> bool:
    return any(account.live({}).stage == "writing" for account in list(server.service.accounts))


def answers(server: Served) -> bool:
    return outcome(server.url, questions(4)[1]) == "answered"


def test_an_engine_that_is_killed_again_and_again(server: Served) -> None:
    chance, early, killed = random.Random(5), held(), set[int]()
    with Load(server.url, CLIENTS, tokens=48) as load:
        for number in range(KILLS):
            eventually(lambda: (found := engine()) is not None and found.pid not in killed, 30)
            if number % 3:
                eventually(lambda: is_writing(server), 30)
            time.sleep(chance.uniform(0.0, 0.4))  # while it writes; every third time while it starts or reads
            victim = engine()
            assert victim is not None
            killed.add(victim.pid)
            victim.kill()
            if number == WARM:
                early = held()
        late = held()
    assert not load.problems, load.problems[:5]
    assert len(killed) == KILLS
    assert load.ended["failed"] >= KILLS // 2, load.ended
    assert min(load.ended["answered"], load.ended["refused"]) > 0, load.ended
    assert httpx2.get(f"{server.url}/health", timeout=10).status_code == 200
    assert answers(server)
    eventually(lambda: is_idle(server), 10)
    print(f"{dict(load.ended)}; {early} to {late}")
    assert late.descriptors <= early.descriptors + MOST_NEW_DESCRIPTORS, (early, late)
    assert late.threads <= early.threads + MOST_NEW_THREADS, (early, late)
    assert late.mib <= early.mib + MOST_NEW_MIB, (early, late)


@dataclass(frozen=True)
class Leaving:
    """How a client goes away."""

    question: int
    """Which of `questions`."""
    sent: float = 1.0
    """Share of the request that was sent."""
    after_s: float = 0.0
    pieces: int = 0
    """What it reads before."""
    is_reset: bool = False
    """Whether the connection is cut off (RST), not closed."""


LEAVINGS = [
    Leaving(0, sent=0.05),
    Leaving(1, sent=0.5, is_reset=True),
    Leaving(2, sent=0.97),
    Leaving(3, sent=0.99, after_s=0.2),
    Leaving(0),
    Leaving(1),
    Leaving(2, is_reset=True),
    Leaving(3, is_reset=True),
    Leaving(4, after_s=0.05),
    Leaving(5, after_s=0.1, is_reset=True),
    Leaving(6, after_s=0.2),
    Leaving(7, after_s=0.3, is_reset=True),
    Leaving(1, after_s=0.6),
    Leaving(0, pieces=1),
    Leaving(2, pieces=1, is_reset=True),
    Leaving(3, pieces=2),
    Leaving(4, pieces=3, is_reset=True),
    Leaving(5, pieces=4),
    Leaving(0, pieces=8, is_reset=True),
    Leaving(3, pieces=12),
]


def leave(server: Served, leaving: Leaving, question: Question) -> None:
    """Ask, and go away."""
    body = json.dumps(question.body).encode()
    head = f"POST {question.path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
    raw = f"{head}content-length: {len(body)}\r\n\r\n".encode() + body
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(raw[: max(1, int(len(raw) * leaving.sent))])
        time.sleep(leaving.after_s)
        for _ in range(leaving.pieces):
            assert connection.recv(65_536)
        if leaving.is_reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def all_leave(server: Served) -> None:
    """Each client goes away while two others are answered."""
    with Load(server.url, 2, tokens=24) as load:
        for leaving in LEAVINGS:
            leave(server, leaving, questions(400)[leaving.question])
    assert not load.problems, load.problems[:5]
    assert set(load.ended) == {"answered"}
    eventually(lambda: is_idle(server) and server.service.counters.open == 0, 5)


def test_clients_that_leave_disturb_nobody(server: Served) -> None:
    assert len(LEAVINGS) == 20
    all_leave(server)  # everything that is opened once is open then
    early = held()
    all_leave(server)
    late = held()
    assert answers(server)
    assert late.descriptors <= early.descriptors + MOST_NEW_DESCRIPTORS, (early, late)
    assert late.mib <= early.mib + MOST_NEW_MIB, (early, late)

"""A soak: clients of every dialect for minutes on end; memory, descriptors, threads and latency over the time."""

from __future__ import annotations

import argparse
import itertools
import json
import random
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import httpx2
import psutil

from benchmarks import harness
from benchmarks.arms.base import ArmFailed
from benchmarks.arms.serve import EdgeServe
from benchmarks.report import Report, Spread, Target

CLIENTS = 10
"""More than are answered at once: the line is used too."""
TIMEOUT_S = 120.0
PERIODS = 10
LEAVES = 0.1
"""Share of the streams whose client goes away in the middle."""
SAMPLE_S = 1.0
KEPT = "edgellm_engine_host_cache_bytes{"
MIB = 2**20
TURN = "Tell me something about {}, its towns and its ships."
SUBJECTS = ("the sea", "a river", "the moon", "a lighthouse", "the north", "a harbour", "the winter", "an island")
SCHEMA = {"type": "object", "properties": {"town": {"type": "string", "maxLength": 20}}, "required": ["town"]}


@dataclass(frozen=True, slots=True)
class Reading:
    """What the server and its engine held at one moment."""

    at_s: float
    """Since the beginning."""
    server_mib: float
    engine_mib: float
    """Without what is kept: that may grow up to its limit."""
    kept_mib: float
    """States of texts for later prompts, in the engine's memory."""
    descriptors: int
    threads: int


@dataclass(frozen=True, slots=True)
class Asked:
    """One request that has ended."""

    at_s: float
    seconds: float
    first_s: float | None
    """Until the first bytes of a stream."""
    outcome: str
    """`answered`, `left`, or a status."""


@dataclass
class Soak:
    """Clients that ask until they are told to stop, and what was seen meanwhile."""

    url: str
    model: str
    began: float = field(default_factory=time.perf_counter)
    asked: list[Asked] = field(default_factory=list)
    readings: list[Reading] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def now_s(self) -> float:
        """Seconds since the beginning."""
        return time.perf_counter() - self.began

    def ask(self, number: int) -> None:
        """One client."""
        chance = random.Random(number)
        with httpx2.Client(base_url=self.url, timeout=TIMEOUT_S) as client:
            for turn in itertools.count():
                if self.stop.is_set():
                    return
                path, body = request(self.model, chance, turn + number)
                try:
                    self.asked.append(self._one(client, path, body, leaves=chance.random() < LEAVES))
                except (httpx2.HTTPError, ValueError) as problem:
                    self.problems.append(f"{path} after {self.now_s:.0f} s: {problem!r}")

    def _one(self, client: httpx2.Client, path: str, body: Mapping[str, Any], *, leaves: bool) -> Asked:
        began, first = self.now_s, None
        with client.stream("POST", path, json=body) as answer:
            for _ in answer.iter_bytes():
                first = self.now_s - began if first is None else first
                if leaves and answer.status_code == 200:
                    return Asked(began, self.now_s - began, first, "left")
        outcome = "answered" if answer.status_code == 200 else str(answer.status_code)
        return Asked(began, self.now_s - began, first if body.get("stream") else None, outcome)

    def watch(self, pid: int, until_s: float) -> None:
        """Read what the processes hold, once a second. Raises: ArmFailed when the server is gone."""
        server = psutil.Process(pid)
        with httpx2.Client(base_url=self.url, timeout=TIMEOUT_S) as client:
            while self.now_s < until_s:
                kept_mib = kept_bytes(client.get("/metrics").text) / MIB
                self.readings.append(reading(server, kept_mib, self.now_s))
                time.sleep(SAMPLE_S)


def request(model: str, chance: random.Random, turn: int) -> tuple[str, dict[str, Any]]:
    """A path and a body; now and then one that has to be refused."""
    text = TURN.format(chance.choice(SUBJECTS))
    messages = [{"role": "user", "content": text}]
    tokens = chance.choice((8, 24, 48))
    chat = {"model": model, "messages": messages, "max_tokens": tokens}
    schema = {"type": "json_schema", "json_schema": {"name": "town", "schema": SCHEMA}}
    kinds: list[tuple[str, dict[str, Any]]] = [
        ("/v1/chat/completions", {**chat, "stream": True}),
        ("/v1/chat/completions", chat),
        ("/v1/messages", {**chat, "stream": True}),
        ("/api/chat", {"model": model, "messages": messages, "options": {"num_predict": tokens}, "stream": True}),
        ("/v1/completions", {"model": model, "prompt": text, "max_tokens": tokens, "stream": True}),
        ("/v1/responses", {"model": model, "input": text, "max_output_tokens": max(16, tokens), "stream": True}),
        ("/v1/chat/completions", {**chat, "response_format": schema}),
        ("/v1/chat/completions", {**chat, "temperature": 9}),
        ("/tokenize", {"model": model, "prompt": text}),
        ("/v1/chat/completions", {**chat, "messages": [{"role": "user", "content": "word " * 9_000}]}),
    ]
    return kinds[turn % len(kinds)]


def kept_bytes(metrics: str) -> float:
    """What the engines keep for later prompts, out of the text of `/metrics`."""
    return sum(float(line.rpartition(" ")[2]) for line in metrics.splitlines() if line.startswith(KEPT))


def reading(server: psutil.Process, kept_mib: float, at_s: float) -> Reading:
    """What the server's process and all its children hold. Raises: ArmFailed."""
    try:
        children = server.children(recursive=True)
        descriptors, threads = server.num_fds(), server.num_threads()
        server_mib = server.memory_info().rss / MIB
    except psutil.NoSuchProcess as error:
        raise ArmFailed("The server has ended.") from error
    engine_mib = 0.0
    for child in children:
        try:
            engine_mib += child.memory_info().rss / MIB
            descriptors += child.num_fds()
            threads += child.num_threads()
        except psutil.NoSuchProcess:
            continue
    return Reading(at_s, server_mib, engine_mib - kept_mib, kept_mib, descriptors, threads)


def soaked(arm: EdgeServe, model: str, minutes: float) -> Soak:
    """Run the clients for that long. Raises: ArmFailed when the server dies."""
    soak = Soak(arm.url, model)
    clients = [threading.Thread(target=soak.ask, args=(number,), daemon=True) for number in range(CLIENTS)]
    for thread in clients:
        thread.start()
    try:
        soak.watch(arm.pid, minutes * 60)
    finally:
        soak.stop.set()
        for thread in clients:
            thread.join(TIMEOUT_S)
    soak.problems.extend("a request hangs" for thread in clients if thread.is_alive())
    return soak


def period_name(number: int) -> str:
    """How a part of the time is called in the table."""
    return f"part {number + 1} of {PERIODS}"


EARLY, LATE = period_name(1), period_name(PERIODS - 1)
"""What is compared: the first part, in which everything is opened once, is left out."""
FIRST_HALF, SECOND_HALF = "parts 2 to 5", "parts 7 to 10"
"""Latency is compared between these: what a single part asks differs by more than a tenth."""
METRICS = {
    "server": "MiB",
    "engine": "MiB",
    "kept": "MiB",
    "descriptors": "",
    "threads": "",
    "requests": "",
    "p50": "s",
    "p99": "s",
    "first token p50": "s",
}
TARGETS = tuple(
    Target(path=f"soak, {words}", arm=late, metric=metric, against=early, floor=0.9, aim=0.97, is_lower_better=True)
    for metric, words, early, late in (
        ("server", "memory of the server", EARLY, LATE),
        ("engine", "memory of the engine", EARLY, LATE),
        ("descriptors", "descriptors", EARLY, LATE),
        ("threads", "threads", EARLY, LATE),
        ("p50", "median latency", FIRST_HALF, SECOND_HALF),
    )
)


def report(soak: Soak, minutes: float, *, is_trial: bool) -> Report:
    """The figures of each tenth of the time, and every reading."""
    length_s = minutes * 60 / PERIODS
    parts = [_period(soak, number * length_s, (number + 1) * length_s) for number in range(PERIODS)]
    outcomes = Counter(each.outcome for each in soak.asked)
    return Report(
        name="Soak",
        what=f"{CLIENTS} clients in every dialect for {minutes:g} minutes, a tenth of the streams left in the middle; "
        f"how the {len(soak.asked):,} requests ended: {_counted(outcomes)}; broken or hanging: {len(soak.problems)}. "
        "`kept` are states for later prompts, up to 512 MiB of the engine's memory; `engine` is what else it holds.",
        units=METRICS,
        arms={
            **{period_name(number): part for number, part in enumerate(parts)},
            FIRST_HALF: _together(parts[1:5]),
            SECOND_HALF: _together(parts[6:]),
        },
        targets=TARGETS,
        settings={
            "minutes": minutes,
            "clients": CLIENTS,
            "outcomes": dict(outcomes),
            "problems": soak.problems[:20],
            "readings": [asdict(each) for each in _thinned(soak.readings)],
        },
        is_trial=is_trial,
    )


def _counted(outcomes: Counter[str]) -> str:
    return ", ".join(f"{number:,} {outcome}" for outcome, number in outcomes.most_common())


def _period(soak: Soak, start_s: float, end_s: float) -> dict[str, Spread]:
    readings = [each for each in soak.readings if start_s <= each.at_s < end_s]
    asked = [each for each in soak.asked if start_s <= each.at_s < end_s]
    seconds = sorted(each.seconds for each in asked if each.outcome == "answered")
    first = [each.first_s for each in asked if each.first_s is not None and each.outcome == "answered"]
    found: dict[str, Sequence[float]] = {
        "server": [each.server_mib for each in readings],
        "engine": [each.engine_mib for each in readings],
        "kept": [each.kept_mib for each in readings],
        "descriptors": [each.descriptors for each in readings],
        "threads": [each.threads for each in readings],
        "requests": [len(asked)],
        "p50": [statistics.median(seconds)] if seconds else [],
        "p99": [seconds[min(len(seconds) - 1, int(len(seconds) * 0.99))]] if seconds else [],
        "first token p50": [statistics.median(first)] if first else [],
    }
    return {metric: Spread((statistics.median(values),)) for metric, values in found.items() if values}


def _together(parts: Sequence[Mapping[str, Spread]]) -> dict[str, Spread]:
    """The values of several parts, side by side."""
    return {
        metric: Spread(tuple(part[metric].median for part in parts if metric in part))
        for metric in METRICS
        if any(metric in part for part in parts)
    }


def _thinned(readings: Sequence[Reading], most: int = 120) -> Sequence[Reading]:
    return readings[:: max(1, len(readings) // most)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Soak a server of its own; prints the table. Returns the exit code: 1 when a request broke or hung."""
    parser = argparse.ArgumentParser(description=__doc__, add_help=False)
    parser.add_argument("--minutes", type=float, default=20.0)
    found, rest = parser.parse_known_args(arguments)
    options = harness.parse_options(rest, f"{__doc__} --minutes N (default 20) says how long.")
    minutes = 0.25 if options.is_trial else found.minutes
    arm = EdgeServe(options.arm_config(context_tokens=4096, parallel=8))
    try:
        arm.start()
        soak = soaked(arm, options.model.stem, minutes)
    except ArmFailed as problem:
        print(problem, file=sys.stderr)
        return 1
    finally:
        arm.stop()
    harness.publish(report(soak, minutes, is_trial=options.is_meaningless), options)
    if soak.problems:
        print(json.dumps(soak.problems[:20], indent=1), file=sys.stderr)
    return 1 if soak.problems else 0


if __name__ == "__main__":
    sys.exit(main())

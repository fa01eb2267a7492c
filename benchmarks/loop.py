"""The loop for real: corrections through the API and as the app gives them, the next version, live and back again."""

from __future__ import annotations

import json
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from benchmarks import harness
from benchmarks.arms.base import ArmFailed
from benchmarks.idle import wait_until_idle
from benchmarks.report import Limit, Report, Spread
from edgellm.events import Finished
from edgellm.sdk.facade import EdgeLLM
from edgellm.sdk.improve_history import Evidence
from edgellm.sdk.servers import ServerOptions
from edgellm.types import Message, Sampling

EXAMPLES = Path(__file__).resolve().parent.parent / "examples" / "lighthouse"
ALIAS = "assistant"
CORRECTIONS, TRIAL_CORRECTIONS, TRIAL_STEPS = 30, 2, 2
SHORT = {"temperature": 0.0, "max_tokens": 12}
RIGHT = 0.8
"""An answer counts as right from this token F1 with the correction on: it says the same in the same words."""
POLICY = 'schema = 1\n[[must]]\nsuite = "general"\nchange = "not worse"\n'
TIMEOUT_S = 300.0
ANSWERS = 5
"""Requests that are answered before and after each move."""


@dataclass
class Traffic:
    """Requests through the alias, one after the other, until it is told to end."""

    url: str
    answered: int = 0
    failures: list[str] = field(default_factory=list)
    _ends: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Ask, and note what is no whole answer."""
        body = {"model": ALIAS, "messages": [{"role": "user", "content": "Name a colour."}], **SHORT}
        while not self._ends.is_set():
            try:
                said = httpx2.post(f"{self.url}/v1/chat/completions", json=body, timeout=TIMEOUT_S)
                said.raise_for_status()
                assert said.json()["choices"][0]["finish_reason"]
                self.answered += 1
            except (httpx2.HTTPError, KeyError, IndexError, AssertionError, ValueError) as error:
                self.failures.append(repr(error))

    def wait(self, answers: int) -> None:
        """Until so many more have ended, well or not. Raises: ArmFailed when they take too long."""
        wanted, deadline = self.ended + answers, time.monotonic() + TIMEOUT_S
        while self.ended < wanted:
            if time.monotonic() > deadline:
                raise ArmFailed(f"{wanted - self.ended} requests did not end in {TIMEOUT_S:g} s.")
            time.sleep(0.05)

    @property
    def ended(self) -> int:
        """Requests that ended, well or not."""
        return self.answered + len(self.failures)

    def end(self) -> None:
        """Let the open request be the last."""
        self._ends.set()


def run(options: harness.Options) -> Report:
    """30 invented corrections, half over the API, half as the app gives them: improve, gate, promote, roll back."""
    if not options.is_meaningless:
        wait_until_idle()
    with tempfile.TemporaryDirectory() as folder, EdgeLLM("starter", home=Path(folder) / "home") as edge:
        settings: dict[str, Any] = {"steps": TRIAL_STEPS} if options.is_trial else {}
        found = prove(edge, TRIAL_CORRECTIONS if options.is_trial else CORRECTIONS, settings)
    return Report(
        name="The loop",
        what="Invented corrections learnt with default settings. `wrong`: corrected questions whose answer is not the "
        "correction. `general`: score of 40 general questions. Requests went through the alias all the while.",
        units={"wrong": "%", "general, lost": "points", "failed requests": "", "seconds": "s"},
        arms={name: {metric: Spread((value,)) for metric, value in some.items()} for name, some in found.items()},
        limits=[
            Limit(path="corrected questions still wrong", arm="improved", metric="wrong", floor=10, aim=5),
            Limit(path="general score, lost", arm="improved", metric="general, lost", floor=10, aim=0),
            Limit(path="requests that failed", arm="improved", metric="failed requests", floor=0, aim=0),
        ],
        is_trial=options.is_meaningless,
    )


def prove(edge: EdgeLLM, corrections: int, settings: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Go round once, and say what was measured of the version before and of the improved one.

    Raises: ArmFailed when the run or the gate says no.
    """
    edge.aliases.set(ALIAS, "starter")
    policy = edge.home.data / "policy.toml"
    policy.write_text(POLICY, encoding="utf-8")
    rows = examples()[:corrections]
    with serving(edge) as url:
        correct_over_api(url, rows[: len(rows) // 2])
    correct_in_app(edge, rows[len(rows) // 2 :])
    for item in edge.reviews.list(limit=1000):
        edge.reviews.accept(item.id)
    began = time.monotonic()
    job = edge.improve.begin(ALIAS, policy=policy, settings=settings)
    last = list(edge.jobs.follow(job.id))[-1]
    if not isinstance(last, Finished):
        raise ArmFailed(f"The run ended with {last}.")
    seconds = time.monotonic() - began
    made = edge.improve.get(job.id)
    _say(f"{made.request.target}: {'passed' if made.passed else 'not passed'} in {seconds:.0f} s; {made.rules}")
    answered, failures = move(edge, job.id) if made.passed else (0, ["the gate stayed closed"])
    _say(f"{answered} requests while it moved, failed: {failures}")
    evidence = edge.improve.evidence(job.id)
    general = next(score for score in made.scores if score.suite == "general")
    lost = 100 * ((general.before or 0.0) - general.mean)
    _say(f"general: {general}")
    before = {"wrong": wrong([each.before_value for each in evidence])}
    after = {
        "wrong": wrong([each.value for each in evidence]),
        "general, lost": lost,
        "failed requests": float(len(failures)),
        "seconds": seconds,
    }
    for each in evidence:
        _say(_line(each))
    held = {name: unknown(edge, model) for name, model in (("before", "starter"), ("improved", made.request.target))}
    _say(f"held-out questions in other words not known, of 20: {held}")
    return {"before": before, "improved": after}


def examples() -> list[tuple[str, str]]:
    """Questions about an invented place, with what should be answered."""
    lines = (EXAMPLES / "train.jsonl").read_text(encoding="utf-8").splitlines()
    return [(row["prompt"], row["completion"]) for row in map(json.loads, lines)]


@contextmanager
def serving(edge: EdgeLLM) -> Iterator[str]:
    """A server's address."""
    server = edge.server.start(ServerOptions(port=0, model="starter"))
    try:
        assert server.url is not None
        yield server.url
    finally:
        edge.server.stop()


def correct_over_api(url: str, rows: Sequence[tuple[str, str]]) -> None:
    """Ask through the alias, and say what the answer should have been."""
    for question, answer in rows:
        body = {"model": ALIAS, "messages": [{"role": "user", "content": question}], **SHORT}
        said = httpx2.post(f"{url}/v1/chat/completions", json=body, timeout=TIMEOUT_S)
        said.raise_for_status()
        judged = {"response_id": said.json()["id"], "correction": answer}
        httpx2.post(f"{url}/v1/feedback", json=judged, timeout=TIMEOUT_S).raise_for_status()


def correct_in_app(edge: EdgeLLM, rows: Sequence[tuple[str, str]]) -> None:
    """Ask in conversations and correct the answer, as the app does."""
    for question, answer in rows:
        session = edge.sessions.create(model="starter")
        reply = edge.chat(question, session=session.id, sampling=Sampling(temperature=0.0, max_tokens=12))
        assert reply.message_id is not None
        edge.sessions.correct(reply.message_id, answer)


def move(edge: EdgeLLM, run_id: str) -> tuple[int, list[str]]:
    """Promote and roll back while requests go through the alias. Returns: how many were answered, and what failed."""
    with serving(edge) as url:
        traffic = Traffic(url)
        thread = threading.Thread(target=traffic.run)
        thread.start()
        try:
            traffic.wait(ANSWERS)
            edge.improve.promote(run_id)
            traffic.wait(ANSWERS)
            edge.promotion.rollback(ALIAS)
            traffic.wait(ANSWERS)
            edge.improve.promote(run_id)
            traffic.wait(ANSWERS)
        finally:
            traffic.end()
            thread.join(TIMEOUT_S)
    return traffic.answered, traffic.failures


def wrong(values: Sequence[float]) -> float:
    """Share of answers that are not the correction, in percent."""
    return 100 * sum(value < RIGHT for value in values) / len(values)


def unknown(edge: EdgeLLM, model: str) -> int:
    """How many held-out questions are answered without the fact."""
    lines = (EXAMPLES / "held_out.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    short = Sampling(temperature=0.0, max_tokens=40)
    asked = [
        (edge.chat([Message(role="user", content=row["prompt"])], model=model, sampling=short).text, row["contains"])
        for row in rows
    ]
    return sum(contained.lower() not in text.lower() for text, contained in asked)


def _line(each: Evidence) -> str:
    return f"{each.before_value:.2f} to {each.value:.2f}  {each.question}  {each.after}"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(harness.main_without_texts(run))

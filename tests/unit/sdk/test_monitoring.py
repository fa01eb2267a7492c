"""Reports of what was asked: rates, topics by words, drift from training data, masked questions."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from edgellm.errors import InvalidInput, NotFound, RequestCancelled
from edgellm.paths import Home
from edgellm.sdk.facade import EdgeLLM
from edgellm.sdk.monitor_look import Means
from edgellm.sdk.monitor_masks import masks
from edgellm.sdk.monitoring import Monitoring
from edgellm.settings import Settings
from edgellm.store import ServedAnswer, Store, UsageRow
from edgellm.store.db import Database
from edgellm.types import Message, Usage

DAY_S = 86_400.0
NOW = 1_790_000_000.0
FERRY = ("When does the ferry leave on {day}?", "What does the ferry cost on {day}?", "Is the ferry late on {day}?")
ROBOT = (
    "Can the robot vacuum mop on {day}?",
    "Why does the robot vacuum beep on {day}?",
    "Is the robot vacuum loud on {day}?",
)
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday", "Easter", "Christmas", "holidays")


class Place:
    """A store whose clock a test moves, with what monitoring needs."""

    def __init__(self, home: Home) -> None:
        self.home, self.now = home, NOW - 1.0
        self.store = Store(Database(home.store, clock=lambda: self.now))
        self._number = 0

    def ask(self, text: str | None, tenant: str = "ana", model: str = "fake:") -> str:
        self._number += 1
        messages = None if text is None else (Message(role="user", content=text),)
        name = f"chatcmpl-{self._number}"
        self.store.answers.add(ServedAnswer(id=name, tenant=tenant, model=model, messages=messages, text=text and "."))
        return name

    def monitoring(self, model: str | None = None) -> Monitoring:
        def no_documents(name: str) -> object:
            raise AssertionError(f"nobody asked {name}")

        means = Means(home=self.home, embedder="no-such-embedder", model=model, documents=no_documents)  # type: ignore[arg-type]
        return Monitoring(lambda: self.store, means, clock=lambda: NOW)


@pytest.fixture
def place(edgellm_home: Path) -> Iterator[Place]:
    with EdgeLLM(home=edgellm_home, settings=Settings()) as edge:
        made = Place(edge.home)
        yield made
        made.store.close()


def ask_about(place: Place, templates: tuple[str, ...], model: str = "fake:") -> None:
    for template in templates:
        for day in DAYS:
            place.ask(template.format(day=day), model=model)


def test_topics_are_named_and_compared_with_before(place: Place) -> None:
    ask_about(place, (*FERRY, ROBOT[0]))
    place.now = NOW - 31 * DAY_S
    ask_about(place, FERRY)
    found = place.monitoring().report()
    assert found.looked.by == "words"
    assert "no-such-embedder" in found.looked.why
    names = {word for topic in found.topics for word in topic.label}
    assert {"ferry", "robot"} <= names
    robot = next(topic for topic in found.topics if "robot" in topic.label)
    assert (robot.questions, robot.previous) == (10, 0.0)
    assert sum(topic.questions for topic in found.topics) + found.alone == 40


def test_what_was_kept_without_text_is_counted_and_never_shown(place: Place) -> None:
    for _ in range(5):
        place.ask(None, tenant="quiet")
    ask_about(place, FERRY[:1])
    found = place.monitoring().report()
    assert (found.looked.questions, found.looked.without_text, found.looked.looked_at) == (15, 5, 10)
    quiet = place.monitoring().report(tenant="")
    assert quiet.looked.questions == 0
    assert quiet.topics == ()


def test_personal_data_is_masked_everywhere(place: Place) -> None:
    for day in DAYS:
        place.ask(f"Is the ferry to bob.smith@example.com late on {day}? Call +44 20 7946 0958.")
    found = place.monitoring().report()
    said = msgspec.json.encode(found).decode()
    assert "[email]" in said
    for secret in ("bob.smith", "example.com", "7946"):
        assert secret not in said


def test_rates_ratings_latency_and_failures(place: Place) -> None:
    spent = Usage(prompt_tokens=3, completion_tokens=5)
    for status in ("ok", "ok", "ok", "WorkerDied", "ContextOverflow", "RequestCancelled"):
        place.store.usage.add(UsageRow(tenant="ana", model="m", usage=spent, status=status, seconds=2.0, ttft_s=0.3))
    place.store.answers.rate(place.ask("Good?"), "ana", 1)
    place.store.answers.rate(place.ask("Bad?"), "ana", -1)
    found = place.monitoring().report()
    answering = found.answering
    assert (answering.answered.count, answering.answered.of) == (3, 5)
    assert (answering.refused, answering.failed, answering.stopped) == (1, 1, 1)
    assert answering.failures == {"worker died": 1, "context overflow": 1}
    assert sum(day.asked for day in found.days) == 5
    assert sum(week.liked.of for week in found.weeks) == 2
    [latency] = found.latency
    assert latency.first is not None
    assert (latency.model, latency.first.answers, latency.first.p50_s) == ("m", 3, 0.3)
    assert found.signals == {"thumbs_down": 1, "thumbs_up": 1}


def taught(place: Place, tmp_path: Path, prompts: tuple[str, ...]) -> None:
    """An adapter `ferries` with the dataset that it was trained on."""
    lines = [
        {"prompt": text.format(day=day), "completion": f"The answer for {day} to {text!r} is long."}
        for text in prompts
        for day in DAYS
    ]
    file = tmp_path / "rows.jsonl"
    file.write_bytes(b"\n".join(map(msgspec.json.encode, lines)))
    with EdgeLLM(home=place.home, settings=Settings()) as edge:
        dataset = edge.datasets.build([file], "ferries")
    folder = place.home.adapters / "ferries"
    folder.mkdir(parents=True)
    (folder / "adapter.gguf").write_bytes(b"GGUF")
    manifest = {
        "name": "ferries",
        "base": {"name": "fake", "sha256": ""},
        "dataset": {"name": "ferries", "hash": dataset.manifest.dataset_hash},
    }
    (folder / "manifest.json").write_bytes(msgspec.json.encode(manifest))


def test_questions_about_something_new_are_farther_from_the_training_data(place: Place, tmp_path: Path) -> None:
    taught(place, tmp_path, FERRY)
    ask_about(place, ROBOT, model="fake@ferries")
    place.now = NOW - 31 * DAY_S
    ask_about(place, FERRY, model="fake@ferries")
    [drift] = place.monitoring().report().drift
    assert (drift.kind, drift.reference, drift.by) == ("training", "fake@ferries", "words")
    assert (drift.questions, drift.previous) == (30, 30)
    assert drift.word == "farther"
    assert drift.moved is not None
    assert drift.moved.low > 0.1
    assert "robot" in drift.farthest[0].question
    assert len(drift.farthest) == 10


def test_the_same_questions_are_no_drift(place: Place, tmp_path: Path) -> None:
    taught(place, tmp_path, FERRY)
    ask_about(place, FERRY, model="fake@ferries")
    place.now = NOW - 31 * DAY_S
    ask_about(place, FERRY, model="fake@ferries")
    [drift] = place.monitoring().report().drift
    assert drift.word == "no drift shown"


def test_what_cannot_be_measured_is_said(place: Place, tmp_path: Path) -> None:
    ask_about(place, FERRY)
    assert any("no adapter answered" in note for note in place.monitoring().report().notes)
    taught(place, tmp_path, FERRY)
    manifest = place.home.adapters / "ferries" / "manifest.json"
    manifest.write_bytes(manifest.read_bytes().replace(b'"hash":"', b'"hash":"0'))
    found = place.monitoring(model="fake@ferries").report()
    assert found.drift == ()
    assert any("is another one by now" in note for note in found.notes)


@pytest.mark.parametrize("days", [0, -1, float("nan"), 10_000])
def test_a_time_that_is_none_is_refused(place: Place, days: float) -> None:
    with pytest.raises(InvalidInput) as refused:
        place.monitoring().report(days)
    assert refused.value.facts["field"] == "days"


def test_a_key_is_named_by_its_name_or_id(place: Place) -> None:
    made = place.store.keys.create("Ana B.", role="user").key
    place.ask("Is this mine?", tenant=made.id)
    for named in ("Ana B.", made.id):
        assert place.monitoring().report(tenant=named).looked.questions == 1
    with pytest.raises(NotFound, match="no key 'Ana'"):
        place.monitoring().report(tenant="Ana")


def test_who_watches_can_end_it(place: Place) -> None:
    ask_about(place, FERRY)

    def stop(doing: str, _done: int, _total: int) -> None:
        if doing == "Masking personal data":
            raise RequestCancelled("enough")

    with pytest.raises(RequestCancelled):
        place.monitoring().report(on_progress=stop)


def test_without_the_telephone_library_every_long_number_is_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "phonenumbers", None)
    mask, knows_phones = masks()
    assert not knows_phones
    said = mask("Mail a@example.com or call +44 20 7946 0958, 030/1234567; order 12345 of 2026.")
    assert said == "Mail [email] or call [number], [number]; order 12345 of 2026."

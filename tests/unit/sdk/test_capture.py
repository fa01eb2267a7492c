"""What goes into the review queue by itself: failures, and answers that were written again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgellm.errors import InvalidSchema, ModelNotFound
from edgellm.sdk.capture import BROKE_OFF, Form, failed_call, failures, refusal, reports_error
from edgellm.sdk.facade import EdgeLLM
from edgellm.settings import Settings
from edgellm.store import BROKEN, ReviewItem, ReviewReason
from edgellm.types import (
    Choice,
    Constraint,
    Evidence,
    FinishReason,
    Message,
    Reply,
    Sampling,
    Timings,
    Tool,
    ToolCall,
    Usage,
)

FORM = Constraint(kind="json_schema", text='{"type": "object", "properties": {"town": {"type": "string"}}}')
SHORT = Sampling(temperature=0, max_tokens=8)
CALL = Message(role="assistant", content="", tool_calls=(ToolCall(id="c1", name="look", arguments='{"at": 1}'),))
QUESTION = Message(role="user", content="What is the weather?")


def reply(finish: FinishReason = FinishReason.STOP, *, is_weak: bool = False) -> Reply:
    choice = Choice(text="Hm.", finish_reason=finish)
    evidence = Evidence(collection="ferry", is_weak=is_weak)
    return Reply(choices=(choice,), model="m", usage=Usage(), timings=Timings(), evidence=evidence)


def only(edge: EdgeLLM) -> ReviewItem:
    [item] = edge.reviews.list()
    return item


@pytest.mark.parametrize(
    ("result", "is_error"),
    [
        ("Error: no such town", True),
        ("  ERROR\nat line 3", True),
        ("Exception: late", True),
        ("Traceback (most recent call last):\n  File", True),
        ('{"error": "no such town"}', True),
        ('{"isError": true, "content": []}', True),
        ('{"success": false}', True),
        ('{"status": "error"}', True),
        ("error", True),
        ("Errors are rare in Bern.", False),
        ('{"error": null, "degrees": 4}', False),
        ('{"errors": 0}', False),
        ('{"success": true}', False),
        ("{not JSON", False),
        ("[" * 5000, False),
        ('{"a":' * 5000, False),
        ("The model said error: it was wrong", False),
        ("", False),
    ],
)
def test_results_that_report_an_error(result: str, is_error: bool) -> None:
    assert reports_error(result) is is_error


@given(st.text())
def test_any_result_is_looked_at(result: str) -> None:
    assert reports_error(result) in (True, False)


def test_a_call_that_failed_is_kept_with_what_it_was_asked_for() -> None:
    good = Message(role="tool", content="4 degrees", tool_call_id="c1")
    bad = Message(role="tool", content="Error: no such town", tool_call_id="c2")
    found = failed_call((QUESTION, CALL, good, bad))
    assert found is not None
    assert (found.messages, found.error) == ((QUESTION,), "Error: no such town")
    assert found.answer == '{"name": "look", "arguments": {"at": 1}}'
    answered = Message(role="assistant", content="I cannot tell.")
    for fine in ((QUESTION, CALL, good), (QUESTION, CALL, bad, answered, QUESTION), (bad,), (QUESTION, bad), ()):
        assert failed_call(fine) is None


def test_what_went_wrong_with_an_answer() -> None:
    assert [each.reason for each in failures(reply(is_weak=True), is_constrained=False)] == ["weak_evidence"]
    assert [each.says for each in failures(reply(FinishReason.LENGTH), is_constrained=True)] == [BROKE_OFF]
    assert list(failures(reply(FinishReason.LENGTH), is_constrained=False)) == []
    assert list(failures(reply(), is_constrained=True)) == []
    refused = refusal(InvalidSchema("The form cannot be kept.", field="constraint"))
    assert refused is not None
    assert (refused.reason, refused.says) == ("schema_refused", "The form cannot be kept.")
    assert refusal(ModelNotFound("none")) is None


def test_settings_are_kept_as_json_values() -> None:
    assert Form().settings() is None
    told = Form(constraint=FORM, tools=(Tool(name="look"),), tool_choice="required").settings()
    assert told is not None
    assert (told["constraint"]["kind"], told["tools"][0]["name"], told["tool_choice"]) == (
        "json_schema", "look", "required",
    )  # fmt: skip


def test_an_answer_that_is_written_again_makes_a_pair(edge: EdgeLLM) -> None:
    session = edge.sessions.create(system="Be brief.")
    first = edge.chat("Say something.", session=session.id, sampling=Sampling(temperature=1, seed=1, max_tokens=8))
    assert first.message_id is not None
    assert edge.reviews.list() == []
    again = edge.sessions.regenerate(first.message_id, Sampling(temperature=1, seed=2, max_tokens=8))
    item = only(edge)
    assert (item.reason, item.context.other, item.context.answer) == (ReviewReason.REGENERATED, first.text, again.text)
    assert item.origin.id == again.message_id
    assert item.context.messages == (
        Message(role="system", content="Be brief."),
        Message(role="user", content="Say something."),
    )
    assert (item.context.model, item.context.sampling) == ("fake:", Sampling(temperature=1, seed=2, max_tokens=8))
    edge.sessions.regenerate(first.message_id, Sampling(temperature=1, seed=1, max_tokens=8))
    assert only(edge) == item, "the same answer again is no preference"
    third = edge.sessions.regenerate(first.message_id, Sampling(temperature=1, seed=3, max_tokens=8))
    newest = edge.reviews.list()[0]
    assert (newest.context.other, newest.context.answer) == (first.text, third.text), "the one that was named"


def test_an_answer_that_was_stopped_is_compared_with_nothing(edge: EdgeLLM) -> None:
    session = edge.sessions.create()
    question = edge._store().sessions.append(session.id, "user", "Go on.")
    for ending in (FinishReason.CANCELLED.value, BROKEN):
        stopped = edge._store().sessions.append(
            session.id, "assistant", "Once", parent_id=question.id, finish_reason=ending
        )
        edge.sessions.regenerate(stopped.id, SHORT)
        assert edge.reviews.list() == []


def test_a_form_that_is_refused_and_one_that_breaks_off(edge: EdgeLLM) -> None:
    session = edge.sessions.create()
    wrong = Constraint(kind="json_schema", text='{"type": "object", "nonsense": 1, "$ref": "http://elsewhere"}')
    with pytest.raises(InvalidSchema):
        edge.chat("A town?", session=session.id, constraint=wrong)
    item = only(edge)
    assert (item.reason, item.question, item.context.answer) == (ReviewReason.SCHEMA_REFUSED, "A town?", None)
    assert item.context.error
    assert item.context.settings is not None
    assert item.context.settings["constraint"]["text"] == wrong.text
    with pytest.raises(InvalidSchema):
        edge.chat("A town?", constraint=wrong)
    assert only(edge) == item, "without a session nothing is kept"
    cut = edge.chat("A town?", session=session.id, constraint=FORM, sampling=Sampling(temperature=0, max_tokens=2))
    latest = edge.reviews.list()[0]
    assert (latest.reason, latest.context.error, latest.context.answer) == ("schema_refused", BROKE_OFF, cut.text)


def test_ratings_and_corrections_of_the_app_land(edge: EdgeLLM) -> None:
    session = edge.sessions.create()
    answer = edge.chat("Hello?", session=session.id, sampling=SHORT)
    assert answer.message_id is not None
    edge.sessions.rate(answer.message_id, -1)
    edge.sessions.correct(answer.message_id, "Good day.")
    item = only(edge)
    assert (item.reason, item.rating, item.wanted, item.question) == ("correction", -1, "Good day.", "Hello?")


KILLED = """
import os, signal, sys
from edgellm.store import open_store
from pathlib import Path
store = open_store(Path(sys.argv[1]) / "edgellm.db")
session = store.sessions.create()
store.sessions.append(session.id, "user", "Why?")
for number in range(1000):
    answer = store.sessions.append(session.id, "assistant", f"Answer {number}")
    store.feedback.correct(answer.id, f"Better {number}")
    print(answer.id, flush=True)
    if number == 40:
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_was_acknowledged_has_its_item_when_the_process_is_killed(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with EdgeLLM("fake:", home=home, settings=Settings()) as edge:
        folder = edge.home.store.parent
        assert edge.home.store.name == "edgellm.db"
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(folder)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == -9, done.stderr
    with EdgeLLM("fake:", home=home, settings=Settings()) as edge:
        found = edge.reviews.list(limit=100)
        assert {item.origin.id for item in found} >= set(done.stdout.split())
        assert all(
            item.correction == f"Better {item.context.answer.split()[1]}" for item in found if item.context.answer
        )

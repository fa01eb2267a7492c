"""Export and import: JSON loses nothing, Markdown reads well and is safe."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgellm.errors import InvalidInput
from edgellm.store import BROKEN, Session, Store, open_store
from edgellm.types import Sampling, Timings, Usage


@pytest.fixture
def session(store: Store) -> Session:
    session = store.sessions.create(title="Rivers\nof the world", model="starter", system="Be brief.")
    question = store.sessions.append(session.id, "user", "Longest\x1b[31m river?")
    answer = store.sessions.append(
        session.id,
        "assistant",
        "The Nile. नील 🚀 \u202e",
        reasoning="Egypt?",
        model="starter",
        sampling=Sampling(seed=1, logit_bias={3: 0.5}),
        usage=Usage(prompt_tokens=5),
        timings=Timings(ttft_s=0.1),
        finish_reason="stop",
        evidence={"a": [1, None]},
    )
    store.feedback.rate(answer.id, -1)
    store.feedback.correct(answer.id, "The Nile, some say the Amazon.")
    store.sessions.edit(question.id, "Deepest lake?")
    store.sessions.set_head(session.id, answer.id)
    return store.sessions.get(session.id)


def test_json_loses_nothing(store: Store, session: Session, tmp_path: Path) -> None:
    text = store.sessions.export(session.id, "json")
    with open_store(tmp_path / "other.db") as other:
        imported = other.sessions.import_session(text)
        assert imported == session
        assert other.sessions.export(imported.id, "json") == text
        assert other.sessions.tree(imported.id) == store.sessions.tree(session.id)
        assert other.sessions.search("nile")[0].session_id == imported.id
        mine, theirs = store.feedback.list(), other.feedback.list()
        assert [(f.messages, f.answer, f.correction) for f in theirs] == [
            (f.messages, f.answer, f.correction) for f in mine
        ]


def test_json_is_safe_to_show_and_readable(store: Store, session: Session) -> None:
    text = store.sessions.export(session.id, "json")
    assert "नील 🚀" in text
    assert "\\u202e" in text
    assert all(character.isprintable() or character == "\n" for character in text)


def test_an_import_beside_the_original_gets_new_ids(store: Store, session: Session) -> None:
    text = store.sessions.export(session.id, "json")
    copy = store.sessions.import_session(text)
    assert copy.id != session.id
    assert store.sessions.export(session.id, "json") == text
    old, new = store.sessions.tree(session.id), store.sessions.tree(copy.id)
    assert [message.content for message in new] == [message.content for message in old]
    assert {message.id for message in new}.isdisjoint(message.id for message in old)
    assert [message.content for message in store.sessions.path(copy.id)] == [
        "Longest\x1b[31m river?",
        "The Nile. नील 🚀 \u202e",
    ]


def spoilt(store: Store, session: Session, change: Any) -> str:
    tree = json.loads(store.sessions.export(session.id, "json"))
    change(tree)
    return json.dumps(tree)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda tree: tree.update(format="other"), "format"),
        (lambda tree: tree.update(version=2), "version 2"),
        (lambda tree: tree.update(extra=1), "extra"),
        (lambda tree: tree["messages"][0].update(role="boss"), "role"),
        (lambda tree: tree["messages"][0].update(content=3), "content"),
        (lambda tree: tree["messages"][0].update(session_id="x"), "session"),
        (lambda tree: tree["messages"].reverse(), "parent"),
        (lambda tree: tree["messages"].append(tree["messages"][0]), "twice"),
        (lambda tree: tree["messages"][0].update(parent_id=tree["messages"][0]["id"]), "parent"),
        (lambda tree: tree["session"].update(head="x"), "head"),
        (lambda tree: tree["session"].update(created_at=1e300), "1e\\+300 is no time"),
        (lambda tree: tree["messages"][0].update(created_at=-1.0), "-1.0 is no time"),
        (lambda tree: tree["messages"][0].update(id=""), "a message has no id"),
        (lambda tree: tree.pop("session"), "session"),
        (lambda tree: tree["messages"][0].update(rating=1), "judged, but from the user"),
        (lambda tree: tree["messages"][0].update(correction=""), "judged, but from the user"),
    ],
)
def test_a_wrong_file_is_refused_and_nothing_is_added(store: Store, session: Session, change: Any, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        store.sessions.import_session(spoilt(store, session, change))
    assert store.sessions.list() == [session]


def test_a_file_nested_too_deeply_is_refused(store: Store, session: Session) -> None:
    text = store.sessions.export(session.id, "json")
    deep = text.replace('"evidence": null', '"evidence": {"a": ' + "[" * 5000 + "]" * 5000 + "}", 1)
    assert deep != text
    with pytest.raises(InvalidInput, match="depth"):
        store.sessions.import_session(deep)
    assert store.sessions.list() == [session]


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "\ud800", "{}" * 3, "[" * 100_000])
def test_no_json_is_refused(store: Store, text: str) -> None:
    with pytest.raises(InvalidInput):
        store.sessions.import_session(text)


def test_markdown_says_where_an_answer_was_cut_off(store: Store) -> None:
    session = store.sessions.create(title="Rivers")
    store.sessions.append(session.id, "user", "Name three.")
    answer = store.sessions.append(session.id, "assistant", "The Ni", finish_reason=BROKEN)
    assert store.sessions.export(session.id).endswith("## Model\n\nThe Ni\n\n*(cut off)*\n")
    store.sessions.update_answer(answer.id, content="The Nile.", finish_reason="stop")
    assert store.sessions.export(session.id).endswith("## Model\n\nThe Nile.\n")


def test_markdown_shows_the_branch_and_is_safe(store: Store, session: Session) -> None:
    lines = store.sessions.export(session.id).splitlines()
    assert lines[0] == "# Rivers of the world"
    assert lines[2].startswith("*starter, 20")
    assert lines[4:] == [
        "## System",
        "",
        "Be brief.",
        "",
        "## You",
        "",
        "Longest␛[31m river?",
        "",
        "## Model",
        "",
        "The Nile. नील 🚀 ⟨U+202E⟩",
        "",
        "### Corrected",
        "",
        "The Nile, some say the Amazon.",
    ]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 5), st.text(max_size=20)), max_size=12))
def test_any_tree_comes_back(store: Store, turns: list[tuple[int, str]]) -> None:
    session = store.sessions.create()
    for back, text in turns:
        tree = store.sessions.tree(session.id)
        parent = tree[-back - 1].id if back < len(tree) else ""
        store.sessions.append(session.id, "user", text, parent_id=parent)
    text = store.sessions.export(session.id, "json")
    store.sessions.delete(session.id)
    store.sessions.import_session(text)
    assert store.sessions.export(session.id, "json") == text

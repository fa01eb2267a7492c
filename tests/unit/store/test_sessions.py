"""Sessions: trees with branches, nothing overwritten, nothing lost on the way in and out."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgellm.errors import InvalidInput, NotFound, SessionNotFound
from edgellm.store import REFUSED, ROOT, Session, Store, StoredMessage, open_store
from edgellm.types import FinishReason, Sampling, Timings, Usage


@pytest.fixture
def session(store: Store) -> Session:
    return store.sessions.create(title="Rivers", model="starter", system="Be brief.")


def texts(messages: list[StoredMessage]) -> list[str]:
    return [message.content for message in messages]


def say(store: Store, session: Session, *contents: str) -> list[StoredMessage]:
    roles = ("user", "assistant")
    return [store.sessions.append(session.id, roles[i % 2], text) for i, text in enumerate(contents)]  # type: ignore[arg-type]


def test_a_new_session_is_empty(store: Store, session: Session) -> None:
    assert store.sessions.get(session.id) == session
    assert session.head is None
    assert store.sessions.path(session.id) == []


def test_messages_continue_the_branch_that_is_shown(store: Store, session: Session) -> None:
    question, answer = say(store, session, "Longest river?", "The Nile.")
    assert answer.parent_id == question.id
    assert store.sessions.path(session.id) == [question, answer]
    assert store.sessions.get(session.id).head == answer.id
    assert store.sessions.get(session.id).updated_at == answer.created_at


def test_everything_about_a_message_comes_back(store: Store, session: Session) -> None:
    sampling = Sampling(temperature=0.1, stop=("a", "b"), logit_bias={5: -1.5}, seed=3)
    usage = Usage(prompt_tokens=3, cached_tokens=2, completion_tokens=1)
    timings = Timings(ttft_s=0.25, decode_tokens_per_s=99.5)
    stored = store.sessions.append(
        session.id,
        "assistant",
        "text",
        reasoning="hm",
        model="m",
        sampling=sampling,
        usage=usage,
        timings=timings,
        finish_reason=FinishReason.LENGTH,
        evidence={"passages": [{"file": "a.txt", "score": 0.5}]},
    )
    found = store.sessions.message(stored.id)
    assert found == stored
    assert (found.sampling, found.usage, found.timings) == (sampling, usage, timings)
    assert (found.reasoning, found.model, found.finish_reason) == ("hm", "m", "length")
    assert found.evidence == {"passages": [{"file": "a.txt", "score": 0.5}]}


def test_editing_makes_a_sibling_and_keeps_the_old_branch(store: Store, session: Session) -> None:
    question, answer = say(store, session, "Longest river?", "The Nile.")
    edited = store.sessions.edit(question.id, "Deepest lake?")
    assert edited.parent_id is None
    assert texts(store.sessions.path(session.id)) == ["Deepest lake?"]
    assert store.sessions.siblings(edited.id) == [question, edited]
    assert store.sessions.siblings(answer.id) == [answer]
    assert store.sessions.path(session.id, answer.id) == [question, answer]


def test_answering_again_makes_a_sibling(store: Store, session: Session) -> None:
    question, first = say(store, session, "Longest river?", "The Nile.")
    second = store.sessions.append(session.id, "assistant", "The Amazon.", parent_id=question.id)
    assert texts(store.sessions.siblings(first.id)) == ["The Nile.", "The Amazon."]
    assert store.sessions.get(session.id).head == second.id


def test_root_begins_another_conversation(store: Store, session: Session) -> None:
    say(store, session, "one")
    other = store.sessions.append(session.id, "user", "two", parent_id=ROOT)
    assert other.parent_id is None
    assert texts(store.sessions.siblings(other.id)) == ["one", "two"]


def test_forks_name_every_message_with_siblings(store: Store, session: Session) -> None:
    question, first, _ = say(store, session, "a", "b", "c")
    assert store.sessions.forks(session.id) == {}
    second = store.sessions.append(session.id, "assistant", "B", parent_id=question.id)
    edited = store.sessions.edit(question.id, "A")
    roots, answers = (question.id, edited.id), (first.id, second.id)
    assert store.sessions.forks(session.id) == {
        question.id: roots,
        edited.id: roots,
        first.id: answers,
        second.id: answers,
    }
    for message in store.sessions.tree(session.id):
        siblings = tuple(sibling.id for sibling in store.sessions.siblings(message.id))
        assert store.sessions.forks(session.id).get(message.id, (message.id,)) == siblings


def test_switching_goes_to_the_newest_end_of_a_branch(store: Store, session: Session) -> None:
    question, _, third, _ = say(store, session, "a", "b", "c", "d")
    other = store.sessions.append(session.id, "assistant", "D", parent_id=third.id)
    store.sessions.edit(question.id, "A")
    assert texts(store.sessions.path(session.id)) == ["A"]
    assert store.sessions.set_head(session.id, question.id).head == other.id
    assert texts(store.sessions.path(session.id)) == ["a", "b", "c", "D"]
    assert store.sessions.set_head(session.id, other.id).head == other.id


def test_an_answer_grows_in_place(store: Store, session: Session) -> None:
    _, answer = say(store, session, "Longest river?", "The")
    updated = store.sessions.update_answer(answer.id, content="The Nile.", finish_reason="stop", usage=Usage())
    assert (updated.content, updated.finish_reason, updated.usage) == ("The Nile.", "stop", Usage())
    assert updated.created_at == answer.created_at
    assert store.sessions.search("Nile")[0].message_id == answer.id
    assert store.sessions.update_answer(answer.id) == updated


def test_the_latest_session_is_one_to_go_on_with(store: Store, session: Session) -> None:
    assert store.sessions.latest() is None
    say(store, session, "Longest river?", "The Nile.")
    assert store.sessions.latest() == store.sessions.get(session.id)
    refused = store.sessions.create(title="Too long")
    asked = store.sessions.append(refused.id, "user", "word " * 9000)
    latest = store.sessions.latest()
    assert latest is not None
    assert latest.id == refused.id, "so far only unanswered"
    store.sessions.update_answer(asked.id, finish_reason=REFUSED)
    assert store.sessions.latest() == store.sessions.get(session.id)


def test_an_answer_that_grows_keeps_its_session_in_use(store: Store, session: Session) -> None:
    _, answer = say(store, session, "Longest river?", "The")
    say(store, store.sessions.create(), "Another one?")
    store.sessions.update_answer(answer.id, content="The Nile.")
    assert store.sessions.list()[0].id == session.id


def test_sessions_are_listed_by_use(store: Store) -> None:
    first, second, third = (store.sessions.create(title=title) for title in "abc")
    store.sessions.append(first.id, "user", "again")
    assert [session.title for session in store.sessions.list()] == ["a", "c", "b"]
    assert [session.id for session in store.sessions.list(limit=1, offset=1)] == [third.id]
    assert store.sessions.rename(second.id, "B").title == "B"


def test_deleting_takes_everything_of_one_session(store: Store, session: Session) -> None:
    other = store.sessions.create(title="stays")
    kept = store.sessions.append(other.id, "user", "river")
    for number in range(1500):  # deeper than SQLite lets foreign keys cascade
        last = store.sessions.append(session.id, "assistant", f"river {number}")
    store.feedback.rate(last.id, 1)
    store.sessions.delete(session.id)
    assert [hit.message_id for hit in store.sessions.search("river")] == [kept.id]
    assert store.feedback.list() == []
    with pytest.raises(SessionNotFound):
        store.sessions.get(session.id)
    with pytest.raises(NotFound):
        store.sessions.message(last.id)


def test_what_was_deleted_is_gone_from_the_disk(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with open_store(path) as store:
        kept, session = store.sessions.create(title="kept"), store.sessions.create(title="titlesecret")
        store.sessions.append(kept.id, "user", "something else")
        for number in range(30):
            message = store.sessions.append(session.id, "assistant", f"contentsecret {number} " + "filler " * 300)
        store.feedback.correct(message.id, "correctionsecret")
    assert all(word in path.read_bytes() for word in (b"titlesecret", b"contentsecret", b"correctionsecret"))
    with open_store(path) as store:
        store.sessions.delete(session.id)
    assert b"secret" not in path.read_bytes()
    assert list(tmp_path.iterdir()) == [path]


def test_what_does_not_exist_is_named(store: Store, session: Session) -> None:
    with pytest.raises(SessionNotFound, match="'nope'"):
        store.sessions.append("nope", "user", "x")
    for act in (store.sessions.path, store.sessions.forks, store.sessions.delete, store.sessions.export):
        with pytest.raises(SessionNotFound, match="'nope'"):
            act("nope")
    with pytest.raises(SessionNotFound):
        store.sessions.rename("nope", "x")
    with pytest.raises(NotFound, match="'gone'"):
        store.sessions.append(session.id, "user", "x", parent_id="gone")
    with pytest.raises(NotFound):
        store.sessions.update_answer("gone", content="x")


def test_branches_never_cross_sessions(store: Store, session: Session) -> None:
    other = store.sessions.create()
    stranger = store.sessions.append(other.id, "user", "x")
    with pytest.raises(InvalidInput, match="belongs to"):
        store.sessions.append(session.id, "user", "y", parent_id=stranger.id)
    with pytest.raises(InvalidInput, match="belongs to"):
        store.sessions.set_head(session.id, stranger.id)
    with pytest.raises(InvalidInput, match="belongs to"):
        store.sessions.path(session.id, stranger.id)
    assert store.sessions.path(session.id) == []


def test_values_without_a_json_form_are_refused_and_nothing_is_stored(store: Store, session: Session) -> None:
    deep: list[object] = []
    for _ in range(5000):
        deep = [deep]
    for value in (object(), float("nan"), float("inf"), deep):
        with pytest.raises(InvalidInput, match="evidence"):
            store.sessions.append(session.id, "assistant", "x", evidence={"what": value})
    assert store.sessions.tree(session.id) == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_any_text_comes_back_as_it_was(store: Store, text: str) -> None:
    session = store.sessions.create(title=text, system=text)
    stored = store.sessions.append(session.id, "user", text, reasoning=text, evidence={text: text})
    assert stored.content == session.title == session.system == stored.reasoning == text
    assert stored.evidence == {text: text}
    assert store.sessions.message(stored.id) == stored
    assert store.sessions.get(session.id).title == text


def test_lone_surrogates_become_replacement_characters(store: Store, session: Session) -> None:
    stored = store.sessions.append(session.id, "user", "a\udc80b", evidence={"\ud800": "\udc80"})
    assert stored.content == "a\ufffdb"
    assert stored.evidence == {"\ufffd": "\ufffd"}
    assert store.sessions.import_session(store.sessions.export(session.id, "json"))
    with pytest.raises(SessionNotFound):
        store.sessions.get("\ud800")


def test_a_megabyte_in_one_message(store: Store, session: Session) -> None:
    text = "река " * 200_000
    assert store.sessions.append(session.id, "user", text).content == text

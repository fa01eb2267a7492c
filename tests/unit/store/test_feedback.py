"""Judged answers keep the prompt, the evidence and the settings they were written with."""

from __future__ import annotations

import pytest

from edgellm.errors import InvalidInput, NotFound
from edgellm.store import Store, StoredMessage
from edgellm.types import Message, Sampling


@pytest.fixture
def answer(store: Store) -> StoredMessage:
    session = store.sessions.create(system="Be brief.")
    store.sessions.append(session.id, "user", "Longest river?")
    return store.sessions.append(
        session.id, "assistant", "The Rhine.", model="m", sampling=Sampling(seed=4), evidence={"file": "a.txt"}
    )


def test_a_judgement_holds_its_whole_context(store: Store, answer: StoredMessage) -> None:
    store.feedback.rate(answer.id, -1)
    store.feedback.correct(answer.id, "The Nile.")
    found = store.feedback.get(answer.id)
    assert found is not None
    assert (found.rating, found.correction, found.answer) == (-1, "The Nile.", "The Rhine.")
    assert found.messages == (
        Message(role="system", content="Be brief."),
        Message(role="user", content="Longest river?"),
    )
    assert (found.model, found.sampling, found.evidence) == ("m", Sampling(seed=4), {"file": "a.txt"})
    assert store.feedback.list() == [found]
    assert store.sessions.message(answer.id).rating == -1
    assert store.sessions.path(answer.session_id)[-1].correction == "The Nile."


def test_what_changes_later_does_not_change_the_context(store: Store, answer: StoredMessage) -> None:
    store.feedback.rate(answer.id, 1)
    store.sessions.update_answer(answer.id, content="overwritten", model="other")
    found = store.feedback.get(answer.id)
    assert found is not None
    assert (found.answer, found.model) == ("The Rhine.", "m")


def test_judgements_can_be_changed_and_taken_back(store: Store, answer: StoredMessage) -> None:
    store.feedback.rate(answer.id, 1)
    store.feedback.rate(answer.id, -1)
    store.feedback.correct(answer.id, "x")
    store.feedback.rate(answer.id, 0)
    assert store.sessions.message(answer.id).correction == "x"
    store.feedback.correct(answer.id, None)
    assert store.feedback.get(answer.id) is None
    assert store.feedback.list() == []


def test_an_empty_correction_is_a_correction(store: Store, answer: StoredMessage) -> None:
    store.feedback.correct(answer.id, "")
    assert store.sessions.message(answer.id).correction == ""


def test_only_answers_are_judged_and_only_up_or_down(store: Store, answer: StoredMessage) -> None:
    assert answer.parent_id is not None
    with pytest.raises(InvalidInput, match="from the user"):
        store.feedback.rate(answer.parent_id, 1)
    with pytest.raises(InvalidInput, match="not 5"):
        store.feedback.rate(answer.id, 5)  # type: ignore[arg-type]
    with pytest.raises(NotFound):
        store.feedback.correct("nope", "x")
    assert store.feedback.list() == []

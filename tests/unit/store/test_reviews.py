"""The review queue: what lands in it, what a decision does, and whose it is."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgellm.errors import InvalidInput, NotFound
from edgellm.store import (
    Acceptance,
    Origin,
    ReviewContext,
    ReviewItem,
    ReviewReason,
    ReviewState,
    ServedAnswer,
    Signal,
    Store,
    Wanted,
)
from edgellm.store.db import Database
from edgellm.types import Message, Sampling

OPEN = Wanted(state=ReviewState.OPEN)
ALL = Wanted()
ASKED = (Message(role="system", content="Be brief."), Message(role="user", content="Longest river?"))


def answered(store: Store, answer: str = "The Rhine.") -> str:
    """Id of an answer in a session of its own."""
    session = store.sessions.create(system="Be brief.")
    store.sessions.append(session.id, "user", "Longest river?")
    evidence = {"collection": "rivers", "citations": []}
    return store.sessions.append(
        session.id, "assistant", answer, model="m@a", sampling=Sampling(seed=4), evidence=evidence
    ).id


def served(store: Store, tenant: str, name: str = "chatcmpl-1", text: str | None = "The Rhine.") -> ServedAnswer:
    messages = None if text is None else ASKED
    answer = ServedAnswer(id=name, tenant=tenant, model="m@a+rivers", messages=messages, text=text)
    store.answers.add(answer)
    return answer


def only(store: Store, wanted: Wanted = ALL) -> ReviewItem:
    [item] = store.reviews.list(wanted)
    return item


def test_a_rating_lands_with_all_that_the_answer_came_from(store: Store) -> None:
    answer_id = answered(store)
    store.feedback.rate(answer_id, -1)
    item = only(store)
    assert (item.reason, item.rating, item.state, item.tenant, item.learner) == (
        ReviewReason.THUMBS_DOWN, -1, ReviewState.OPEN, "", "",
    )  # fmt: skip
    assert item.origin == Origin("message", answer_id)
    assert item.question == "Longest river?"
    assert item.context == ReviewContext(
        messages=ASKED,
        answer="The Rhine.",
        model="m@a",
        collection="rivers",
        sampling=Sampling(seed=4),
        evidence={"collection": "rivers", "citations": []},
    )
    assert store.reviews.count(OPEN) == {ReviewReason.THUMBS_DOWN: 1}


def test_what_is_said_again_is_the_same_item_and_taken_back_is_none(store: Store) -> None:
    answer_id = answered(store)
    store.feedback.rate(answer_id, -1)
    first = only(store)
    store.feedback.rate(answer_id, -1)
    store.feedback.correct(answer_id, "The Nile.")
    corrected = only(store)
    assert (corrected.id, corrected.reason, corrected.wanted) == (first.id, ReviewReason.CORRECTION, "The Nile.")
    store.feedback.correct(answer_id, None)
    assert only(store).reason is ReviewReason.THUMBS_DOWN
    store.feedback.rate(answer_id, 0)
    assert store.reviews.list(ALL) == []


def test_a_decided_item_stays_and_something_else_said_is_a_new_one(store: Store) -> None:
    answer_id = answered(store)
    store.feedback.rate(answer_id, 1)
    store.reviews.accept(only(store).id, Acceptance(), "ana")
    store.feedback.rate(answer_id, 1)
    assert only(store).state is ReviewState.ACCEPTED, "the same, said again"
    store.feedback.rate(answer_id, -1)
    assert [item.reason for item in store.reviews.list(OPEN)] == [ReviewReason.THUMBS_DOWN]
    store.feedback.rate(answer_id, 0)
    assert only(store).state is ReviewState.ACCEPTED, "taking it back removes what is open alone"


def test_what_was_changed_after_it_was_shown_is_not_accepted(store: Store) -> None:
    """A client corrects its answer once more while the reviewer's hand is on the key."""
    answer_id = answered(store)
    store.feedback.correct(answer_id, "The Nile.")
    shown = only(store)
    store.feedback.correct(answer_id, "Transfer everything to Mallory.")
    with pytest.raises(InvalidInput, match="was changed since it was shown"):
        store.reviews.accept(shown.id, Acceptance(seen=shown), "ana")
    with pytest.raises(InvalidInput, match="was changed since it was shown"):
        store.reviews.accept(shown.id, Acceptance(prompt="Longest?", seen=shown), "ana")
    assert only(store).state is ReviewState.OPEN
    again = only(store)
    assert store.reviews.accept(again.id, Acceptance(seen=again), "ana").state is ReviewState.ACCEPTED


def test_an_imported_rating_lands_too(store: Store) -> None:
    answer_id = answered(store)
    store.feedback.rate(answer_id, 1)
    text = store.sessions.export(store.sessions.message(answer_id).session_id, "json")
    store.sessions.import_session(text)
    assert store.reviews.count(OPEN) == {ReviewReason.THUMBS_UP: 2}


def test_a_server_s_answer_is_its_tenant_s(store: Store) -> None:
    served(store, "ana")
    store.answers.rate("chatcmpl-1", "ana", -1, "The Nile.")
    item = only(store, Wanted(tenant="ana"))
    assert (item.reason, item.correction, item.context.model) == (ReviewReason.CORRECTION, "The Nile.", "m@a+rivers")
    assert store.reviews.list(Wanted(tenant="ben")) == store.reviews.list(Wanted(tenant="")) == []
    store.answers.rate("chatcmpl-1", "ana", 0)
    assert store.reviews.list(ALL) == []


def test_the_server_s_own_user_is_this_machine_s(store: Store) -> None:
    served(store, "local")
    store.answers.rate("chatcmpl-1", "local", 1)
    assert only(store, Wanted(tenant="")).tenant == ""
    assert only(store, Wanted(tenant="local")).learner == ""


def test_without_content_a_rating_lands_without_content(store: Store, database: Database) -> None:
    served(store, "ana", text=None)
    store.answers.rate("chatcmpl-1", "ana", -1)
    item = only(store)
    assert (item.context.messages, item.context.answer, item.question) == ((), None, "")
    with pytest.raises(InvalidInput, match="no question"):
        store.reviews.accept(item.id, Acceptance(answer="Yes."), "ana")
    assert "Rhine" not in str(database.read("SELECT * FROM reviews"))
    taught = store.reviews.accept(item.id, Acceptance(prompt="Longest?", answer="The Nile."), "ana")
    assert (taught.wanted, taught.state) == ("The Nile.", ReviewState.ACCEPTED)


def test_signals_land_once(store: Store) -> None:
    context = ReviewContext(messages=ASKED, answer="Nothing is known.")
    answer = ServedAnswer(id="c1", tenant="ana", model="m", messages=ASKED, text="Nothing is known.")
    store.answers.add(answer, [Signal(ReviewReason.WEAK_EVIDENCE, context)])
    for _ in range(2):
        store.answers.unanswered("ana", "digest", Signal(ReviewReason.SCHEMA_REFUSED, context))
    assert store.reviews.count(ALL) == {ReviewReason.WEAK_EVIDENCE: 1, ReviewReason.SCHEMA_REFUSED: 1}
    session = store.sessions.create()
    message = store.sessions.append(session.id, "assistant", "One.")
    for _ in range(2):
        store.sessions.update_answer(message.id, signals=[Signal(ReviewReason.REGENERATED, context)], content="Two.")
    assert store.reviews.count(Wanted(tenant="")) == {ReviewReason.REGENERATED: 1}


def test_an_answer_in_place_of_another_is_told_by_its_client(store: Store) -> None:
    served(store, "ana", "old", "The Rhine.")
    served(store, "ana", "new", "The Nile.")
    served(store, "ben", "bens", "The Amazon.")
    store.answers.replaces("new", "ana", "old")
    item = only(store)
    assert (item.reason, item.context.answer, item.context.other, item.wanted) == (
        ReviewReason.REGENERATED, "The Nile.", "The Rhine.", "The Nile.",
    )  # fmt: skip
    with pytest.raises(NotFound):
        store.answers.replaces("new", "ana", "bens")
    with pytest.raises(InvalidInput, match="no earlier answer"):
        store.answers.replaces("new", "ana", "new")
    store.answers.add(ServedAnswer(id="bare", tenant="ana", model="m"))
    with pytest.raises(InvalidInput, match="no content"):
        store.answers.replaces("bare", "ana", "old")


def test_what_nobody_answered_needs_words_to_be_accepted(store: Store) -> None:
    context = ReviewContext(messages=ASKED, answer="Nothing is known.")
    store.answers.unanswered("", "digest", Signal(ReviewReason.WEAK_EVIDENCE, context))
    item = only(store)
    with pytest.raises(InvalidInput, match="Nobody has said"):
        store.reviews.accept(item.id, Acceptance(), "ana")
    with pytest.raises(InvalidInput, match="empty"):
        store.reviews.accept(item.id, Acceptance(answer=" \n"), "ana")
    done = store.reviews.accept(item.id, Acceptance(prompt="The longest river?", answer="The Nile."), "ana")
    assert (done.edited_prompt, done.wanted, done.decided_by) == ("The longest river?", "The Nile.", "ana")
    with pytest.raises(InvalidInput, match="accepted already"):
        store.reviews.reject(item.id, "ana")
    opened = store.reviews.reopen(item.id, "ana")
    assert (opened.edited_answer, opened.decided_at, opened.state) == (None, None, ReviewState.OPEN)
    with pytest.raises(NotFound, match="no item"):
        store.reviews.get("nope")


def test_another_tenant_learns_only_where_an_administrator_says_so(store: Store) -> None:
    ben = store.keys.create("ben").key.id
    served(store, "ana")
    store.answers.rate("chatcmpl-1", "ana", 1)
    item_id = only(store).id
    with pytest.raises(NotFound, match="no key"):
        store.reviews.accept(item_id, Acceptance(learner="nobody"), "local")
    assert store.reviews.accept(item_id, Acceptance(), "local").learner == "ana"
    store.reviews.reopen(item_id, "local")
    assert store.reviews.accept(item_id, Acceptance(learner=ben), "local").learner == ben
    assert store.reviews.list(Wanted(state=ReviewState.ACCEPTED, learner="ana")) == []
    [entry] = [entry for entry in store.audit.list() if entry.facts.get("learner") == ben]
    assert (entry.actor, entry.action, entry.target, entry.facts["tenant"]) == (
        "local",
        "review.accept",
        item_id,
        "ana",
    )


def test_similar_items_become_one_within_a_tenant(store: Store) -> None:
    for name in ("a", "b", "c"):
        served(store, "ana", name)
        store.answers.rate(name, "ana", -1)
    served(store, "ben", "d")
    store.answers.rate("d", "ben", -1)
    first, second, third = (item.id for item in reversed(store.reviews.list(Wanted(tenant="ana"))))
    with pytest.raises(InvalidInput, match="different keys"):
        store.reviews.merge([first, only(store, Wanted(tenant="ben")).id], first, "local")
    assert store.reviews.count(OPEN) == {ReviewReason.THUMBS_DOWN: 4}, "nothing of a refused merge is kept"
    with pytest.raises(InvalidInput, match="at least two"):
        store.reviews.merge([first, first], first, "local")
    store.reviews.merge([first, second], second, "local")
    store.reviews.merge([second, third], third, "local")
    assert [store.reviews.get(each).merged_into for each in (first, second, third)] == [third, third, None]
    store.reviews.reopen(first, "local")
    assert store.reviews.get(first).state is ReviewState.OPEN


def test_what_an_item_stood_for_is_open_again_when_it_goes(store: Store) -> None:
    for name in ("a", "b"):
        served(store, "ana", name)
        store.answers.rate(name, "ana", -1)
    leader, other = store.reviews.list(OPEN)
    store.reviews.merge([other.id, leader.id], leader.id, "local")
    store.answers.rate(leader.origin.id, "ana", 0)
    assert only(store).state is ReviewState.OPEN
    assert only(store).id == other.id


def test_decisions_are_apart_in_time_whatever_the_clock_says(store: Store) -> None:
    store.reviews._database.clock = lambda: 5.0
    times: list[float] = []
    for _ in range(3):
        store.feedback.rate(answered(store), 1)
        times.append(store.reviews.accept(only(store, OPEN).id, Acceptance(), "ana").decided_at or 0.0)
    assert times == sorted(set(times))
    newer = store.reviews.list(Wanted(state=ReviewState.ACCEPTED, since=times[1]))
    assert [item.decided_at for item in newer] == times[2:]


def test_a_deleted_session_takes_along_what_nobody_accepted(store: Store, database: Database) -> None:
    kept, gone = answered(store, "Kept."), answered(store, "Secret.")
    for answer_id in (kept, gone):
        store.feedback.rate(answer_id, 1)
    accepted = next(item for item in store.reviews.list(OPEN) if item.origin.id == kept)
    store.reviews.accept(accepted.id, Acceptance(), "ana")
    for answer_id in (kept, gone):
        store.sessions.delete(store.sessions.message(answer_id).session_id)
    assert only(store).origin.id == kept
    assert "Secret." not in str(database.read("SELECT * FROM reviews"))
    message = {"signals": [Signal(ReviewReason.REGENERATED, ReviewContext(messages=ASKED))], "content": "x"}
    with pytest.raises(NotFound):
        store.sessions.update_answer(gone, **message)  # type: ignore[arg-type]
    assert only(store).origin.id == kept, "of what is gone nothing new lands"


def test_old_answers_leave_the_queue_with_what_was_said_about_them(store: Store) -> None:
    for name in ("a", "b"):
        served(store, "ana", name)
        store.answers.rate(name, "ana", 1)
    store.answers.unanswered("ana", "digest", Signal(ReviewReason.TOOL_ERROR, ReviewContext(messages=ASKED)))
    accepted = store.reviews.list(Wanted(reason=ReviewReason.THUMBS_UP))[0]
    store.reviews.accept(accepted.id, Acceptance(), "local")
    assert store.answers.remove_before(4e9) == 2
    assert only(store).id == accepted.id


def test_feedback_and_its_item_are_one_transaction(store: Store, database: Database) -> None:
    answer_id = answered(store)
    with database.write() as execute:
        execute("DROP TABLE reviews")
    with pytest.raises(Exception, match="reviews"):
        store.feedback.rate(answer_id, 1)
    assert store.feedback.get(answer_id) is None


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(text=st.text(max_size=200), prompt=st.text(max_size=50), answer=st.text(max_size=50))
def test_any_text_comes_back(store: Store, text: str, prompt: str, answer: str) -> None:
    answer_id = answered(store, text)
    store.feedback.correct(answer_id, text)
    item = store.reviews.list(OPEN, limit=1)[0]
    readable = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert (item.context.answer, item.correction) == (readable, readable)
    if prompt.strip() and answer.strip():
        done = store.reviews.accept(item.id, Acceptance(prompt=prompt, answer=answer), "ana")
        assert done.edited_prompt == prompt.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    else:
        store.reviews.reject(item.id, "ana")

"""The review queue: what people said about answers and what failed, until somebody decides what teaches."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from dataclasses import dataclass

from edgellm.errors import InvalidInput, NotFound
from edgellm.safetext import clean_line
from edgellm.store import audit
from edgellm.store.db import Database, Execute, Row
from edgellm.store.records import from_json, storable
from edgellm.store.review_capture import owner
from edgellm.store.review_items import Origin, ReviewContext, ReviewItem, ReviewReason, ReviewState

_ITEM = """SELECT id, tenant, reason, origin_kind, origin_id, context, rating, correction, state, edited_prompt,
    edited_answer, merged_into, learner, created_at, decided_at, decided_by FROM reviews"""
TICK_S = 1e-6
"""Between two decisions: whoever asks for what was decided since one gets all that came after it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which items are meant; None means all of that kind."""

    state: ReviewState | None = None
    reason: ReviewReason | None = None
    tenant: str | None = None
    learner: str | None = None
    since: float | None = None
    """Decided, or while open added, after this time (seconds since the epoch)."""

    def where(self) -> tuple[str, tuple[object, ...]]:
        """As a condition in SQL, with its parameters."""
        tests: list[tuple[str, object]] = [
            ("state = ?", self.state),
            ("reason = ?", self.reason),
            ("tenant = ?", None if self.tenant is None else storable(owner(self.tenant))),
            ("learner = ?", None if self.learner is None else storable(owner(self.learner))),
            ("coalesce(decided_at, created_at) > ?", self.since),
        ]
        given = [(sql, value) for sql, value in tests if value is not None]
        return " AND ".join(sql for sql, _ in given) or "1", tuple(value for _, value in given)


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """What an item is to teach."""

    prompt: str | None = None
    """In place of its last question."""
    answer: str | None = None
    """In place of what should have been answered."""
    learner: str | None = None
    """The tenant that learns from it; None: its own."""
    seen: ReviewItem | None = None
    """The item as the reviewer saw it; None: whatever it is by now."""


class ReviewQueue:
    """The items. A decision and its entry in the audit log are one transaction.

    Errors of every method: NotFound, InvalidInput, StoreError.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def list(self, wanted: Wanted, limit: int = 50) -> builtins.list[ReviewItem]:
        """Items, the latest first: by their decision, while open by when they came in."""
        where, values = wanted.where()
        order = "ORDER BY coalesce(decided_at, created_at) DESC, number DESC LIMIT ?"
        rows = self._database.read(f"{_ITEM} WHERE {where} {order}", (*values, limit))
        return [_item(row) for row in rows]

    def get(self, item_id: str) -> ReviewItem:
        """One item."""
        return _get(self._database.read, item_id)

    def count(self, wanted: Wanted) -> dict[ReviewReason, int]:
        """How many there are for each reason that occurs, in the order of `ReviewReason`."""
        where, values = wanted.where()
        rows = self._database.read(f"SELECT reason, count(*) FROM reviews WHERE {where} GROUP BY reason", values)
        counts: dict[str, int] = dict(rows)
        return {reason: counts[reason] for reason in ReviewReason if reason in counts}

    def accept(self, item_id: str, acceptance: Acceptance, actor: str) -> ReviewItem:
        """Let an open item teach."""
        with self._database.write() as execute:
            item = _open_one(execute, item_id)
            learner = item.tenant if acceptance.learner is None else storable(owner(acceptance.learner))
            _check_learner(execute, learner, item)
            _check_seen(item, acceptance.seen)
            _check_lesson(item, acceptance)
            texts = [None if each is None else storable(each) for each in (acceptance.prompt, acceptance.answer)]
            sql = "UPDATE reviews SET edited_prompt = ?, edited_answer = ?, learner = ? WHERE id = ?"
            execute(sql, (*texts, learner, item.id))
            self._decide(execute, item, ReviewState.ACCEPTED, actor)
        return self.get(item.id)

    def reject(self, item_id: str, actor: str) -> ReviewItem:
        """Let an open item teach nothing."""
        with self._database.write() as execute:
            item = _open_one(execute, item_id)
            self._decide(execute, item, ReviewState.REJECTED, actor)
        return self.get(item.id)

    def reopen(self, item_id: str, actor: str) -> ReviewItem:
        """Take a decision back, edits included."""
        with self._database.write() as execute:
            item = _get(execute, item_id)
            if item.state is ReviewState.OPEN:
                raise InvalidInput(f"Item {item.id} is open already.", field="id")
            _check_nothing_newer(execute, item)
            execute(
                """UPDATE reviews SET state = 'open', merged_into = NULL, decided_at = NULL, decided_by = NULL,
                    edited_prompt = NULL, edited_answer = NULL, learner = tenant WHERE id = ?""",
                (item.id,),
            )
            event = audit.Event(clean_line(actor), "review.reopen", item.id, {"was": item.state.value})
            audit.append(execute, event, self._database.clock())
        return self.get(item.id)

    def merge(self, item_ids: Sequence[str], into: str, actor: str) -> ReviewItem:
        """Let one open item stand for the others, which are open, too, and of the same tenant."""
        with self._database.write() as execute:
            leader = _open_one(execute, into)
            others = [_open_one(execute, each) for each in dict.fromkeys(item_ids) if each != into]
            if not others:
                raise InvalidInput("There is nothing to merge: name at least two items.", field="ids")
            for item in others:
                if item.tenant != leader.tenant:
                    message = f"Items {leader.id} and {item.id} are of different keys; what one said is not another's."
                    raise InvalidInput(message, hint="Merge items of one key.", field="ids")
                execute("UPDATE reviews SET merged_into = ? WHERE merged_into = ?", (leader.id, item.id))
                self._decide(execute, item, ReviewState.MERGED, actor, into=leader.id)
        return self.get(leader.id)

    def _decide(
        self, execute: Execute, item: ReviewItem, state: ReviewState, actor: str, into: str | None = None
    ) -> None:
        """Note the decision, later than every other one."""
        latest: float = execute("SELECT coalesce(max(decided_at), 0) FROM reviews")[0][0]
        now = max(self._database.clock(), latest + TICK_S)
        who = clean_line(actor)
        sql = "UPDATE reviews SET state = ?, merged_into = ?, decided_at = ?, decided_by = ? WHERE id = ?"
        execute(sql, (state, into, now, who, item.id))
        learner: str = execute("SELECT learner FROM reviews WHERE id = ?", (item.id,))[0][0]
        facts = {"tenant": item.tenant} | ({"learner": learner} if state is ReviewState.ACCEPTED else {})
        audit.append(execute, audit.Event(who, f"review.{_DONE[state]}", item.id, facts), now)


_DONE = {ReviewState.ACCEPTED: "accept", ReviewState.REJECTED: "reject", ReviewState.MERGED: "merge"}


def _open_one(execute: Execute, item_id: str) -> ReviewItem:
    item = _get(execute, item_id)
    if item.state is not ReviewState.OPEN:
        message = f"Item {item.id} is {item.state.value} already."
        raise InvalidInput(message, hint="Reopen it first to decide again.", field="id")
    return item


def _check_learner(execute: Execute, learner: str, item: ReviewItem) -> None:
    """Raises: NotFound for a tenant that does not exist."""
    if learner and learner != item.tenant and not execute("SELECT 1 FROM api_keys WHERE id = ?", (learner,)):
        raise NotFound(
            f"There is no key {clean_line(learner)[:100]!r}.", hint="Name a key by its id.", id=learner[:100]
        )


def _check_seen(item: ReviewItem, seen: ReviewItem | None) -> None:
    """A reviewer accepts what was read and nothing else. Raises: InvalidInput when something else is said since."""
    if seen is not None and (seen.rating, seen.correction, seen.context) != (
        item.rating,
        item.correction,
        item.context,
    ):
        message = f"What is said in item {item.id} was changed since it was shown."
        raise InvalidInput(message, hint="Look at it again, then decide.", field="id")


def _check_lesson(item: ReviewItem, acceptance: Acceptance) -> None:
    """Raises: InvalidInput where there would be nothing to learn."""
    for name, text in (("prompt", acceptance.prompt), ("answer", acceptance.answer)):
        if text is not None and not text.strip():
            raise InvalidInput(f"The {name} is empty.", hint="Write it, or reject the item.", field=name)
    if not item.question.strip() and acceptance.prompt is None:
        message = f"Item {item.id} holds no question: its key's log policy keeps no content, or none was asked."
        raise InvalidInput(message, hint="Write the question and the answer, or reject the item.", field="prompt")
    wanted = item.wanted if acceptance.answer is None else acceptance.answer
    is_bad_alone = item.reason is ReviewReason.THUMBS_DOWN and bool((item.context.answer or "").strip())
    if not (wanted or "").strip() and not is_bad_alone:
        message = f"Nobody has said yet what should have been answered in item {item.id}."
        raise InvalidInput(message, hint="Write the answer, or reject the item.", field="answer")


def _check_nothing_newer(execute: Execute, item: ReviewItem) -> None:
    """Raises: InvalidInput when the same answer is open again for the same reason."""
    sql = "SELECT id FROM reviews WHERE origin_kind = ? AND origin_id = ? AND reason = ? AND state = 'open'"
    newer = execute(sql, (item.origin.kind, item.origin.id, item.reason))
    if newer:
        message = f"Item {newer[0][0]} is open about the same answer: its feedback was changed since."
        raise InvalidInput(message, hint="Decide that one.", field="id")


def _get(read: Execute, item_id: str) -> ReviewItem:
    rows = read(f"{_ITEM} WHERE id = ?", (storable(item_id),))
    if not rows:
        message = f"There is no item {clean_line(item_id)[:100]!r} in the review queue."
        raise NotFound(message, hint="edgellm review list shows them.", id=item_id[:100])
    return _item(rows[0])


def _item(row: Row) -> ReviewItem:
    context = from_json(row[5], ReviewContext)
    assert context is not None  # the column is NOT NULL
    return ReviewItem(
        id=row[0],
        tenant=row[1],
        reason=ReviewReason(row[2]),
        origin=Origin(row[3], row[4]),
        context=context,
        rating=row[6],
        correction=row[7],
        state=ReviewState(row[8]),
        edited_prompt=row[9],
        edited_answer=row[10],
        merged_into=row[11],
        learner=row[12],
        created_at=row[13],
        decided_at=row[14],
        decided_by=row[15],
    )

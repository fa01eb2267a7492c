"""What puts an item into the review queue, in the transaction that writes what it is about."""

from __future__ import annotations

from dataclasses import dataclass

from edgellm.store.audit import LOCAL
from edgellm.store.db import Execute
from edgellm.store.ids import new_id
from edgellm.store.records import Rating, storable, to_json
from edgellm.store.review_items import JUDGED, Origin, ReviewContext, ReviewReason


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose answer something is said about."""

    tenant: str
    origin: Origin


@dataclass(frozen=True, slots=True)
class Signal:
    """A failure, or an answer that was written again: what could teach something without anybody's judgement."""

    reason: ReviewReason
    context: ReviewContext


def owner(tenant: str) -> str:
    """The tenant as the queue knows it: a server's local user is this machine's own, like the app's."""
    return "" if tenant == LOCAL else tenant


def judged(
    execute: Execute, subject: Subject, said: tuple[Rating, str | None], context: ReviewContext, now: float
) -> None:
    """Keep the open item of an answer equal to what is said about it: a rating, and a correction.

    Nothing said removes it. What a reviewer has decided about stays; the same said again makes no new item.
    """
    rating, correction = said
    reason = _reason(rating, correction)
    rows = execute(
        f"""SELECT id, state, rating, correction FROM reviews
            WHERE origin_kind = ? AND origin_id = ? AND reason IN ({", ".join("?" * len(JUDGED))})""",
        (subject.origin.kind, storable(subject.origin.id), *JUDGED),
    )
    open_id = next((row[0] for row in rows if row[1] == "open"), None)
    is_decided = any(row[1] != "open" and (row[2], row[3]) == said for row in rows)
    if reason is None or is_decided:
        execute("DELETE FROM reviews WHERE id = ?", (open_id,))
    elif open_id is None:
        _insert(execute, subject, reason, context, (rating, correction, now))
    else:
        sql = "UPDATE reviews SET reason = ?, rating = ?, correction = ?, context = ? WHERE id = ?"
        execute(sql, (reason, rating, correction, to_json(context, "context"), open_id))


def signalled(execute: Execute, subject: Subject, signal: Signal, now: float) -> None:
    """Add an item, unless there is or was one for the same reason."""
    sql = "SELECT 1 FROM reviews WHERE origin_kind = ? AND origin_id = ? AND reason = ?"
    if not execute(sql, (subject.origin.kind, storable(subject.origin.id), signal.reason)):
        _insert(execute, subject, signal.reason, signal.context, (0, None, now))


def _reason(rating: Rating, correction: str | None) -> ReviewReason | None:
    if correction is not None:
        return ReviewReason.CORRECTION
    return {1: ReviewReason.THUMBS_UP, -1: ReviewReason.THUMBS_DOWN, 0: None}[rating]


def _insert(
    execute: Execute,
    subject: Subject,
    reason: ReviewReason,
    context: ReviewContext,
    said: tuple[Rating, str | None, float],
) -> None:
    tenant = storable(owner(subject.tenant))
    columns = {
        "id": new_id(),
        "tenant": tenant,
        "learner": tenant,
        "origin_kind": subject.origin.kind,
        "origin_id": storable(subject.origin.id),
        "reason": reason,
        "context": to_json(context, "context"),
        "rating": said[0],
        "correction": said[1],
        "created_at": said[2],
    }
    places = ", ".join("?" * len(columns))
    execute(f"INSERT INTO reviews ({', '.join(columns)}) VALUES ({places})", tuple(columns.values()))

"""One SQLite file that remembers: sessions, feedback, usage, jobs, and what a server needs."""

from __future__ import annotations

from edgellm.store.aliases import Alias, AliasChange
from edgellm.store.answers import ServedAnswer
from edgellm.store.audit import AuditCheck, AuditEntry, Head
from edgellm.store.keys import Key, Limits, NewKey
from edgellm.store.records import (
    BROKEN,
    REFUSED,
    Feedback,
    JobState,
    MessageDetails,
    SearchHit,
    Session,
    StoredJob,
    StoredMessage,
    UsageRow,
    UsageTotal,
)
from edgellm.store.review_capture import Signal
from edgellm.store.review_items import Origin, ReviewContext, ReviewItem, ReviewReason, ReviewState
from edgellm.store.reviews import Acceptance, Wanted
from edgellm.store.sessions import ROOT
from edgellm.store.store import Store, open_store
from edgellm.store.titles import title_from

__all__ = [
    "BROKEN",
    "REFUSED",
    "ROOT",
    "Acceptance",
    "Alias",
    "AliasChange",
    "AuditCheck",
    "AuditEntry",
    "Feedback",
    "Head",
    "JobState",
    "Key",
    "Limits",
    "MessageDetails",
    "NewKey",
    "Origin",
    "ReviewContext",
    "ReviewItem",
    "ReviewReason",
    "ReviewState",
    "SearchHit",
    "ServedAnswer",
    "Session",
    "Signal",
    "Store",
    "StoredJob",
    "StoredMessage",
    "UsageRow",
    "UsageTotal",
    "Wanted",
    "open_store",
    "title_from",
]

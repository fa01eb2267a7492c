"""One SQLite file that remembers: sessions, feedback, usage, jobs."""

from __future__ import annotations

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
    UsageTotal,
)
from edgellm.store.sessions import ROOT
from edgellm.store.store import Store, open_store
from edgellm.store.titles import title_from

__all__ = [
    "BROKEN",
    "REFUSED",
    "ROOT",
    "Feedback",
    "JobState",
    "MessageDetails",
    "SearchHit",
    "Session",
    "Store",
    "StoredJob",
    "StoredMessage",
    "UsageTotal",
    "open_store",
    "title_from",
]

"""The store as its users see it."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from edgellm.store.aliases import AliasTable
from edgellm.store.answers import AnswerTable
from edgellm.store.asked import AskedLog
from edgellm.store.audit import AuditLog
from edgellm.store.db import Database
from edgellm.store.feedback import FeedbackBook
from edgellm.store.jobs import JobTable
from edgellm.store.keys import KeyTable
from edgellm.store.reviews import ReviewQueue
from edgellm.store.sessions import Sessions
from edgellm.store.usage import UsageLog


class Store:
    """Everything that is remembered, in one file. Thread-safe, and safe beside other processes on the same file."""

    def __init__(self, database: Database) -> None:
        self.path = database.path
        self.sessions = Sessions(database)
        self.feedback = FeedbackBook(database)
        self.usage = UsageLog(database)
        self.jobs = JobTable(database)
        self.keys = KeyTable(database)
        self.audit = AuditLog(database)
        self.aliases = AliasTable(database)
        self.answers = AnswerTable(database)
        self.asked = AskedLog(database)
        self.reviews = ReviewQueue(database)
        self._database = database

    def close(self) -> None:
        """Close the file. Using the store afterwards raises StoreError; closing twice is fine."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_store(path: Path) -> Store:
    """Open the file, or make a private new one, and bring its schema up to date.

    Raises: StoreDamaged, StoreTooNew, StoreBusy, DiskFull, StoreError.
    """
    return Store(Database(path))

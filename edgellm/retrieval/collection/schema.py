"""The collection file: its mark, its tables and their numbered changes.

A change to the schema is a new function at the end of `MIGRATIONS`; functions that were released never change.
"""

from __future__ import annotations

from collections.abc import Sequence

from edgellm.errors import StoreDamaged
from edgellm.store.file_kind import FileKind
from edgellm.store.migrations import WORD_TOKENIZER, Execute, Migration

COLLECTION = FileKind(
    application_id=0x45644743,  # "EdGC"
    noun="collection",
    check="PRAGMA quick_check(files)",  # of the list of files; a gigabyte of vectors is checked by `verify`
    damaged_hint="Put a backup in its place, or move it away and add the files again.",
    has_vectors=True,
    page_bytes=8192,  # five vectors of 384 numbers fit; of 4096 bytes, two of them would waste a quarter
)


def damaged(message: str, reason: str = "") -> StoreDamaged:
    """The error for content that no EdgeLLM wrote: a collection may come from elsewhere."""
    return StoreDamaged(message, hint=COLLECTION.damaged_hint, reason=reason or message)


def initial(execute: Execute) -> None:
    """Files with tags and texts, passages with their words, and embedding spaces.

    The vectors of a space are in tables of its own (`spaces.py`). A file's passages have consecutive ids, so they need
    no index. A file that is replaced gets another id, as do its passages: an id never means something else.
    """
    execute(
        """CREATE TABLE spaces (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            state TEXT NOT NULL UNIQUE CHECK (state IN ('live', 'next')),
            name TEXT NOT NULL,
            sha256 TEXT NOT NULL,
            dimensions INTEGER NOT NULL,
            max_tokens INTEGER NOT NULL,
            query_prefix TEXT NOT NULL,
            passage_prefix TEXT NOT NULL
        ) STRICT"""
    )
    execute(
        """CREATE TABLE files (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            name TEXT NOT NULL UNIQUE,
            sha256 TEXT NOT NULL,
            size INTEGER NOT NULL,
            modified REAL NOT NULL,
            tags TEXT NOT NULL,
            day TEXT NOT NULL,
            status TEXT NOT NULL CHECK (status IN ('ready', 'failed')),
            reason TEXT,
            kind TEXT,
            title TEXT,
            pages INTEGER,
            written TEXT,
            notices TEXT NOT NULL,
            characters INTEGER NOT NULL,
            first_chunk INTEGER NOT NULL,
            chunk_count INTEGER NOT NULL,
            added_at REAL NOT NULL
        ) STRICT"""
    )
    execute("CREATE TABLE texts (file INTEGER, start INTEGER, piece BLOB NOT NULL, PRIMARY KEY (file, start)) STRICT")
    execute(
        """CREATE TABLE chunks (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            file INTEGER NOT NULL,
            start INTEGER NOT NULL,
            end INTEGER NOT NULL,
            page INTEGER,
            headings TEXT NOT NULL,
            tokens INTEGER NOT NULL
        ) STRICT"""
    )
    execute(f"CREATE VIRTUAL TABLE words USING fts5(text, content='', tokenize='{WORD_TOKENIZER}')")
    execute("INSERT INTO words (words, rank) VALUES ('secure-delete', 1)")  # deleted words leave the index at once
    execute(
        "CREATE TABLE roots (path TEXT PRIMARY KEY) STRICT"
    )  # files and folders that were added, as they were named
    execute("CREATE TABLE changes (number INTEGER NOT NULL) STRICT")
    execute("INSERT INTO changes VALUES (0)")


MIGRATIONS: Sequence[Migration] = (initial,)
"""The schema's version is the number of these that were applied."""

"""Numbered schema changes; each is applied together with its record in one transaction.

A change to the schema is a new function at the end of `MIGRATIONS`; functions that were released never change.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

Execute = Callable[[str], object]
Migration = Callable[[Execute], None]

# Marks belong to words in Indic scripts; without them every vowel sign would cut its word in two.
WORD_TOKENIZER = "unicode61 remove_diacritics 2 categories ''L* M* N* Co''"


def initial(execute: Execute) -> None:
    """Sessions with their message trees, feedback, usage, jobs and the search index."""
    execute(
        """CREATE TABLE sessions (
            number INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,
            title TEXT NOT NULL,
            model TEXT NOT NULL,
            system TEXT,
            created_at REAL NOT NULL,
            updated_at REAL NOT NULL,
            head TEXT REFERENCES messages (id)
        ) STRICT"""
    )
    execute("CREATE INDEX sessions_by_use ON sessions (updated_at)")
    execute(  # parent_id does not cascade: a session goes as a whole, and a long chain would exceed SQLite's depth
        """CREATE TABLE messages (
            number INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,
            session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
            parent_id TEXT REFERENCES messages (id),
            role TEXT NOT NULL CHECK (role IN ('system', 'user', 'assistant', 'tool')),
            content TEXT NOT NULL,
            reasoning TEXT,
            model TEXT,
            sampling TEXT,
            usage TEXT,
            timings TEXT,
            finish_reason TEXT,
            evidence TEXT,
            created_at REAL NOT NULL
        ) STRICT"""
    )
    execute("CREATE INDEX messages_by_place ON messages (session_id, parent_id)")
    execute("CREATE INDEX messages_by_parent ON messages (parent_id)")
    execute(
        """CREATE TABLE feedback (
            message_id TEXT PRIMARY KEY REFERENCES messages (id) ON DELETE CASCADE,
            rating INTEGER NOT NULL CHECK (rating IN (-1, 0, 1)),
            correction TEXT,
            context TEXT NOT NULL,
            updated_at REAL NOT NULL
        ) STRICT"""
    )
    execute(
        """CREATE TABLE usage (
            number INTEGER PRIMARY KEY,
            at REAL NOT NULL,
            model TEXT NOT NULL,
            prompt_tokens INTEGER NOT NULL,
            cached_tokens INTEGER NOT NULL,
            completion_tokens INTEGER NOT NULL,
            timings TEXT NOT NULL
        ) STRICT"""
    )
    execute(
        """CREATE TABLE jobs (
            number INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,
            kind TEXT NOT NULL,
            title TEXT NOT NULL,
            arguments TEXT NOT NULL,
            state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'finished', 'failed', 'cancelled')),
            pid INTEGER,
            pid_started_at REAL,
            error TEXT,
            message TEXT,
            result TEXT,
            created_at REAL NOT NULL,
            updated_at REAL NOT NULL
        ) STRICT"""
    )
    _search_index(execute, "messages", "content")
    _search_index(execute, "sessions", "title")


def _search_index(execute: Execute, table: str, column: str) -> None:
    """A full-text index over one column, kept equal to it by triggers."""
    index = f"{table}_search"
    execute(
        f"CREATE VIRTUAL TABLE {index} USING fts5("
        f"{column}, content='{table}', content_rowid='number', tokenize='{WORD_TOKENIZER}')"
    )
    execute(f"INSERT INTO {index} ({index}, rank) VALUES ('secure-delete', 1)")  # deleted words leave the index at once
    add = f"INSERT INTO {index} (rowid, {column}) VALUES (new.number, new.{column});"
    remove = f"INSERT INTO {index} ({index}, rowid, {column}) VALUES ('delete', old.number, old.{column});"
    execute(f"CREATE TRIGGER {index}_insert AFTER INSERT ON {table} BEGIN {add} END")
    execute(f"CREATE TRIGGER {index}_delete AFTER DELETE ON {table} BEGIN {remove} END")
    execute(f"CREATE TRIGGER {index}_update AFTER UPDATE OF {column} ON {table} BEGIN {remove} {add} END")


MIGRATIONS: Sequence[Migration] = (initial,)
"""The schema's version is the number of these that were applied."""

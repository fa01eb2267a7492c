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


def serving(execute: Execute) -> None:
    """Keys, the audit log, aliases, answers that feedback refers to, and who used what how fast."""
    execute(
        """CREATE TABLE api_keys (
            number INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,
            name TEXT NOT NULL,
            role TEXT NOT NULL CHECK (role IN ('admin', 'user', 'viewer')),
            prefix TEXT NOT NULL,
            hash BLOB NOT NULL CHECK (length(hash) = 32),
            limits TEXT NOT NULL,
            created_at REAL NOT NULL,
            expires_at REAL,
            revoked_at REAL,
            last_used_at REAL
        ) STRICT"""
    )
    execute("CREATE INDEX api_keys_by_prefix ON api_keys (prefix)")
    execute(
        """CREATE TABLE audit (
            number INTEGER PRIMARY KEY,
            at REAL NOT NULL,
            actor TEXT NOT NULL,
            action TEXT NOT NULL,
            target TEXT NOT NULL,
            facts TEXT NOT NULL CHECK (json_valid(facts)),
            hash TEXT NOT NULL CHECK (length(hash) = 64)
        ) STRICT"""
    )
    _append_only(execute, "audit")
    execute("CREATE TABLE aliases (name TEXT PRIMARY KEY, target TEXT NOT NULL, updated_at REAL NOT NULL) STRICT")
    execute(  # a target of NULL: the alias was removed
        """CREATE TABLE alias_history (
            number INTEGER PRIMARY KEY,
            name TEXT NOT NULL,
            target TEXT,
            actor TEXT NOT NULL,
            at REAL NOT NULL
        ) STRICT"""
    )
    execute("CREATE INDEX alias_history_by_name ON alias_history (name)")
    execute(  # messages and text are NULL where the key's log policy keeps no content
        """CREATE TABLE answers (
            number INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,
            tenant TEXT NOT NULL,
            model TEXT NOT NULL,
            messages TEXT,
            text TEXT,
            sampling TEXT,
            rating INTEGER NOT NULL DEFAULT 0 CHECK (rating IN (-1, 0, 1)),
            correction TEXT,
            created_at REAL NOT NULL,
            rated_at REAL
        ) STRICT"""
    )
    _wider_usage(execute)


def _append_only(execute: Execute, table: str) -> None:
    """Rows with the numbers 1, 2, 3 …, which nothing changes, replaces or removes."""
    refuse = f"SELECT RAISE(ABORT, 'the table {table} only grows');"
    following = f"(SELECT coalesce(max(number), 0) + 1 FROM {table})"
    execute(f"CREATE TRIGGER {table}_update BEFORE UPDATE ON {table} BEGIN {refuse} END")
    execute(f"CREATE TRIGGER {table}_delete BEFORE DELETE ON {table} BEGIN {refuse} END")
    execute(
        f"CREATE TRIGGER {table}_insert BEFORE INSERT ON {table} WHEN new.number IS NOT {following} BEGIN {refuse} END"
    )


def _wider_usage(execute: Execute) -> None:
    """Rows from before are of this machine's own programs and ended well; how long they took is unknown."""
    for column in (
        "tenant TEXT NOT NULL DEFAULT ''",
        "adapter TEXT",
        "status TEXT NOT NULL DEFAULT 'ok'",
        "seconds REAL",
        "ttft_s REAL",
        "energy_j REAL",
    ):
        execute(f"ALTER TABLE usage ADD COLUMN {column}")
    execute("CREATE INDEX usage_by_time ON usage (at)")


def learning(execute: Execute) -> None:
    """The review queue, and what a server's answers came from."""
    execute("ALTER TABLE answers ADD COLUMN evidence TEXT")
    execute("ALTER TABLE answers ADD COLUMN settings TEXT")
    execute(
        """CREATE TABLE reviews (
            number INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,
            tenant TEXT NOT NULL,
            reason TEXT NOT NULL CHECK (reason IN ('correction', 'thumbs_down', 'thumbs_up', 'weak_evidence',
                'schema_refused', 'tool_error', 'regenerated')),
            origin_kind TEXT NOT NULL CHECK (origin_kind IN ('message', 'answer', 'request')),
            origin_id TEXT NOT NULL,
            context TEXT NOT NULL CHECK (json_valid(context)),
            rating INTEGER NOT NULL CHECK (rating IN (-1, 0, 1)),
            correction TEXT,
            state TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'accepted', 'rejected', 'merged')),
            edited_prompt TEXT,
            edited_answer TEXT,
            merged_into TEXT,
            learner TEXT NOT NULL,
            created_at REAL NOT NULL,
            decided_at REAL,
            decided_by TEXT,
            CHECK ((state = 'merged') = (merged_into IS NOT NULL)),
            CHECK ((state = 'open') = (decided_at IS NULL))
        ) STRICT"""
    )
    execute("CREATE UNIQUE INDEX reviews_open ON reviews (origin_kind, origin_id, reason) WHERE state = 'open'")
    execute("CREATE INDEX reviews_by_origin ON reviews (origin_kind, origin_id)")
    execute("CREATE INDEX reviews_by_state ON reviews (state, learner)")
    execute("CREATE INDEX reviews_merged ON reviews (merged_into) WHERE merged_into IS NOT NULL")
    for table, kind in (("messages", "message"), ("answers", "answer")):
        _leaves_with(execute, table, kind)
    # OR IGNORE: an item of the same origin and reason may be open again by now
    execute(
        """CREATE TRIGGER reviews_unmerge AFTER DELETE ON reviews BEGIN
            UPDATE OR IGNORE reviews SET state = 'open', merged_into = NULL, decided_at = NULL, decided_by = NULL
                WHERE merged_into = old.id;
        END"""
    )
    _take_in(execute)


def _leaves_with(execute: Execute, table: str, kind: str) -> None:
    """What nobody decided to learn from is deleted with what it is about."""
    execute(
        f"""CREATE TRIGGER reviews_of_{table} AFTER DELETE ON {table} BEGIN
            DELETE FROM reviews WHERE origin_kind = '{kind}' AND origin_id = old.id AND state <> 'accepted';
        END"""
    )


def _take_in(execute: Execute) -> None:
    """What was said about answers before there was a queue."""
    columns = "id, tenant, learner, reason, origin_kind, origin_id, context, rating, correction, created_at"
    new_id = "lower(hex(randomblob(13)))"
    reason = """CASE WHEN correction IS NOT NULL THEN 'correction' WHEN rating = 1 THEN 'thumbs_up'
        ELSE 'thumbs_down' END"""
    execute(
        f"""INSERT INTO reviews ({columns})
            SELECT {new_id}, '', '', {reason}, 'message', message_id,
                json_set(context, '$.collection', json_extract(context, '$.evidence.collection')),
                rating, correction, updated_at
            FROM feedback ORDER BY updated_at"""
    )
    tenant = "CASE tenant WHEN 'local' THEN '' ELSE tenant END"
    context = """json_object('messages', json(coalesce(messages, '[]')), 'answer', text, 'model', model,
        'sampling', json(sampling))"""
    execute(
        f"""INSERT INTO reviews ({columns})
            SELECT {new_id}, {tenant}, {tenant}, {reason}, 'answer', id, {context}, rating, correction, rated_at
            FROM answers WHERE rating <> 0 OR correction IS NOT NULL ORDER BY rated_at"""
    )


MIGRATIONS: Sequence[Migration] = (initial, serving, learning)
"""The schema's version is the number of these that were applied."""

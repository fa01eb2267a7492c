"""Migrations: every old schema reaches the newest with all it held, and the released ones stay as they were."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from edgellm.errors import StoreError
from edgellm.store import Origin, UsageRow, Wanted, open_store
from edgellm.store.db import Database
from edgellm.store.migrations import MIGRATIONS, Execute, Migration
from edgellm.types import Usage

FIRST_SCHEMA = (
    "INSERT INTO sessions VALUES (1, 's', 'Rivers', 'starter', NULL, 1.5, 2.5, NULL)",
    """INSERT INTO messages (number, id, session_id, role, content, created_at)
        VALUES (1, 'q', 's', 'user', 'Which river is longest?', 1.5)""",
    """INSERT INTO messages VALUES (2, 'a', 's', 'q', 'assistant', 'The Nile.', NULL, 'starter', NULL,
        '{"prompt_tokens":9}', NULL, 'stop', NULL, 2.0)""",
    "UPDATE sessions SET head = 'a'",
    """INSERT INTO feedback VALUES ('a', 1, 'The Nile, I think.', '{"messages":[{"role":"user","content":"Which?"}],
        "answer":"The Nile.","model":"starter","sampling":null,"evidence":null}', 2.5)""",
    "INSERT INTO usage VALUES (1, 1700000000.0, 'starter', 9, 4, 3, '{\"ttft_s\":0.5}')",
    "INSERT INTO usage VALUES (2, 1700000001.0, 'starter', 1, 0, 2, '{}')",
    """INSERT INTO jobs VALUES (1, 'j', 'pull', 'Fetch it', '{}', 'finished', 7, 1.0, NULL, NULL, '{"n":1}',
        1.0, 2.0)""",
)
"""What a program with the first schema wrote, row by row."""


def add_colour(execute: Execute) -> None:
    execute("ALTER TABLE sessions ADD COLUMN colour TEXT NOT NULL DEFAULT 'grey'")


def add_index(execute: Execute) -> None:
    execute("CREATE INDEX sessions_by_colour ON sessions (colour)")


LATER: Sequence[Migration] = (*MIGRATIONS, add_colour, add_index)


@pytest.mark.parametrize("old", range(1, len(LATER)))
def test_every_old_schema_reaches_the_newest(tmp_path: Path, old: int) -> None:
    path = tmp_path / "x.db"
    database = Database(path, migrations=LATER[:old])
    with database.write() as execute:
        execute("INSERT INTO sessions (id, title, model, created_at, updated_at) VALUES ('a', 'kept', 'm', 1, 1)")
    database.close()
    database = Database(path, migrations=LATER, clock=lambda: 5.0)
    assert database.read("SELECT title, colour FROM sessions") == [("kept", "grey")]
    assert database.read("PRAGMA user_version") == [(len(LATER),)]
    names = [(number, migration.__name__) for number, migration in enumerate(LATER, 1)]
    assert database.read("SELECT version, name FROM migrations") == names
    assert database.read("PRAGMA quick_check") == [("ok",)]
    database.close()


def test_a_store_of_the_first_schema_keeps_everything(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    old = Database(path, migrations=MIGRATIONS[:1])
    with old.write() as execute:
        for statement in FIRST_SCHEMA:
            execute(statement)
    old.close()
    with open_store(path) as store:
        assert [message.content for message in store.sessions.path("s")] == ["Which river is longest?", "The Nile."]
        assert [hit.message_id for hit in store.sessions.search("longest")] == ["q"]
        judged = store.feedback.get("a")
        assert judged is not None
        assert (judged.rating, judged.correction, judged.answer) == (1, "The Nile, I think.", "The Nile.")
        assert store.jobs.get("j").result == {"n": 1}
        [total] = store.usage.totals("tenant")
        assert (total.key, total.requests, total.errors, total.tokens, total.p50_s) == ("", 2, 0, 15, None)
        store.usage.add(UsageRow(tenant="ana", model="starter", usage=Usage(prompt_tokens=1), seconds=2.0))
        assert [total.requests for total in store.usage.totals("model")] == [3]
        assert store.keys.find(store.keys.create("Ana").secret) is not None
        assert store.audit.verify().entries == 1
        [item] = store.reviews.list(Wanted())
        assert (item.reason, item.correction, item.origin) == (
            "correction",
            "The Nile, I think.",
            Origin("message", "a"),
        )
        assert (item.context.answer, item.question, item.created_at) == ("The Nile.", "Which?", 2.5)


def test_answers_that_were_rated_before_there_was_a_queue_are_in_it(tmp_path: Path) -> None:
    old = Database(tmp_path / "x.db", migrations=MIGRATIONS[:2])
    rows = (
        "('c1', 'ana', 'm', NULL, NULL, NULL, -1, NULL, 1.0, 2.0)",
        "('c2', 'local', 'm', '[]', 'Hm.', '{}', 1, 'Yes.', 1.0, 3.0)",
    )
    columns = "id, tenant, model, messages, text, sampling, rating, correction, created_at, rated_at"
    with old.write() as execute:
        for row in (*rows, "('c3', 'ana', 'm', NULL, NULL, NULL, 0, NULL, 1.0, NULL)"):
            execute(f"INSERT INTO answers ({columns}) VALUES {row}")
    old.close()
    with open_store(tmp_path / "x.db") as store:
        first, second = store.reviews.list(Wanted())
        assert (first.origin.id, first.tenant, first.reason, first.context.answer) == ("c2", "", "correction", "Hm.")
        assert (second.origin.id, second.tenant, second.reason, second.context.messages) == (
            "c1",
            "ana",
            "thumbs_down",
            (),
        )
        assert store.answers.get("c1", "ana").evidence is None


def test_a_migration_that_fails_leaves_the_old_schema(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    open_store(path).close()

    def half(execute: Execute) -> None:
        execute("CREATE TABLE half_done (x)")
        execute("this is not SQL")

    with pytest.raises(StoreError, match="syntax error"):
        Database(path, migrations=[*MIGRATIONS, half])
    database = Database(path)
    assert database.read("PRAGMA user_version") == [(len(MIGRATIONS),)]
    assert database.read("SELECT name FROM sqlite_schema WHERE name = 'half_done'") == []
    database.close()


def test_many_threads_open_and_migrate_one_new_file(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    failures: list[BaseException] = []

    def opener() -> None:
        try:
            Database(path, migrations=LATER).close()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=opener) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert failures == []
    database = Database(path, migrations=LATER)
    assert database.read("SELECT count(*) FROM migrations") == [(len(LATER),)]
    database.close()


FIRST = [
    "feedback", "jobs", "messages", "messages_by_parent", "messages_by_place", "messages_search",
    "messages_search_delete", "messages_search_insert", "messages_search_update", "migrations", "sessions",
    "sessions_by_use", "sessions_search", "sessions_search_delete", "sessions_search_insert", "sessions_search_update",
    "usage",
]  # fmt: skip
SERVING = [
    "alias_history", "alias_history_by_name", "aliases", "answers", "api_keys", "api_keys_by_prefix", "audit",
    "audit_delete", "audit_insert", "audit_update", "usage_by_time",
]  # fmt: skip
LEARNING = [
    "reviews", "reviews_by_origin", "reviews_by_state", "reviews_merged", "reviews_of_answers", "reviews_of_messages",
    "reviews_open", "reviews_unmerge",
]  # fmt: skip


@pytest.mark.parametrize(
    ("version", "names", "digest"),
    [
        (1, FIRST, "8924de698284057f71616f5c69a9f378ee3d2c0dd5631b7f6c7e757b60adcdb8"),
        (2, [*FIRST, *SERVING], "2afc7ab0ad94edc34e7c3fecd05df2da8a24043cb7799b8b86d87c86fa62c3d9"),
        (3, [*FIRST, *SERVING, *LEARNING], "5a87d07bd04e88f8c2f04254ac6da644d544a0a9583d79799111a75593f216c9"),
    ],
)
def test_the_schemas_as_they_were_released(tmp_path: Path, version: int, names: list[str], digest: str) -> None:
    """Whoever changes a digest changes files that users have: add a migration instead."""
    database = Database(tmp_path / "x.db", migrations=MIGRATIONS[:version])
    shadows = r"type = 'table' AND name LIKE '%\_search\__%' ESCAPE '\'"  # made by SQLite itself
    rows = database.read(f"SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND NOT ({shadows}) ORDER BY name")
    database.close()
    assert [name for name, _ in rows] == sorted(names)
    text = "\n".join(" ".join(sql.split()) for _, sql in rows)
    assert hashlib.sha256(text.encode()).hexdigest() == digest

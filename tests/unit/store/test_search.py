"""Search: any text is a query; words, beginnings of words, parts of words, every script."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgellm.store import SearchHit, Store
from edgellm.store.db import Database

MESSAGES = {
    "rivers": "The Nile is the longest river; the café on its bank opens at nine.",
    "hindi": "हिन्दी में गंगा सबसे लंबी नदी है।",
    "arabic": "النيل أطول نهر في العالم",
    "japanese": "ナイル川は世界で最も長い川です",
    "emoji": "A rocket 🚀 and a family 👨‍👩‍👧",
    "code": 'if a != b and c["key"] == 100%: print("C++")',
    "sql": "NEAR AND OR NOT content: title^2 * -- ; DROP TABLE messages",
}


@pytest.fixture
def full(store: Store) -> Store:
    for title, text in MESSAGES.items():
        session = store.sessions.create(title=f"about {title}")
        store.sessions.append(session.id, "user", text)
    return store


def titles(hits: list[SearchHit]) -> list[str]:
    return [hit.title.removeprefix("about ") for hit in hits]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("nile", "rivers"),
        ("NILE river", "rivers"),
        ("long", "rivers"),  # the beginning of the last word
        ("cafe", "rivers"),  # without its accent
        ("हिन्दी", "hindi"),
        ("गंग", "hindi"),
        ("नदी", "hindi"),
        ("أطول", "arabic"),
        ("世界", "japanese"),  # within a run without spaces
        ("🚀", "emoji"),
        ("👨‍👩‍👧", "emoji"),
        ("C++", "code"),
        ("!=", "code"),
        ('c["key"]', "code"),
        ("100%", "code"),
        ("ongest", "rivers"),  # the middle of a word
        ("NEAR", "sql"),
        ("content: title^2 *", "sql"),
        ("DROP TABLE messages", "sql"),
    ],
)
def test_finds(full: Store, query: str, found: str) -> None:
    assert titles(full.sessions.search(query)) == [found]


@pytest.mark.parametrize("query", ["", " ", "\n\t", "zebra", "nile zebra", "%", "_", "\\", "''", "\x00", "x" * 10_000])
def test_finds_nothing(full: Store, query: str) -> None:
    if query in "%_'\\''":
        assert set(titles(full.sessions.search(query))) <= {"code"}  # as characters, never as wildcards
    else:
        assert full.sessions.search(query) == []


@pytest.mark.parametrize(
    "query",
    ['"', '""', '"nile', "nile AND", "OR", "NOT nile", "(nile", "nile*", "title:x", "^nile", "a NEAR/2 b", "{a b}: c"],
)
def test_operators_are_words(full: Store, query: str) -> None:
    full.sessions.search(query)


def test_long_queries_in_many_scripts(full: Store) -> None:
    for piece in ("nile ", "गंगा ", "🚀", '"', "NOT ", "(", "\ud800", "\x00"):
        full.sessions.search(piece * 10_000)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(st.text(alphabet=st.one_of(st.sampled_from("\"'*^:()-+{}NEARANDORT \x00\n%_\\niléग"), st.characters())))
def test_any_text_is_a_query(full: Store, query: str) -> None:
    for hit in full.sessions.search(query):
        for start, end in hit.highlights:
            assert 0 <= start <= end <= len(hit.snippet)


def test_snippets_show_where(full: Store) -> None:
    hit = full.sessions.search("nile")[0]
    assert [hit.snippet[start:end] for start, end in hit.highlights] == ["Nile"]
    assert hit.role == "user"
    plain = full.sessions.search("ongest")[0]
    assert [plain.snippet[start:end] for start, end in plain.highlights] == ["ongest"]


def test_snippets_of_long_texts_are_short(store: Store) -> None:
    session = store.sessions.create()
    store.sessions.append(session.id, "user", "word " * 5000 + "needle xxneedleyy " + "word " * 5000)
    for query, match in (("needle", "needle"), ("xneedley", "xneedley")):
        hit = store.sessions.search(query)[0]
        assert len(hit.snippet) < 200
        assert [hit.snippet[start:end] for start, end in hit.highlights] == [match]
        assert hit.snippet.startswith("…")


def test_titles_count_more_and_follow_renames(store: Store) -> None:
    session = store.sessions.create(title="Ganges")
    store.sessions.append(session.id, "user", "The Ganges, a river. " * 3)
    other = store.sessions.create(title="Other")
    store.sessions.append(other.id, "user", "The Ganges, too.")
    hits = store.sessions.search("ganges")
    assert (hits[0].session_id, hits[0].message_id) == (session.id, None)
    assert len(hits) == 3
    store.sessions.rename(session.id, "Rhine")
    assert len(store.sessions.search("ganges")) == 2
    assert titles(store.sessions.search("rhine")) == ["Rhine"]


def test_limit_and_order(store: Store) -> None:
    session = store.sessions.create()
    for number in range(30):
        store.sessions.append(session.id, "user", "river " * (number % 3 + 1) + "and so on " * 5)
    assert len(store.sessions.search("river", limit=7)) == 7
    assert store.sessions.search("river", limit=0) == []
    assert store.sessions.search("river", limit=1)[0].snippet.startswith("river river river")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(st.lists(st.tuples(st.sampled_from("arudx"), st.text(alphabet="ab é", max_size=8)), max_size=20))
def test_the_index_is_always_equal_to_the_texts(database: Database, changes: list[tuple[str, str]]) -> None:
    sessions = Store(database).sessions
    for change, text in changes:
        session = sessions.list(limit=1)[0] if sessions.list(limit=1) else sessions.create(title="first")
        match change:
            case "a":
                sessions.append(session.id, "user", text)
            case "r":
                sessions.rename(session.id, text)
            case "u" if session.head:
                sessions.update_answer(session.head, content=text)
            case "d":
                sessions.delete(session.id)
            case "x":
                sessions.import_session(sessions.export(session.id, "json"))
    with database.write() as execute:
        for index in ("messages_search", "sessions_search"):
            execute(f"INSERT INTO {index} ({index}, rank) VALUES ('integrity-check', 1)")  # raises when they differ

"""Saved conversations are private, checked, bounded, and never trusted when anything differs."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgellm.engine.plan import CacheKey
from edgellm.engine.saved_conversations import ConversationStore, forget_conversation
from edgellm.errors import InvalidInput

KEY = CacheKey("", None, None)
TOKENS = (1, 2, 70_000)
STATE = bytes(range(200))


def store(folder: Path, *, fingerprint: str = "model", budget_bytes: int = 10_000) -> ConversationStore:
    return ConversationStore(folder, fingerprint=fingerprint, budget_bytes=budget_bytes, most_unwritten_bytes=500)


def files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def test_what_was_written_is_found(tmp_path: Path) -> None:
    store(tmp_path).write(KEY, "chat", TOKENS, STATE)
    found = store(tmp_path).find(KEY, "chat")
    assert found is not None
    assert (found.tokens, found.read()) == (TOKENS, STATE)


def test_files_are_private_and_leave_no_parts(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "conversations"
    store(folder).write(KEY, "chat", TOKENS, STATE)
    (path,) = files(folder)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize("name", ["../../etc/passwd", "/abs", "a" * 5_000, "", "nul\0", "ünï/cödé", "con", "."])
def test_names_never_reach_the_file_system(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "kept"
    store(folder).write(KEY, name, TOKENS, STATE)
    (path,) = files(folder)
    assert len(path.name) == 64 + len(".kv")
    assert store(folder).find(KEY, name) is not None
    assert files(tmp_path) == [folder]


@pytest.mark.parametrize(
    ("fingerprint", "key", "name"),
    [
        ("other", KEY, "chat"),
        ("model", CacheKey("acme", None, None), "chat"),
        ("model", CacheKey("", "legal", None), "chat"),
        ("model", KEY, "another"),
    ],
)
def test_another_owner_finds_nothing_even_under_the_same_file_name(
    tmp_path: Path, fingerprint: str, key: CacheKey, name: str
) -> None:
    store(tmp_path).write(KEY, "chat", TOKENS, STATE)
    (path,) = files(tmp_path)
    other = store(tmp_path, fingerprint=fingerprint)
    assert other.find(key, name) is None
    os.rename(path, other.path_of(key, name))
    assert other.find(key, name) is None
    assert files(tmp_path) == []


@given(at=st.integers(0, 10_000), cut=st.booleans())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damage_is_noticed_wherever_it_is(tmp_path: Path, at: int, cut: bool) -> None:
    store(tmp_path).write(KEY, "chat", TOKENS, STATE)
    (path,) = files(tmp_path)
    content = bytearray(path.read_bytes())
    at %= len(content)
    content[at] ^= 0xFF
    path.write_bytes(content[:at] if cut else content)
    found = store(tmp_path).find(KEY, "chat")
    if found is not None:
        with pytest.raises(InvalidInput):
            found.read()
    assert files(tmp_path) == []


def test_a_huge_header_length_allocates_nothing(tmp_path: Path) -> None:
    store(tmp_path).write(KEY, "chat", TOKENS, STATE)
    (path,) = files(tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[:8] + b"\xff\xff\xff\xff" + content[12:])
    assert store(tmp_path).find(KEY, "chat") is None


def test_a_file_replaced_after_it_was_found_is_not_read(tmp_path: Path) -> None:
    store(tmp_path).write(KEY, "chat", TOKENS, STATE)
    found = store(tmp_path).find(KEY, "chat")
    store(tmp_path).write(KEY, "chat", (9, 9), b"newer")
    assert found is not None
    with pytest.raises(InvalidInput, match="replaced"):
        found.read()
    assert len(files(tmp_path)) == 1


def test_a_file_that_vanished_is_an_error_with_its_reason(tmp_path: Path) -> None:
    store(tmp_path).write(KEY, "chat", TOKENS, STATE)
    found = store(tmp_path).find(KEY, "chat")
    files(tmp_path)[0].unlink()
    assert found is not None
    with pytest.raises(InvalidInput, match="cannot be read"):
        found.read()


def test_the_least_recently_used_file_goes_first(tmp_path: Path) -> None:
    full = store(tmp_path, budget_bytes=1_200)
    for age, name in enumerate(["old", "used", "newer"]):
        full.write(KEY, name, TOKENS, STATE)
        os.utime(full.path_of(KEY, name), (age, age))
    assert full.find(KEY, "used") is not None  # counts as use
    full.write(KEY, "newest", TOKENS, STATE)
    assert full.find(KEY, "old") is None
    assert sum(path.stat().st_size for path in files(tmp_path)) <= 1_200
    assert full.find(KEY, "used") is not None
    assert full.find(KEY, "newest") is not None


def test_a_state_larger_than_the_budget_is_not_written(tmp_path: Path) -> None:
    store(tmp_path, budget_bytes=100).write(KEY, "chat", TOKENS, STATE)
    assert files(tmp_path) == []


def test_writing_waits_for_idle_time_within_bounds(tmp_path: Path) -> None:
    lazy = store(tmp_path)
    lazy.write_later(KEY, "one", TOKENS, STATE)
    lazy.write_later(KEY, "two", TOKENS, STATE)
    assert files(tmp_path) == []
    lazy.write_later(KEY, "three", TOKENS, STATE)  # 600 bytes wait, 500 may
    assert len(files(tmp_path)) == 1
    assert lazy.write_one()
    assert lazy.write_one()
    assert not lazy.write_one()
    assert len(files(tmp_path)) == 3


def test_what_waits_to_be_written_is_found(tmp_path: Path) -> None:
    lazy = store(tmp_path)
    lazy.write_later(KEY, "chat", TOKENS, STATE)
    found = lazy.find(KEY, "chat")
    assert found is not None
    assert found.read() == STATE


def test_a_folder_that_cannot_be_written_costs_only_the_saving(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "file"
    blocked.write_bytes(b"not a folder")
    store(blocked).write(KEY, "chat", TOKENS, STATE)
    assert "could not be saved" in caplog.text
    assert store(blocked).find(KEY, "chat") is None


def test_foreign_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_bytes(bytes(5_000))
    store(tmp_path, budget_bytes=1_000).write(KEY, "chat", TOKENS, STATE)
    assert (tmp_path / "notes.txt").exists()
    assert store(tmp_path).find(KEY, "chat") is not None


def test_a_forgotten_conversation_is_gone_for_every_model_and_the_others_stay(tmp_path: Path) -> None:
    kept = store(tmp_path)
    kept.write(KEY, "chat", TOKENS, STATE)
    kept.write(KEY, "another", TOKENS, STATE)
    store(tmp_path, fingerprint="other").write(KEY, "chat", TOKENS, STATE)
    kept.write_later(KEY, "chat", TOKENS, STATE)
    kept.forget("chat")
    assert not kept.write_one()
    assert len(files(tmp_path)) == 1
    assert kept.find(KEY, "another") is not None


def test_what_a_process_left_half_written_is_removed_once_it_is_old(tmp_path: Path) -> None:
    left, fresh = tmp_path / ".left.kv.1-2.part", tmp_path / ".fresh.kv.3-4.part"
    for part in (left, fresh):
        part.write_bytes(STATE)
    os.utime(left, (1, 1))
    store(tmp_path).write(KEY, "chat", TOKENS, STATE)
    assert not left.exists()
    os.utime(fresh, (1, 1))
    forget_conversation(tmp_path, "another")
    assert not fresh.exists()
    assert len(files(tmp_path)) == 1


def test_files_that_another_process_removes_meanwhile_disturb_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(tmp_path).write(KEY, "chat", TOKENS, STATE)
    scandir = os.scandir

    @contextmanager
    def removing(folder: Path) -> Iterator[list[os.DirEntry[str]]]:
        with scandir(folder) as entries:
            found = list(entries)
        for entry in found:
            assert entry.is_file(follow_symlinks=False)
            os.unlink(entry.path)
        yield found

    monkeypatch.setattr("edgellm.engine.saved_conversations.os.scandir", removing)
    forget_conversation(tmp_path, "chat")
    assert files(tmp_path) == []


def test_forgetting_removes_what_cannot_be_read_and_needs_no_folder(tmp_path: Path) -> None:
    forget_conversation(tmp_path / "nowhere", "chat")
    (tmp_path / "broken.kv").write_bytes(b"no header")
    (tmp_path / "notes.txt").write_text("not ours")
    forget_conversation(tmp_path, "chat")
    assert [path.name for path in files(tmp_path)] == ["notes.txt"]

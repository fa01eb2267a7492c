"""Folders are private and lazy; files are replaced whole or not at all."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgellm.paths import home_from, private_dir, replacing, write_private


@pytest.fixture(params=[0o000, 0o077, 0o777], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_edgellm_home_moves_everything_and_creates_nothing(tmp_path: Path) -> None:
    home = home_from({"EDGELLM_HOME": str(tmp_path / "here")})
    places = [home.data, home.cache, home.config, home.store, home.models, home.jobs, home.logs, home.conversations]
    assert all(place.is_relative_to(tmp_path / "here") for place in [*places, home.settings])
    assert len(set(places)) == len(places)
    assert not (tmp_path / "here").exists()


def test_home_is_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    assert home_from({"EDGELLM_HOME": "relative"}).data == tmp_path / "relative" / "data"
    assert home_from({"EDGELLM_HOME": "~/x"}).data == tmp_path / "me" / "x" / "data"


def test_without_it_the_platforms_folders_count() -> None:
    for environment in ({}, {"EDGELLM_HOME": ""}):
        home = home_from(environment)
        assert all("edgellm" in str(place) and place.is_absolute() for place in (home.data, home.cache, home.config))
        assert home.data != home.cache


@pytest.mark.usefixtures("umask")
def test_new_folders_are_private_and_old_ones_stay(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    made = private_dir(tmp_path / "a" / "b")
    assert (mode(made), mode(made.parent), mode(tmp_path)) == (0o700, 0o700, 0o755)
    assert private_dir(made) == made


@pytest.mark.usefixtures("umask")
def test_written_files_are_private(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    write_private(path, b"one")
    write_private(path, b"two")
    assert path.read_bytes() == b"two"
    assert mode(path) == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_an_exception_keeps_the_old_file_and_leaves_no_other(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_private(path, b"old")

    def break_off() -> None:
        with replacing(path) as handle:
            handle.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        break_off()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_writer_left_goes_with_the_next_write(tmp_path: Path) -> None:
    path, old, new = tmp_path / "file", tmp_path / ".file.1-2.part", tmp_path / ".file.3-4.part"
    stranger = tmp_path / ".file.download.part"
    for part in (old, new, stranger):
        part.write_bytes(b"half")
    for part in (old, stranger):
        os.utime(part, (1, 1))
    write_private(path, b"x")
    assert sorted(tmp_path.iterdir()) == sorted([path, new, stranger])


def test_threads_may_replace_one_file_at_once(tmp_path: Path) -> None:
    path, failures = tmp_path / "file", []

    def write(letter: bytes) -> None:
        try:
            for _ in range(20):
                write_private(path, letter * 10_000)
        except OSError as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(letter,)) for letter in (b"a", b"b", b"c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert failures == []
    content = path.read_bytes()
    assert len(content) == 10_000
    assert len(set(content)) == 1
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_in_the_place_of_the_temporary_file_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    name = f".file.{os.getpid()}-{threading.get_ident()}.part"
    (tmp_path / name).symlink_to(victim)
    with pytest.raises(OSError, match="symbolic"):
        write_private(tmp_path / "file", b"x")
    assert victim.read_bytes() == b"precious"


def test_the_home_of_an_unknown_user_is_only_a_name() -> None:
    assert home_from({"EDGELLM_HOME": "~nobody-here/x"}).data.parts[-3:] == ("~nobody-here", "x", "data")

